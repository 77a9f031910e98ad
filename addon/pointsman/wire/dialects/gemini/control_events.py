"""What the router itself puts into a stream of Gemini's, in both of its forms.

Google's clients take every line that is not `data:` for a piece of JSON, and events of other types for answers. So
there is no word for people here, and the only thing to say between two events is nothing: a blank line.
"""

from pointsman.wire import sse
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.gemini.errors import error_body
from pointsman.wire.dialects.gemini.request import is_sse
from pointsman.wire.errors import Problem
from pointsman.wire.frames import Opening


class SseControlEvents:
    """Server-sent events: see `ControlEvents`."""

    stream_type = sse.EVENT_STREAM

    def error_event(self, problem: Problem, opening: Opening | None = None) -> bytes:
        return b"data: " + error_body(problem) + b"\n\n"

    def end_marker(self) -> bytes:
        """Such a stream has none."""
        return b""

    def keep_alive(self, opening: Opening | None = None) -> bytes:
        return b"\n"

    def comment(self, text: str) -> bytes:
        return b""


class ListControlEvents(SseControlEvents):
    """One JSON list, of which the error is the last element."""

    stream_type = "application/json"

    def error_event(self, problem: Problem, opening: Opening | None = None) -> bytes:
        return (b"[" if opening is None else b",\n") + error_body(problem)

    def end_marker(self) -> bytes:
        return b"]\n"


def control_events(listener: Listener) -> SseControlEvents:
    return SseControlEvents() if is_sse(listener.facts) else ListControlEvents()
