"""One request that came over a WebSocket connection.

It is sent through an HTTP layer of its own, as a POST of the same client with the same headers: so it is admitted,
routed, limited, recorded and shown like any other request, in a flow of its own. What plays the client here makes
messages of the answer's events.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from mitmproxy import ctx, flow, http
from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    ErrorCode,
    HttpConnection,
    HttpLayer,
    ReceiveHttp,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils

from pointsman.transport.mitm_patches.unchecked_messages import twin_of
from pointsman.wire.dialects.base import SocketConversation
from pointsman.wire.errors import Problem
from pointsman.wire.headers import Headers
from pointsman.wire.sse import EVENT_STREAM, LARGE_EVENT, Decoder, Event, OversizedEvent
from pointsman.wire.whole_reader import media_type

logger = logging.getLogger(__name__)

LARGE_MESSAGE_BYTES = 512 * 1024
"""Bytes of a message above which it is read in a thread."""
MAX_ERROR_BYTES = 1 << 20
"""Bytes of an error's body that are read."""
NOT_PASSED_ON = frozenset(
    {"connection", "upgrade", "content-length", "transfer-encoding", "x-request-id", "accept", "accept-encoding"}
    | {"content-type", "content-encoding", "expect"}
)
"""Headers of an upgrade request that speak of the connection or of that request alone."""
SOCKET_HEADERS = "sec-websocket-"
BETA = "openai-beta"
SOCKET_BETA = "responses_websockets="
STREAM_ID = 1
BROKEN = 502
"""The status of an answer that ends without its last event."""

type Commands = layer.CommandGenerator[None]
type MakeLayer = Callable[[Context, ConnectionHandler], HttpLayer]


class ExchangeHost(Protocol):
    """What an exchange needs of its WebSocket connection."""

    conversation: SocketConversation
    handler: ConnectionHandler
    """The client's connection."""

    def send(self, message: bytes | None) -> None:
        """A message for the client; None for a sign of life."""

    def on_exchange_ended(self) -> None: ...

    def own_error(self, problem: Problem | None) -> bytes:
        """The message for an error of the router's own; None: it has failed."""

    async def run_in_thread[T](self, work: Callable[[], T]) -> Callable[[], T]: ...


class WebSocketExchange:
    """From a client's message to the last event of the answer. `upgrade` is the request that opened the connection, as
    the client sent it.
    """

    def __init__(self, host: ExchangeHost, upgrade: http.Request, context: Context, make_layer: MakeLayer) -> None:
        """`make_layer` makes the HTTP layer for a context and a handler."""
        self._host, self._upgrade, self._context, self._make_layer = host, upgrade, context, make_layer
        self._handler: RequestHandler | None = None
        self._is_over = False

    async def run(self, message: bytes, answer_id: str) -> None:
        try:
            asked = await self._read(message, answer_id)
            if self._is_over:
                return
            if isinstance(asked, bytes):
                request = as_post(self._upgrade, asked)
                client = RequestClient(self, request, self._context.fork())
                self._handler = RequestHandler(self._context.fork(), self._host.handler, client, self._make_layer)
                await self._handler.server_event(events.Start())
                return
            for reply in asked:
                self._host.send(reply)
        except Problem as problem:
            self._fail(problem)
        except Exception:
            logger.exception("The router failed on a message of a WebSocket connection.")
            self._fail(None)
        self.end()

    def _fail(self, problem: Problem | None) -> None:
        if not self._is_over:
            self._host.send(self._host.own_error(problem))

    async def _read(self, message: bytes, answer_id: str) -> bytes | Sequence[bytes]:
        """Raises Problem."""
        work = partial(self._host.conversation.request, message, answer_id, time.time())
        if len(message) <= LARGE_MESSAGE_BYTES:
            return work()
        return (await self._host.run_in_thread(work))()

    def cancel(self) -> None:
        """The client has left: nothing more is sent to it."""
        if self._is_over:
            return
        self._is_over = True
        if self._handler is not None:
            gone = self._handler.server_event(events.ConnectionClosed(self._handler.client))
            create_task(gone, "client of a WebSocket request gone")

    # What the request's client has for it.

    def on_events(self, found: Sequence[Event]) -> None:
        for event in found:
            if not self._is_over:
                self._host.send(self._host.conversation.answer(event))

    def on_end(self, error: tuple[int, bytes, Headers]) -> None:
        """The answer is over. `error` is its status, body and headers, which count if its last event has not passed."""
        if not self._is_over and not self._host.conversation.is_answered:
            self._host.send(self._host.conversation.error(*error))
        self.end()

    def end(self) -> None:
        self._handler = None
        if not self._is_over:
            self._is_over = True
            self._host.on_exchange_ended()


