"""Server-sent events, cut out of a byte stream without losing or moving a byte.

An event ends with the terminator of its blank line, and the bytes alone decide that, never where a chunk happened to
end. A line may end with LF, CR or CRLF, and a CR may be the first half of a CRLF. So behind a line that ended with LF
or CR, the CR of a blank line ends the event at once (an LF after it is an empty line before the next event, where
empty lines mean nothing); behind a line that ended with CRLF, it waits for one more byte. Nothing else waits.
"""

import re
from io import BytesIO
from typing import NamedTuple

from pointsman.wire.long_strings import LONG, shortened

MAX_EVENT = 1 << 20
"""Bytes that one event may have, unless its dialect puts images or whole answers into one."""

LARGE_EVENT = 40 << 20
"""The same where it does: an image of 4K has 30 MB in base64."""
EVENT_STREAM = "text/event-stream"

_BOM = b"\xef\xbb\xbf"
_LINE_ENDS = b"\r\n"
_END = re.compile(
    rb"""
      \n [\r\n]
    | \r\n (?: \n | \r (?: \n | (?= [^\n] ) ) )
    | \r\r
    """,
    re.VERBOSE,
)
_UNDECIDED = len(b"\r\n\r")
"""So many bytes behind the last match may still become part of an end."""


class Event(NamedTuple):
    """`raw` is the event as it came, comments and blank line included; `data` is None when no field carried any. If the
    decoder shortens, long strings are replaced in the data of a large event.
    """

    raw: bytes
    data: bytes | None
    event: str = ""


class OversizedEvent(ValueError):
    """An event, complete or not, has more bytes than it may. `events` are those completed before it."""

    def __init__(self, events: list[Event], limit: int = MAX_EVENT) -> None:
        super().__init__(f"an event of more than {limit} bytes")
        self.events = events


def event(kind: str, data: bytes) -> bytes:
    """One event of a type, its data in one line."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def comment(text: str) -> bytes:
    return b": " + " ".join(text.split()).encode("utf-8", "replace") + b"\n\n"


class Decoder:
    """Cuts a stream into events. The raws of all events and the tail that `close` returns make up the input.

    `shortens`: the data is for judging events, not for what they say.
    """

    def __init__(self, limit: int = MAX_EVENT, shortens: bool = False) -> None:
        self._limit, self._shortens = limit, shortens
        self._held = bytearray()
        self._large: _LargeEvent | None = None  # instead of what is held, once that is large
        self._searched = 0  # no end begins in this many bytes of what is held
        self._has_cr = False  # what is held needs more than a search for LF LF
        self._parse = self._parse_first

    def _read(self, raw: bytes, has_cr: bool) -> Event:
        if self._shortens and len(raw) > LONG:
            return self._parse(shortened(raw), has_cr)._replace(raw=raw)
        return self._parse(raw, has_cr)

    @property
    def pending(self) -> int:
        """Bytes held back for an event that is not complete."""
        return len(self._held) if self._large is None else self._large.size

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this chunk completes. Raises OversizedEvent, after which the decoder is of no more use."""
        if self._large is not None:
            return self._feed_large(self._large, chunk)
        has_cr = self._has_cr or b"\r" in chunk
        is_one_event = not (has_cr or self._held) and 0 < chunk.find(b"\n\n") == len(chunk) - 2
        events: list[Event] = []
        for raw in [chunk] if is_one_event else self._cut(chunk, has_cr):
            if len(raw) > self._limit:
                raise OversizedEvent(events, self._limit)
            events.append(self._read(raw, has_cr))
        if len(self._held) > self._limit:
            raise OversizedEvent(events, self._limit)
        if len(self._held) > LONG:
            self._large = _LargeEvent(self._held, self._has_cr)
            self._held = bytearray()
        return events

    def unshortened(self, event: Event) -> Event:
        """The event with all of its data, should it not be readable without its long strings."""
        return _parse_lines(event.raw.removeprefix(_BOM))._replace(raw=event.raw)

    def _feed_large(self, large: "_LargeEvent", chunk: bytes) -> list[Event]:
        raw, rest = large.feed(chunk)
        if large.size > self._limit:
            raise OversizedEvent([], self._limit)
        if raw is None:
            return []
        self._large, self._searched, self._has_cr = None, 0, False
        events = [self._read(raw, large.has_cr)]
        try:
            return events + self.feed(rest) if rest else events
        except OversizedEvent as error:
            raise OversizedEvent(events + error.events, self._limit) from None

    def close(self) -> bytes:
        """What was held back: no complete event."""
        tail = bytes(self._held) if self._large is None else self._large.take()
        self._held.clear()
        self._large = None
        return tail

    def _cut(self, chunk: bytes, has_cr: bool) -> list[bytes]:
        find_end = _any_end if has_cr else _lf_end
        stream: bytes | bytearray = chunk
        if self._held:
            self._held += chunk
            stream = self._held
        raws = []
        start = 0
        while (end := find_end(stream, self._searched)) > 0:
            raws.append(chunk[start:end] if stream is chunk else bytes(memoryview(stream)[start:end]))
            self._searched = start = end
        if stream is chunk:
            self._held += chunk[start:]
        else:
            del self._held[:start]
        self._searched = max(0, len(self._held) - _UNDECIDED)
        self._has_cr = has_cr and (start == 0 or b"\r" in self._held)
        return raws

    def _parse_first(self, raw: bytes, has_cr: bool) -> Event:
        self._parse = _parse
        return _parse(raw.removeprefix(_BOM), has_cr)._replace(raw=raw)  # without one, this makes no copy


