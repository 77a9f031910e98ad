"""The elements of one JSON list, cut out of a byte stream without losing or moving a byte.

What stands before an element (the list's bracket, a comma, blanks) belongs to it. Whether an element is sound JSON is
for its reader to find out: here brackets are counted, and strings passed over, nothing else.
"""

import re

from pointsman.wire.long_strings import shortened
from pointsman.wire.sse import MAX_EVENT, Event, OversizedEvent

END = "end"
"""Kind of the event that closes the list."""
ROOT = "root"
"""Kind of an object that stands where the list should."""

_MARK = re.compile(rb'\\.|["\[\]{}]', re.DOTALL)


class ListCutter:
    """Gives each element as an event; the raws of all events and what is held back make up the input. `shortens`: as of
    `sse.Decoder`.
    """

    def __init__(self, limit: int = MAX_EVENT, shortens: bool = False) -> None:
        self._limit, self._shortens = limit, shortens
        self._held = bytearray()
        self._element = 0  # where it begins
        self._depth = 0  # within it
        self._in_string = False
        self._in_list = False
        self._is_escape_cut = False  # what was fed last ended within an escape

    @property
    def pending(self) -> int:
        """Bytes held back for an element that is not complete."""
        return len(self._held)

    def feed(self, chunk: bytes) -> list[Event]:
        """The elements that this chunk completes. Raises OversizedEvent, after which the cutter is of no more use."""
        before = len(self._held)
        self._held += chunk
        events: list[Event] = []
        taken, begin = 0, int(self._is_escape_cut and bool(chunk))
        end = begin
        for match in _MARK.finditer(chunk, begin):
            end = match.end()
            if event := self._pass(match[0], taken, before + match.start()):
                events.append(event)
                taken = before + end
        if chunk:
            self._is_escape_cut = chunk.endswith(b"\\") and end < len(chunk)
        self._element -= taken
        del self._held[:taken]
        if len(self._held) > self._limit:
            raise OversizedEvent(events, self._limit)
        return events

    def unshortened(self, event: Event) -> Event:
        """See `Cutter`. Before an element there is nothing but blanks, a comma and the list's bracket."""
        data = event.raw.lstrip(b" \t\r\n,")
        return event._replace(data=data.removeprefix(b"[").lstrip(b" \t\r\n") if event.event != ROOT else data)

    def _pass(self, mark: bytes, start: int, at: int) -> Event | None:
        """The element that this mark ends, if it ends one; it was held back from `start` on."""
        if mark == b'"':
            self._in_string = not self._in_string
        elif self._in_string or mark[:1] == b"\\":
            pass
        elif mark in b"[{":
            self._open(mark, at)
        elif self._depth:
            self._depth -= 1
            if not self._depth:
                raw = bytes(memoryview(self._held)[start : at + 1])
                text = shortened(raw) if self._shortens else raw
                return Event(raw, text[self._element - start :], "" if self._in_list else ROOT)
        else:
            self._in_list = False
            return Event(bytes(self._held[start : at + 1]), b"]", END)
        return None

    def _open(self, mark: bytes, at: int) -> None:
        if not self._depth and not self._in_list and mark == b"[":
            self._in_list = True
            return
        if not self._depth:
            self._element = at
        self._depth += 1
