"""One row for each attempt: what it says, and what it never says."""

from typing import Any

import pytest

from pointsman.domain.failures import Failure
from pointsman.domain.records import Outcome
from pointsman.history.rows import AttemptRow, RowKind, attempt_rows
from pointsman.wire.frames import Usage
from support.audit_records import attempt_record, exchange_record


def test_an_attempt_that_answered() -> None:
    record = exchange_record(session="a1b2c3", client="ci", dialect="anthropic")
    assert list(attempt_rows(record, 99)) == [
        (
            RowKind("groq", "llama", "key-1", "balanced", "request_success", "success", None, "ci", "anthropic"),
            AttemptRow(
                exchange="req-1",
                n=1,
                session="a1b2c3",
                status=200,
                error=None,
                ended=1_700_000_000.9,
                first_content_ms=60.0,
                duration_ms=900.0,
                tokens_in=12,
                tokens_out=34,
                tokens_estimated=False,
                paced_seconds=pytest.approx(0.84),  # type: ignore[arg-type]
                hedged=False,
                streamed=True,
                cache_read=5,
                cache_write_5m=0,
                cache_write_1h=0,
                reasoning=0,
                cost=None,
            ),
        )
    ]


def test_one_that_failed_says_why_and_cost_nothing() -> None:
    failed = attempt_record(
        outcome=Outcome.RETRY_FAILED, failure=Failure.SERVER_ERROR, error="503", usage=None, first_content_ms=None
    )
    [(kind, row)] = attempt_rows(exchange_record(attempts=(failed,)), 99)
    assert (kind.outcome, kind.seen, kind.failure, row.error) == ("retry_failed", "failure", "server_error", "503")
    assert (row.tokens_in, row.tokens_out, row.tokens_estimated, row.first_content_ms) == (0, 0, False, None)


@pytest.mark.parametrize(
    ("streamed", "usage", "tokens"),
    [
        (True, None, (99, 20, True)),
        (False, None, (99, 1024, True)),
        (True, Usage(7, 8), (7, 8, False)),
        (True, Usage(10**30, -5), (2**53, 0, False)),
    ],
)
def test_tokens_are_those_reported_or_an_estimate(streamed: bool, usage: Usage | None, tokens: tuple[Any, ...]) -> None:
    [(_, row)] = attempt_rows(exchange_record(attempts=(attempt_record(usage=usage),), streamed=streamed), 99)
    assert (row.tokens_in, row.tokens_out, row.tokens_estimated) == tokens


def test_a_whole_answer_has_no_first_content_of_its_own() -> None:
    [(_, row)] = attempt_rows(exchange_record(streamed=False), 0)
    assert (row.first_content_ms, row.duration_ms) == (None, 900.0)


@pytest.mark.parametrize(
    ("second", "hedged"),
    [(1_700_000_000.5, True), (1_700_000_000.9, False), (1_700_000_000.8999, False), (1_700_000_005.0, False)],
)
def test_attempts_that_ran_side_by_side_were_hedged(second: float, hedged: bool) -> None:
    attempts = (attempt_record(), attempt_record(n=2, started=second))
    assert [row.hedged for _, row in attempt_rows(exchange_record(attempts=attempts), 0)] == [hedged, hedged]


def test_text_that_no_database_takes_is_mended() -> None:
    [(kind, row)] = attempt_rows(
        exchange_record("\ud800", attempts=(attempt_record(model="\udfff", error="\ud800"),)), 0
    )
    assert (kind.model, row.exchange, row.error) == ("?", "?", "?")
