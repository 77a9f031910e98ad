"""Own pages, served on a client's stream without flow hooks: no admin key and no posted secret ever becomes a flow."""

from typing import TYPE_CHECKING, cast

from mitmproxy import http
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import (
    DropStream,
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

from pointsman.transport.doors import client_host
from pointsman.transport.heads import named
from pointsman.transport.posted import PageReady
from pointsman.transport.response import make_response
from pointsman.transport.station import Station
from pointsman.web.page import Reply, Request

if TYPE_CHECKING:
    from pointsman.transport.stream import RoutedStream

MAX_PAGE_BODY = 1 << 20

type Commands = layer.CommandGenerator[None]


class PageStream(HttpStream):
    """A stream that can answer with an own page."""

    station: Station

    def open_page(self, event: RequestHeaders) -> None:
        self.flow = http.HTTPFlow(self.context.client, self.context.server)
        self.flow.request = event.request
        self.client_state = self.state_read_page_request

    def state_read_page_request(self, event: events.Event) -> Commands:
        if isinstance(event, RequestData):
            if len(self.request_body_buf) + len(event.data) <= MAX_PAGE_BODY:
                self.request_body_buf += event.data
        elif isinstance(event, RequestEndOfMessage):
            self.client_state = self.state_await_page
            yield from self._ask_page(bytes(self.request_body_buf))

    def state_await_page(self, event: events.Event) -> Commands:
        """Nothing more comes from the client."""
        yield from ()

    def _handle_event(self, event: events.Event) -> Commands:
        if not isinstance(event, PageReady):
            yield from super()._handle_event(event)
        elif self.client_state == self.state_await_page:
            yield from self._show_page(event.reply)

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> Commands:
        """The stock code would show the request to addons, with whatever key it carries."""
        if self.client_state in (self.state_read_page_request, self.state_await_page):
            self.client_state = self.state_errored
            yield DropStream(self.stream_id)
        else:
            yield from super().handle_protocol_error(event)

    def _ask_page(self, body: bytes) -> Commands:
        request, client = self.flow.request, self.context.client
        path, _, query = request.path.partition("?")
        headers = named(request.headers)
        local, address = self.station.is_local(client), client.peername[0]
        host, port = client_host(request, client), client.sockname[1]
        asked = Request(request.method, path, query, headers, body, local, address, host, port)
        if reply := self.station.page(asked, cast("RoutedStream", self)):
            yield from self._show_page(reply)

    def _show_page(self, reply: Reply) -> Commands:
        self.client_state = self.state_done
        yield from self.show_reply(reply, without_body=self.flow.request.method == "HEAD")

    def show_reply(self, reply: Reply, without_body: bool = False) -> Commands:
        client = self.context.client
        content = b"" if without_body else reply.body
        length = () if reply.status in (204, 304) else (("Content-Length", str(len(reply.body))),)
        response = make_response(reply.status, (*reply.headers, *length), None)
        yield SendHttp(ResponseHeaders(self.stream_id, response, end_stream=not content), client)
        if content:
            yield SendHttp(ResponseData(self.stream_id, content), client)
        yield DropStream(self.stream_id)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), client)
