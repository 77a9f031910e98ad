"""A client's stream that can be routed.

It takes its request like any other one. Where the stock code would connect to a server, an exchange begins instead;
from then on the stream shows its client what the exchange's effects say, until it ends the way the stock code ends a
streamed response. A stream that is not routed is a stock stream.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from mitmproxy import flow as mflow
from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.commands import CloseConnection
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    DropStream,
    ErrorCode,
    Http2Server,
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpResponseHeadersHook,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseHeaders,
    ResponseProtocolError,
    SendHttp,
)

from pointsman.admission import Chat, Decision, Door, Page, Pass, Refusal
from pointsman.exchange.effects import Abort, End, Respond, Send
from pointsman.exchange.engine import Exchange
from pointsman.masking import Masker
from pointsman.transport.body_capture import Tape
from pointsman.transport.credentials import Credentials
from pointsman.transport.direct_write import chunk
from pointsman.transport.early_response import has_long_host
from pointsman.transport.exchange_driver import ClientEffect, Conductor
from pointsman.transport.flow_kill import tell_no_more, tell_of_kill
from pointsman.transport.http1 import BodyUnreadable
from pointsman.transport.page_stream import PageStream
from pointsman.transport.response import client_response, is_whole
from pointsman.transport.response_mask import ResponseMask
from pointsman.transport.server_info import closed
from pointsman.transport.stream_events import Input, Posted, Work
from pointsman.transport.stream_host import Answer, PassOn
from pointsman.web.http import reply_problem
from pointsman.wire.errors import Code, Problem

if TYPE_CHECKING:
    from pointsman.transport.http_layer import RoutedHttpLayer

logger = logging.getLogger(__name__)

type Commands = layer.CommandGenerator[None]


def state_over(_: events.Event) -> Commands:
    """Nothing more happens on this stream."""
    yield from ()


def without_garbage(request: http.Request) -> http.Request:
    """The same request, in an object of its own. The one that mitmproxy has made is part of a cycle, by exceptions that
    its check of types has dealt with: a body in there would wait for a full collection of garbage.
    """
    twin, data = http.Request.__new__(http.Request), http.RequestData.__new__(http.RequestData)
    data.__dict__.update(request.data.__dict__)  # without the check of types, which has been made already
    twin.data = data
    return twin


class RoutedStream(PageStream):
    """A stream that is routed if the station says so. `chat` is set once it does.

    Once its exchange has ended, it lets go of it, and once it is over itself, of whatever leads back to it: reference
    counting alone frees what a request has taken, and that may be a hundred megabytes.
    """

    conductor: Conductor | None = None
    """Of the exchange, while that lasts."""

    def __init__(self, context: Context, stream_id: int, home: "RoutedHttpLayer") -> None:
        super().__init__(context, stream_id)
        self.home = home
        self.station = home.station
        self._shown: http.Request | None = None
        self._server: Server | None = None
        """The connection that the answer comes by."""
        self._tape: Tape | None = None
        """Of a streamed answer, for people to read."""
        self._is_being_read = False
        self._reported = False
        self._left: list[ClientEffect] = []
        """What came by the short way, and must go the long one."""

    def _handle_event(self, event: events.Event) -> Commands:
        if self.client_state is state_over:
            if isinstance(event, BodyUnreadable):  # found only after the answer: no next request can be read
                yield CloseConnection(self.context.client)
            return
        try:
            if isinstance(event, Posted):
                yield from self._take_posted(event)
            else:
                yield from super()._handle_event(event)
        except Exception:
            if not hasattr(self, "flow"):
                yield from self._crash_on_head()
            elif self.chat is None:
                raise
            else:
                yield from self._crash()
        if self._reported and not self._left:
            self.conductor = None
        if self._is_over():
            self._let_go()

    def _is_over(self) -> bool:
        """The layer has dropped it: no event will reach it."""
        return self.home.streams.get(self.stream_id) is not self

    def _let_go(self) -> None:
        """mitmproxy has exceptions that keep the frames which they came by, and those keep the stream."""
        self.client_state = self.server_state = state_over
        self._upload = None
        if hasattr(self, "flow"):
            self.context.layers.remove(self)
            del self.flow

    # The request.

    def state_wait_for_request_headers(self, event: RequestHeaders) -> Commands:
        decision: Decision
        if has_long_host(event.request):
            decision = Page()  # which is refused, and shown to nobody
        elif event.replay_flow:
            decision = self.station.receive_again(event.replay_flow, self.context, self.mode)
        else:
            decision = self.station.receive(event.request, self.context, self.mode)
        is_tunnel = event.request.method == "CONNECT"
        if decision is not Pass.ON and not event.end_stream and not is_tunnel:
            self._upload = self.station.watch_upload(self)
        match decision:
            case Pass():
                yield from super().state_wait_for_request_headers(event)
            case Page():
                yield from self.open_page(event)
            case Chat():
                self.chat = decision
                if not event.replay_flow:
                    event.request = without_garbage(event.request)
                self._make_ours(event.request, decision.door)
                for command in super().state_wait_for_request_headers(event):  # none of them has a reply
                    if isinstance(command, HttpRequestHeadersHook):
                        tell_of_kill(self.flow, self._killed)
                    with self._open_to_proxyauth(command):
                        yield command
                    if self.credentials is not None:
                        self.credentials.take_added(self.flow.request)
            case Refusal() if is_tunnel:
                self.client_state = self.state_errored
                yield from self.show_reply(reply_problem(decision.problem, decision.headers))
            case Refusal():
                self.chat = Chat(decision.dialect, Door.OWN)
                self._make_ours(event.request, Door.OWN)
                bad = self._bad_head(event.request)
                headers = () if bad else decision.headers
                answer = self.station.say(bad or decision.problem, self.chat, event.request, headers)
                yield from self._refuse(event, answer, is_bad=bad is not None)

    def _make_ours(self, request: http.Request, door: Door) -> None:
        """From here on nobody but this stream knows the client's credentials."""
        if door is Door.OWN and not request.host:
            sockname = self.context.client.sockname
            request.data.host, request.data.port = sockname[0], sockname[1]
            request.data.scheme = b"https" if self.context.client.tls else b"http"
        self.credentials = Credentials.taken_from(request, self.station.masker)

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
        self.chat = self.chat.edited(self.flow.request.path)
        reading = self.station.reading(self.flow, self.chat, self.credentials.caller if self.credentials else None)
        if (read := reading.at_once()) is None:
            self._is_being_read = True
            read = (yield Work(reading))()
            if self._is_given_up() or (yield from self.check_killed(True)):
                return False
            self._is_being_read = False
        opened = self.station.open(self.flow, self.chat, read)
        match opened:
            case Exchange():
                self.conductor = self.station.conduct(opened, self)
                yield from self._show(self._feed(opened.begin))
            case Answer():
                yield from self._answer(opened)
            case PassOn():
                return (yield from self._pass_on())
        return False

    def _is_given_up(self) -> bool:
        """The client has left while its request was being read."""
        return any(isinstance(event, RequestProtocolError) for event in self._paused_event_queue)

    def _pass_on(self) -> layer.CommandGenerator[bool]:
        """Nobody here has this model: the request goes where the client wanted it, with its own credentials."""
        self.chat = None
        connected = yield from super().make_server_connection()
        if connected and self.credentials is not None:
            secrets = Masker([*self.station.masker.secrets, *self.credentials.tokens])  # which its host may repeat
            self._mask = ResponseMask(secrets, has_head=True)
            self._shown = self.flow.request
            self.flow.request = self.credentials.put_back(self._shown)
        return connected

    def state_consume_request_body(self, event: events.Event) -> Commands:
        try:
            yield from super().state_consume_request_body(event)
        finally:
            if self._shown is not None:  # sent by now, and nobody has looked in between
                self.flow.request, self._shown = self._shown, None

    # The answer.

    def _take_posted(self, event: Posted) -> Commands:
        event.taken()
        if self.conductor is None:
            return
        if self.is_killed and not self.conductor.exchange.ended:
            yield from self._kill()
        else:
            left, self._left = self._left, []
            yield from self._show(left + self._feed(event.given))

    def relay(self, given: Input) -> bytes:
        """An input by the short way: what its client is to get now. What else there is waits for the next posted."""
        pieces: list[bytes] = []
        for effect in self._feed(given):
            if isinstance(effect, Send) and not self._left:
                self._record(effect.data)
                pieces.append(chunk(effect.data))
            else:
                self._left.append(effect)
        return b"".join(pieces)

    @property
    def has_left(self) -> bool:
        """Something waits to go the long way."""
        return bool(self._left)

    def _killed(self) -> None:
        if self.conductor and not self.conductor.exchange.ended:
            self.conductor.flow_killed()

    @property
    def is_killed(self) -> bool:
        return bool(self.flow.error and self.flow.error.msg == mflow.Error.KILLED_MESSAGE)

    def _feed(self, given: Input) -> list[ClientEffect]:
        assert self.conductor
        effects = self.conductor.feed(given)
        exchange = self.conductor.exchange
        if self._server is None and (server := self.conductor.winning_server()):
            self._server = self.flow.server_conn = server
        if exchange.ended and not self._reported:
            self._reported = True
            tell_no_more(self.flow)
            if self._server is not None:
                closed(self._server)
            try:
                self.station.ended(exchange, self.flow)
            except Exception:  # the client's answer is not at fault
                logger.exception(f"The record of exchange {exchange.call.request_id} is lost.")
                self.station.abandon(exchange)
        return effects

    def _show(self, effects: list[ClientEffect]) -> Commands:
        match effects:  # known whole: other addons may still change it, as they may any answer that is not streamed
            case [Respond(status, headers), Send(body), End()] if is_whole(headers):
                return (yield from self._answer(Answer(status, headers, body)))
            case [Respond(status, headers), End()] if is_whole(headers):
                return (yield from self._answer(Answer(status, headers, b"")))
        for effect in effects:
            match effect:
                case Respond(status, headers):
                    yield from self._open_response(status, headers)
                    if self.server_state == self.state_errored:
                        return
                case Send(data):
                    self._record(data)
                    yield SendHttp(ResponseData(self.stream_id, data), self.context.client)
                case End():
                    yield from self._end_response()
                case Abort(reason):
                    yield from self._abort(reason)

    def _open_response(self, status: int, headers: tuple[tuple[str, str], ...]) -> Commands:
        is_old = self.flow.request.http_version == "HTTP/1.0"
        framing = ("Connection", "close") if is_old else ("Transfer-Encoding", "chunked")
        self.flow.response = client_response(status, (*headers, *self._cors(), framing), None, self.station.masker)
        yield HttpResponseHeadersHook(self.flow)
        if self.is_killed:
            return (yield from self._kill())
        self.flow.response.stream = True
        assert self.conductor
        self._tape = Tape(self.conductor.began)
        self.server_state = self.state_stream_response_body
        yield SendHttp(ResponseHeaders(self.stream_id, self.flow.response, end_stream=False), self.context.client)
        if self.conductor and not is_old:
            self.conductor.take_shortcut(self.home.connections[self.context.client])

    def state_wait_for_response_headers(self, event: ResponseHeaders) -> Commands:
        for command in super().state_wait_for_response_headers(event):  # none of them has a reply
            with self._without_secrets(command):
                yield command

    def send_response(self, already_streamed: bool = False) -> Commands:
        """A key that a provider or host repeats in its answer is the client's to read, but no flow's to keep."""
        if self.chat is not None and already_streamed:
            yield from super().send_response(already_streamed)  # what is kept of it is masked
            return
        for command in super().send_response(already_streamed):  # none of them has a reply
            with self._without_secrets(command):
                yield command
        if (mask := self._response_mask()) and self.flow.response:
            mask.put_on(self.flow.response)

    def _end_response(self) -> Commands:
        self._keep_body()
        yield from self.send_response(already_streamed=True)

    def _record(self, data: bytes) -> None:
        if self._tape and self.conductor:
            self._tape.add(data, self.conductor.now())

    def _keep_body(self) -> None:
        if self._tape and self._tape.size and self.flow.response is not None:
            self.station.keep(self._tape, self.flow)
            self._tape = None

    # Other ends.

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> Commands:
        is_ours = self._is_being_read or self._reported or self.conductor is not None
        if not is_ours or not isinstance(event, RequestProtocolError):
            yield from super().handle_protocol_error(event)
            return
        if self.conductor is not None:
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
        name, problem = self.station.request_id(self.flow.request), self.station.crash_of(self.flow.request)
        logger.exception(f"The router failed on exchange {name}.")
        exchange = self.conductor.exchange if self.conductor else None
        if exchange and not exchange.ended:
            try:
                yield from self._show(self._feed(partial(exchange.give_up, problem)))
                return
            except Exception:
                logger.exception(f"The router failed to give exchange {name} up.")
                self.station.abandon(exchange)
        if self.flow.response is None:
            assert self.chat
            yield from self._answer(self.station.say(problem, self.chat, self.flow.request))
        else:
            yield from self._end_in_error("the router failed")
            error = ResponseProtocolError(self.stream_id, "the router failed", ErrorCode.KILL)
            yield SendHttp(error, self.context.client)
            yield DropStream(self.stream_id)

    def _crash_on_head(self) -> Commands:
        """Nobody has seen this request yet, so there is no flow to end."""
        self.client_state = self.server_state = self.state_errored
        name = uuid4().hex
        logger.exception(f"The router failed on the head of a request, {name}.")
        problem = Problem(Code.INTERNAL_ERROR, f"The router failed on this request; its log has more under {name}.")
        yield from self.show_reply(reply_problem(problem, (("X-Request-ID", name), ("Connection", "close"))))
        error = ResponseProtocolError(self.stream_id, "the router failed", ErrorCode.CANCEL)
        yield SendHttp(error, self.context.client)

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