def as_post(upgrade: http.Request, body: bytes) -> http.Request:
    """The request that a client would have sent with POST."""
    request = twin_of(upgrade)
    request.method = "POST"
    headers = [(name, value) for name, value in upgrade.headers.fields if _is_passed_on(name.decode("latin-1").lower())]
    request.headers = http.Headers(headers)
    betas = [part.strip() for value in upgrade.headers.get_all(BETA) for part in value.split(",")]
    if kept := [beta for beta in betas if not beta.startswith(SOCKET_BETA)]:
        request.headers[BETA] = ", ".join(kept)
    request.headers["Content-Type"] = "application/json"
    request.headers["Accept"] = EVENT_STREAM
    request.headers["Content-Length"] = str(len(body))
    request.data.content = body
    request.timestamp_start = request.timestamp_end = time.time()
    return request


def _is_passed_on(name: str) -> bool:
    return name not in NOT_PASSED_ON and name != BETA and not name.startswith(SOCKET_HEADERS)


class RequestClient(HttpConnection):
    """Plays the client of one request: it sends the whole request at once, and reads the answer's events."""

    def __init__(self, exchange: WebSocketExchange, request: http.Request, context: Context) -> None:
        super().__init__(context, context.client)
        self._exchange = exchange
        self._request: http.Request | None = request
        self._decoder = Decoder(LARGE_EVENT)
        self._status = 0
        self._headers: Headers = ()
        self._error: bytearray | None = None
        """The body of an answer that is no stream."""

    def _handle_event(self, event: events.Event) -> Commands:
        match event:
            case events.Start():
                request, self._request = self._request, None  # its body is large
                assert request
                body, request.data.content = request.data.content or b"", None
                yield ReceiveHttp(RequestHeaders(STREAM_ID, request, end_stream=False))
                del request
                yield ReceiveHttp(RequestData(STREAM_ID, body))
                del body
                yield ReceiveHttp(RequestEndOfMessage(STREAM_ID))
            case events.ConnectionClosed():
                yield ReceiveHttp(
                    RequestProtocolError(STREAM_ID, "Client disconnected.", ErrorCode.CLIENT_DISCONNECTED)
                )
            case ResponseHeaders():
                self._on_head(event.response)
            case ResponseData():
                self._on_data(event.data)
            case ResponseEndOfMessage():
                self._on_end("The answer ended early.")
            case ResponseProtocolError():
                self._on_end(event.message)

    def _on_head(self, response: http.Response) -> None:
        self._status = response.status_code
        self._headers = tuple(response.headers.items(multi=True))
        if self._status != 200 or media_type(response.headers.get("content-type", "")) != EVENT_STREAM:
            self._error = bytearray()

    def _on_data(self, data: bytes) -> None:
        if self._error is not None:
            self._error += data[: max(0, MAX_ERROR_BYTES - len(self._error))]
            return
        try:
            found = self._decoder.feed(data)
        except OversizedEvent as error:
            found = error.events
        self._exchange.on_events(found)

    def _on_end(self, why: str) -> None:
        is_error = self._error is not None and self._status >= 400
        self._exchange.on_end(
            (self._status, bytes(self._error or b""), self._headers) if is_error else (BROKEN, why.encode(), ())
        )


class RequestHandler(ConnectionHandler):
    """Carries out what the HTTP layer of one request wants, beside the handler of its client's connection. It opens no
    connections, and does not close the client's.
    """

    def __init__(
        self,
        context: Context,
        outer: ConnectionHandler,
        client: RequestClient,
        make_layer: MakeLayer,
    ) -> None:
        super().__init__(context)
        context.layers.clear()
        self.layer = http_layer = make_layer(context, self)
        http_layer.connections[context.client] = client
        if io := outer.transports.get(context.client):
            self.transports[context.client] = io  # what the client has not read yet counts for its requests

    async def handle_hook(self, hook: commands.StartHook) -> None:
        (data,) = hook.args()
        await ctx.master.addons.handle_lifecycle(hook)
        if isinstance(data, flow.Flow):
            await data.wait_for_resume()

    def close_connection(self, connection: Connection, half_close: bool = False) -> None:
        """The connection outlives its requests."""


def create_task(work: Awaitable[None], name: str) -> asyncio.Task[None]:
    async def run() -> None:
        await work

    return asyncio_utils.create_task(run(), name=name, keep_ref=True)
