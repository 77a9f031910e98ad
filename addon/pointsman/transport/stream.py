"""A client's stream that can be routed.

It takes its request like any other one. Where the stock code would connect to a server, an exchange begins instead;
from then on the stream shows its client what the exchange's effects say, until it ends the way the stock code ends a
streamed response. A stream that is not routed is a stock stream.
"""

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.commands import CloseConnection
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    ErrorCode,
    HttpRequestHeadersHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
    HttpStream,
    RequestHeaders,
    RequestProtocolError,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    SendHttp,
)

from pointsman.admission import ChatRequest, Decision, EntryMode, NotRouted, OwnPage, Refusal
from pointsman.exchange.engine import Exchange
from pointsman.masking import Masker
from pointsman.transport import entry_mode
from pointsman.transport.client_stream import ParentLayer
from pointsman.transport.credentials import Credentials
from pointsman.transport.early_response import EarlyResponder, bad_head, has_long_host
from pointsman.transport.exchange_responder import ExchangeResponder
from pointsman.transport.http1 import ClientHttp1, RequestBodyMalformed
from pointsman.transport.mitm_patches.flow_kill import notify_on_kill
from pointsman.transport.mitm_patches.layer_state import has_paused_event
from pointsman.transport.mitm_patches.unchecked_messages import without_cycle
from pointsman.transport.page_responder import PageResponder, send_reply
from pointsman.transport.response import client_response
from pointsman.transport.response_mask import ResponseMask
from pointsman.transport.stream_events import ExchangeInputEvent, RunInThread, UploadTimedOut, WaitFor
from pointsman.transport.stream_host import ForwardToOrigin, StreamHost, WholeResponse
from pointsman.transport.upload import Upload
from pointsman.transport.upload_timeout import start_timer
from pointsman.transport.websocket_layer import WebSocketLayer, handshake
from pointsman.web.http import error_reply
from pointsman.wire.errors import Code, Problem

logger = logging.getLogger(__name__)

type Commands = layer.CommandGenerator[None]


def state_over(_: events.Event) -> Commands:
    """The stream has ended."""
    yield from ()


