"""A client's WebSocket connection that the router itself answers.

It stands where mitmproxy would relay messages to a server: in a stream that has answered 101. Each message of the
client becomes a request, one after the other (`websocket_exchange`). Compression is not negotiated: a small frame could
unpack to any size.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from secrets import token_hex

from mitmproxy import flow as mflow
from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import DropStream, RequestProtocolError
from mitmproxy.proxy.layers.websocket import WebsocketEndHook, WebsocketStartHook
from mitmproxy.websocket import WebSocketData
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import generate_accept_token

from pointsman.admission import ChatRequest
from pointsman.transport.client_stream import ClientStream
from pointsman.transport.mitm_patches.flow_kill import notify_on_kill, stop_notifying
from pointsman.transport.stream_events import StreamEvent
from pointsman.transport.stream_host import StreamHost
from pointsman.transport.websocket_exchange import WebSocketExchange, create_task
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.errors import Code, Problem
from pointsman.wire.headers import Headers

logger = logging.getLogger(__name__)

VERSION = "13"
PING_INTERVAL = 30.0
"""Seconds between pings while nothing is said: what lies between drops silent connections."""
MAX_IDLE = 3600.0
"""Seconds without a request after which the connection is closed."""
MAX_WAITING = 16
"""Messages that may wait for the request before them."""
CLOSE_TIMEOUT = 2.0
"""Seconds that a client has to answer a close."""

type Commands = layer.CommandGenerator[None]


class SocketDue(StreamEvent):
    """Something is due on the stream's WebSocket connection: messages to send, a ping, or its end."""


def handshake(request: http.Request) -> Headers | Problem:
    """The headers that accept a connection, or why it cannot be."""
    key: str = request.headers.get("sec-websocket-key", "")
    if request.http_version != "HTTP/1.1":
        return Problem(Code.UPGRADE_REQUIRED, "WebSocket connections need HTTP/1.1; use POST.")
    if request.headers.get("sec-websocket-version") != VERSION or not key.isascii() or len(key) != 24:
        return Problem(Code.INVALID_REQUEST, "Not a WebSocket handshake of version 13.")
    accept = generate_accept_token(key.encode()).decode()
    return (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept))


