"""The view "LLM chat": what a chat request or answer says, and on routed flows what was done to answer it."""

from mitmproxy.contentviews import Contentview, Metadata, SyntaxHighlight
from mitmproxy.flow import Flow
from mitmproxy.http import HTTPFlow

from pointsman.recording.flow_notes import NoteKind, note
from pointsman.views.reading.audit import attempt_table, exchange_table
from pointsman.views.reading.chats import read_answer, read_request
from pointsman.views.reading.layout import layout, rule
from pointsman.wire.dialects.registry import dialect_of_path

PREFERRED, UNREADABLE = 2.0, -1.0


class LLMChat(Contentview):
    """Keeps the last reading: mitmproxy asks first how well a view fits, and then for the text of the same bytes."""

    name = "LLM chat"
    syntax_highlight: SyntaxHighlight = "none"

    def __init__(self) -> None:
        self._last: tuple[bytes, str] | None = None

    def render_priority(self, data: bytes, metadata: Metadata) -> float:
        return PREFERRED if self._read(data, metadata) else UNREADABLE

    def prettify(self, data: bytes, metadata: Metadata) -> str:
        read = self._read(data, metadata) or data.decode("utf-8", "backslashreplace")
        self._last = None
        table = audit_table(metadata.flow)
        text = f"{table}\n\n{rule('chat')}\n{read}" if table else read
        return text.encode("utf-8", "replace").decode()  # JSON allows what no text may have

    def _read(self, data: bytes, metadata: Metadata) -> str:
        """Empty where it is no chat, or none that can be read."""
        if self._last is None or self._last[0] is not data:
            try:
                self._last = data, read(data, metadata)
            except Exception:  # whatever a body holds, the user sees it all the same
                self._last = data, ""
        return self._last[1]


def read(data: bytes, metadata: Metadata) -> str:
    flow = metadata.flow
    dialect = dialect_of_path(flow.request.path) if isinstance(flow, HTTPFlow) and data else None
    if dialect is None or not isinstance(flow, HTTPFlow):
        return ""
    is_request = metadata.http_message is flow.request
    chat = read_request(dialect, data) if is_request else read_answer(dialect, data)
    return layout(chat) if chat else ""


def audit_table(flow: Flow | None) -> str:
    """What was noted on a routed flow, or on an attempt's."""
    found = note(flow)
    try:
        match found.get("kind"):
            case NoteKind.EXCHANGE:
                return exchange_table(found)
            case NoteKind.ATTEMPT:
                return attempt_table(found)
    except Exception:  # of another version, or tampered with
        return ""
    return ""
