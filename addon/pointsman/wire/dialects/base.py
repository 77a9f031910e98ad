"""A dialect is one wire format: how to read a request, how to read an answer, and how the router speaks in it.

To add a dialect, write one module with a class of this form and name it in `pointsman.wire.dialects.registry`.
"""

from dataclasses import dataclass, field
from typing import Protocol

from pointsman.config.words import Dialect as DialectName
from pointsman.wire.errors import Fault, Problem
from pointsman.wire.frames import Opening, Reader
from pointsman.wire.headers import Headers
from pointsman.wire.request_facts import RequestFacts


@dataclass(frozen=True, slots=True)
class Listener:
    """The client that a voice speaks to: its request's facts, and those of its headers that a provider may see.

    `request_id` and `started` (Unix time in seconds) stand in answers that the router has to open itself.
    """

    facts: RequestFacts
    headers: Headers = field(default=(), repr=False)
    request_id: str = ""
    started: float = 0.0


class Voice(Protocol):
    """How the router speaks within a stream: between a provider's words, or in their place.

    `opening` is what the client has been told of the answer, None before any provider's word has reached it.
    """

    @property
    def stream_type(self) -> str:
        """The content type of a stream."""
        ...

    def error_event(self, problem: Problem, opening: Opening | None = None) -> bytes:
        """One well-formed error frame, for a stream that cannot go on; before it whatever must open a stream."""
        ...

    def end_marker(self) -> bytes:
        """What ends a stream after an error frame; empty where that frame is the end."""
        ...

    def keep_alive(self, opening: Opening | None = None) -> bytes:
        """What a real client of this dialect takes between two events without noticing."""
        ...

    def comment(self, text: str) -> bytes:
        """A line for people in the stream; empty where clients do not accept comments."""
        ...


class Dialect(Protocol):
    @property
    def name(self) -> DialectName: ...

    # Requests.

    def facts(self, body: bytes, path: str) -> RequestFacts:
        """Raises Problem (invalid_request) that names the member at fault, what it must be and what it is."""
        ...

    def outbound(self, body: bytes, facts: RequestFacts, model: str) -> tuple[bytes, str]:
        """The body and the path below a provider's base URL, query included, with `model` in place.

        Everything else is byte for byte as the client sent it. `facts` are those of this body.
        """
        ...

    @property
    def own_headers(self) -> Headers:
        """What a provider must be told and a client may have left out."""
        ...

    def auth_headers(self, key: str) -> list[tuple[str, str]]:
        """The headers that carry a provider's key."""
        ...

    # Answers.

    def reader(self, facts: RequestFacts, content_type: str, drop_usage: bool = False) -> Reader:
        """A reader for a provider's 2xx answer to such a request.

        `content_type`: what the provider says it sends. `drop_usage`: the router asked for a usage event that the
        client did not ask for, so the client gets none.
        """
        ...

    def fault(self, status: int, body: bytes, content_type: str) -> Fault:
        """What a provider's answer with an error status means, read from structured error fields only. Never raises."""
        ...

    # The router's own voice.

    def error_body(self, problem: Problem) -> bytes: ...

    def voice(self, listener: Listener) -> Voice:
        """For the stream that this client asked for."""
        ...
