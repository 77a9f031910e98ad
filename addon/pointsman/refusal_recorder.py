"""Every request for which no exchange begins: on its flow, on record, in the metrics and in the log."""

import logging
import time
from collections.abc import Callable
from functools import partial
from secrets import token_hex

from mitmproxy import http

from pointsman.admission import ChatRequest
from pointsman.history import LEFT_EARLY, Ending, History, RefusedRequest
from pointsman.masking import Masker
from pointsman.recording.flow_notes import note_refusal
from pointsman.recording.json_log import extra_fields, refusal_fields
from pointsman.recording.log_output import LogOutput
from pointsman.telemetry import RequestMetrics
from pointsman.transport.header_map import header_map
from pointsman.web.access import is_dashboard_reading
from pointsman.web.page_router import asker_of
from pointsman.wire.errors import Problem

logger = logging.getLogger(__name__)


class RefusalRecorder:
    """`request_id` names a request; `masker` is the one in force."""

    def __init__(
        self,
        request_id: Callable[[http.Request], str],
        masker: Callable[[], Masker],
        history: History,
        metrics: RequestMetrics,
        log: LogOutput,
    ) -> None:
        self._request_id, self._masker = request_id, masker
        self._history, self._metrics, self._log = history, metrics, log

    def on_chat_refused(self, flow: http.HTTPFlow, chat: ChatRequest, problem: Problem, model: str | None) -> None:
        """`model` is what it asks for, if that is known."""
        note_refusal(flow, problem)
        self._record(flow.request, Ending.of(problem), chat, model)

    def on_client_left(self, request: http.Request, chat: ChatRequest) -> None:
        self._record(request, LEFT_EARLY, chat)

    def on_message_refused(self, upgrade: http.Request, chat: ChatRequest, problem: Problem) -> None:
        """A message of a WebSocket connection that `upgrade` opened is no request."""
        self._record(upgrade, Ending.of(problem), chat, began=time.time())

    def on_page_refused(self, request: http.Request, problem: Problem) -> None:
        """A request for an own page has got this answer."""
        path, headers = request.path.partition("?")[0], header_map(request.headers)
        if not is_dashboard_reading(request.method, headers):
            asker = asker_of(path, headers)
            self._record(request, Ending.of(problem), dialect=asker.name.value if asker else None)

    def on_tunnel_refused(self, request: http.Request, problem: Problem) -> None:
        self._record(request, Ending.of(problem), path=f"{request.host}:{request.port}")

    def on_head_refused(self, problem: Problem) -> str:
        """Of a head that cannot be read. Returns the id under which it is on record."""
        name, now = token_hex(16), time.time()
        self._add(RefusedRequest(name, None, None, None, "", *Ending.of(problem), started=now, ended=now))
        return name

    def _record(
        self,
        request: http.Request,
        ending: Ending,
        chat: ChatRequest | None = None,
        model: str | None = None,
        dialect: str | None = None,
        path: str | None = None,
        began: float | None = None,
    ) -> None:
        masker, now = self._masker(), time.time()
        refused = RefusedRequest(
            self._request_id(request),
            chat.recorded_client if chat else None,
            chat.form.name.value if chat else dialect,
            model and masker.line(model),
            masker.line(path or request.path.partition("?")[0]),
            ending.status,
            ending.reason,
            masker.line(ending.message),
            started=began or request.timestamp_start or now,
            ended=now,
        )
        self._add(refused)

    def _add(self, refused: RefusedRequest) -> None:
        self._history.record_refusal(refused)
        self._metrics.on_refusal(refused.status, refused.dialect, refused.client)
        if self._log.is_json and self._log.tells_of_flows:
            said = f"{refused.request_id}: {refused.status or 'not answered'}: {refused.outcome}: {refused.reason}"
            logger.info(said, extra=extra_fields(partial(refusal_fields, refused)))
