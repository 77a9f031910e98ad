"""What the client's layers ask of the router: the one seam between mitmproxy's streams and everything that decides."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode

from pointsman.admission import Chat, Decision
from pointsman.exchange.engine import Exchange
from pointsman.masking import Masker
from pointsman.transport.body_capture import Tape
from pointsman.transport.upload_timeout import UploadWatch
from pointsman.web.http import Reply
from pointsman.web.http import Request as PageRequest
from pointsman.wire.errors import Problem
from pointsman.wire.headers import Headers

if TYPE_CHECKING:
    from pointsman.transport.exchange_driver import Conductor
    from pointsman.transport.stream import RoutedStream


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer that needs no provider. The headers announce the body's length."""

    status: int
    headers: Headers
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PassOn:
    """The request goes to its original host after all."""


class Reading(Protocol):
    """May be called in a thread."""

    def __call__(self) -> object: ...

    def at_once(self) -> object | None:
        """The same, of a request that is small; None for one that is large."""


class Station(Protocol):
    @property
    def max_body(self) -> int: ...

    def receive(self, request: http.Request, context: Context, mode: HTTPMode) -> Decision: ...

    def receive_again(self, flow: http.HTTPFlow, context: Context, mode: HTTPMode) -> Decision:
        """Of a flow that is replayed."""

    def say(self, problem: Problem, chat: Chat, request: http.Request, headers: Headers = ()) -> Answer: ...

    def crash_of(self, request: http.Request) -> Problem: ...

    def watch_upload(self, stream: "RoutedStream") -> UploadWatch: ...

    def reading(self, flow: http.HTTPFlow, chat: Chat, credential: str | None) -> Reading:
        """What reads the whole request that is in the flow."""

    def open(self, flow: http.HTTPFlow, chat: Chat, read: Any) -> Exchange | Answer | PassOn:
        """`read` is what its reading gave."""

    async def elsewhere[T](self, work: Callable[[], T]) -> Callable[[], T]:
        """Does it in a thread. The result gives what `work` gave, or raises what it raised."""

    def conduct(self, exchange: Exchange, stream: "RoutedStream") -> "Conductor": ...

    def ended(self, exchange: Exchange, flow: http.HTTPFlow) -> None: ...

    def keep(self, tape: Tape, flow: http.HTTPFlow) -> None:
        """What the client was sent of a streamed answer, whole or not."""

    @property
    def masker(self) -> Masker:
        """Knows the secrets that are in force."""

    def abandon(self, exchange: Exchange) -> None:
        """It is broken: nothing of it stays."""

    def page(self, request: PageRequest, stream: "RoutedStream") -> Reply | None:
        """None: the reply has to be waited for, and will be posted to the stream."""

    def is_local(self, client: Client) -> bool: ...

    def request_id(self, request: http.Request) -> str: ...
