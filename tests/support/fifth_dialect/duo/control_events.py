"""What the router itself puts into a stream of Duo."""

from pointsman.wire.dialects.duo.errors import error_body

from pointsman.wire import sse
from pointsman.wire.dialects.base import Listener
from pointsman.wire.errors import Problem
from pointsman.wire.frames import Opening


class DuoControlEvents:
    stream_type = sse.EVENT_STREAM

    def error_event(self, problem: Problem, opening: Opening | None = None) -> bytes:
        return b"data: " + error_body(problem) + b"\n\n"

    def end_marker(self) -> bytes:
        return b""

    def keep_alive(self, opening: Opening | None = None) -> bytes:
        return self.comment("keep-alive")

    def comment(self, text: str) -> bytes:
        return sse.comment(text)


def control_events(listener: Listener) -> DuoControlEvents:
    return DuoControlEvents()
