"""The client's side of HTTP/1: mitmproxy's own server, without what lets a client hang it, crash it or fill it.

The stock code waits for ever behind a blank line before a request, raises on chunked trailers, reads requests that
were sent ahead one level deeper each, keeps a head or a chunk's line that never ends, closes the connection on bad
chunks without a word, lets a head take for ever, and logs heads that it cannot read, credentials and all.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from mitmproxy import http
from mitmproxy.net.http.http1 import assemble_response
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import Http1Server, HttpEvent, ReceiveHttp, RequestData, ResponseData, ResponseHeaders
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import human

from pointsman.masking import NO_SECRETS
from pointsman.transport.mitm_patches.chunked_reader import MalformedChunk, bounded_reader
from pointsman.transport.mitm_patches.client_buffer import ClientBuffer, MalformedLines
from pointsman.transport.mitm_patches.direct_write import LARGE_PIECE, encode_chunk
from pointsman.transport.mitm_patches.large_uploads import LARGE_UPLOAD, bytes_left, read_in_pieces, take_piece
from pointsman.transport.response import client_response
from pointsman.transport.stream_host import StreamHost
from pointsman.web.http import error_reply
from pointsman.wire.errors import Code, Problem

MAX_PIPELINED = 8
"""Requests that were sent ahead and are answered without a turn of the loop."""
HEAD_TIMEOUT = 30.0
"""Seconds from a head's first byte to its end."""
MAX_HEAD_BYTES = 256 * 1024
"""Bytes of a request's head."""
MAX_BLANK_BYTES = 1024
"""Bytes of blank lines before a request."""

SWITCHING_PROTOCOLS = 101

type Commands = layer.CommandGenerator[None]


class HttpConnectionEvent(events.Event):
    """Finds its way through the layers to `connection`."""

    def __init__(self, connection: "ClientHttp1") -> None:
        self.connection = connection

    def __repr__(self) -> str:
        return type(self).__name__


class HeadTimedOut(HttpConnectionEvent):
    """The head of a request has been coming for too long."""


class ContinueReading(HttpConnectionEvent):
    """Requests that were sent ahead are left."""


class RequestBodyMalformed(HttpEvent):
    """The request's body is not framed as its head says. Unlike at a `RequestProtocolError`, the client is still there
    and can be told so.
    """


