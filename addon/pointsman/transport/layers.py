"""The client's side: mitmproxy's HTTP layer with streams that can be routed.

A routed stream takes its request like any other one. Where the stock code would connect to a server, an exchange
begins instead; from then on the stream shows its client what the exchange's effects say, until it ends the way the
stock code ends a streamed response. Every other stream is a stock stream. `swap_in` puts these layers in place of the
stock ones.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mitmproxy import flow as mflow
from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    DropStream,
    ErrorCode,
    Http2Server,
    HttpErrorHook,
    HttpLayer,
    HTTPMode,
    HttpRequestHeadersHook,
    HttpResponseHeadersHook,
    HttpStream,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    SendHttp,
)

from pointsman.exchange.effects import Abort, End, Respond, Send
from pointsman.exchange.engine import Exchange
from pointsman.reception import Chat, Door, Page, Pass, Refusal
from pointsman.transport.conductor import ClientEffect, Conductor
from pointsman.transport.credentials import Credentials
from pointsman.transport.posted import Input, Posted
from pointsman.transport.station import Answer, PassOn, Station
from pointsman.web.page import Request as PageRequest

logger = logging.getLogger(__name__)

MAX_PAGE_BODY = 1 << 20
MAX_STORED_BODY = 256 * 1024
"""Bytes of a streamed answer kept in the flow, for people to read."""

type Commands = layer.CommandGenerator[None]


class RoutedStream(HttpStream):
    """A stream that is routed if the station says so. `chat` is set once it does."""

    chat: Chat | None = None
    conductor: Conductor | None = None

    def __init__(self, context: Context, stream_id: int, home: "RoutedHttpLayer") -> None:
        super().__init__(context, stream_id)
        self.home = home
        self.station = home.station
        self.credentials: Credentials | None = None
        self._shown: http.Request | None = None
        self._stored: list[bytes] = []
        self._stored_bytes = 0
        self._reported = False

    def _handle_event(self, event: events.Event) -> Commands:
        try:
            if isinstance(event, Posted):
                yield from self._take_posted(event)
            else:
                yield from super()._handle_event(event)
        except Exception:
            if self.chat is None:
                raise
            yield from self._crash()

    # The request.

    def state_wait_for_request_headers(self, event: RequestHeaders) -> Commands:
        decision = self.station.receive(event.request, self.context, self.mode)
        match decision:
            case Pass():
                yield from super().state_wait_for_request_headers(event)
            case Page():
                self.flow = http.HTTPFlow(self.context.client, self.context.server)
                self.flow.request = event.request
                self.client_state = self.state_read_page_request
            case Chat():
                self.chat = decision
                self._make_ours(event.request, decision.door)
                yield from super().state_wait_for_request_headers(event)
            case Refusal():
                self.chat = Chat(decision.dialect, Door.OWN)
                self._make_ours(event.request, Door.OWN)
                yield from self._refuse(event, self.station.refuse(decision, event.request))

    def _make_ours(self, request: http.Request, door: Door) -> None:
        """From here on nobody but this stream knows the client's credentials."""
        if door is Door.OWN and not request.host:
            sockname = self.context.client.sockname
            request.data.host, request.data.port = sockname[0], sockname[1]
            request.data.scheme = b"https" if self.context.client.tls else b"http"
        self.credentials = Credentials.taken_from(request)

    def _refuse(self, event: RequestHeaders, answer: Answer) -> Commands:
        """Answer before the body is in, and take no more of it than is already on its way."""
        self.flow = http.HTTPFlow(self.context.client, self.context.server)
        self.flow.request = event.request
        self.flow.live = True
        yield HttpRequestHeadersHook(self.flow)
        close = (("Connection", "close"),) if not event.end_stream and not event.request.is_http2 else ()
        self.client_state = self.state_done if event.end_stream else self.state_discard_request_body
        yield from self._answer(Answer(answer.status, (*answer.headers, *close), answer.body))

    def state_discard_request_body(self, event: events.Event) -> Commands:
        if isinstance(event, RequestEndOfMessage):
            self.client_state = self.state_done
            if self.server_state == self.state_done:
                yield from self.flow_done()

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        """The router's own limit holds for its requests; they are never streamed through, and their answers never
        held back.
        """
        if self.chat is None:
            return (yield from super().check_body_size(request))
        if not request or len(self.request_body_buf) <= self.station.max_body:
            return False
        self.request_body_buf.clear()
        self.client_state = self.state_discard_request_body
        answer = self.station.too_large(self.chat, self.flow.request)
        yield from self._answer(Answer(answer.status, (*answer.headers, ("Connection", "close")), answer.body))
        return True

    def start_request_stream(self) -> Commands:
        if self.chat is None:
            yield from super().start_request_stream()
        else:
            self.flow.request.stream = False
            self.client_state = self.state_consume_request_body

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        """The stock request path calls this right after the `request` hook; a routed stream begins its exchange here
        instead.
        """
        if self.chat is None:
            return (yield from super().make_server_connection())
        opened = self.station.open(self.flow, self.chat)
        match opened:
            case Exchange():
                self.conductor = self.station.conduct(opened, self)
                yield from self._show(self._feed(opened.begin))
            case Answer():
                yield from self._answer(opened)
            case PassOn():
                return (yield from self._pass_on())
        return False

    def _pass_on(self) -> layer.CommandGenerator[bool]:
        """Nobody here has this model: the request goes where the client wanted it, with its own credentials."""
        self.chat = None
        connected = yield from super().make_server_connection()
        if connected and self.credentials is not None:
            self._shown = self.flow.request
            self.flow.request = self.credentials.put_back(self._shown)
        return connected

    def state_consume_request_body(self, event: events.Event) -> Commands:
        yield from super().state_consume_request_body(event)
        if self._shown is not None:  # sent by now, and nobody has looked in between
            self.flow.request, self._shown = self._shown, None

    # The answer.

    def _take_posted(self, event: Posted) -> Commands:
        if self.conductor is not None:
            self.conductor.took(event.size)
            if self.flow.error and self.flow.error.msg == mflow.Error.KILLED_MESSAGE:
                yield from self._kill()
            else:
                yield from self._show(self._feed(event.given))

    def _feed(self, given: Input) -> list[ClientEffect]:
        assert self.conductor
        effects = self.conductor.feed(given)
        exchange = self.conductor.exchange
        if exchange.ended and not self._reported:
            self._reported = True
            self.station.ended(exchange, self.flow)
        return effects

    def _show(self, effects: list[ClientEffect]) -> Commands:
        if effects and self.conductor and isinstance(effects[0], Respond):
            self.flow.server_conn = self.conductor.winning_server() or self.flow.server_conn
        match effects:
            case [Respond(status, headers), Send(body), End()]:
                # Known whole: other addons may still change it, as they may any answer that is not streamed.
                yield from self._answer(Answer(status, headers, body))
                return
        for effect in effects:
            match effect:
                case Respond(status, headers):
                    yield from self._open_response(status, headers)
                case Send(data):
                    self._store(data)
                    yield SendHttp(ResponseData(self.stream_id, data), self.context.client)
                case End():
                    yield from self._end_response()
                case Abort(reason):
                    yield from self._abort(reason)

    def _answer(self, answer: Answer) -> Commands:
        """A whole answer, by the path that stock code has for answers of addons."""
        self.flow.response = _response(answer.status, answer.headers, answer.body)
        yield HttpResponseHeadersHook(self.flow)
        if not (yield from self.check_killed(True)):
            yield from self.send_response()

    def _open_response(self, status: int, headers: tuple[tuple[str, str], ...]) -> Commands:
        self.flow.response = _response(status, (*headers, ("Transfer-Encoding", "chunked")), None)
        yield HttpResponseHeadersHook(self.flow)
        self.flow.response.stream = True
        self.server_state = self.state_stream_response_body
        yield SendHttp(ResponseHeaders(self.stream_id, self.flow.response, end_stream=False), self.context.client)

    def _end_response(self) -> Commands:
        self._keep_body()
        yield from self.send_response(already_streamed=True)

    def _store(self, data: bytes) -> None:
        if self._stored_bytes < MAX_STORED_BODY:
            self._stored.append(data)
            self._stored_bytes += len(data)

    def _keep_body(self) -> None:
        if self.flow.response is not None and self._stored:
            self.flow.response.data.content = b"".join(self._stored)[:MAX_STORED_BODY]
            self._stored.clear()

    # Other ends.

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> Commands:
        if self.conductor is None or not isinstance(event, RequestProtocolError):
            yield from super().handle_protocol_error(event)
            return
        self._feed(self.conductor.exchange.client_gone)
        if self.flow.live:
            yield from self._end_in_error(event.message)
        yield DropStream(self.stream_id)

    def _abort(self, reason: str) -> Commands:
        assert self.conductor
        yield from self._end_in_error(reason)
        yield SendHttp(ResponseProtocolError(self.stream_id, reason, ErrorCode.CANCEL), self.context.client)
        yield DropStream(self.stream_id)
        if not self.flow.request.is_http2:
            self.conductor.cut_off_client()

    def _kill(self) -> Commands:
        """Somebody killed the flow in the user interface."""
        assert self.conductor
        self._feed(self.conductor.exchange.client_gone)
        yield from self._end_in_error(mflow.Error.KILLED_MESSAGE)
        yield SendHttp(ResponseProtocolError(self.stream_id, "killed", ErrorCode.KILL), self.context.client)
        yield DropStream(self.stream_id)

    def _end_in_error(self, message: str) -> Commands:
        self._keep_body()
        self.client_state = self.server_state = self.state_errored
        self.flow.error = self.flow.error or mflow.Error(message)
        self.flow.live = False
        yield HttpErrorHook(self.flow)

    def _crash(self) -> Commands:
        """An exception of ours ends this exchange only: 502 while nothing is out, else an error frame."""
        name = self.conductor.exchange.call.request_id if self.conductor else self.station.request_id(self.flow.request)
        logger.exception(f"The router failed on exchange {name}.")
        if self.conductor and not self.conductor.exchange.ended:
            yield from self._show(self._feed(self.conductor.exchange.crashed))
        elif self.flow.response is None:
            assert self.chat
            yield from self._answer(self.station.crashed(self.chat, self.flow.request))
        else:
            yield from self._end_in_error("the router failed")
            yield SendHttp(
                ResponseProtocolError(self.stream_id, "the router failed", ErrorCode.KILL), self.context.client
            )
            yield DropStream(self.stream_id)

    # Own pages, without flow hooks.

    def state_read_page_request(self, event: events.Event) -> Commands:
        if isinstance(event, RequestData):
            if len(self.request_body_buf) + len(event.data) <= MAX_PAGE_BODY:
                self.request_body_buf += event.data
        elif isinstance(event, RequestEndOfMessage):
            self.client_state = self.state_done
            yield from self._show_page(bytes(self.request_body_buf))

    def _show_page(self, body: bytes) -> Commands:
        request = self.flow.request
        path, _, query = request.path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        reply = self.station.page(
            PageRequest(request.method, path, query, headers, body, self.station.is_local(self.context.client))
        )
        content = b"" if request.method == "HEAD" else reply.body
        response = _response(reply.status, (*reply.headers, ("Content-Length", str(len(reply.body)))), None)
        yield SendHttp(ResponseHeaders(self.stream_id, response, end_stream=not content), self.context.client)
        if content:
            yield SendHttp(ResponseData(self.stream_id, content), self.context.client)
        yield DropStream(self.stream_id)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)

    # For the conductor.

    def buffered(self) -> int:
        """Bytes that HTTP/2 holds back because the client's window is closed."""
        connection = self.home.connections.get(self.context.client)
        if not isinstance(connection, Http2Server):
            return 0
        return sum(len(piece.data) for piece in connection.h2_conn.stream_buffers.get(self.stream_id, ()))

    @contextmanager
    def hungry(self, conductor: Conductor) -> Iterator[None]:
        """While this lasts, `conductor` is told whenever the client sends something."""
        self.home.hungry.add(conductor)
        try:
            yield
        finally:
            self.home.hungry.discard(conductor)


