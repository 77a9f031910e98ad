"""A transcript as text.

The views' own words are ASCII: mitmproxy looks through what they give for control characters, and where a single one
is not ASCII it takes a second for 5 MB.
"""

from collections.abc import Iterator

from pointsman.wire.transcript import Entry, EntryPart, Transcript, laid_out, shortened

WIDTH = 78
LONGEST_TOOLS = 600


def layout(chat: Transcript) -> str:
    """Facts first, then who said what, then how it ended."""
    parts = ["\n".join(_rows(_opening(chat))), *map(_said, chat.entries), "\n".join(_rows(_ending(chat)))]
    return "\n\n".join(part for part in parts if part)


def rule(title: str) -> str:
    return f"-- {title} ".ljust(WIDTH, "-")


def _opening(chat: Transcript) -> Iterator[tuple[str, str]]:
    if chat.model:
        yield "model", chat.model
    yield from chat.parameters
    if chat.tools:
        names = ", ".join(chat.tools)
        shown = names if len(names) <= LONGEST_TOOLS else f"{names[:LONGEST_TOOLS]}..."
        yield f"{len(chat.tools)} tools" if len(chat.tools) > 1 else "1 tool", shown


def _ending(chat: Transcript) -> Iterator[tuple[str, str]]:
    if chat.error:
        yield "error", chat.error
    if chat.finish:
        yield "finish", chat.finish
    if usage := chat.usage:
        cached = f" ({usage.cache_read} cached)" if usage.cache_read else ""
        yield "usage", f"{usage.prompt} prompt{cached}, {usage.output} completion tokens"


def _rows(facts: Iterator[tuple[str, str]]) -> list[str]:
    rows = list(facts)
    width = min(max((len(name) for name, _ in rows), default=0), 24)
    return [f"{name:<{width}}  {value}" for name, value in rows]


def _said(said: Entry) -> str:
    return "\n".join([rule(shortened(said.role)), *map(_piece, said.pieces)])


def _piece(piece: EntryPart) -> str:
    if not piece.label:
        return piece.text
    if piece.label.startswith("call "):
        return f"[{piece.label}]\n{laid_out(piece.text)}"
    return f"[{piece.label}] {piece.text}"
