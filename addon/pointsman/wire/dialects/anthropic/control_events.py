"""What the router itself puts into a stream of Anthropic's Messages: pings, comments, an error that is the end."""

from pointsman.wire import sse
from pointsman.wire.dialects.anthropic.errors import error_body
from pointsman.wire.dialects.base import Listener
from pointsman.wire.errors import Problem
from pointsman.wire.frames import Opening


class MessagesControlEvents:
    """See `ControlEvents`; they are the same for all clients."""

    stream_type = sse.EVENT_STREAM

    def error_event(self, problem: Problem, opening: Opening | None = None) -> bytes:
        return sse.event("error", error_body(problem))

    def end_marker(self) -> bytes:
        """Clients raise at the error; `message_stop` after it would make half an answer look whole."""
        return b""

    def keep_alive(self, opening: Opening | None = None) -> bytes:
        return sse.event("ping", b'{"type": "ping"}')

    def comment(self, text: str) -> bytes:
        return sse.comment(text)


EVENTS = MessagesControlEvents()


def control_events(listener: Listener) -> MessagesControlEvents:
    return EVENTS
