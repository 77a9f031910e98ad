"""What the router itself puts into a stream of chat completions: comments, and an error before the end marker."""

from pointsman.wire import sse
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.openai_chat.errors import error_body
from pointsman.wire.errors import Problem
from pointsman.wire.frames import Opening


class ChatControlEvents:
    """See `ControlEvents`; they are the same for all clients."""

    stream_type = sse.EVENT_STREAM

    def error_event(self, problem: Problem, opening: Opening | None = None) -> bytes:
        return b"data: " + error_body(problem) + b"\n\n"

    def end_marker(self) -> bytes:
        return b"data: [DONE]\n\n"

    def keep_alive(self, opening: Opening | None = None) -> bytes:
        return self.comment("keep-alive")

    def comment(self, text: str) -> bytes:
        return sse.comment(text)


EVENTS = ChatControlEvents()


def control_events(listener: Listener) -> ChatControlEvents:
    return EVENTS