class RoutedStream(HttpStream):
    """A stream that is routed if the host says so. `chat` is set once it does.

    Once its exchange has ended, it lets go of it, and once it is over itself, of whatever leads back to it: reference
    counting alone frees what a request has taken, and that may be a hundred megabytes.
    """

    chat: ChatRequest | None = None

    def __init__(self, context: Context, stream_id: int, parent: ParentLayer, host: StreamHost) -> None:
        super().__init__(context, stream_id)
        self.http_layer = parent
        self.host = host
        self.credentials: Credentials | None = None
        self._mask: ResponseMask | None = None
        self._upload = Upload()
        self._early = EarlyResponder(self, self._upload, host)
        self.responder = ExchangeResponder(self, host)
        self._masked_request: http.Request | None = None
        self._key_places: frozenset[str] = frozenset()
        """Where the request has a key that is for this router alone."""
        self._is_being_read = False
        self._page: PageResponder | None = None
        self._upgrade: http.Request | None = None
        """The request for a WebSocket connection, as the client sent it."""

    def _handle_event(self, event: events.Event) -> Commands:
        if self.client_state is state_over:
            if isinstance(event, RequestBodyMalformed):  # found only after the answer: no next request can be read
                yield CloseConnection(self.context.client)
            return
        self._upload.track(event)
        try:
            if isinstance(event, ExchangeInputEvent):
                yield from self.responder.on_input(event)
            elif self._page is not None:
                yield from self._page.handle_event(event)
            elif isinstance(event, UploadTimedOut):
                yield from self._early.on_upload_timeout()
            elif isinstance(event, RequestBodyMalformed):
                yield from self._early.on_malformed_body()
            else:
                if isinstance(event, RequestProtocolError):
                    self._early.on_client_left()
                yield from super()._handle_event(event)
        except Exception:
            if not hasattr(self, "flow"):
                yield from self._on_head_crash()
            elif self.chat is None:
                raise
            else:
                yield from self.responder.on_crash()
        if self.client_state is state_over:  # since an event within this one, of which stock code makes some
            return
        self.responder.release()
        if self._is_over():
            self._let_go()

    def _is_over(self) -> bool:
        """The layer has dropped it: no event will reach it."""
        return self.http_layer.streams.get(self.stream_id) is not self

    def _let_go(self) -> None:
        """mitmproxy has exceptions that keep the frames which they came by, and those keep the stream."""
        self.client_state = self.server_state = state_over
        self._page = self._upload.timer = None
        del self._early, self.responder
        if hasattr(self, "flow"):
            self.context.layers.remove(self)
            del self.flow

    # The request.

    def state_wait_for_request_headers(self, event: RequestHeaders) -> Commands:
        decision: Decision
        if has_long_host(event.request):
            decision = OwnPage()  # which is refused, and shown to no addon
        elif event.replay_flow:
            decision = self.host.admit_replay(event.replay_flow, self.context, self.mode)
        else:
            if event.request.method == "GET" and "upgrade" in event.request.headers:
                self._upgrade = event.request.copy()
            decision = self.host.admit(event.request, self.context, self.mode)
        is_tunnel = event.request.method == "CONNECT"
        if decision is not NotRouted.FORWARD and not event.end_stream and not is_tunnel:
            self._upload.timer = start_timer(self)
        match decision:
            case NotRouted():
                yield from super().state_wait_for_request_headers(event)
            case OwnPage():
                yield from self._open_page(event.request)
            case ChatRequest():
                self.chat = decision if self.http_layer.may_connect else replace(decision, may_pass=False)
                if decision.is_socket:
                    event.request.headers.pop("sec-websocket-protocol", None)  # some clients put their key there
                if not event.replay_flow:
                    event.request = without_cycle(event.request)
                self._take_over(event.request, decision.entry_mode)
                for command in super().state_wait_for_request_headers(event):  # none of them has a reply
                    if isinstance(command, HttpRequestHeadersHook):
                        notify_on_kill(self.flow, self.responder.on_killed)
                    with self.exposing_proxyauth(command):
                        yield command
                    if self.credentials is not None:
                        self.credentials.extract_added(self.flow.request)
            case Refusal() if is_tunnel:
                self.client_state = self.state_errored
                yield from self._refuse_tunnel(event.request, decision)
            case Refusal():
                self.chat = ChatRequest(decision.dialect, EntryMode.OWN)
                self._take_over(event.request, EntryMode.OWN)
                bad = self._bad_head(event.request)
                headers = () if bad else decision.headers
                problem = bad or decision.problem
                answer = self.host.error_response(problem, self.chat, event.request, headers)
                yield from self._early.reject(event, problem, answer, is_bad=bad is not None)

    def _refuse_tunnel(self, request: http.Request, refusal: Refusal) -> Commands:
        self.host.on_tunnel_refused(request, refusal.problem)
        name = self.host.request_id(request)
        reply = error_reply(refusal.problem.with_request_id(name), (*refusal.headers, ("X-Request-ID", name)))
        yield from send_reply(reply, self.stream_id, self.context.client, self.host.masker)

    def _open_page(self, request: http.Request) -> Commands:
        client, serve = self.context.client, partial(self.host.serve_page, stream=self)
        self.flow = http.HTTPFlow(client, self.context.server)
        self.flow.request = request
        is_local, masker = entry_mode.is_local(client), self.host.masker
        name, refused = self.host.request_id(request), self.host.on_page_refused
        self._page = PageResponder(
            client, self.stream_id, request, name, self._upload, masker, serve, refused, is_local
        )
        yield from self._page.open(self._bad_head(request))

    def _take_over(self, request: http.Request, door: EntryMode) -> None:
        """From here on only this stream knows the client's credentials."""
        if door is EntryMode.OWN and not request.host:
            sockname = self.context.client.sockname
            request.data.host, request.data.port = sockname[0], sockname[1]
            request.data.scheme = b"https" if self.context.client.tls else b"http"
        self.credentials = Credentials.extract(request, self.host.masker)

    def exposing_proxyauth(self, command: commands.Command) -> AbstractContextManager[None]:
        """mitmproxy looks for its own password when a request's head is shown around."""
        asked = isinstance(command, HttpRequestHeadersHook) and getattr(self.context.options, "proxyauth", None)
        return self.credentials.exposed_to_proxyauth(self.flow) if asked and self.credentials else nullcontext()

    def _bad_head(self, request: http.Request) -> Problem | None:
        return bad_head(request, self.mode, self.context.options.validate_inbound_headers)

    def check_invalid(self, request: bool) -> layer.CommandGenerator[bool]:
        """A bad head is answered in the client's dialect."""
        if self.chat is None or not request:
            return (yield from super().check_invalid(request))
        if problem := self._bad_head(self.flow.request):
            yield from self._early.reject_bad_head(problem)
        return problem is not None

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        """The router's own limit holds for its requests; they are never streamed, nor are their answers held back."""
        if self.chat is None:
            return (yield from super().check_body_size(request))
        is_too_large = request and len(self.request_body_buf) > self.host.max_body
        if is_too_large:
            yield from self._early.reject_size()
        return is_too_large

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
        if self.chat.is_socket:
            yield from self._accept_socket(self.chat)
            return False
        self.chat = self.chat.with_path(self.flow.request.path)
        reading = self.host.request_reader(
            self.flow, self.chat, self.credentials.client_credential if self.credentials else None
        )
        if (read := reading.read_if_small()) is None:
            read = (yield from self._wait_for(RunInThread(reading)))()
            if (yield from self._is_given_up(self.chat)):
                return False
        for is_again in (False, True):  # others may take what it has waited for until it goes on
            if (preparing := self.host.prepare(self.flow, self.chat, read, is_again)) is None:
                break
            yield from self._wait_for(WaitFor(preparing))
            if (yield from self._is_given_up(self.chat)):
                return False
        self._is_being_read = False
        is_last = isinstance(self.http_layer.connections[self.context.client], ClientHttp1)
        opened = self.host.open_exchange(self.flow, self.chat, read, is_last)
        match opened:
            case Exchange():
                yield from self.responder.begin(self.host.start_driver(opened, self))
            case WholeResponse():
                yield from self.respond(opened)
            case ForwardToOrigin():
                return (yield from self._forward_to_origin())
        return False

    def _accept_socket(self, chat: ChatRequest) -> Commands:
        answer = handshake(self.flow.request)
        if isinstance(answer, Problem):
            self._upgrade = None
            self.host.note_refusal(self.flow, chat, answer)
            yield from self.respond(self.host.error_response(answer, chat, self.flow.request))
        else:
            yield from self.respond(WholeResponse(101, answer, b""))

    def flow_done(self) -> Commands:
        """A WebSocket connection that the router has accepted is its own to answer."""
        assert self.flow.response
        if self._upgrade is None or not (self.chat and self.chat.is_socket and self.flow.response.status_code == 101):
            yield from super().flow_done()
            return
        self.child_layer = WebSocketLayer(self.context.fork(), self, self.host, self.chat, self._upgrade)
        self._handle_event = self.passthrough  # type: ignore[method-assign]
        yield from self.child_layer.handle_event(events.Start())
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)

    def _wait_for(self, command: RunInThread | WaitFor) -> layer.CommandGenerator[Any]:
        self._is_being_read = True
        return (yield command)

    def _is_given_up(self, chat: ChatRequest) -> layer.CommandGenerator[bool]:
        """While the stream waited, the client has left, or the flow was killed."""
        if has_paused_event(self, RequestProtocolError):
            self.host.on_client_left(self.flow, chat)
            return True
        return (yield from self.check_killed(True))

    def _forward_to_origin(self) -> layer.CommandGenerator[bool]:
        """No provider has this model: the request goes to its original host, with the client's credentials."""
        assert self.chat
        self._key_places, self.chat = self.chat.key_places, None
        connected = yield from super().make_server_connection()
        if connected and self.credentials is not None:
            secrets = Masker([*self.host.masker.secrets, *self.credentials.tokens])  # which its host may repeat
            self._mask = ResponseMask(secrets, has_head=True)
            self._masked_request = self.flow.request
            self.flow.request = self.credentials.with_credentials(self._masked_request, self._key_places)
        return connected

    def state_consume_request_body(self, event: events.Event) -> Commands:
        try:
            yield from super().state_consume_request_body(event)
        finally:
            if self._masked_request is not None:  # sent by now, and no addon has run in between
                self.flow.request, self._masked_request = self._masked_request, None

    # The answer.

    def respond(self, answer: WholeResponse) -> Commands:
        """A whole answer, by the path that stock code has for answers of addons. To HEAD there is only its head."""
        body = b"" if self.flow.request.method == "HEAD" else answer.body
        self.flow.response = client_response(
            answer.status, (*answer.headers, *self.cors_headers()), body, self.host.masker
        )
        hook = HttpResponseHeadersHook(self.flow)
        with self._without_secrets(hook):
            yield hook
        if not (yield from self.check_killed(True)):
            yield from self.send_response()

    def cors_headers(self) -> tuple[tuple[str, str], ...]:
        return self.chat.cors if self.chat else ()

    def _without_secrets(self, command: commands.Command) -> AbstractContextManager[None]:
        """While addons look at the response."""
        response, mask = self.flow.response, self._response_mask()
        if response is None or mask is None or not isinstance(command, HttpResponseHeadersHook | HttpResponseHook):
            return nullcontext()
        return mask.masking(response)

    def _response_mask(self) -> ResponseMask | None:
        """None for a response that is none of the router's business. The head of its own answers is masked already."""
        if self._mask is None and self.chat is not None:
            self._mask = ResponseMask(self.host.masker, has_head=False)
        return self._mask

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
            mask.apply(self.flow.response)

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> Commands:
        if isinstance(event, RequestProtocolError) and (self._is_being_read or self.responder.has_begun):
            yield from self.responder.on_client_error(event.message)
        else:
            yield from super().handle_protocol_error(event)

    def _on_head_crash(self) -> Commands:
        """No addon has seen this request yet, so there is no flow to end."""
        self.client_state = self.server_state = self.state_errored
        name = uuid4().hex
        logger.exception(f"The router failed on a request head ({name}).")
        problem = Problem(Code.INTERNAL_ERROR, f"The router failed on this request; search its log for {name}.")
        reply = error_reply(problem, (("X-Request-ID", name), ("Connection", "close")))
        yield from send_reply(reply, self.stream_id, self.context.client, self.host.masker)
        error = ResponseProtocolError(self.stream_id, "the router failed", ErrorCode.CANCEL)
        yield SendHttp(error, self.context.client)