class RoutedHttpLayer(HttpLayer):
    """Makes routed streams, brings posted events to them, and merges the writes that one event causes."""

    def __init__(self, context: Context, mode: HTTPMode, station: Station) -> None:
        super().__init__(context, mode)
        self.station = station
        self.hungry: set[Conductor] = set()

    def make_stream(self, stream_id: int) -> Commands:
        self.streams[stream_id] = RoutedStream(self.context.fork(), stream_id, self)
        yield from self.event_to_child(self.streams[stream_id], events.Start())

    def _handle_event(self, event: events.Event) -> Commands:
        """Merge the client's writes: socket writes are a third of what a streamed answer costs."""
        client, pending = self.context.client, []
        for command in self._route(event):
            if type(command) is commands.SendData and command.connection is client:
                pending.append(command.data)
                continue
            if pending:
                yield commands.SendData(client, b"".join(pending))
                pending = []
            yield command
        if pending:
            yield commands.SendData(client, b"".join(pending))

    def _route(self, event: events.Event) -> Commands:
        if isinstance(event, Posted):
            yield from self._deliver(event)
            return
        yield from super()._handle_event(event)
        if self.hungry and isinstance(event, events.DataReceived):
            for conductor in list(self.hungry):
                conductor.client_moved()

    def _deliver(self, event: Posted) -> Commands:
        if event.stream.home is self:
            if self.streams.get(event.stream.stream_id) is event.stream:
                yield from self.event_to_child(event.stream, event)
            return
        # This is the layer around a CONNECT; the stream lives further in.
        for stream in list(self.streams.values()):
            if stream.child_layer:
                yield from self.event_to_child(stream, event)


def swap_in(nextlayer: layer.NextLayer, station: Station) -> None:
    """Put a RoutedHttpLayer in the place of the stock one that was just chosen, if one was."""
    parent: layer.Layer | layer.NextLayer = nextlayer
    attribute, current = "layer", nextlayer.layer
    while current is not None and not isinstance(current, layer.NextLayer):
        if type(current) is HttpLayer:
            layers = current.context.layers
            routed = RoutedHttpLayer(current.context, current.mode, station)
            layers.pop()  # what the constructor has appended belongs where the stock layer stood
            layers[layers.index(current)] = routed
            setattr(parent, attribute, routed)
            return
        parent, attribute, current = current, "child_layer", getattr(current, "child_layer", None)


def _response(status: int, headers: tuple[tuple[str, str], ...], body: bytes | None) -> http.Response:
    fields = [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers]
    reason = http.status_codes.RESPONSES.get(status, "").encode()
    return http.Response(b"HTTP/1.1", status, reason, http.Headers(fields), body, None, time.time(), None)
