"""What the client's layers need of the router: the one seam between mitmproxy's streams and everything that decides."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from mitmproxy import http
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode

from pointsman.admission import ChatRequest, Decision
from pointsman.exchange.engine import Exchange
from pointsman.masking import Masker
from pointsman.transport.body_capture import BodyCapture
from pointsman.transport.client_stream import ClientStream
from pointsman.transport.exchange_driver import ExchangeDriver
from pointsman.web.http import PageReply, PageRequest
from pointsman.wire.errors import Problem
from pointsman.wire.headers import Headers


@dataclass(frozen=True, slots=True)
class WholeResponse:
    """A whole answer that needs no provider. The headers announce the body's length."""

    status: int
    headers: Headers
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ForwardToOrigin:
    """The request goes to its original host after all."""


class DeferredReader(Protocol):
    """May be called in a thread."""

    def __call__(self) -> object: ...

    def read_if_small(self) -> object | None:
        """The same, of a request that is small; None for one that is large."""


class ClosableSocket(Protocol):
    """A WebSocket connection."""

    async def shut_down(self) -> None:
        """Close it, since the process ends."""


class StreamHost(Protocol):
    closing: bool
    """The process ends: an answer closes its connection, where HTTP/1 can say so."""

    @property
    def max_body(self) -> int: ...

    def admit(self, request: http.Request, context: Context, mode: HTTPMode) -> Decision: ...

    def admit_replay(self, flow: http.HTTPFlow, context: Context, mode: HTTPMode) -> Decision:
        """The decision about a replayed flow."""

    def error_response(
        self, problem: Problem, chat: ChatRequest, request: http.Request, headers: Headers = ()
    ) -> WholeResponse: ...

    def note_refusal(self, flow: http.HTTPFlow, chat: ChatRequest, problem: Problem) -> None:
        """Record that no exchange begins, and why."""

    def on_message_refused(self, upgrade: http.Request, chat: ChatRequest, problem: Problem) -> None:
        """A message of a WebSocket connection, which `upgrade` opened, begins no exchange."""

    def on_client_left(self, flow: http.HTTPFlow, chat: ChatRequest) -> None:
        """Its client has left before the request was whole or read."""

    def on_tunnel_refused(self, request: http.Request, problem: Problem) -> None:
        """A CONNECT is answered with an error."""

    def on_head_refused(self, problem: Problem) -> str:
        """The head of a request cannot be read. Returns the id that it is on record by."""

    def on_page_refused(self, request: http.Request, problem: Problem) -> None:
        """A request for an own page is answered with an error."""

    def internal_error(self, request: http.Request) -> Problem: ...

    def request_reader(self, flow: http.HTTPFlow, chat: ChatRequest, credential: str | None) -> DeferredReader:
        """What reads the whole request that is in the flow."""

    def prepare(self, flow: http.HTTPFlow, chat: ChatRequest, read: Any, is_again: bool) -> Awaitable[object] | None:
        """What has to be waited for before the exchange is opened: for a few milliseconds at most. What it raises is
        logged, and the exchange is opened all the same. None: nothing, as mostly. `is_again`: the request has waited.
        """

    def open_exchange(
        self, flow: http.HTTPFlow, chat: ChatRequest, read: Any, is_last: bool
    ) -> Exchange | WholeResponse | ForwardToOrigin:
        """`read` is what its reading gave. `is_last`: the connection takes no other request while the host closes."""

    async def run_in_thread[T](self, work: Callable[[], T]) -> Callable[[], T]:
        """Does it in a thread. The result gives what `work` gave, or raises what it raised."""

    def start_driver(self, exchange: Exchange, stream: ClientStream) -> ExchangeDriver: ...

    def on_exchange_ended(self, exchange: Exchange, flow: http.HTTPFlow) -> None: ...

    def store_capture(self, capture: BodyCapture, flow: http.HTTPFlow) -> None:
        """What the client was sent of a streamed answer, whole or not."""

    @property
    def masker(self) -> Masker:
        """Knows the secrets that are in force."""

    def discard(self, exchange: Exchange) -> None:
        """The exchange failed internally: removes all of its state."""

    def serve_page(self, request: PageRequest, stream: ClientStream) -> PageReply | None:
        """None: the reply has to be waited for, and will be posted to the stream."""

    def on_socket_opened(self, socket: ClosableSocket) -> None: ...

    def on_socket_closed(self, socket: ClosableSocket) -> None: ...

    def request_id(self, request: http.Request) -> str: ...
