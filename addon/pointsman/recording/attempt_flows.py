"""What the attempts of one exchange sent and got, and the flows that they become when they settle."""

from functools import partial

from mitmproxy import flow, http
from mitmproxy.connection import Client, Server
from mitmproxy.net.http import url

from pointsman.domain.outbound import UpstreamRequest
from pointsman.domain.records import AttemptRecord
from pointsman.exchange.effects import Headers
from pointsman.masking import Masker
from pointsman.recording.flow_notes import note_attempt, note_capture
from pointsman.recording.flow_queue import FlowQueue
from pointsman.transport.body_capture import BodyCapture, masked_prefix
from pointsman.transport.response import make_response
from pointsman.transport.server_info import mark_closed

NO_RESPONSE = "the provider did not answer"


class AttemptFlowRecorder:
    """Made for one exchange. What its attempts sent is shared with the exchange, what they got is bounded."""

    def __init__(self, client_flow: http.HTTPFlow, request_id: str, masker: Masker, flow_queue: FlowQueue) -> None:
        self._client_flow = client_flow
        self._request_id = request_id
        self._masker = masker
        self._flow_queue = flow_queue
        self._running: dict[int, AttemptRecording] = {}  # at most as many as there are attempts; each until it settles

    def on_request(self, n: int, request: UpstreamRequest, now: float) -> None:
        self._running[n] = AttemptRecording(request, now)

    def on_head(self, n: int, status: int, headers: Headers) -> None:
        if recording := self._running.get(n):
            recording.status, recording.headers = status, _without_coding(headers)

    def on_data(self, n: int, data: bytes, now: float) -> None:
        if recording := self._running.get(n):
            recording.capture.add(data, now)

    def on_settled(self, record: AttemptRecord, server: Server) -> None:
        """The attempt is over. Its flow is made, and enters, when the loop has time for it."""
        if recording := self._running.pop(record.n, None):
            self._flow_queue.put(partial(self._flow, recording, record, server))

    def _flow(self, recording: "AttemptRecording", record: AttemptRecord, server: Server) -> http.HTTPFlow:
        mark_closed(server)
        shown = recording.to_flow(record, self._client_flow.client_conn, server, self._masker)
        note_attempt(shown, record, self._request_id, self._client_flow.id)
        note_capture(shown, recording.capture)
        return shown


class AttemptRecording:
    """One attempt, as far as it got."""

    def __init__(self, request: UpstreamRequest, now: float) -> None:
        self.status: int | None = None
        self.headers: Headers = ()
        self.capture = BodyCapture(now)
        self._request = request

    def to_flow(self, record: AttemptRecord, client: Client, server: Server, masker: Masker) -> http.HTTPFlow:
        shown = http.HTTPFlow(client, server)
        shown.request = self._shown_request(record, masker)
        if self.status is not None:
            shown.response = self._shown_response(self.status, record, masker)
        if record.error or self.status is None:
            shown.error = flow.Error(masker.text(record.message or record.error or NO_RESPONSE), record.ended)
        return shown

    def _shown_request(self, record: AttemptRecord, masker: Masker) -> http.Request:
        body = masked_prefix(self._request.body, masker.cut_data)
        request = http.Request.make("POST", masker.text(self._request.url), body)
        host = ("host", url.hostport(request.scheme, request.host, request.port))
        request.headers = _headers((host, *self._request.headers), masker)
        request.timestamp_start, request.timestamp_end = record.started, _after(record, record.connected_ms)
        return request

    def _shown_response(self, status: int, record: AttemptRecord, masker: Masker) -> http.Response:
        response = make_response(status, (), self.capture.body(masker.cut_data))
        response.headers = _headers(self.headers, masker)
        response.timestamp_start, response.timestamp_end = _after(record, record.first_byte_ms), record.ended
        return response


def _without_coding(headers: Headers) -> Headers:
    """A body is recorded as the exchange got it: decoded. With the coding's name, it would be unreadable."""
    return tuple(header for header in headers if header[0].lower() != "content-encoding")


def _headers(headers: Headers, masker: Masker) -> http.Headers:
    shown = masker.displayed_headers(headers)
    return http.Headers([(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in shown])


def _after(record: AttemptRecord, ms: float | None) -> float:
    return record.started + (ms or 0) / 1000
