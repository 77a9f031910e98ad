"""Responses before a request is complete: refused at its headers, too large, stopped, or unreadable."""

from mitmproxy import http
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.commands import CloseConnection
from mitmproxy.proxy.layers.http import (
    DropStream,
    ErrorCode,
    HTTPMode,
    HttpRequestHeadersHook,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseProtocolError,
    SendHttp,
    validate_request,
)

from pointsman.transport.mitm_patches.client_buffer import MAX_FRAMING_BYTES
from pointsman.transport.responding_stream import RespondingStream
from pointsman.transport.stream_host import StreamHost, WholeResponse
from pointsman.transport.upload import CONNECTION_CLOSE, MALFORMED_CHUNKING, Upload
from pointsman.wire.errors import Code, Problem
from pointsman.wire.headers import Headers

UPLOAD_TIMED_OUT = Problem(Code.REQUEST_TIMEOUT, "Timed out waiting for the request body.")
LONG_HOST = Problem(Code.INVALID_REQUEST, f"The host of this request exceeds {MAX_FRAMING_BYTES} bytes.")

type Commands = layer.CommandGenerator[None]


def has_long_host(request: http.Request) -> bool:
    """Showing such a host in readable form takes time with the square of its length."""
    hosts = sum(len(value) for name, value in request.headers.fields if name.lower() == b"host")
    return max(hosts, len(request.data.authority)) > MAX_FRAMING_BYTES


def bad_head(request: http.Request, mode: HTTPMode, is_strict: bool) -> Problem | None:
    """Why mitmproxy's own check refuses a head, for chats and own pages alike; None if it does not."""
    if has_long_host(request):
        return LONG_HOST
    fault = validate_request(mode, request, is_strict)
    return None if fault is None else Problem(Code.INVALID_REQUEST, fault)


class EarlyResponder:
    """Answers the client of `stream` in the dialect of its chat path, and takes in what is on its way of the body."""

    def __init__(self, stream: RespondingStream, upload: Upload, host: StreamHost) -> None:
        self._stream, self._upload, self._host = stream, upload, host

    def reject(self, event: RequestHeaders, problem: Problem, answer: WholeResponse, is_bad: bool) -> Commands:
        """Answer at the request's head: `answer` says what the problem is. `is_bad`: the end of the body is unknown."""
        stream = self._stream
        stream.flow = http.HTTPFlow(stream.context.client, stream.context.server)
        stream.flow.request = event.request
        stream.flow.live = True
        hook = HttpRequestHeadersHook(stream.flow)
        with stream.exposing_proxyauth(hook):
            yield hook
        if given := stream.flow.response:  # of another addon, such as `proxyauth`: its word comes first
            answer = WholeResponse(given.status_code, tuple(given.headers.items(multi=True)), given.raw_content or b"")
        else:
            assert stream.chat
            self._host.note_refusal(stream.flow, stream.chat, problem)
        yield from self._respond(answer, has_body=is_bad or not event.end_stream)
        if is_bad:
            yield from self._end_ambiguous()

    def reject_bad_head(self, problem: Problem) -> Commands:
        yield HttpRequestHeadersHook(self._stream.flow)
        yield from self._respond(self._error(problem))
        yield from self._end_ambiguous()

    def reject_size(self) -> Commands:
        problem = Problem(Code.REQUEST_TOO_LARGE, f"The request body exceeds {self._host.max_body} bytes.")
        yield from self._respond(self._error(problem))

    def on_upload_timeout(self) -> Commands:
        """The client has stopped sending: told so if it has been told nothing yet, and cut off either way."""
        if self._is_receiving_chat:
            yield from self._respond(self._error(UPLOAD_TIMED_OUT))
        yield from self._end_upload()

    def on_client_left(self) -> None:
        """Has it recorded that the client left before its request was complete."""
        if self._is_receiving_chat:
            assert self._stream.chat
            self._host.on_client_left(self._stream.flow, self._stream.chat)

    def on_malformed_body(self) -> Commands:
        """The client still gets an error, but nothing after this body can be read as a request."""
        stream = self._stream
        if stream.client_state == self.state_discard_request_body:
            yield from self.state_discard_request_body(RequestEndOfMessage(stream.stream_id))
        elif self._is_receiving_chat:
            stream.request_body_buf.clear()
            stream.client_state = stream.state_done
            yield from stream.respond(self._error(MALFORMED_CHUNKING, CONNECTION_CLOSE))
        else:
            error = RequestProtocolError(stream.stream_id, MALFORMED_CHUNKING.message, ErrorCode.GENERIC_CLIENT_ERROR)
            yield from stream.handle_protocol_error(error)
            yield CloseConnection(stream.context.client)

    def state_discard_request_body(self, event: events.Event) -> Commands:
        """The stream's client state after an early answer."""
        stream = self._stream
        if isinstance(event, RequestEndOfMessage):
            stream.client_state = stream.state_done
            if stream.server_state == stream.state_done:
                yield from stream.flow_done()
        elif isinstance(event, RequestData) and not self._upload.discard(len(event.data)):
            yield from self._abort()

    @property
    def _is_receiving_chat(self) -> bool:
        stream = self._stream
        return stream.chat is not None and stream.client_state == stream.state_consume_request_body

    def _error(self, problem: Problem, headers: Headers = ()) -> WholeResponse:
        chat, flow = self._stream.chat, self._stream.flow
        assert chat
        self._host.note_refusal(flow, chat, problem)
        return self._host.error_response(problem, chat, flow.request, headers)

    def _respond(self, answer: WholeResponse, has_body: bool = True) -> Commands:
        """Most clients look for an answer only when they have sent all, so what is on its way is still taken in."""
        stream = self._stream
        stream.request_body_buf.clear()
        stream.client_state = self.state_discard_request_body
        close = CONNECTION_CLOSE if has_body and not stream.flow.request.is_http2 else ()
        yield from stream.respond(WholeResponse(answer.status, (*answer.headers, *close), answer.body))

    def _end_ambiguous(self) -> Commands:
        """The end of the body is unknown, except in HTTP/2, which frames it."""
        if not self._stream.flow.request.is_http2:
            yield from self._end_upload()

    def _end_upload(self) -> Commands:
        if self._stream.client_state not in (self._stream.state_done, self._stream.state_errored):
            yield from self._abort()

    def _abort(self) -> Commands:
        stream = self._stream
        self._upload.close()
        stream.client_state = stream.server_state = stream.state_errored
        stream.flow.live = False
        error = ResponseProtocolError(stream.stream_id, "body refused", ErrorCode.CANCEL)
        yield SendHttp(error, stream.context.client)
        yield DropStream(stream.stream_id)
