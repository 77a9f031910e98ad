"""The client's side of HTTP/1: mitmproxy's own server, without what lets a client hang it, crash it or fill it.

The stock code waits for ever behind a blank line before a request, raises on chunked trailers, reads requests that
were sent ahead one level deeper each, keeps a head or a chunk's line that never ends, closes the connection on bad
chunks without a word, and logs heads that it cannot read, credentials and all.
"""

from h11 import Data, EndOfMessage, ProtocolError
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.net.http.http1 import assemble_response
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import Http1Server, HttpEvent, ReceiveHttp, ResponseData
from mitmproxy.utils import human

from pointsman.transport.response import make_response
from pointsman.transport.station import Station
from pointsman.web.page import reply_problem
from pointsman.wire.errors import Code, Problem

MAX_HEAD = 256 * 1024
"""Bytes of a request's head."""
MAX_LINE = 64 * 1024
"""Bytes of a chunk's first line, and of the trailers after the last chunk."""

type Commands = layer.CommandGenerator[None]


class BodyUnreadable(HttpEvent):
    """The request's body is not framed as its head says. Unlike at a `RequestProtocolError`, the client is still there
    and can be told so.
    """


class ClientHttp1(Http1Server):
    """One client's connection. Requests that are sent ahead wait here, at most `station.max_body` bytes of them."""

    def __init__(self, context: Context, station: Station) -> None:
        super().__init__(context)
        self._station = station
        self._is_reading = False

    def _handle_event(self, event: events.Event) -> Commands:
        if self._is_reading or type(event) is ResponseData:
            yield from super()._handle_event(event)
            return
        self._is_reading = True
        try:
            yield from super()._handle_event(event)
            yield from self._read_on()
            yield from self._bound_buffer()
        finally:
            self._is_reading = False

    def _read_on(self) -> Commands:
        """Take what is there already: requests sent ahead, and blank lines before them."""
        left = -1
        while self.state == self.read_headers and self.buf and len(self.buf) != left:
            left = len(self.buf)
            yield from self.read_headers(events.DataReceived(self.conn, b""))

    def _bound_buffer(self) -> Commands:
        if self.state == self.read_headers and len(self.buf) > MAX_HEAD:
            self.state = self.done
            yield commands.SendData(self.conn, HEAD_TOO_LARGE)
            yield commands.CloseConnection(self.conn)
        elif self.state == self.wait and len(self.buf) > self._station.max_body:
            yield commands.CloseConnection(self.conn)

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        """What the stock code itself says here is a refusal or a line for the log, both with the head's bytes in it."""
        for command in super().read_headers(event):
            match command:
                case commands.SendData():
                    yield commands.SendData(self.conn, BAD_HEAD)
                case commands.Log():
                    yield commands.Log(f"{human.format_address(self.conn.peername)}: no HTTP request, or half of one.")
                case _:
                    yield command

    def read_body(self, event: events.Event) -> Commands:
        if type(self.body_reader) is ChunkedReader:
            self.body_reader = Chunks()
        try:
            yield from super().read_body(event)
        except BadChunk:
            self.request_done = True
            self.state = self.state_hear_no_more
            yield ReceiveHttp(BodyUnreadable(self.stream_id))

    def state_hear_no_more(self, event: events.Event) -> Commands:
        """Where the next request would begin, nobody can tell. The answer's end closes the connection."""
        self.buf = ReceiveBuffer()
        yield from self.wait(event)

    def mark_done(self, *, request: bool = False, response: bool = False) -> Commands:
        """The stock code goes on reading from within this; `_read_on` does so instead."""
        is_tunnel = self.request is not None and self.request.method == "CONNECT"
        if is_tunnel or (self.response and self.response.status_code == 101):
            yield from super().mark_done(request=request, response=response)
            return
        ahead, self.buf = self.buf, ReceiveBuffer()
        yield from super().mark_done(request=request, response=response)
        self.buf = ahead


class BadChunk(Exception):
    """A chunked body that is none."""


class Chunks(ChunkedReader):
    """Takes trailers and forgets them. Raises BadChunk."""

    def __call__(self, buf: ReceiveBuffer) -> Data | EndOfMessage | None:
        try:
            event = super().__call__(buf)
        except ProtocolError as error:
            raise BadChunk from error
        if event is None and len(buf) > MAX_LINE:
            raise BadChunk
        return EndOfMessage() if isinstance(event, EndOfMessage) else event


def _refusal(code: Code, message: str) -> bytes:
    reply = reply_problem(Problem(code, message))
    length = ("Content-Length", str(len(reply.body)))
    response = make_response(reply.status, (*reply.headers, length, ("Connection", "close")), reply.body)
    return bytes(assemble_response(response))


BAD_HEAD = _refusal(Code.INVALID_REQUEST, "Not a request as HTTP/1 has them: its first line or a header is bad.")
HEAD_TOO_LARGE = _refusal(Code.HEAD_TOO_LARGE, f"The request's head exceeds {MAX_HEAD} bytes.")
