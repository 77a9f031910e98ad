"""One row for each attempt of an ended exchange, without secrets."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pointsman.domain.records import AttemptRecord, ExchangeRecord
from pointsman.history.columns import nanodollars, text, token_count
from pointsman.routing.attempt_outcomes import Verdict, attempt_verdicts, generation
from pointsman.wire.frames import Usage
from pointsman.wire.request_facts import BYTES_PER_TOKEN

NO_USAGE = Usage()
STREAMED_BYTES_PER_TOKEN = 200
"""Of a streamed answer, whose every event carries about one token and much around it."""
MIN_OVERLAP = 0.001
"""Seconds for which two attempts must run side by side to be a race; their times are rounded."""


class RowKind(NamedTuple):
    """What many attempts have in common."""

    provider: str
    model: str
    key: str | None
    mode: str
    outcome: str
    seen: str
    failure: str | None
    client: str | None
    dialect: str | None


class AttemptRow(NamedTuple):
    """`first_content_ms` is None for a whole answer, which comes all at once. Tokens are the provider's own count,
    unless they are estimated; `tokens_in` includes what was read from caches or written to them. `paced_seconds` is
    what `tokens_out` took; 0 where they say nothing of its pace. `cost` is in nano-dollars; None: not known.
    """

    exchange: str
    n: int
    session: str | None
    status: int | None
    error: str | None
    ended: float
    first_content_ms: float | None
    duration_ms: float | None
    tokens_in: int
    tokens_out: int
    tokens_estimated: bool
    paced_seconds: float
    hedged: bool
    streamed: bool
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    reasoning: int
    cost: int | None


def attempt_rows(record: ExchangeRecord, tokens: int) -> Iterator[tuple[RowKind, AttemptRow]]:
    """`tokens` is an estimate of the request's."""
    for attempt, verdict in zip(record.attempts, attempt_verdicts(record.attempts), strict=True):
        if not attempt.is_informational:
            yield _kind(record, attempt, verdict), _row(record, attempt, verdict, tokens)


def _kind(record: ExchangeRecord, attempt: AttemptRecord, verdict: Verdict) -> RowKind:
    return RowKind(
        provider=attempt.provider,
        model=text(attempt.model),
        key=attempt.key,
        mode=record.mode,
        outcome=attempt.outcome.value,
        seen=verdict.value,
        failure=attempt.failure and attempt.failure.value,
        client=record.client,
        dialect=record.dialect or None,
    )


def _row(record: ExchangeRecord, attempt: AttemptRecord, verdict: Verdict, tokens: int) -> AttemptRow:
    tokens_in, tokens_out, estimated = _tokens(attempt, tokens, record.streamed)
    usage = attempt.usage or NO_USAGE
    return AttemptRow(
        exchange=text(record.request_id),
        n=attempt.n,
        session=record.session,
        status=attempt.status,
        error=attempt.error and text(attempt.error),
        ended=attempt.ended,
        first_content_ms=attempt.first_content_ms if record.streamed else None,
        duration_ms=attempt.settled_ms,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        tokens_estimated=estimated,
        paced_seconds=generation(attempt, record.streamed)[1] if verdict is Verdict.SUCCESS else 0.0,
        hedged=_raced(attempt, record.attempts),
        streamed=record.streamed,
        cache_read=token_count(usage.cache_read),
        cache_write_5m=token_count(usage.cache_write_5m),
        cache_write_1h=token_count(usage.cache_write_1h),
        reasoning=token_count(usage.reasoning),
        cost=nanodollars(attempt.cost),
    )


def _tokens(attempt: AttemptRecord, asked: int, streamed: bool) -> tuple[int, int, bool]:
    """In, out, and whether they are estimated. What brought no answer cost none."""
    if usage := attempt.usage:
        return token_count(usage.prompt), token_count(usage.output), usage.is_estimated
    if attempt.first_content_ms is None:
        return 0, 0, False
    each = STREAMED_BYTES_PER_TOKEN if streamed else BYTES_PER_TOKEN
    return asked, attempt.bytes_received // each, True


def _raced(attempt: AttemptRecord, attempts: Sequence[AttemptRecord]) -> bool:
    """Another attempt ran beside it."""
    return len(attempts) > 1 and any(
        min(attempt.ended, other.ended) - max(attempt.started, other.started) > MIN_OVERLAP
        for other in attempts
        if other.n != attempt.n
    )
