"""The records that attempts and exchanges leave: one word for the trail, plain JSON for all other uses."""

import json
from dataclasses import FrozenInstanceError

import pytest

from pointsman.domain.records import AppliedRedirect, ContinuationRecord, Outcome
from pointsman.wire.frames import Usage
from support.audit_records import attempt_record, exchange_record


@pytest.mark.parametrize(
    ("outcome", "error", "word"),
    [
        (Outcome.RETRY_FAILED, "503", "groq/llama@503"),
        (Outcome.RETRY_FAILED, "wrapped_429", "groq/llama@wrapped_429"),
        (Outcome.HEDGE_LOSER_CANCELLED, None, "groq/llama@hedge_loser"),
        (Outcome.HEDGE_LOSER_CANCELLED, "503", "groq/llama@503"),
        (Outcome.CLIENT_ABORT, None, "groq/llama@client_abort"),
        (Outcome.REQUEST_SUCCESS, None, "groq/llama@request_success"),
    ],
)
def test_an_attempt_is_one_word_in_the_trail(outcome: Outcome, error: str | None, word: str) -> None:
    assert attempt_record(outcome=outcome, error=error).trail_entry == word


def test_the_outcomes_that_operators_read_stay_the_same() -> None:
    assert {outcome.value for outcome in Outcome} == {
        "hedge_triggered",
        "hedge_winner",
        "retry_success",
        "request_success",
        "hedge_loser_cancelled",
        "retry_failed",
        "client_error_non_retryable",
        "client_abort",
        "stream_stalled",
        "stream_broken",
        "stream_continued",
    }


@pytest.mark.parametrize(
    ("second", "reason", "recovery"),
    [
        (Outcome.STREAM_CONTINUED, None, "continued"),
        (Outcome.RETRY_FAILED, None, "failed"),
        (Outcome.STREAM_BROKEN, None, "failed"),
        (None, "tool_call", "tool_call"),
    ],
)
def test_an_exchange_says_what_became_of_a_broken_answer(
    second: Outcome | None, reason: str | None, recovery: str
) -> None:
    broken = attempt_record(n=1, outcome=Outcome.STREAM_BROKEN, recovery=reason)
    follower = second and attempt_record(n=2, outcome=second, continuation=ContinuationRecord(1, "prefill", 9, 0))
    attempts = (broken, follower) if follower else (broken,)
    assert exchange_record(attempts=attempts).recovery == recovery
    assert exchange_record(attempts=(attempt_record(),)).recovery is None


USED = {"input": 7, "cache_read": 5, "cache_write_5m": 0, "cache_write_1h": 0, "output": 34, "reasoning": 0}


class TestPlainAttempt:
    def test_it_is_json_as_it_stands(self) -> None:
        told = attempt_record(error="503", message="busy", status=503).to_dict()
        assert json.loads(json.dumps(told)) == {
            "n": 1,
            "provider": "groq",
            "base_url": "https://groq.test/v1",
            "model": "llama",
            "model_sent": "llama",
            "redirect": None,
            "key": "key-1",
            "outcome": "request_success",
            "status": 503,
            "error": "503",
            "message": "busy",
            "failure": None,
            "why": "rank 1, score 0.81",
            "started": 1_700_000_000.0,
            "connected_ms": 5.0,
            "first_byte_ms": 50.0,
            "first_content_ms": 60.0,
            "settled_ms": 900.0,
            "bytes": 4096,
            "usage": USED,
            "cost_usd": None,
            "finish_reason": "stop",
        }

    def test_a_redirect_is_reported_with_the_rule_that_matched(self) -> None:
        redirect = AppliedRedirect("qwen3", "qwen3-coder:30b", "prefix", "qwen")
        assert attempt_record(redirect=redirect).to_dict()["redirect"] == {
            "original_model": "qwen3",
            "redirected_model": "qwen3-coder:30b",
            "match": "prefix",
            "source": "qwen",
        }

    @pytest.mark.parametrize(
        ("usage", "told"),
        [
            (None, None),
            (Usage(), dict.fromkeys(USED, 0)),
            (Usage(7, 34, 5), USED),
            (Usage(7, 34, 5, is_estimated=True), {**USED, "estimated": True}),
        ],
        ids=["none", "zero", "reported", "estimated"],
    )
    def test_no_usage_is_null_and_a_usage_of_nothing_is_not(self, usage: Usage | None, told: object) -> None:
        assert attempt_record(usage=usage).to_dict()["usage"] == told


def test_an_exchange_lists_its_attempts_in_order_and_who_was_left_out() -> None:
    attempts = (attempt_record(n=1, error="503"), attempt_record(n=2))
    excluded = ({"provider": "a", "model": "m", "key": None, "reason": "disabled", "detail": None, "until": None},)
    told = exchange_record(attempts=attempts, excluded=excluded, status=None, error="client_abort").to_dict()
    assert json.loads(json.dumps(told)) == {
        "request_id": "req-1",
        "client": None,
        "dialect": "",
        "session": None,
        "sticky": "disabled",
        "mode": "balanced",
        "model_kind": "chat",
        "model": "auto",
        "taken_as": None,
        "status": None,
        "error": "client_abort",
        "started": 1_700_000_000.0,
        "ended_ms": 901.5,
        "waited_ms": 0.0,
        "stream": True,
        "usage": {**USED, "input": 14, "cache_read": 10, "output": 68},
        "cost_usd": None,
        "attempts": [attempts[0].to_dict(), attempts[1].to_dict()],
        "excluded": list(excluded),
    }


@pytest.mark.parametrize("record", [attempt_record(), exchange_record()], ids=["attempt", "exchange"])
def test_a_record_cannot_be_changed(record: object) -> None:
    with pytest.raises(FrozenInstanceError):
        record.status = 500  # type: ignore[attr-defined]