class WebSocketLayer(layer.Layer):
    """The layer of one connection. Data to be sent is collected, and written when the next `SocketDue` comes through
    the client's layers: in order with everything else, within TLS or not.
    """

    def __init__(
        self, context: Context, stream: ClientStream, host: StreamHost, chat: ChatRequest, upgrade: http.Request
    ) -> None:
        super().__init__(context)
        sockets = DIALECTS[chat.dialect].sockets
        assert sockets, "admission refuses others"
        self.conversation = sockets.begin()
        self.handler = stream.http_layer.handler
        self._stream, self._host, self._chat, self._upgrade = stream, host, chat, upgrade
        self._flow = stream.flow
        self._connection = Connection(ConnectionType.SERVER)
        self._received = bytearray()
        """The beginning of a message that is coming."""
        self._requests = 0
        self._waiting: deque[bytes] = deque()
        """Messages; at most MAX_WAITING, and as many bytes as a request may have."""
        self._exchange: WebSocketExchange | None = None
        self._output: list[bytes | None] = []
        self._is_due = False
        self._is_over = False
        self._loop = asyncio.get_running_loop()
        self._last_sent = self._last_request = self._loop.time()
        self._close_by: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    # What the exchange needs.

    def send(self, message: bytes | None) -> None:
        self._output.append(message)
        self._post()

    def on_exchange_ended(self) -> None:
        self._exchange = None
        self._last_request = self._loop.time()
        self._post()

    def own_error(self, problem: Problem | None) -> bytes:
        problem = problem or self._host.internal_error(self._upgrade)
        self._host.on_message_refused(self._upgrade, self._chat, problem)
        answer = self._host.error_response(problem, self._chat, self._upgrade)
        return self.conversation.error(answer.status, answer.body, answer.headers)

    async def run_in_thread[T](self, work: Callable[[], T]) -> Callable[[], T]:
        return await self._host.run_in_thread(work)

    async def shut_down(self) -> None:
        """The process ends."""
        self._close_by = self._loop.time()
        await self.handler.server_event(SocketDue(self._stream))

    # Events.

    def _handle_event(self, event: events.Event) -> Commands:
        if self._is_over:
            return
        try:
            match event:
                case events.Start():
                    yield from self._start()
                case events.DataReceived():
                    yield from self._on_data(event.data)
                case events.ConnectionClosed() | RequestProtocolError():
                    yield from self._end(CloseReason.ABNORMAL_CLOSURE, "", is_client=True)
                case SocketDue():
                    yield from self._on_due()
        except Exception:
            logger.exception("The router failed on a WebSocket connection.")
            yield from self._end(CloseReason.INTERNAL_ERROR, "the router failed")

    def _start(self) -> Commands:
        self._flow.websocket = self._flow.websocket or WebSocketData()
        notify_on_kill(self._flow, self._post)
        self._host.on_socket_opened(self)
        self._set_timer()
        yield WebsocketStartHook(self._flow)

    def _on_data(self, data: bytes) -> Commands:
        if self._connection.state is ConnectionState.CLOSED:
            return
        self._connection.receive_data(data)
        for event in self._connection.events():
            match event:
                case CloseConnection(code=code, reason=reason):
                    yield from self._on_close(code, reason or "", event)
                    return
                case _ if self._close_by is not None:
                    pass  # what was on its way
                case TextMessage():
                    yield from self._on_text(event)
                case BytesMessage():
                    yield from self._close(CloseReason.UNSUPPORTED_DATA, "messages are JSON texts")
                case Ping():
                    yield self._frames(event.response())

    def _on_text(self, event: TextMessage) -> Commands:
        self._received += event.data.encode()
        if len(self._received) + sum(map(len, self._waiting)) > self._host.max_body:
            self._received.clear()
            yield from self._close(CloseReason.MESSAGE_TOO_BIG, f"more than {self._host.max_body} bytes")
        elif len(self._waiting) >= MAX_WAITING:
            yield from self._close(CloseReason.POLICY_VIOLATION, "too many messages are waiting")
        elif event.message_finished:
            self._waiting.append(bytes(self._received))
            self._received.clear()
            self._begin_next()

    def _begin_next(self) -> None:
        if self._exchange is not None or not self._waiting:
            return
        self._last_request = self._loop.time()
        self._requests += 1
        parent = self._stream.http_layer
        exchange = self._exchange = WebSocketExchange(self, self._upgrade, self.context, parent.layer_for_request)
        answer_id = f"resp_{token_hex(24)}"
        create_task(exchange.run(self._waiting.popleft(), answer_id), "WebSocket request")

    def _on_due(self) -> Commands:
        self._is_due = False
        if self._output and self._connection.state is ConnectionState.OPEN:
            output, self._output = self._output, []
            frames = (Ping() if each is None else TextMessage(each.decode("utf-8", "replace")) for each in output)
            yield self._frames(*frames)
        now = self._loop.time()
        if self._flow.error and self._flow.error.msg == mflow.Error.KILLED_MESSAGE:
            yield from self._end(CloseReason.POLICY_VIOLATION, "killed")
        elif self._close_by is not None:
            if now >= self._close_by:
                yield from self._end(CloseReason.GOING_AWAY, "the router is shutting down")
        elif self._exchange is None and not self._waiting and now - self._last_request >= MAX_IDLE:
            yield from self._close(CloseReason.GOING_AWAY, f"no request for {MAX_IDLE:g} s")
        else:
            self._begin_next()
            if now - self._last_sent >= PING_INTERVAL:
                yield self._frames(Ping())
            self._set_timer()

    def _frames(self, *frames: Event) -> commands.SendData:
        self._last_sent = self._loop.time()
        return commands.SendData(self.context.client, b"".join(map(self._connection.send, frames)))

    # The end.

    def _on_close(self, code: int, reason: str, event: CloseConnection) -> Commands:
        """The client closes, answers a close, or has sent what is no WebSocket."""
        is_answer = self._close_by is not None
        if self._connection.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            yield self._frames(event.response())
        yield from self._end(code, reason, is_client=not is_answer)

    def _close(self, code: CloseReason, reason: str) -> Commands:
        """The router closes, and gives the client a moment to read why."""
        if self._close_by is not None or self._connection.state is not ConnectionState.OPEN:
            return
        self._cancel_exchange()
        self._waiting.clear()
        yield self._frames(CloseConnection(code, reason))
        self._note_end(code, reason, is_client=False)
        self._close_by = self._loop.time() + CLOSE_TIMEOUT
        self._set_timer(CLOSE_TIMEOUT)

    def _end(self, code: int, reason: str, is_client: bool = False) -> Commands:
        self._is_over = True
        self._cancel_exchange()
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._host.on_socket_closed(self)
        stop_notifying(self._flow)
        if self._connection.state is ConnectionState.OPEN and not is_client:
            yield self._frames(CloseConnection(code, reason))
        self._note_end(code, reason, is_client)
        self._flow.comment = f"WebSocket connection, {self._requests} requests"
        del self.conversation  # it may be large, and a cycle keeps this object for a while
        yield commands.CloseConnection(self.context.client)
        yield WebsocketEndHook(self._flow)
        self._flow.live = False
        yield DropStream(self._stream.stream_id)

    def _note_end(self, code: int, reason: str, is_client: bool) -> None:
        ended = self._flow.websocket
        if ended is not None and ended.timestamp_end is None:
            ended.timestamp_end, ended.closed_by_client = time.time(), is_client
            ended.close_code, ended.close_reason = int(code), reason

    def _cancel_exchange(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.cancel()

    # Time.

    def _post(self) -> None:
        if not self._is_due and not self._is_over:
            self._is_due = True
            create_task(self.handler.server_event(SocketDue(self._stream)), "WebSocket output")

    def _set_timer(self, after: float | None = None) -> None:
        """By default, the time for the next ping."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(PING_INTERVAL if after is None else after, self._post)