class _LargeEvent:
    """One that is not complete. Nothing of it is searched twice, and `BytesIO` gives its buffer away without a copy."""

    _KEPT = _UNDECIDED + 1

    def __init__(self, begun: bytes | bytearray, has_cr: bool) -> None:
        self.has_cr = has_cr
        self._buffer = BytesIO()
        self._buffer.write(begun)
        self._last = bytes(begun[-self._KEPT :])

    @property
    def size(self) -> int:
        return self._buffer.tell()

    def feed(self, chunk: bytes) -> tuple[bytes | None, bytes]:
        """The event if this chunk completes it, and what is left of the chunk."""
        self.has_cr = self.has_cr or b"\r" in chunk
        window = self._last + chunk
        end = (_any_end if self.has_cr else _lf_end)(window, 1)
        if not end:
            self._buffer.write(chunk)
            self._last = window[-self._KEPT :]
            return None, b""
        cut = end - len(self._last)
        self._buffer.write(memoryview(chunk)[:cut])
        return self.take(), chunk[cut:]

    def take(self) -> bytes:
        return self._buffer.getvalue()


def _any_end(stream: bytes | bytearray, searched: int) -> int:
    """Where the first event ends, or 0. Empty lines before an event do not end it."""
    match = _END.search(stream, searched)
    while match and (match.start() == 0 or stream[match.start() - 1] in _LINE_ENDS):
        match = _END.search(stream, match.start() + 1)
    return match.end() if match else 0


def _lf_end(stream: bytes | bytearray, searched: int) -> int:
    """The same for a stream without CR, as most are, at a fraction of the cost."""
    at = stream.find(b"\n\n", searched)
    while at == 0 or (at > 0 and stream[at - 1] in _LINE_ENDS):
        at = stream.find(b"\n\n", at + 1)
    return at + 2 if at > 0 else 0


def _parse(raw: bytes, has_cr: bool) -> Event:
    is_one_data_line = not has_cr and raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2
    return Event(raw, raw[6:-2]) if is_one_data_line else _parse_lines(raw)


def _parse_lines(raw: bytes) -> Event:
    data: list[bytes] = []
    event = ""
    for line in raw.splitlines():
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            event = value.decode("utf-8", "replace")
    return Event(raw, b"\n".join(data) if data else None, event)
