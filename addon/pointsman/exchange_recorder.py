"""Records each exchange that has ended: in metrics, traces, statistics, the history and the log."""

import logging
import time
from collections.abc import Callable
from functools import partial

from mitmproxy import http

from pointsman.domain.records import ExchangeRecord
from pointsman.exchange.engine import Exchange
from pointsman.history import History
from pointsman.recording.json_log import exchange_fields, extra_fields
from pointsman.recording.log_output import LogOutput
from pointsman.routing.router import Router
from pointsman.telemetry import RequestMetrics, Traces

logger = logging.getLogger(__name__)


class ExchangeRecorder:
    """One per gateway."""

    def __init__(
        self, router: Router, metrics: RequestMetrics, traces: Traces, history: History, log: LogOutput
    ) -> None:
        self._router, self._metrics, self._traces = router, metrics, traces
        self._history, self._log = history, log
        self.on_recorded: Callable[[ExchangeRecord], None] = lambda _: None
        """Called with each exchange that asked a provider for an answer, once it has ended."""

    def record(self, exchange: Exchange, record: ExchangeRecord, flow: http.HTTPFlow) -> None:
        """Once the client has its answer, and before anything is heard from it again."""
        try:
            calls = exchange.report_answer(time.monotonic())
            self._metrics.on_exchange(record, flow.request.timestamp_end)
            if self._traces.is_on:
                parent, answer = flow.request.headers.get("traceparent"), flow.response
                self._traces.add(record, parent, exchange.client_request.body, (answer and answer.raw_content) or b"")
            if exchange.client_request.is_chat:
                self._router.observe(record, calls)
                self.on_recorded(record)
                for notice in self._router.base_url_notices(record):
                    logger.warning(f"Pointsman: {notice}")
            request = exchange.client_request
            path = request.path.partition("?")[0]
            self._history.record(record, request.facts.tokens, path, request.is_chat)
            if self._log.tells_of_flows:
                fields = partial(exchange_fields, record)
                logger.info(f"{record.request_id} {record.model}: {flow.comment}", extra=extra_fields(fields))
        except Exception:
            logger.exception(f"The router failed to record exchange {record.request_id}.")
