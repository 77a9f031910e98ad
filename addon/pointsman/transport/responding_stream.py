"""A client's stream as its responders see it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from mitmproxy.http import HTTPFlow
from mitmproxy.proxy import layer
from mitmproxy.proxy.commands import Command
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import RequestProtocolError
from mitmproxy.proxy.utils import ReceiveBuffer

from pointsman.admission import ChatRequest
from pointsman.transport.client_stream import ParentLayer
from pointsman.transport.stream_host import WholeResponse
from pointsman.wire.headers import Headers

type Commands = layer.CommandGenerator[None]
type State = Callable[[Any], Commands]


class RespondingStream(Protocol):
    """A stream of mitmproxy's with its states. Implemented by `stream.RoutedStream`."""

    context: Context
    stream_id: int
    flow: HTTPFlow
    http_layer: ParentLayer
    chat: ChatRequest | None
    """None: it is a stock stream."""
    client_state: State
    server_state: State
    request_body_buf: ReceiveBuffer

    @property
    def state_consume_request_body(self) -> State: ...

    @property
    def state_done(self) -> State: ...

    @property
    def state_errored(self) -> State: ...

    @property
    def state_stream_response_body(self) -> State: ...

    def flow_done(self) -> Commands: ...

    def handle_protocol_error(self, event: RequestProtocolError) -> Commands: ...

    def respond(self, answer: WholeResponse) -> Commands:
        """Send the whole of an answer."""

    def send_response(self, already_streamed: bool = False) -> Commands: ...

    def cors_headers(self) -> Headers: ...

    def exposing_proxyauth(self, command: Command) -> AbstractContextManager[None]:
        """Around what may be the hook of a request's head."""
