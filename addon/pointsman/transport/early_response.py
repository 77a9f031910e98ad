"""Responses before a request is complete: refused at its headers, too large, stopped, or unreadable."""

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

from pointsman.admission import ChatRequest
from pointsman.transport.credentials import Credentials
from pointsman.transport.http1 import RequestBodyMalformed
from pointsman.transport.mitm_patches.client_buffer import MAX_FRAMING_BYTES
from pointsman.transport.response import client_response
from pointsman.transport.response_mask import ResponseMask
from pointsman.transport.stream_events import UploadTimedOut
from pointsman.transport.stream_host import StreamHost, WholeResponse
from pointsman.transport.upload_timeout import UploadTimer
from pointsman.wire.errors import Code, Problem

MAX_DISCARDED_BYTES = 128 << 20
"""Bytes of a refused request's body that are taken in and forgotten: a client that is cut off while it sends may never
see its answer.
"""

UPLOAD_TIMED_OUT = Problem(Code.REQUEST_TIMEOUT, "Timed out waiting for the request body.")
MALFORMED_CHUNKING = Problem(Code.INVALID_REQUEST, "The request body is not valid chunked encoding.")

LONG_HOST = Problem(Code.INVALID_REQUEST, f"The host of this request exceeds {MAX_FRAMING_BYTES} bytes.")

CONNECTION_CLOSE = (("Connection", "close"),)

type Commands = layer.CommandGenerator[None]


def has_long_host(request: http.Request) -> bool:
    """Showing such a host in readable form takes time with the square of its length."""
    return len(request.host_header or "") > MAX_FRAMING_BYTES


class Upload:
    """The body of a request that is coming in: its timer, if it has one, and how much of it is discarded."""

    def __init__(self) -> None:
        self.timer: UploadTimer | None = None
        self._discarded_bytes = 0

    def track(self, event: events.Event) -> None:
        if self.timer is None:
            return
        if isinstance(event, RequestData):
            self.timer.on_data()
        elif isinstance(event, RequestEndOfMessage | RequestProtocolError | RequestBodyMalformed):
            self.timer.close()

    def discard(self, size: int) -> bool:
        """Returns whether more may follow."""
        self._discarded_bytes += size
        return self._discarded_bytes <= MAX_DISCARDED_BYTES

    def close(self) -> None:
        if self.timer is not None:
            self.timer.close()


