"""What each attempt of an exchange says about its target."""

from typing import Any

import pytest

from pointsman.domain.failures import Failure
from pointsman.domain.records import AttemptRecord, Outcome
from pointsman.routing.attempt_outcomes import KEY_FAILURES, Verdict, attempt_verdicts, observations
from pointsman.wire.frames import Usage
from support.audit_records import attempt_record, exchange_record

KEY, FAILURE, SUCCESS, LATER, NOTHING = Verdict.KEY, Verdict.FAILURE, Verdict.SUCCESS, Verdict.CENSORED, Verdict.NOTHING


def failed(failure: Failure, key: str | None = "key-1", provider: str = "groq", *, last: bool = False) -> AttemptRecord:
    """Before the client saw content."""
    return attempt_record(
        provider=provider,
        key=key,
        outcome=Outcome.RETRY_FAILED,
        failure=failure,
        was_last_key=last,
        first_content_ms=None,
    )


def answered(key: str | None = "key-2", provider: str = "groq", **changes: Any) -> AttemptRecord:
    return attempt_record(**{"provider": provider, "key": key, "outcome": Outcome.RETRY_SUCCESS, **changes})


@pytest.mark.parametrize(
    ("attempt", "seen"),
    [
        (answered(), SUCCESS),
        (answered(outcome=Outcome.REQUEST_SUCCESS), SUCCESS),
        (answered(outcome=Outcome.HEDGE_WINNER), SUCCESS),
        (answered(outcome=Outcome.HEDGE_LOSER_CANCELLED, first_content_ms=None), LATER),
        (answered(outcome=Outcome.CLIENT_ABORT), NOTHING),
        (answered(outcome=Outcome.CLIENT_ERROR_NON_RETRYABLE, failure=Failure.REQUEST), NOTHING),
        (answered(outcome=Outcome.STREAM_BROKEN, failure=Failure.BROKEN), FAILURE),
        (answered(outcome=Outcome.STREAM_STALLED, failure=Failure.BROKEN), FAILURE),
        *[
            (failed(failure, last=last), FAILURE)
            for failure in (
                Failure.CONNECT,
                Failure.SERVER_ERROR,
                Failure.ODD_SERVER_ERROR,
                Failure.TIMEOUT,
                Failure.NO_ANSWER,
                Failure.MODEL_GONE,
            )
            for last in (True, False)
        ],
        *[
            (failed(failure, last=last), FAILURE if last else KEY)
            for failure in sorted(KEY_FAILURES)
            for last in (True, False)
        ],
        *[
            (failed(failure, last=last), NOTHING)
            for failure in (
                Failure.CONTEXT_TOO_LARGE,
                Failure.REFUSED,
                Failure.TRUNCATED,
                Failure.UNUSABLE,
                Failure.REQUEST,
                Failure.OURS,
            )
            for last in (True, False)
        ],
    ],
)
def test_an_attempt_that_stands_alone(attempt: AttemptRecord, seen: Verdict) -> None:
    assert attempt_verdicts([attempt]) == (seen,)


def test_every_failure_has_its_verdict() -> None:
    assert {attempt_verdicts([failed(failure)])[0] for failure in Failure} == {KEY, FAILURE, NOTHING}


