"""What the client's layers ask of the router: the one seam between mitmproxy's streams and everything that decides."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode

from pointsman.exchange.engine import Exchange
from pointsman.reception import Chat, Decision, Refusal
from pointsman.web.page import Reply
from pointsman.web.page import Request as PageRequest

if TYPE_CHECKING:
    from pointsman.transport.conductor import Conductor
    from pointsman.transport.layers import RoutedStream


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer that needs no provider. The headers announce the body's length."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PassOn:
    """The request goes to its original host after all."""


class Station(Protocol):
    @property
    def max_body(self) -> int: ...

    def receive(self, request: http.Request, context: Context, mode: HTTPMode) -> Decision: ...

    def refuse(self, refusal: Refusal, request: http.Request) -> Answer: ...

    def too_large(self, chat: Chat, request: http.Request) -> Answer: ...

    def crashed(self, chat: Chat, request: http.Request) -> Answer: ...

    def open(self, flow: http.HTTPFlow, chat: Chat) -> Exchange | Answer | PassOn: ...

    def conduct(self, exchange: Exchange, stream: "RoutedStream") -> "Conductor": ...

    def ended(self, exchange: Exchange, flow: http.HTTPFlow) -> None: ...

    def page(self, request: PageRequest) -> Reply: ...

    def is_local(self, client: Client) -> bool: ...

    def request_id(self, request: http.Request) -> str: ...