class EarlyResponseStream(HttpStream):
    """A stream that answers its client in the dialect of its chat path, once `chat` is set; else it is a stock
    stream.
    """

    host: StreamHost
    chat: ChatRequest | None = None

    def __init__(self, context: Context, stream_id: int) -> None:
        super().__init__(context, stream_id)
        self.credentials: Credentials | None = None
        self._mask: ResponseMask | None = None
        self._upload = Upload()

    @contextmanager
    def _exposing_proxyauth(self, command: commands.Command) -> Iterator[None]:
        """mitmproxy looks for its own password when a request's head is shown around."""
        asked = isinstance(command, HttpRequestHeadersHook) and getattr(self.context.options, "proxyauth", None)
        with self.credentials.exposed_to_proxyauth(self.flow) if asked and self.credentials else nullcontext():
            yield

    def _handle_event(self, event: events.Event) -> Commands:
        match event:
            case UploadTimedOut():
                yield from self._on_upload_timeout()
            case RequestBodyMalformed():
                yield from self._on_malformed_body()
            case _:
                yield from super()._handle_event(event)

    def _bad_head(self, request: http.Request) -> Problem | None:
        """Why a head could be read in two ways, and the like: the stock judgement, for chats and own pages alike."""
        if has_long_host(request):
            return LONG_HOST
        fault = validate_request(self.mode, request, self.context.options.validate_inbound_headers)
        return None if fault is None else Problem(Code.INVALID_REQUEST, fault)

    def _reject(self, event: RequestHeaders, answer: WholeResponse, is_bad: bool) -> Commands:
        """Answer before the body is in. `is_bad`: the end of the body is unknown."""
        self.flow = http.HTTPFlow(self.context.client, self.context.server)
        self.flow.request = event.request
        self.flow.live = True
        hook = HttpRequestHeadersHook(self.flow)
        with self._exposing_proxyauth(hook):
            yield hook
        if given := self.flow.response:  # of another addon, such as `proxyauth`: its word comes first
            answer = WholeResponse(given.status_code, tuple(given.headers.items(multi=True)), given.raw_content or b"")
        yield from self._respond_early(answer, has_body=is_bad or not event.end_stream)
        if is_bad:
            yield from self._end_ambiguous()

    def _respond_early(self, answer: WholeResponse, has_body: bool = True) -> Commands:
        """Most clients look for an answer only when they have sent all, so what is on its way is still taken in."""
        self.request_body_buf.clear()
        self.client_state = self.state_discard_request_body
        close = CONNECTION_CLOSE if has_body and not self.flow.request.is_http2 else ()
        yield from self._respond(WholeResponse(answer.status, (*answer.headers, *close), answer.body))

    def state_discard_request_body(self, event: events.Event) -> Commands:
        if isinstance(event, RequestEndOfMessage):
            self.client_state = self.state_done
            if self.server_state == self.state_done:
                yield from self.flow_done()
        elif isinstance(event, RequestData) and not self._upload.discard(len(event.data)):
            yield from self._abort_upload()

    def _abort_upload(self) -> Commands:
        self._upload.close()
        self.client_state = self.server_state = self.state_errored
        self.flow.live = False
        yield SendHttp(ResponseProtocolError(self.stream_id, "body refused", ErrorCode.CANCEL), self.context.client)
        yield DropStream(self.stream_id)

    def _on_upload_timeout(self) -> Commands:
        """The client has stopped sending: told so if it has been told nothing yet, and cut off either way."""
        if self.chat and self.client_state == self.state_consume_request_body:
            yield from self._respond_early(self.host.error_response(UPLOAD_TIMED_OUT, self.chat, self.flow.request))
        yield from self._end_upload()

    def _end_upload(self) -> Commands:
        if self.client_state not in (self.state_done, self.state_errored):
            yield from self._abort_upload()

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        """The router's own limit holds for its requests; they are never streamed, nor are their answers held back."""
        if self.chat is None:
            return (yield from super().check_body_size(request))
        if not request or len(self.request_body_buf) <= self.host.max_body:
            return False
        problem = Problem(Code.REQUEST_TOO_LARGE, f"The request body exceeds {self.host.max_body} bytes.")
        yield from self._respond_early(self.host.error_response(problem, self.chat, self.flow.request))
        return True

    def check_invalid(self, request: bool) -> layer.CommandGenerator[bool]:
        """A bad head is told in the client's dialect."""
        if self.chat is None or not request:
            return (yield from super().check_invalid(request))
        problem = self._bad_head(self.flow.request)
        if problem is None:
            return False
        yield HttpRequestHeadersHook(self.flow)
        yield from self._respond_early(self.host.error_response(problem, self.chat, self.flow.request))
        yield from self._end_ambiguous()
        return True

    def _end_ambiguous(self) -> Commands:
        """The end of the body is unknown, except in HTTP/2, which frames it."""
        if not self.flow.request.is_http2:
            yield from self._end_upload()

    def _on_malformed_body(self) -> Commands:
        """The client can be told, but nothing after this body is a request."""
        if self.client_state == self.state_discard_request_body:
            yield from self.state_discard_request_body(RequestEndOfMessage(self.stream_id))
        elif self.chat and self.client_state == self.state_consume_request_body:
            self.request_body_buf.clear()
            self.client_state = self.state_done
            yield from self._respond(
                self.host.error_response(MALFORMED_CHUNKING, self.chat, self.flow.request, CONNECTION_CLOSE)
            )
        else:
            error = RequestProtocolError(self.stream_id, MALFORMED_CHUNKING.message, ErrorCode.GENERIC_CLIENT_ERROR)
            yield from self.handle_protocol_error(error)
            yield CloseConnection(self.context.client)

    def _respond(self, answer: WholeResponse) -> Commands:
        """A whole answer, by the path that stock code has for answers of addons. To HEAD there is only its head."""
        body = b"" if self.flow.request.method == "HEAD" else answer.body
        self.flow.response = client_response(
            answer.status, (*answer.headers, *self._cors_headers()), body, self.host.masker
        )
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
        return mask.masking(response)

    def _response_mask(self) -> ResponseMask | None:
        """None for a response that is none of the router's business. The head of its own answers is masked already."""
        if self._mask is None and self.chat is not None:
            self._mask = ResponseMask(self.host.masker, has_head=False)
        return self._mask

    def _cors_headers(self) -> tuple[tuple[str, str], ...]:
        return self.chat.cors if self.chat else ()
