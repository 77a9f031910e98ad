"""Own pages, served on a client's stream without flow hooks: no admin key and no posted secret ever becomes a flow."""

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

from pointsman.transport.response import make_response
from pointsman.transport.station import Station
from pointsman.web.page import Reply, Request

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
            self.client_state = self.state_done
            yield from self._show_page(bytes(self.request_body_buf))

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> Commands:
        """The stock code would show the request to addons, with whatever key it carries."""
        if self.client_state == self.state_read_page_request:
            yield DropStream(self.stream_id)
        else:
            yield from super().handle_protocol_error(event)

    def _show_page(self, body: bytes) -> Commands:
        request = self.flow.request
        path, _, query = request.path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        local = self.station.is_local(self.context.client)
        reply = self.station.page(Request(request.method, path, query, headers, body, local))
        yield from self.show_reply(reply, without_body=request.method == "HEAD")

    def show_reply(self, reply: Reply, without_body: bool = False) -> Commands:
        client = self.context.client
        content = b"" if without_body else reply.body
        length = () if reply.status == 204 else (("Content-Length", str(len(reply.body))),)
        response = make_response(reply.status, (*reply.headers, *length), None)
        yield SendHttp(ResponseHeaders(self.stream_id, response, end_stream=not content), client)
        if content:
            yield SendHttp(ResponseData(self.stream_id, content), client)
        yield DropStream(self.stream_id)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), client)
