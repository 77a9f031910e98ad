"""What the record of an exchange shows of the quality of answers."""

from typing import Any

import pytest

from pointsman.domain.failures import Failure
from pointsman.domain.records import AttemptRecord, ContinuationRecord, Outcome
from pointsman.routing.answer_signals import AnswerSignals, Signal, answer_signals
from pointsman.wire.frames import Usage
from pointsman.wire.messages import NO_CALLS, ToolCalls
from support.audit_records import attempt_record, exchange_record

REFUSALS, MALFORMED, CALLS = Signal.REFUSALS, Signal.MALFORMED_ANSWERS, Signal.MALFORMED_CALLS
LENGTH, REASONING, SPEED = Signal.OUTPUT_LENGTH, Signal.REASONING, Signal.SPEED
A, B = "groq/llama", "other/llama"


def failed(**changes: Any) -> AttemptRecord:
    return attempt_record(**{"outcome": Outcome.RETRY_FAILED, "first_content_ms": None, "usage": None, **changes})


def signals(*attempts: AttemptRecord, calls: ToolCalls = NO_CALLS) -> list[AnswerSignals]:
    return list(answer_signals(exchange_record(attempts=attempts), calls, {A, B}))


def shares(*attempts: AttemptRecord, calls: ToolCalls = NO_CALLS) -> dict[str, dict[Signal, bool]]:
    found: dict[str, dict[Signal, bool]] = {}
    for each in signals(*attempts, calls=calls):
        found.setdefault(each.label, {}).update(each.shares)
    return {label: every for label, every in found.items() if every}


@pytest.mark.parametrize(
    ("attempt", "seen"),
    [
        (attempt_record(), (False, False)),
        (attempt_record(finish_reason="content_filter"), (True, False)),
        (attempt_record(finish_reason="SAFETY"), (True, False)),
        (failed(failure=Failure.CONTENT_FILTER, error="400"), (True, False)),
        (failed(failure=Failure.CONTENT_POLICY, error="400"), (True, False)),
        (failed(failure=Failure.NO_ANSWER, error="empty"), (False, True)),
        (failed(failure=Failure.NO_ANSWER, error="malformed"), (False, True)),
        (failed(failure=Failure.UNUSABLE, error="unusable_answer"), (False, True)),
        (failed(failure=Failure.SERVER_ERROR, error="503"), None),
        (failed(failure=Failure.NO_ANSWER, error="stream_broken"), None),
        (attempt_record(outcome=Outcome.CLIENT_ABORT), None),
    ],
)
def test_refused_and_malformed_answers(attempt: AttemptRecord, seen: tuple[bool, bool] | None) -> None:
    expected = {A: dict(zip((REFUSALS, MALFORMED), seen, strict=True))} if seen else {}
    assert shares(attempt) == expected


def test_who_is_asked_what_another_one_refused_is_not_judged_by_it() -> None:
    refused = failed(failure=Failure.CONTENT_FILTER, error="400")
    again = failed(n=2, failure=Failure.CONTENT_FILTER, error="400", provider="other")
    assert shares(refused, again) == {A: {REFUSALS: True, MALFORMED: False}}


def test_a_second_key_is_the_same_target() -> None:
    assert shares(failed(failure=Failure.RATE_LIMIT, error="429"), attempt_record(n=2, key="key-2")) == {
        A: {REFUSALS: False, MALFORMED: False}
    }


@pytest.mark.parametrize(("calls", "seen"), [(ToolCalls(2, 0), False), (ToolCalls(2, 1), True)])
def test_malformed_calls_are_those_of_who_answered(calls: ToolCalls, seen: bool) -> None:
    failure = failed(failure=Failure.SERVER_ERROR, error="503")
    winner = attempt_record(n=2, provider="other", outcome=Outcome.RETRY_SUCCESS)
    assert shares(failure, winner, calls=calls) == {B: {CALLS: seen}}
    assert shares(failure, winner) == {}, "no call, nothing to judge"


def test_values_of_an_answer() -> None:
    usage = Usage(input=9, output=84, reasoning=21)
    [_, found] = signals(attempt_record(usage=usage))
    assert found.values == {LENGTH: 84.0, REASONING: 0.25, SPEED: pytest.approx(100.0)}


@pytest.mark.parametrize("usage", [None, Usage(output=84, is_estimated=True), Usage(output=0), Usage(output=10**9)])
def test_what_is_not_reported_has_none(usage: Usage | None) -> None:
    assert [each.values for each in signals(attempt_record(usage=usage))] == [{}, {}]


def test_what_is_not_configured_any_more_is_ignored() -> None:
    assert signals(attempt_record(provider="gone"), attempt_record(n=2, provider="gone")) == []
    assert signals() == []


def test_the_rest_of_an_answer_is_no_answer_of_its_own() -> None:
    broken = attempt_record(outcome=Outcome.STREAM_BROKEN, failure=Failure.BROKEN, error="stream_broken")
    rest = ContinuationRecord(continues=1, method="prefill", prefix_chars=500, trimmed=0)
    assert (
        signals(broken, attempt_record(n=2, provider="other", outcome=Outcome.STREAM_CONTINUED, continuation=rest))
        == []
    )


def test_an_attempt_that_goes_on_is_not_counted_twice() -> None:
    slow = attempt_record(outcome=Outcome.HEDGE_TRIGGERED)
    assert shares(slow, attempt_record()) == {A: {REFUSALS: False, MALFORMED: False}}
