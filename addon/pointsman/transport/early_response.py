"""Requests that are answered before they are whole: refused at the head, too large, stopped, or unreadable."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.commands import CloseConnection
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    DropStream,
    ErrorCode,
    HttpRequestHeadersHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
    HttpStream,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseProtocolError,
    SendHttp,
    validate_request,
)

from pointsman.admission import Chat
from pointsman.transport.client_buffer import MAX_FRAMING
from pointsman.transport.credentials import Credentials
from pointsman.transport.http1 import BodyUnreadable
from pointsman.transport.response import client_response
from pointsman.transport.response_mask import ResponseMask
from pointsman.transport.stream_events import UploadExpired
from pointsman.transport.stream_host import Answer, Station
from pointsman.transport.upload_timeout import UploadWatch
from pointsman.wire.errors import Code, Problem

MAX_DISCARDED = 128 << 20
"""Bytes of a refused request's body that are taken in and forgotten: a client that is cut off while it sends may never
see its answer.
"""

TOO_SLOW = Problem(Code.REQUEST_TIMEOUT, "The request's body has stopped coming.")
UNREADABLE = Problem(Code.INVALID_REQUEST, "The request's body is not chunked as its head says.")

LONG_HOST = Problem(Code.INVALID_REQUEST, f"The host of this request exceeds {MAX_FRAMING} bytes.")

CLOSE = (("Connection", "close"),)

type Commands = layer.CommandGenerator[None]


def has_long_host(request: http.Request) -> bool:
    """Whoever shows such a host as people write it takes time with the square of its length."""
    return len(request.host_header or "") > MAX_FRAMING


class RefusingStream(HttpStream):
    """A stream that answers its client in the dialect of its chat path, once `chat` is set; else it is a stock
    stream.
    """

    station: Station
    chat: Chat | None = None

    def __init__(self, context: Context, stream_id: int) -> None:
        super().__init__(context, stream_id)
        self.credentials: Credentials | None = None
        self._mask: ResponseMask | None = None
        self._upload: UploadWatch | None = None
        self._discarded = 0

    @contextmanager
    def _open_to_proxyauth(self, command: commands.Command) -> Iterator[None]:
        """mitmproxy looks for its own password when a request's head is shown around."""
        asked = isinstance(command, HttpRequestHeadersHook) and getattr(self.context.options, "proxyauth", None)
        with self.credentials.lent_to_proxyauth(self.flow) if asked and self.credentials else nullcontext():
            yield

    def _handle_event(self, event: events.Event) -> Commands:
        self._watch_upload(event)
        match event:
            case UploadExpired():
                yield from self._give_up_upload()
            case BodyUnreadable():
                yield from self._end_unreadable()
            case _:
                yield from super()._handle_event(event)

    def _bad_head(self, request: http.Request) -> Problem | None:
        """Why a head could be read in two ways, and the like: the stock judgement, for chats and own pages alike."""
        if has_long_host(request):
            return LONG_HOST
        fault = validate_request(self.mode, request, self.context.options.validate_inbound_headers)
        return None if fault is None else Problem(Code.INVALID_REQUEST, fault)

    def _refuse(self, event: RequestHeaders, answer: Answer, is_bad: bool) -> Commands:
        """Answer before the body is in. `is_bad`: nobody can tell where the body ends."""
        self.flow = http.HTTPFlow(self.context.client, self.context.server)
        self.flow.request = event.request
        self.flow.live = True
        hook = HttpRequestHeadersHook(self.flow)
        with self._open_to_proxyauth(hook):
            yield hook
        if given := self.flow.response:  # of another addon, such as `proxyauth`: its word comes first
            answer = Answer(given.status_code, tuple(given.headers.items(multi=True)), given.raw_content or b"")
        yield from self._answer_early(answer, has_body=is_bad or not event.end_stream)
        if is_bad:
            yield from self._end_ambiguous()

    def _answer_early(self, answer: Answer, has_body: bool = True) -> Commands:
        """Most clients look for an answer only when they have sent all, so what is on its way is still taken in."""
        self.request_body_buf.clear()
        self.client_state = self.state_discard_request_body
        close = CLOSE if has_body and not self.flow.request.is_http2 else ()
        yield from self._answer(Answer(answer.status, (*answer.headers, *close), answer.body))

    def state_discard_request_body(self, event: events.Event) -> Commands:
        if isinstance(event, RequestEndOfMessage):
            self.client_state = self.state_done
            if self.server_state == self.state_done:
                yield from self.flow_done()
        elif isinstance(event, RequestData):
            self._discarded += len(event.data)
            if self._discarded > MAX_DISCARDED:
                yield from self._cut_upload()

    def _cut_upload(self) -> Commands:
        if self._upload is not None:
            self._upload.close()
        self.client_state = self.server_state = self.state_errored
        self.flow.live = False
        yield SendHttp(ResponseProtocolError(self.stream_id, "body refused", ErrorCode.CANCEL), self.context.client)
        yield DropStream(self.stream_id)

    def _watch_upload(self, event: events.Event) -> None:
        if self._upload is None:
            return
        if isinstance(event, RequestData):
            self._upload.progress()
        elif isinstance(event, RequestEndOfMessage | RequestProtocolError | BodyUnreadable):
            self._upload.close()

    def _give_up_upload(self) -> Commands:
        """The client has stopped sending: told so if it has been told nothing yet, and cut off either way."""
        if self.chat and self.client_state == self.state_consume_request_body:
            yield from self._answer_early(self.station.say(TOO_SLOW, self.chat, self.flow.request))
        yield from self._end_upload()

    def _end_upload(self) -> Commands:
        if self.client_state not in (self.state_done, self.state_errored):
            yield from self._cut_upload()

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        """The router's own limit holds for its requests; they are never streamed, nor are their answers held back."""
        if self.chat is None:
            return (yield from super().check_body_size(request))
        if not request or len(self.request_body_buf) <= self.station.max_body:
            return False
        problem = Problem(Code.REQUEST_TOO_LARGE, f"The request's body exceeds {self.station.max_body} bytes.")
        yield from self._answer_early(self.station.say(problem, self.chat, self.flow.request))
        return True

    def check_invalid(self, request: bool) -> layer.CommandGenerator[bool]:
        """A bad head is told in the client's dialect."""
        if self.chat is None or not request:
            return (yield from super().check_invalid(request))
        problem = self._bad_head(self.flow.request)
        if problem is None:
            return False
        yield HttpRequestHeadersHook(self.flow)
        yield from self._answer_early(self.station.say(problem, self.chat, self.flow.request))
        yield from self._end_ambiguous()
        return True

    def _end_ambiguous(self) -> Commands:
        """Where the body ends is anybody's guess, except in HTTP/2, which frames it."""
        if not self.flow.request.is_http2:
            yield from self._end_upload()

    def _end_unreadable(self) -> Commands:
        """The client can be told, but nothing after this body is a request."""
        if self.client_state == self.state_discard_request_body:
            yield from self.state_discard_request_body(RequestEndOfMessage(self.stream_id))
        elif self.chat and self.client_state == self.state_consume_request_body:
            self.request_body_buf.clear()
            self.client_state = self.state_done
            yield from self._answer(self.station.say(UNREADABLE, self.chat, self.flow.request, CLOSE))
        else:
            error = RequestProtocolError(self.stream_id, UNREADABLE.message, ErrorCode.GENERIC_CLIENT_ERROR)
            yield from self.handle_protocol_error(error)
            yield CloseConnection(self.context.client)

    def _answer(self, answer: Answer) -> Commands:
        """A whole answer, by the path that stock code has for answers of addons. To HEAD there is only its head."""
        body = b"" if self.flow.request.method == "HEAD" else answer.body
        self.flow.response = client_response(answer.status, (*answer.headers, *self._cors()), body, self.station.masker)
        hook = HttpResponseHeadersHook(self.flow)
        with self._without_secrets(hook):
            yield hook
        if not (yield from self.check_killed(True)):
            yield from self.send_response()

    def _without_secrets(self, command: commands.Command) -> AbstractContextManager[None]:
        """While addons look at the response."""
        response, mask = self.flow.response, self._response_mask()
        if response is None or mask is None or not isinstance(command, HttpResponseHeadersHook | HttpResponseHook):
            return nullcontext()
        return mask.worn_by(response)

    def _response_mask(self) -> ResponseMask | None:
        """None for a response that is none of the router's business. The head of its own answers is masked already."""
        if self._mask is None and self.chat is not None:
            self._mask = ResponseMask(self.station.masker, has_head=False)
        return self._mask

    def _cors(self) -> tuple[tuple[str, str], ...]:
        return self.chat.cors if self.chat else ()
