"""What readers of streamed answers share: events become frames, and a stream may be odd, but not hopeless."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from pointsman.wire import jsontext
from pointsman.wire.error_parsing import wrapped_fault
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.frames import Frame, FrameKind, Opening, Usage
from pointsman.wire.long_strings import LONG
from pointsman.wire.sse import Decoder, Event, OversizedEvent

EDGE = 4
"""So many events at a stream's beginning and at its end may be of another kind than those between."""
LEAST_RUN = 1024
"""Bytes below which events are as quickly read one by one."""
UNREADABLE_LIMIT = 3
"""So many unreadable events in a row are no stream of this dialect."""

DONE = b"[DONE]"

_LAST = (FrameKind.END, FrameKind.MALFORMED)


def malformed(message: str, kind: FaultKind = FaultKind.MALFORMED) -> Frame:
    return Frame(FrameKind.MALFORMED, b"", Fault(kind, message))


def is_run_of(data: bytes, opening: bytes) -> bool:
    """Whether bytes are nothing but whole events of two lines that open like this, up to the brace of their data."""
    events = data.count(b"\n\n")
    return (
        data.startswith(opening)
        and data.endswith(b"}\n\n")
        and b"\r" not in data
        and data.count(opening) == events
        and data.count(b"\n") == 3 * events
    )


def middle(data: bytes, before: int) -> tuple[int, int]:
    """Where the events lie that have `before` events before them and `EDGE` behind; from 0 to 0 if there are none."""
    start, end = 0, len(data)
    for _ in range(before):
        start = data.find(b"\n\n", start) + 2
        if start == 1:
            return 0, 0
    for _ in range(EDGE):
        end = data.rfind(b"\n\n", start, end - 2) + 2
        if end == 1:
            return 0, 0
    return start, end


class Cutter(Protocol):
    """Cuts a stream into events, as `sse.Decoder` does; anything but SSE needs another one."""

    @property
    def pending(self) -> int:
        """Bytes held back for an event that is not complete."""
        ...

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this chunk completes. Raises OversizedEvent."""
        ...

    def unshortened(self, event: Event) -> Event:
        """The event with all of its data, should it not be readable without its long strings."""
        ...


class StreamReader(ABC):
    """A reader of events, in SSE unless `cutter` says otherwise; its subclass says what one event means."""

    def __init__(self, cutter: Cutter | None = None) -> None:
        self.finish_reason: str | None = None
        self.finished = False
        self.usage: Usage | None = None
        self.has_spoken = False
        """Content was seen: from then on neutral frames may pass as content."""
        self._cutter = cutter or Decoder()
        self._over = False
        self._has_data = False
        self._has_good = False
        self._unreadable = 0

    @property
    def opening(self) -> Opening | None:
        return None

    @abstractmethod
    def frame_of(self, event: Event) -> Frame:
        """What an event that has data means. Raises ValueError where the data cannot be parsed."""

    def is_plain_run(self, data: bytes) -> bool:
        """Whether bytes alone show that this is nothing but whole events of content, which can pass as one frame."""
        return False

    def read(self, data: bytes) -> Sequence[Frame]:
        """The frames of the events that these bytes complete; nothing comes after an end marker."""
        if self._over:
            return ()
        if self._cutter.pending:
            return self._read_events(data)
        if self.has_spoken and self.is_plain_run(data):
            self._unreadable = 0
            return (Frame(FrameKind.CONTENT, data),)
        start, end = middle(data, 0 if self.has_spoken else EDGE)
        if end - start < LEAST_RUN:
            return self._read_events(data)
        frames = self._read_events(data[:start])
        run = data[start:end]
        if self.has_spoken and not self._over and not self._cutter.pending and self.is_plain_run(run):
            self._unreadable = 0
            frames.append(Frame(FrameKind.CONTENT, run))
            start = end
        return frames + self._read_events(data[start:])

    def _read_events(self, data: bytes) -> list[Frame]:
        """One by one."""
        frames: list[Frame] = []
        if self._over:
            return frames
        oversized = None
        try:
            events = self._cutter.feed(data)
        except OversizedEvent as error:
            events, oversized = error.events, malformed(str(error))
        for event in events:
            frames.append(self._frame(event))
            if frames[-1].kind in _LAST:
                self._over = True
                return frames
        if oversized:
            self._over = True
            frames.append(oversized)
        return frames

    def close(self) -> Sequence[Frame]:
        """The last event, where only its blank line is missing, and a verdict on a body without one good event.

        An event that was cut off is dropped: the client must not see it.
        """
        if self._over:
            return ()
        frames = [frame for event in self._last_events() if (frame := self._last_frame(event))]
        if not self._has_good and not any(frame.fault for frame in frames):
            frames.append(self._verdict())
        self._over = True
        return frames

    def _frame(self, event: Event) -> Frame:
        if not event.data:
            return Frame(FrameKind.PING, event.raw)
        self._has_data = True
        try:
            frame = self._frame_of_any(event)
        except ValueError:
            self._unreadable += 1
            is_stream = self._unreadable < UNREADABLE_LIMIT
            return Frame(FrameKind.NEUTRAL, event.raw) if is_stream else malformed("events that are not JSON")
        self._unreadable = 0
        self._has_good = True
        if frame.kind is FrameKind.CONTENT:
            self.has_spoken = True
        return frame

    def _frame_of_any(self, event: Event) -> Frame:
        if len(event.raw) <= LONG:
            return self.frame_of(event)
        try:
            return self.frame_of(event)
        except ValueError:
            return self.frame_of(self._cutter.unshortened(event))

    def _last_events(self) -> Sequence[Event]:
        try:
            return self._cutter.feed(b"\n\n")
        except OversizedEvent:
            return ()

    def _last_frame(self, event: Event) -> Frame | None:
        """Providers leave out the last blank line; some send a bare JSON error where a stream was due."""
        if event.data:
            self._has_data = True
            is_whole = event.data.strip() == DONE or jsontext.parsed(event.data) is not None
            return self._frame(event) if is_whole else None
        fault = None if self._has_data else wrapped_fault(jsontext.parsed(event.raw))
        return Frame(FrameKind.ERROR, b"", fault) if fault else None

    def _verdict(self) -> Frame:
        if self._has_data:
            return malformed("no event with valid JSON")
        return malformed("a stream without events", FaultKind.EMPTY)
