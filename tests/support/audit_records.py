"""Audit records of attempts and exchanges, in one line."""

from dataclasses import replace
from typing import Any

from pointsman.domain.records import AttemptRecord, ExchangeRecord, Outcome
from pointsman.wire.frames import Usage

ATTEMPT = AttemptRecord(
    n=1,
    provider="groq",
    base_url="https://groq.test/v1",
    model="llama",
    model_sent="llama",
    redirect=None,
    key="key-1",
    outcome=Outcome.REQUEST_SUCCESS,
    status=200,
    error=None,
    message="",
    failure=None,
    selection_reason="rank 1, score 0.81",
    started=1_700_000_000.0,
    connected_ms=5.0,
    first_byte_ms=50.0,
    first_content_ms=60.0,
    settled_ms=900.0,
    bytes_received=4096,
    usage=Usage(input=7, output=34, cache_read=5),
    finish_reason="stop",
)

EXCHANGE = ExchangeRecord(
    request_id="req-1",
    session=None,
    sticky="disabled",
    mode="balanced",
    model="auto",
    status=200,
    error=None,
    started=1_700_000_000.0,
    ended_ms=901.5,
    streamed=True,
    attempts=(ATTEMPT,),
    excluded=(),
)


def attempt_record(**changes: Any) -> AttemptRecord:
    """One attempt that went well, but for what is said otherwise."""
    return replace(ATTEMPT, **changes)


def exchange_record(request_id: str = "req-1", **changes: Any) -> ExchangeRecord:
    """One exchange that went well, but for what is said otherwise."""
    return replace(EXCHANGE, request_id=request_id, **changes)
