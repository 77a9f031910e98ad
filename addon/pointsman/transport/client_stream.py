"""A client's stream as the driver of its exchange, the host and posted events see it."""

from collections.abc import Callable
from typing import Protocol

from mitmproxy.connection import Connection, Server
from mitmproxy.http import HTTPFlow
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import Layer
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream
from mitmproxy.proxy.server import ConnectionHandler

from pointsman.exchange.engine import Exchange


class ParentLayer(Protocol):
    """The HTTP layer that a stream is part of. Implemented by `http_layer.RoutedHttpLayer`."""

    streams: dict[int, HttpStream]
    connections: dict[Connection, Layer]
    handler: ConnectionHandler
    """The client's connection, a replay, or a request that came over a WebSocket connection."""
    may_connect: bool
    """Requests may go to their original host."""
    on_client_activity: set[Callable[[], None]]
    """Called whenever the client sends something."""

    def layer_for_request(self, context: Context, handler: ConnectionHandler) -> HttpLayer:
        """A layer like this one, for one request that came over a WebSocket connection."""


class AnswerListener(Protocol):
    """Notified by the driver of what becomes of an exchange. Implemented by `exchange_responder.ExchangeResponder`."""

    @property
    def is_killed(self) -> bool:
        """The flow was killed in the user interface."""

    def on_winner(self, server: Server) -> None:
        """The answer comes by this connection."""

    def on_exchange_ended(self, exchange: Exchange) -> None:
        """Called once, with the input that has ended it."""

    def capture_data(self, data: bytes) -> None:
        """A piece of the answer that is being sent, for people to read."""


class ClientStream(Protocol):
    """Implemented by `stream.RoutedStream`."""

    context: Context
    flow: HTTPFlow
    stream_id: int
    http_layer: ParentLayer

    @property
    def responder(self) -> AnswerListener: ...
