"""The answer of an exchange, rendered on its client's stream: streamed, whole, aborted or killed."""

import logging
from functools import partial

from mitmproxy import flow as mflow
from mitmproxy.connection import Server
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import (
    DropStream,
    ErrorCode,
    HttpErrorHook,
    HttpEvent,
    HttpResponseHeadersHook,
    ResponseData,
    ResponseHeaders,
    ResponseProtocolError,
    SendHttp,
)

from pointsman.exchange.effects import Abort, End, Respond, Send
from pointsman.exchange.engine import Exchange
from pointsman.transport.body_capture import BodyCapture
from pointsman.transport.exchange_driver import ClientEffect, ExchangeDriver
from pointsman.transport.mitm_patches.flow_kill import stop_notifying
from pointsman.transport.responding_stream import RespondingStream
from pointsman.transport.response import client_response, has_content_length
from pointsman.transport.server_info import mark_closed
from pointsman.transport.stream_events import ExchangeInputEvent
from pointsman.transport.stream_host import StreamHost, WholeResponse
from pointsman.wire.headers import Headers

logger = logging.getLogger(__name__)

type Commands = layer.CommandGenerator[None]


class ExchangeResponder:
    """The responder of one stream: before, during and after its exchange."""

    driver: ExchangeDriver | None = None
    """Of the exchange, while that lasts."""

    def __init__(self, stream: RespondingStream, host: StreamHost) -> None:
        self._stream, self._host = stream, host
        self._server: Server | None = None
        """The connection that the answer comes by."""
        self._capture: BodyCapture | None = None
        """Of a streamed answer, for people to read."""
        self._is_over = False

    @property
    def has_begun(self) -> bool:
        return self._is_over or self.driver is not None

    def begin(self, driver: ExchangeDriver) -> Commands:
        self.driver = driver
        yield from self._render(driver.apply(driver.exchange.start))

    def release(self) -> None:
        """After an event: let go of a driver that is done."""
        if self.driver is not None and self.driver.is_done:
            self.driver = None

    def on_client_error(self, message: str) -> Commands:
        """The client has left, or cannot be understood."""
        if self.driver is not None:
            self.driver.apply(self.driver.exchange.on_client_disconnected)
        if self._stream.flow.live:
            yield from self._end_with_error(message)
        yield DropStream(self._stream.stream_id)

    def on_input(self, event: ExchangeInputEvent) -> Commands:
        event.on_taken()
        if self.driver is None:
            return
        if self.is_killed and not self.driver.exchange.ended:
            yield from self._kill()
        else:
            yield from self._render(self.driver.apply(event.exchange_input))

    def on_killed(self) -> None:
        if self.driver and not self.driver.exchange.ended:
            self.driver.on_flow_killed()

    @property
    def is_killed(self) -> bool:
        return bool(self._stream.flow.error and self._stream.flow.error.msg == mflow.Error.KILLED_MESSAGE)

    def on_winner(self, server: Server) -> None:
        self._server = self._stream.flow.server_conn = server

    def on_exchange_ended(self, exchange: Exchange) -> None:
        self._is_over = True
        stop_notifying(self._stream.flow)
        if self._server is not None:
            mark_closed(self._server)
        try:
            self._host.on_exchange_ended(exchange, self._stream.flow)
        except Exception:  # the client's answer is not at fault
            logger.exception(f"The record of exchange {exchange.client_request.request_id} was lost.")
            self._host.discard(exchange)

    def _render(self, effects: list[ClientEffect]) -> Commands:
        match effects:  # known whole: other addons may still change it, as they may any answer that is not streamed
            case [Respond(status, headers), Send(body), End()] if has_content_length(headers):
                return (yield from self._stream.respond(WholeResponse(status, headers, body)))
            case [Respond(status, headers), End()] if has_content_length(headers):
                return (yield from self._stream.respond(WholeResponse(status, headers, b"")))
        for effect in effects:
            match effect:
                case Respond(status, headers):
                    yield from self._start_response(status, headers)
                    if self._stream.server_state == self._stream.state_errored:
                        return
                case Send(data):
                    self.capture_data(data)
                    yield self._to_client(ResponseData(self._stream.stream_id, data))
                case End():
                    yield from self._end_response()
                case Abort(reason):
                    yield from self._abort(reason)

    def _start_response(self, status: int, headers: Headers) -> Commands:
        stream, flow = self._stream, self._stream.flow
        is_old = flow.request.http_version == "HTTP/1.0"
        framing = ("Connection", "close") if is_old else ("Transfer-Encoding", "chunked")
        flow.response = client_response(status, (*headers, *stream.cors_headers(), framing), None, self._host.masker)
        yield HttpResponseHeadersHook(flow)
        if self.is_killed:
            return (yield from self._kill())
        flow.response.stream = True
        assert self.driver
        self._capture = BodyCapture(self.driver.started_at)
        stream.server_state = stream.state_stream_response_body
        yield self._to_client(ResponseHeaders(stream.stream_id, flow.response, end_stream=False))
        if self.driver and not is_old:
            self.driver.enable_direct_write(stream.http_layer.connections[stream.context.client])

    def _end_response(self) -> Commands:
        self._store_capture()
        yield from self._stream.send_response(already_streamed=True)

    def capture_data(self, data: bytes) -> None:
        if self._capture and self.driver:
            self._capture.add(data, self.driver.now())

    def _store_capture(self) -> None:
        if self._capture and self._capture.size and self._stream.flow.response is not None:
            self._host.store_capture(self._capture, self._stream.flow)
            self._capture = None

    def _abort(self, reason: str) -> Commands:
        assert self.driver
        yield from self._end_with_error(reason)
        yield SendHttp(
            ResponseProtocolError(self._stream.stream_id, reason, ErrorCode.CANCEL), self._stream.context.client
        )
        yield DropStream(self._stream.stream_id)
        if not self._stream.flow.request.is_http2:
            self.driver.abort_client()

    def _kill(self) -> Commands:
        """The flow was killed in the user interface."""
        assert self.driver
        self.driver.apply(self.driver.exchange.on_client_disconnected)
        yield from self._end_with_error(mflow.Error.KILLED_MESSAGE)
        yield SendHttp(
            ResponseProtocolError(self._stream.stream_id, "killed", ErrorCode.KILL), self._stream.context.client
        )
        yield DropStream(self._stream.stream_id)

    def _end_with_error(self, message: str) -> Commands:
        stream, flow = self._stream, self._stream.flow
        self._store_capture()
        stream.client_state = stream.server_state = stream.state_errored
        flow.error = flow.error or mflow.Error(message)
        flow.live = False
        yield HttpErrorHook(flow)

    def on_crash(self) -> Commands:
        """An exception of ours ends this exchange only: 502 while nothing is out, else an error frame."""
        stream, request = self._stream, self._stream.flow.request
        name, problem = self._host.request_id(request), self._host.internal_error(request)
        logger.exception(f"The router failed on exchange {name}.")
        driver = self.driver
        if driver and not driver.exchange.ended:
            try:
                yield from self._render(driver.apply(partial(driver.exchange.fail_with, problem)))
                return
            except Exception:
                logger.exception(f"The router failed to end exchange {name}.")
                self._host.discard(driver.exchange)
        if stream.flow.response is None:
            assert stream.chat
            self._host.note_refusal(stream.flow, stream.chat, problem)
            yield from stream.respond(self._host.error_response(problem, stream.chat, request))
        else:
            yield from self._end_with_error("the router failed")
            yield self._to_client(ResponseProtocolError(stream.stream_id, "the router failed", ErrorCode.KILL))
            yield DropStream(stream.stream_id)

    def _to_client(self, event: HttpEvent) -> SendHttp:
        return SendHttp(event, self._stream.context.client)