class ClientHttp1(Http1Server):
    """One client's connection. Requests that are sent ahead wait here, at most `host.max_body` bytes of them."""

    buf: ClientBuffer

    def __init__(
        self,
        context: Context,
        host: StreamHost,
        post: Callable[[events.Event], object],
        handler: ConnectionHandler,
    ) -> None:
        super().__init__(context)
        self.buf = ClientBuffer()
        self._host, self._post, self._handler = host, post, handler
        self._is_reading = False
        self._is_behind = False
        """A `ContinueReading` is on its way."""
        self._blank = 0
        """Bytes of blank lines since the last request."""
        self._timer: asyncio.TimerHandle | None = None
        self._timed: int | None = None
        """The stream whose head the timer is for."""

    def _handle_event(self, event: events.Event) -> Commands:
        if self._is_reading or type(event) is ResponseData:
            yield from super()._handle_event(event)
            return
        self._is_reading = True
        try:
            match event:
                case HeadTimedOut():
                    yield from self._end_slow_head()
                case ContinueReading():
                    self._is_behind = False
                case events.DataReceived() if self._is_piece_of_body(event.data):
                    yield ReceiveHttp(RequestData(self.stream_id, event.data))
                case events.ConnectionClosed():
                    yield from super()._handle_event(event)
                    self.buf = ClientBuffer()
                case _:
                    yield from super()._handle_event(event)
            yield from self._read_buffered()
            yield from self._limit_buffer()
        finally:
            self._is_reading = False
            self._time_head()

    def _read_buffered(self) -> Commands:
        """Take what is there already: a few of the requests sent ahead, and blank lines before them."""
        left, ahead = -1, 0
        while self.state == self.read_headers and self.buf and len(self.buf) != left and not self._is_behind:
            if ahead == MAX_PIPELINED:
                self._is_behind = True
                self._post(ContinueReading(self))
                return
            left, ahead = len(self.buf), ahead + 1
            yield from self.read_headers(events.DataReceived(self.conn, b""))

    def _limit_buffer(self) -> Commands:
        if self.state == self.wait or self._is_behind:
            if len(self.buf) > self._host.max_body:
                yield commands.CloseConnection(self.conn)
        elif self.state == self.read_headers and len(self.buf) > MAX_HEAD_BYTES:
            yield from self._refuse(HEAD_TOO_LARGE)

    def _time_head(self) -> None:
        """Sets the timer for the head that is coming, if one is. A connection that is merely kept has none."""
        coming = self.stream_id if self.state == self.read_headers and self.buf else None
        if coming == self._timed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timed, self._timer = coming, None
        if coming is not None:
            self._timer = asyncio.get_running_loop().call_later(HEAD_TIMEOUT, self._post, HeadTimedOut(self))

    def _end_slow_head(self) -> Commands:
        """Unless the head has been completed while the event was on its way."""
        if self._timer is not None and asyncio.get_running_loop().time() >= self._timer.when():
            yield from self._refuse(HEAD_TIMED_OUT)

    def _refuse(self, problem: Problem) -> Commands:
        self.state = self.done
        yield self._refusal(problem)
        yield commands.CloseConnection(self.conn)

    def _refusal(self, problem: Problem) -> commands.SendData:
        return commands.SendData(self.conn, _error_response(problem, self._host.on_head_refused(problem)))

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        self._blank += self.buf.skip_blank_lines()
        if self._blank > MAX_BLANK_BYTES:
            yield from self._refuse(TOO_MANY_BLANK_LINES)
            return
        try:
            yield from self._read_head(event)
        except MalformedLines as bad:
            yield from self._refuse(bad.problem)

    def _read_head(self, event: events.ConnectionEvent) -> Commands:
        """What the stock code itself says here is a refusal or a line for the log, both with the head's bytes in it."""
        for command in super().read_headers(event):
            match command:
                case commands.SendData() if self.request:  # its stream follows, and puts it on record
                    name = self._host.request_id(self.request)
                    yield commands.SendData(self.conn, _error_response(MALFORMED_HEAD, name))
                case commands.SendData():
                    yield self._refusal(MALFORMED_HEAD)
                case commands.Log():
                    yield commands.Log(f"{human.format_address(self.conn.peername)}: malformed HTTP request.")
                case _:
                    yield command

    def _is_piece_of_body(self, data: bytes) -> bool:
        return self.state == self.read_body and not self.buf and take_piece(self.body_reader, len(data))

    def read_body(self, event: events.Event) -> Commands:
        self.body_reader = bounded_reader(self.body_reader)
        if bytes_left(self.body_reader) > LARGE_UPLOAD:
            read_in_pieces(self._handler, self.context.client)
        try:
            yield from super().read_body(event)
        except MalformedChunk:
            self.request_done = True
            self.state = self.state_ignore_client
            yield ReceiveHttp(RequestBodyMalformed(self.stream_id))

    def state_ignore_client(self, event: events.Event) -> Commands:
        """The start of the next request is unknown. The answer's end closes the connection."""
        self.buf = ClientBuffer()
        yield from self.wait(event)

    def mark_done(self, *, request: bool = False, response: bool = False) -> Commands:
        """The stock code goes on reading from within this; `_read_buffered` does so instead."""
        if self._opens_tunnel(self.response):
            yield from super().mark_done(request=request, response=response)
            return
        self._blank = 0
        ahead, self.buf = self.buf, ClientBuffer()
        yield from super().mark_done(request=request, response=response)
        self.buf = ahead

    def _opens_tunnel(self, response: http.Response | None) -> bool:
        is_connect = self.request is not None and self.request.method == "CONNECT"
        return is_connect or (response is not None and response.status_code == SWITCHING_PROTOCOLS)

    def send(self, event: HttpEvent) -> Commands:
        """A large piece of an answer is not copied. While the host closes, each answer is the last one here."""
        if isinstance(event, ResponseHeaders) and self._host.closing and not self._opens_tunnel(event.response):
            event = replace(event, response=event.response.copy())  # flows keep theirs
            event.response.headers["Connection"] = "close"
        if not isinstance(event, ResponseData) or len(event.data) < LARGE_PIECE:
            yield from super().send(event)
            return
        assert self.response
        is_chunked = "chunked" in self.response.headers.get("transfer-encoding", "").lower()
        for piece in encode_chunk(event.data) if is_chunked else (event.data,):
            yield commands.SendData(self.conn, piece)


def _error_response(problem: Problem, name: str) -> bytes:
    reply = error_reply(problem.with_request_id(name), (("X-Request-ID", name),))
    length = ("Content-Length", str(len(reply.body)))
    response = client_response(reply.status, (*reply.headers, length, ("Connection", "close")), reply.body, NO_SECRETS)
    return bytes(assemble_response(response))


MALFORMED_HEAD = Problem(Code.INVALID_REQUEST, "Malformed HTTP/1 request: invalid request line or header.")
HEAD_TOO_LARGE = Problem(Code.HEAD_TOO_LARGE, f"The request head exceeds {MAX_HEAD_BYTES} bytes.")
HEAD_TIMED_OUT = Problem(Code.REQUEST_TIMEOUT, "Timed out waiting for the rest of the request's head.")
TOO_MANY_BLANK_LINES = Problem(
    Code.INVALID_REQUEST, f"More than {MAX_BLANK_BYTES} bytes of blank lines before a request."
)
