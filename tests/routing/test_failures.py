"""What a fault is, and what it teaches its exchange, everyone, and its session."""

from collections.abc import Callable

import pytest

from pointsman.routing.failures import LESSONS, Cool, Failure, Skip, classify
from pointsman.wire.faults import Fault, FaultKind
from routing.yard import status, wrapped

BOTH = pytest.mark.parametrize("made", [status, wrapped], ids=["by status", "wrapped"])
type Made = Callable[..., Fault]


@BOTH
@pytest.mark.parametrize(
    ("number", "failure"),
    [
        (400, Failure.REQUEST),
        (422, Failure.REQUEST),
        (405, Failure.REFUSED),
        (418, Failure.REFUSED),
        (401, Failure.KEY_INVALID),
        (402, Failure.QUOTA),
        (403, Failure.FORBIDDEN),
        (451, Failure.FORBIDDEN),
        (404, Failure.GONE),
        (410, Failure.GONE),
        (413, Failure.CONTEXT),
        (429, Failure.RATE_LIMIT),
        (500, Failure.SERVER),
        (502, Failure.SERVER),
        (503, Failure.SERVER),
        (504, Failure.SERVER),
        (408, Failure.ODD_SERVER),
        (425, Failure.ODD_SERVER),
        (529, Failure.ODD_SERVER),
        (301, Failure.ODD_SERVER),
        (None, Failure.ODD_SERVER),
    ],
)
def test_a_status_without_words_is_taken_at_its_word(made: Made, number: int | None, failure: Failure) -> None:
    assert classify(made(number)) is failure


@BOTH
@pytest.mark.parametrize(
    ("number", "said", "failure"),
    [
        (400, "This model's maximum context length is 8192 tokens", Failure.CONTEXT),
        (500, "exceeds the context window", Failure.CONTEXT),
        (400, "Invalid API key provided", Failure.KEY_INVALID),
        (403, "Your credential has expired", Failure.KEY_INVALID),
        (403, "not available in your country", Failure.FORBIDDEN),
        (400, "The model does not exist", Failure.GONE),
        (400, "Unsupported parameter: logit_bias", Failure.REFUSED),
        (429, "Rate limit reached: 100 requests per day", Failure.QUOTA),
        (429, "Rate limit reached: 10 requests per minute", Failure.RATE_LIMIT),
        (400, "Too many requests", Failure.RATE_LIMIT),
        (500, "The answer was truncated", Failure.TRUNCATED),
        (401, "The model does not exist", Failure.KEY_INVALID),
        (400, "messages[0] is odd", Failure.REQUEST),
    ],
)
def test_words_say_more_than_a_status_that_says_little(made: Made, number: int, said: str, failure: Failure) -> None:
    assert classify(made(number, message=said)) is failure
    assert classify(made(number, message=said.upper())) is failure


@BOTH
def test_the_word_for_an_error_counts_like_its_message(made: Made) -> None:
    assert classify(made(400, code="context_length_exceeded")) is Failure.CONTEXT


def test_a_page_is_nobodys_word() -> None:
    page = "Our API key service and its rate limit: unsupported parameter"
    assert classify(status(400, message=page, structured=False)) is Failure.REQUEST


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        (FaultKind.REFUSED, Failure.CONNECT),
        (FaultKind.DNS, Failure.CONNECT),
        (FaultKind.TLS, Failure.CONNECT),
        (FaultKind.RESET, Failure.CONNECT),
        (FaultKind.CONNECT_TIMEOUT, Failure.CONNECT),
        (FaultKind.FIRST_BYTE_TIMEOUT, Failure.TIMEOUT),
        (FaultKind.ANSWER_TIMEOUT, Failure.TIMEOUT),
        (FaultKind.EMPTY, Failure.NO_ANSWER),
        (FaultKind.MALFORMED, Failure.NO_ANSWER),
        (FaultKind.BROKEN, Failure.NO_ANSWER),
        (FaultKind.INTERNAL, Failure.OURS),
    ],
)
@pytest.mark.parametrize("number", [None, 400, 429, 504])
def test_any_other_fault_is_what_it_is_even_with_a_status_beside_it(
    kind: FaultKind, failure: Failure, number: int | None
) -> None:
    assert classify(Fault(kind, status=number)) is failure


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_of_fault_has_a_row_before_and_after_commit(kind: FaultKind) -> None:
    assert classify(Fault(kind)) in LESSONS
    assert classify(Fault(kind), committed=True) is (Failure.OURS if kind is FaultKind.INTERNAL else Failure.BROKEN)


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (Fault(FaultKind.STALLED, "no data for 60 s"), Failure.BROKEN),
        (Fault(FaultKind.BROKEN, "rate limit reached", 429), Failure.BROKEN),
        (Fault(FaultKind.BROKEN, "context length exceeded"), Failure.TRUNCATED),
    ],
)
def test_after_commit_it_is_a_break_unless_the_window_was_full(fault: Fault, failure: Failure) -> None:
    assert classify(fault, committed=True) is failure


class TestLessons:
    def test_every_failure_has_one(self) -> None:
        assert set(LESSONS) == set(Failure)

    @pytest.mark.parametrize("failure", [f for f in Failure if LESSONS[f].skip is Skip.ALL])
    def test_what_is_the_requests_own_fault_is_held_against_nobody(self, failure: Failure) -> None:
        lesson = LESSONS[failure]
        assert (lesson.cool, lesson.counts, lesson.unpins) == (Cool.NOTHING, False, False)

    @pytest.mark.parametrize(
        ("failure", "skip", "cool"),
        [
            (Failure.RATE_LIMIT, Skip.KEY, Cool.KEY_RATE),
            (Failure.QUOTA, Skip.KEY, Cool.KEY_DAY),
            (Failure.KEY_INVALID, Skip.KEY, Cool.KEY_INVALID),
            (Failure.SERVER, Skip.KEY, Cool.TARGET_BY_ALL_KEYS),
            (Failure.CONNECT, Skip.TARGET, Cool.TARGET),
            (Failure.GONE, Skip.TARGET, Cool.TARGET_LONG),
            (Failure.CONTEXT, Skip.SMALLER, Cool.NOTHING),
            (Failure.REFUSED, Skip.TARGET, Cool.NOTHING),
            (Failure.OURS, Skip.TARGET, Cool.NOTHING),
        ],
    )
    def test_each_rules_out_no_more_than_it_speaks_of(self, failure: Failure, skip: Skip, cool: Cool) -> None:
        assert (LESSONS[failure].skip, LESSONS[failure].cool) == (skip, cool)

    def test_only_a_break_after_commit_clears_the_pin(self) -> None:
        assert [failure for failure in Failure if LESSONS[failure].unpins] == [Failure.BROKEN]