@pytest.mark.parametrize(
    ("attempts", "seen"),
    [
        ([], ()),
        ([failed(Failure.SERVER_ERROR), answered()], (KEY, SUCCESS)),
        ([failed(Failure.ODD_SERVER_ERROR), answered()], (KEY, SUCCESS)),
        ([failed(Failure.RATE_LIMIT), answered()], (KEY, SUCCESS)),
        ([failed(Failure.RATE_LIMIT, last=True), answered()], (KEY, SUCCESS)),
        ([failed(Failure.RATE_LIMIT, last=True), answered(provider="other")], (FAILURE, SUCCESS)),
        ([failed(Failure.SERVER_ERROR), answered(outcome=Outcome.CLIENT_ABORT)], (KEY, NOTHING)),
        (
            [failed(Failure.SERVER_ERROR), answered(outcome=Outcome.CLIENT_ABORT, first_content_ms=None)],
            (FAILURE, NOTHING),
        ),
        (
            [failed(Failure.SERVER_ERROR), answered(outcome=Outcome.STREAM_BROKEN, failure=Failure.BROKEN)],
            (KEY, FAILURE),
        ),
        ([failed(Failure.SERVER_ERROR), answered("key-1")], (FAILURE, SUCCESS)),
        ([failed(Failure.SERVER_ERROR), answered(provider="other")], (FAILURE, SUCCESS)),
        ([failed(Failure.SERVER_ERROR), answered(model="other")], (FAILURE, SUCCESS)),
        ([failed(Failure.TIMEOUT), answered()], (FAILURE, SUCCESS)),
        ([failed(Failure.SERVER_ERROR), failed(Failure.SERVER_ERROR, "key-2", last=True)], (KEY, FAILURE)),
        ([failed(Failure.RATE_LIMIT), failed(Failure.RATE_LIMIT, "key-2", last=True)], (KEY, FAILURE)),
        ([failed(Failure.RATE_LIMIT), failed(Failure.SERVER_ERROR, "key-2", last=True)], (KEY, FAILURE)),
        ([failed(Failure.SERVER_ERROR), failed(Failure.RATE_LIMIT, "key-2", last=True)], (KEY, FAILURE)),
        ([failed(Failure.SERVER_ERROR), failed(Failure.RATE_LIMIT, "key-2")], (FAILURE, KEY)),
        ([failed(Failure.FORBIDDEN), failed(Failure.FORBIDDEN, provider="other")], (NOTHING, NOTHING)),
        ([failed(Failure.NOT_FOUND), answered(provider="other")], (FAILURE, SUCCESS)),
        ([failed(Failure.FORBIDDEN), answered(provider="other")], (FAILURE, SUCCESS)),
        (
            [failed(Failure.SERVER_ERROR), failed(Failure.SERVER_ERROR, provider="other"), answered(provider="third")],
            (FAILURE, FAILURE, SUCCESS),
        ),
    ],
)
def test_attempts_of_one_exchange_are_judged_together(attempts: list[AttemptRecord], seen: tuple[Verdict, ...]) -> None:
    assert attempt_verdicts(attempts) == seen


LABEL = "groq/llama"


class TestObservations:
    def test_an_answer_has_its_wait_and_its_rate(self) -> None:
        [seen] = observations(exchange_record(), {LABEL})
        assert (seen.label, seen.verdict, seen.wall) == (LABEL, SUCCESS, 1_700_000_000.9)
        assert (seen.first_content, seen.tokens, seen.rate_limited) == (0.06, 34, False)
        assert seen.seconds == pytest.approx(0.84)

    @pytest.mark.parametrize(
        ("changes", "streamed", "wait", "tokens", "seconds"),
        [
            ({"usage": None}, True, 0.06, 0, 0),
            ({"usage": Usage(input=3)}, True, 0.06, 0, 0),
            ({"usage": Usage(output=10**400)}, True, 0.06, 0, 0),
            ({"settled_ms": 100.0}, True, 0.06, 34, 0.1),
            ({}, False, None, 34, 0.9),
            ({"settled_ms": 0.0, "first_content_ms": 0.0}, True, 0.0, 0, 0),
            ({"outcome": Outcome.STREAM_BROKEN, "failure": Failure.BROKEN}, True, 0.06, 0, 0),
            ({"outcome": Outcome.HEDGE_LOSER_CANCELLED, "first_content_ms": None}, True, 0.9, 0, 0),
            ({"outcome": Outcome.HEDGE_LOSER_CANCELLED, "first_content_ms": None}, False, None, 0, 0),
        ],
    )
    def test_what_says_nothing_of_the_pace_gives_none(
        self, changes: dict[str, Any], streamed: bool, wait: float | None, tokens: int, seconds: float
    ) -> None:
        record = exchange_record(attempts=(attempt_record(**changes),), streamed=streamed)
        [seen] = observations(record, {LABEL})
        assert (seen.first_content, seen.tokens) == (wait, tokens)
        assert seen.seconds == pytest.approx(seconds)

    def test_only_known_targets_are_observed_and_what_says_nothing_is_none(self) -> None:
        aborted = attempt_record(outcome=Outcome.CLIENT_ABORT)
        attempts = (failed(Failure.RATE_LIMIT), answered(provider="Groq"), aborted, answered())
        seen = list(observations(exchange_record(attempts=attempts), {LABEL}))
        assert [(each.verdict, each.rate_limited) for each in seen] == [(KEY, False), (SUCCESS, False)]

    def test_a_rate_limit_is_the_targets_once_no_key_is_left(self) -> None:
        attempts = (failed(Failure.RATE_LIMIT), failed(Failure.RATE_LIMIT, "key-2", last=True))
        seen = list(observations(exchange_record(attempts=attempts), {LABEL}))
        assert [(each.verdict, each.rate_limited) for each in seen] == [(KEY, False), (FAILURE, True)]
