"""A dialect is one wire format: how to read a request, how to read an answer, and how the router speaks in it.

To add a dialect, write one module with a class of this form and name it in `pointsman.wire.dialects`.
"""

from typing import Protocol

from pointsman.config.words import Dialect as DialectName
from pointsman.wire.facts import RequestFacts
from pointsman.wire.faults import Fault, Problem
from pointsman.wire.frames import Reader


class Dialect(Protocol):
    name: DialectName

    # Requests.

    def facts(self, body: bytes, path: str) -> RequestFacts:
        """Raises Problem (invalid_request) that names the member at fault, what it must be and what it is."""
        ...

    def outbound(self, body: bytes, facts: RequestFacts, model: str) -> tuple[bytes, str]:
        """The body and the path below a provider's base URL, with `model` in place.

        Everything else is byte for byte as the client sent it. `facts` are those of this body.
        """
        ...

    def auth_headers(self, key: str) -> list[tuple[str, str]]:
        """The headers that carry a provider's key."""
        ...

    # Answers.

    def reader(self, *, streamed: bool, content_type: str, drop_usage: bool = False) -> Reader:
        """A reader for a provider's 2xx answer.

        `streamed`: what the client asked for. `content_type`: what the provider says it sends. `drop_usage`: the router
        asked for a usage event that the client did not ask for, so the client gets none.
        """
        ...

    def fault(self, status: int, body: bytes, content_type: str) -> Fault:
        """What a provider's answer with an error status means, read from structured error fields only. Never raises."""
        ...

    # The router's own voice.

    def error_body(self, problem: Problem) -> bytes: ...

    def error_event(self, problem: Problem) -> bytes:
        """One well-formed error frame, for a stream that cannot go on."""
        ...

    def end_marker(self) -> bytes:
        """What ends a stream; empty where the dialect's error frame is the end."""
        ...

    def keep_alive(self) -> bytes:
        """What a real client of this dialect takes between two events without noticing."""
        ...

    def comment(self, text: str) -> bytes:
        """A line for people in the stream; empty where clients do not accept comments."""
        ...
