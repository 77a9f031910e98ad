"""One row for each request: who decided what the client got, and what it never says."""

import pytest

from pointsman.config.enums import Kind
from pointsman.domain.records import AttemptRecord, Outcome
from pointsman.history.request_rows import OWN_ANSWER, REFUSED, RefusedRequest, refusal_row, request_row
from support.audit_records import attempt_record, exchange_record


def tried(provider: str, outcome: Outcome) -> AttemptRecord:
    return attempt_record(provider=provider, outcome=outcome, first_content_ms=None, usage=None)


FAILED, LOST = tried("bad", Outcome.RETRY_FAILED), tried("slow", Outcome.HEDGE_LOSER_CANCELLED)
HEDGED = attempt_record(outcome=Outcome.HEDGE_TRIGGERED)


@pytest.mark.parametrize(
    ("attempts", "status", "error", "provider", "outcome", "reason", "count"),
    [
        ((attempt_record(),), 200, None, "groq", "request_success", None, 1),
        ((FAILED, attempt_record(outcome=Outcome.RETRY_SUCCESS)), 200, None, "groq", "retry_success", None, 2),
        ((LOST, attempt_record(outcome=Outcome.HEDGE_WINNER)), 200, None, "groq", "hedge_winner", None, 2),
        ((HEDGED, attempt_record()), 200, None, "groq", "request_success", None, 1),
        ((tried("cut", Outcome.STREAM_BROKEN), LOST), 200, "stream_broken", "cut", "stream_broken", "stream_broken", 2),
        ((FAILED, tried("last", Outcome.RETRY_FAILED)), 503, "no_candidate", "last", "retry_failed", "no_candidate", 2),
        ((tried("cut", Outcome.CLIENT_ABORT),), None, None, "cut", "client_abort", "client_abort", 1),
        ((), None, None, None, "client_abort", "client_abort", 0),
        ((), 503, "no_candidate", None, REFUSED, "no_candidate", 0),
        ((), 200, None, None, OWN_ANSWER, None, 0),
    ],
)
def test_the_attempt_that_decided_names_provider_and_outcome(
    attempts: tuple[AttemptRecord, ...],
    status: int | None,
    error: str | None,
    provider: str | None,
    outcome: str,
    reason: str | None,
    count: int,
) -> None:
    kind, row = request_row(exchange_record(attempts=attempts, status=status, error=error), "/v1/x")
    assert (kind.provider, kind.outcome, kind.reason, row.attempts) == (provider, outcome, reason, count)
    assert kind.status == status


def test_the_trail_names_what_failed_and_a_plain_success_has_none() -> None:
    _, row = request_row(exchange_record(attempts=(FAILED, attempt_record())), "")
    assert row.trail == "bad/llama@retry_failed"
    assert request_row(exchange_record(), "")[1].trail is None


def test_a_race_is_billed_whole_and_an_unknown_price_is_none() -> None:
    both = (attempt_record(cost=5), attempt_record(n=2, cost=7, outcome=Outcome.HEDGE_LOSER_CANCELLED))
    _, row = request_row(exchange_record(attempts=both), "")
    assert (row.input, row.cache_read, row.output, row.cost) == (14, 10, 68, 12)
    assert request_row(exchange_record(attempts=(attempt_record(cost=None),)), "")[1].cost is None


def test_a_refusal_has_its_facts_within_bounds() -> None:
    refused = RefusedRequest("r", "ci", "gemini", "m" * 999, "/p" * 999, 404, "model_not_found", "x" * 999, 10.0, 10.25)
    kind, row = refusal_row(refused)
    assert (kind.client, kind.dialect, kind.status, kind.reason, kind.outcome) == (
        "ci",
        "gemini",
        404,
        "model_not_found",
        "refused",
    )
    assert (row.ended, row.duration_ms, row.attempts, row.cost) == (10.25, 250.0, 0, None)
    assert (len(row.model or ""), len(row.path or ""), len(row.message or "")) == (200, 200, 300)


def test_text_that_no_database_takes_is_mended() -> None:
    kind, row = request_row(exchange_record("\ud800", model="\ud800", kind=Kind.CHAT), "\udfff")
    assert (row.request_id, row.model, row.path, kind.kind) == ("?", "?", "?", "chat")
