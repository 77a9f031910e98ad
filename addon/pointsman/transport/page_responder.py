"""Own pages, served on a client's stream without flow hooks: no admin key and no posted secret ever becomes a flow."""

from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto

from mitmproxy import http
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.commands import CloseConnection
from mitmproxy.proxy.layers.http import (
    DropStream,
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    SendHttp,
)

from pointsman.admission import MAX_LENGTH_DIGITS
from pointsman.masking import Masker
from pointsman.transport.entry_mode import client_host
from pointsman.transport.header_map import header_map
from pointsman.transport.http1 import RequestBodyMalformed
from pointsman.transport.response import client_response
from pointsman.transport.stream_events import PageReady, UploadTimedOut
from pointsman.transport.upload import CONNECTION_CLOSE, MALFORMED_CHUNKING, Upload
from pointsman.web.http import PageReply, PageRequest, error_reply
from pointsman.wire.errors import Code, Problem

MAX_PAGE_BODY_BYTES = 1 << 20
"""Bytes."""
TOO_LARGE = Problem(Code.REQUEST_TOO_LARGE, f"The request body exceeds {MAX_PAGE_BODY_BYTES} bytes.")

type Commands = layer.CommandGenerator[None]


class PageState(Enum):
    READING = auto()
    """The request's body is coming."""
    WAITING = auto()
    """The request is whole; its reply will be posted."""
    DISCARDING = auto()
    """Refused. What is on its way of the body is still taken in, and forgotten."""
    DONE = auto()


class PageResponder:
    """Answers one request. Gets every event of its stream after the request's head.

    `serve` gives the reply, or None where it will be posted. `refused` is told of errors. `is_local`: the client is on
    this machine.
    """

    def __init__(
        self,
        client: Client,
        stream_id: int,
        request: http.Request,
        request_id: str,
        upload: Upload,
        masker: Masker,
        serve: Callable[[PageRequest], PageReply | None],
        refused: Callable[[http.Request, Problem], None],
        is_local: bool,
    ) -> None:
        self._client, self._stream_id, self._request, self._upload = client, stream_id, request, upload
        self._request_id, self._masker, self._serve, self._is_local = request_id, masker, serve, is_local
        self._refused = refused
        self._body = bytearray()
        self._state = PageState.READING

    def open(self, bad_head: Problem | None) -> Commands:
        """`bad_head`: why the end of the request is unknown."""
        if not self._client.state & ConnectionState.CAN_WRITE:
            return  # already refused when the head was read
        if bad_head:
            yield from self._refuse(bad_head)
            if not self._request.is_http2:
                yield from self._abort()
        elif _announced(self._request) > MAX_PAGE_BODY_BYTES:
            yield from self._refuse(TOO_LARGE)

    def handle_event(self, event: events.Event) -> Commands:
        match event:
            case RequestData(data=data):
                yield from self._on_data(data)
            case RequestEndOfMessage():
                yield from self._on_end()
            case PageReady() if self._state is PageState.WAITING:
                yield from self._send(event.reply)
            case UploadTimedOut() if self._state is not PageState.DONE:
                yield from self._abort()
            case RequestBodyMalformed():
                yield from self._on_malformed_body()
            case RequestProtocolError() | ResponseProtocolError():
                yield from self._drop()

    def _on_data(self, data: bytes) -> Commands:
        if self._state is PageState.DISCARDING:
            if not self._upload.discard(len(data)):
                yield from self._abort()
        elif self._state is PageState.READING:
            if len(self._body) + len(data) > MAX_PAGE_BODY_BYTES:
                yield from self._refuse(TOO_LARGE)
            else:
                self._body += data

    def _on_end(self) -> Commands:
        if self._state is PageState.DISCARDING:
            yield from self._finish()
        elif self._state is PageState.READING:
            self._state = PageState.WAITING
            if reply := self._serve(self._page_request()):
                yield from self._send(reply)

    def _on_malformed_body(self) -> Commands:
        if self._state is PageState.READING:
            yield from self._refuse(MALFORMED_CHUNKING)
        if self._state is PageState.DISCARDING:
            yield from self._finish()
        else:
            yield from self._drop()
            yield CloseConnection(self._client)

    def _page_request(self) -> PageRequest:
        request, client = self._request, self._client
        path, _, query = request.path.partition("?")
        headers, body = header_map(request.headers), bytes(self._body)
        address, (host, port) = client.peername[0], (client_host(request, client), client.sockname[1])
        return PageRequest(
            request.method, path, query, headers, body, self._is_local, address, host, port, self._request_id
        )

    def _refuse(self, problem: Problem) -> Commands:
        """Answer before the body is in."""
        self._body.clear()
        self._state = PageState.DISCARDING
        close = () if self._request.is_http2 else CONNECTION_CLOSE
        yield from self._head_and_body(error_reply(problem.with_request_id(self._request_id), close))

    def _send(self, reply: PageReply) -> Commands:
        yield from self._head_and_body(reply)
        yield from self._finish()

    def _head_and_body(self, reply: PageReply) -> Commands:
        without_body = self._request.method == "HEAD"
        if problem := reply.problem:
            reply = replace(reply, headers=(*reply.headers, ("X-Request-ID", self._request_id)))
            self._refused(self._request, problem)
        yield from _head_and_body(reply, self._stream_id, self._client, self._masker, without_body)

    def _finish(self) -> Commands:
        self._state = PageState.DONE
        yield DropStream(self._stream_id)
        yield SendHttp(ResponseEndOfMessage(self._stream_id), self._client)

    def _abort(self) -> Commands:
        self._upload.close()
        yield SendHttp(ResponseProtocolError(self._stream_id, "body refused", ErrorCode.CANCEL), self._client)
        yield from self._drop()

    def _drop(self) -> Commands:
        """The stock code would show the request to addons, with whatever key it carries."""
        self._state = PageState.DONE
        yield DropStream(self._stream_id)


def send_reply(reply: PageReply, stream_id: int, client: Client, masker: Masker) -> Commands:
    """The whole of a stream's answer where there is no flow."""
    yield from _head_and_body(reply, stream_id, client, masker, without_body=False)
    yield DropStream(stream_id)
    yield SendHttp(ResponseEndOfMessage(stream_id), client)


def _head_and_body(reply: PageReply, stream_id: int, client: Client, masker: Masker, without_body: bool) -> Commands:
    """All of an answer but its end."""
    body = masker.data(reply.body) if reply.status >= 400 else reply.body  # an error repeats what was asked
    content = b"" if without_body else body
    length = () if reply.status in (204, 304) else (("Content-Length", str(len(body))),)
    response = client_response(reply.status, (*reply.headers, *length), None, masker)
    yield SendHttp(ResponseHeaders(stream_id, response, end_stream=not content), client)
    if content:
        yield SendHttp(ResponseData(stream_id, content), client)


def _announced(request: http.Request) -> int:
    """The length of the body, 0 if none is announced. Of one with thousands of digits the first ones are enough."""
    length = request.headers.get("content-length", "")[:MAX_LENGTH_DIGITS]
    return int(length) if length.isdecimal() else 0
