"""Own pages, served on a client's stream without flow hooks: no admin key and no posted secret ever becomes a flow."""

from typing import TYPE_CHECKING, cast

from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import events
from mitmproxy.proxy.layers.http import (
    DropStream,
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

from pointsman.admission import MAX_LENGTH_DIGITS
from pointsman.transport.early_response import CONNECTION_CLOSE, MALFORMED_CHUNKING, Commands, EarlyResponseStream
from pointsman.transport.entry_mode import client_host
from pointsman.transport.header_map import header_map
from pointsman.transport.response import client_response
from pointsman.transport.stream_events import PageReady
from pointsman.web.http import PageReply, PageRequest, error_reply
from pointsman.wire.errors import Code, Problem

if TYPE_CHECKING:
    from pointsman.transport.stream import RoutedStream

MAX_PAGE_BODY_BYTES = 1 << 20
"""Bytes."""
TOO_LARGE = Problem(Code.REQUEST_TOO_LARGE, f"The request body exceeds {MAX_PAGE_BODY_BYTES} bytes.")


class PageStream(EarlyResponseStream):
    """A stream that can answer with an own page."""

    _is_page = False

    def open_page(self, event: RequestHeaders) -> Commands:
        self._is_page = True
        self.flow = http.HTTPFlow(self.context.client, self.context.server)
        self.flow.request = event.request
        self.client_state = self.state_read_page_request
        if not self.context.client.state & ConnectionState.CAN_WRITE:
            return  # refused already by who has read the head
        if problem := self._bad_head(event.request):
            yield from self._refuse_page(problem)
            yield from self._end_ambiguous()
        elif _announced(event.request) > MAX_PAGE_BODY_BYTES:
            yield from self._refuse_page(TOO_LARGE)

    def _refuse_page(self, problem: Problem) -> Commands:
        """Answer before the body is in. What is on its way is still taken in, and forgotten."""
        self.request_body_buf.clear()
        self.client_state, self.server_state = self.state_discard_request_body, self.state_done
        close = () if self.flow.request.is_http2 else CONNECTION_CLOSE
        yield from self._send_reply(error_reply(problem, close), without_body=self.flow.request.method == "HEAD")

    def state_read_page_request(self, event: events.Event) -> Commands:
        if isinstance(event, RequestData):
            if len(self.request_body_buf) + len(event.data) > MAX_PAGE_BODY_BYTES:
                yield from self._refuse_page(TOO_LARGE)
            else:
                self.request_body_buf += event.data
        elif isinstance(event, RequestEndOfMessage):
            self.client_state = self.state_await_page
            yield from self._request_page(bytes(self.request_body_buf))

    def state_await_page(self, event: events.Event) -> Commands:
        """Nothing more comes from the client."""
        yield from ()

    def _handle_event(self, event: events.Event) -> Commands:
        if not isinstance(event, PageReady):
            yield from super()._handle_event(event)
        elif self.client_state == self.state_await_page:
            yield from self._send_page(event.reply)

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> Commands:
        """The stock code would show the request to addons, with whatever key it carries."""
        if self._is_page:
            self.client_state = self.state_errored
            yield DropStream(self.stream_id)
        else:
            yield from super().handle_protocol_error(event)

    def _on_malformed_body(self) -> Commands:
        if self.client_state != self.state_read_page_request:
            yield from super()._on_malformed_body()
            return
        yield from self._refuse_page(MALFORMED_CHUNKING)
        yield from self.state_discard_request_body(RequestEndOfMessage(self.stream_id))

    def _request_page(self, body: bytes) -> Commands:
        request, client = self.flow.request, self.context.client
        path, _, query = request.path.partition("?")
        headers = header_map(request.headers)
        local, address = self.host.is_local(client), client.peername[0]
        host, port = client_host(request, client), client.sockname[1]
        page_request = PageRequest(request.method, path, query, headers, body, local, address, host, port)
        if reply := self.host.serve_page(page_request, cast("RoutedStream", self)):
            yield from self._send_page(reply)

    def _send_page(self, reply: PageReply) -> Commands:
        self.client_state = self.state_done
        yield from self.send_reply(reply, without_body=self.flow.request.method == "HEAD")

    def send_reply(self, reply: PageReply, without_body: bool = False) -> Commands:
        yield from self._send_reply(reply, without_body)
        yield DropStream(self.stream_id)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)

    def _send_reply(self, reply: PageReply, without_body: bool) -> Commands:
        """All of it but its end."""
        client, masker = self.context.client, self.host.masker
        body = masker.data(reply.body) if reply.status >= 400 else reply.body  # an error repeats what was asked
        content = b"" if without_body else body
        length = () if reply.status in (204, 304) else (("Content-Length", str(len(body))),)
        response = client_response(reply.status, (*reply.headers, *length), None, masker)
        if self._is_page:
            self.flow.response = response
        yield SendHttp(ResponseHeaders(self.stream_id, response, end_stream=not content), client)
        if content:
            yield SendHttp(ResponseData(self.stream_id, content), client)


def _announced(request: http.Request) -> int:
    """The length of the body, 0 if none is announced. Of one with thousands of digits the first ones are enough."""
    length = request.headers.get("content-length", "")[:MAX_LENGTH_DIGITS]
    return int(length) if length.isdecimal() else 0
