"""The list of flows in mitmweb: with a column for the comment that is wide enough to read it.

mitmweb gives that column 150 pixels, and the path, where marks are shown, all the rest. A rule in its page shares the
width between the two. Widths that are set by hand stand in the page's elements and precede it.
"""

from collections.abc import MutableMapping

from mitmproxy import ctx

OPTION = "web_columns"
COLUMNS = ("icon", "path", "method", "status", "size", "time", "comment")
END_OF_HEAD = b"</head>"
STYLE = b"<style>html .flow-table .col-comment{width:45%}</style>"


class WideComments:
    """Puts the rule into mitmweb's page; one of tornado's output transforms, which are made for each request."""

    def __init__(self, request: object) -> None:
        pass

    def transform_first_chunk(
        self, status_code: int, headers: MutableMapping[str, str], chunk: bytes, finishing: bool
    ) -> tuple[int, MutableMapping[str, str], bytes]:
        is_page = finishing and headers.get("Content-Type", "").startswith("text/html")
        if is_page and END_OF_HEAD in chunk:
            chunk = chunk.replace(END_OF_HEAD, STYLE + END_OF_HEAD, 1)
            headers["Content-Length"] = str(len(chunk))
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        return chunk


def show_comments() -> None:
    """Unless the user has chosen columns, or there is no mitmweb."""
    if OPTION not in ctx.options or ctx.options.has_changed(OPTION):
        return
    ctx.options.update(web_columns=list(COLUMNS))
    if add_transform := getattr(getattr(ctx.master, "app", None), "add_transform", None):
        add_transform(WideComments)
