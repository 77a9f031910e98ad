"""Spans of settled exchanges, and their export by OTLP over HTTP. The one module that imports OpenTelemetry.

An exchange is a server span, a child of the client's span if it has sent a valid `traceparent`. Each attempt is a
client span below it, with a link to the attempt because of which it was made. The names of the attributes stand here:
those of the convention for generative AI still change.
"""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import requests
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pointsman import __version__
from pointsman.domain.records import AttemptRecord, ExchangeRecord, Outcome
from pointsman.host_names import is_loopback_name
from pointsman.masking import Masker
from pointsman.prices.rates import dollars
from pointsman.telemetry.traced_exchange import TracedExchange
from pointsman.wire.frames import Usage

logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # `TraceSender` says once that a collector fails

TIMEOUT = 10.0
"""Seconds for one batch, with the SDK's own repeats."""
PATH = "/v1/traces"

OPERATION, PROVIDER = "gen_ai.operation.name", "gen_ai.provider.name"
REQUEST_MODEL, RESPONSE_MODEL = "gen_ai.request.model", "gen_ai.response.model"
FINISH_REASONS, CONVERSATION = "gen_ai.response.finish_reasons", "gen_ai.conversation.id"
INPUT_TOKENS, OUTPUT_TOKENS = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
CACHE_READ, CACHE_WRITTEN = "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_creation.input_tokens"
REASONING = "gen_ai.usage.reasoning.output_tokens"
STATUS, ERROR_TYPE = "http.response.status_code", "error.type"
ADDRESS, PORT = "server.address", "server.port"
OWN = "pointsman."
"""The prefix of what no convention names."""
OPERATIONS = {"completion": "text_completion", "embedding": "embeddings"}
"""Of kinds of models whose operation has another name."""
UNEVENTFUL = frozenset({Outcome.HEDGE_LOSER_CANCELLED, Outcome.CLIENT_ABORT})
"""Neither a success nor an error."""
PORTS = {"http": 80, "https": 443}
TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

type Attributes = dict[str, str | int | float | bool | Sequence[str]]


class SpanExport:
    """Implements `traced_exchange.Exporter`. `url` is the collector's, with or without the path for traces."""

    def __init__(self, url: str) -> None:
        endpoint = url if url.endswith(PATH) else f"{url}{PATH}"
        session = requests.Session()
        session.trust_env = not is_loopback_name(urlsplit(url).hostname or "")  # this machine is reached directly
        self._exporter = OTLPSpanExporter(endpoint=endpoint, timeout=TIMEOUT, session=session)
        name = os.environ.get("OTEL_SERVICE_NAME", "pointsman")
        resource = Resource.create({"service.name": name, "service.version": __version__})
        self._ended = InMemorySpanExporter()
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(self._ended))
        self._tracer = self._provider.get_tracer("pointsman", __version__)

    def send(self, exchanges: list[TracedExchange], masker: Masker) -> bool:
        for exchange in exchanges:
            self._trace(exchange, masker)
        spans = self._ended.get_finished_spans()
        self._ended.clear()
        return not spans or self._exporter.export(spans) is SpanExportResult.SUCCESS

    def close(self) -> None:
        self._exporter.shutdown()

    def _trace(self, exchange: TracedExchange, masker: Masker) -> None:
        record = exchange.record
        bodies = {"request.content": exchange.request, "response.content": exchange.response}
        content = {OWN + name: _text(body, masker) for name, body in bodies.items() if body}
        whole = self._tracer.start_span(
            f"{_operation(record)} {record.model}",
            context=parent_context(exchange.traceparent),
            kind=trace.SpanKind.SERVER,
            attributes=exchange_attributes(record) | content,
            start_time=_nanoseconds(record.started),
        )
        if record.error or record.status is None or record.status >= 500:
            whole.set_status(trace.StatusCode.ERROR, record.error or "the client left")
        self._trace_attempts(record, trace.set_span_in_context(whole))
        ends = (record.ended, *(each.ended for each in record.attempts))  # rounded, each in its own way
        whole.end(_nanoseconds(max(ends)))

    def _trace_attempts(self, record: ExchangeRecord, parent: object) -> None:
        spans: dict[int, trace.SpanContext] = {}
        attempts = sorted((each for each in record.attempts if not each.is_informational), key=lambda each: each.n)
        for attempt in attempts:
            cause = cause_of(attempt, record.attempts)
            links = [trace.Link(spans[cause[1]], {f"{OWN}link": cause[0]})] if cause and cause[1] in spans else []
            span = self._tracer.start_span(
                f"{_operation(record)} {attempt.model_sent}",
                context=parent,
                kind=trace.SpanKind.CLIENT,
                attributes=attempt_attributes(attempt, record),
                links=links,
                start_time=_nanoseconds(attempt.started),
            )
            outcome = attempt.outcome
            if not (outcome.is_success or outcome in UNEVENTFUL):
                span.set_status(trace.StatusCode.ERROR, attempt.message or attempt.ending)
            span.end(_nanoseconds(attempt.ended))
            spans[attempt.n] = span.get_span_context()


def parent_context(traceparent: str | None) -> object:
    """The client's span, as W3C's header names it; a context without a span if it is not valid."""
    match = TRACEPARENT.fullmatch((traceparent or "").strip())
    if match is None or match[1] == "ff" or (match[1] == "00" and match[5]):
        return trace.set_span_in_context(trace.INVALID_SPAN)
    trace_id, span_id, flags = (int(match[n], 16) for n in (2, 3, 4))
    span = trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(flags & 1))
    return trace.set_span_in_context(trace.NonRecordingSpan(span))


def cause_of(attempt: AttemptRecord, all: Sequence[AttemptRecord]) -> tuple[str, int] | None:
    """Why an attempt was made, and the number of the one that it follows: `continuation` of a broken stream, `hedge`
    beside a slow one, `retry` after a failed one. None for the first.
    """
    before = [each for each in all if each.n < attempt.n]
    if attempt.continuation:
        return "continuation", attempt.continuation.continues
    slow = {each.n for each in before if each.is_informational}
    running = [each.n for each in before if not each.is_informational and each.ended > attempt.started]
    if hedged := slow.intersection(running):
        return "hedge", max(hedged)
    return ("retry", max(each.n for each in before)) if before else None


def exchange_attributes(record: ExchangeRecord) -> Attributes:
    """Without its usage: collectors add up what spans say, and each attempt says its own."""
    own = {
        "request_id": record.request_id,
        "client": record.client,
        "dialect": record.dialect,
        "mode": record.mode,
        "sticky": record.sticky,
        "attempts": sum(not each.is_informational for each in record.attempts),
        "cost_usd": dollars(record.cost),
    }
    return _known(
        {
            OPERATION: _operation(record),
            REQUEST_MODEL: record.model,
            CONVERSATION: record.session,
            STATUS: record.status,
            ERROR_TYPE: record.error,
            **{OWN + name: value for name, value in own.items()},
        }
    )


def attempt_attributes(attempt: AttemptRecord, record: ExchangeRecord) -> Attributes:
    url = urlsplit(attempt.base_url)
    own = {
        "attempt": attempt.n,
        "outcome": attempt.outcome.value,
        "reason": attempt.selection_reason,
        "key": attempt.key,
        "first_content_ms": attempt.first_content_ms,
        "connected_ms": attempt.connected_ms,
        "cost_usd": dollars(attempt.cost),
    }
    return _known(
        {
            OPERATION: _operation(record),
            PROVIDER: attempt.provider,
            REQUEST_MODEL: attempt.model_sent,
            RESPONSE_MODEL: attempt.model if attempt.usage else None,
            FINISH_REASONS: [attempt.finish_reason] if attempt.finish_reason else None,
            ADDRESS: url.hostname,
            PORT: url.port or PORTS.get(url.scheme),
            STATUS: attempt.status,
            ERROR_TYPE: attempt.error,
            **_usage(attempt.usage),
            **{OWN + name: value for name, value in own.items()},
        }
    )


def _usage(usage: Usage | None) -> dict[str, int | bool | None]:
    if usage is None:
        return {}
    return {
        INPUT_TOKENS: usage.prompt,
        OUTPUT_TOKENS: usage.output,
        CACHE_READ: usage.cache_read or None,
        CACHE_WRITTEN: usage.cache_write or None,
        REASONING: usage.reasoning or None,
        f"{OWN}usage_estimated": usage.is_estimated or None,
    }


def _known(attributes: Mapping[str, str | int | float | bool | Sequence[str] | None]) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}


def _operation(record: ExchangeRecord) -> str:
    kind = record.kind.value if record.kind else "account"
    return OPERATIONS.get(kind, kind)


def _text(body: bytes, masker: Masker) -> str:
    return masker.cut_data(body).decode("utf-8", "replace")


def _nanoseconds(moment: float) -> int:
    return int(moment * 1e9)
