"""When to come back, in every way in which providers say it, and the limits that stand beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.error_parsing import wrapped_fault
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.retry_after import dated, duration, moment, prose, reset, stated_limits

WALL = 1_700_000_000.0
HEADERS = {"retry-after": "7", "x-ratelimit-reset-requests": "30s"}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7m12.5s", 432.5),
        ("1s", 1.0),
        ("12ms", 0.012),
        ("6m0s", 360.0),
        ("1h2m3s", 3723.0),
        ("2 hours", 7200.0),
        ("59.5", 59.5),
        (" 3 ", 3.0),
        ("1700000010", 10.0),
        ("1700000010.5", 10.5),
        ("1700000010000", 10.0),
        ("1600000000", 0.0),
        ("2023-11-14T22:13:30Z", 10.0),
        ("2023-11-14T23:13:30+01:00", 10.0),
        ("2023-11-14T22:13:30", 10.0),
        ("2023-11-14T22:13:00Z", 0.0),
    ],
)
def test_a_moment_is_a_number_a_duration_a_unix_time_or_a_date(value: str, seconds: float) -> None:
    assert moment(value, WALL) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["", "soon", "-5", "nan", "inf", "7m later", "2023-99-14T22:13:30Z", "9" * 400])
def test_what_means_nothing_is_no_moment(value: str) -> None:
    assert moment(value, WALL) is None
    assert duration(value) is None


@given(st.text() | st.from_regex(r"[0-9.]{0,30}(ms|s|m|h|d)?[0-9.]{0,30}(s)?") | st.datetimes().map(str))
def test_whatever_is_sent_it_is_a_finite_wait_or_none(value: str) -> None:
    for seconds in (moment(value, WALL), duration(value), prose(f"try again in {value}")):
        assert seconds is None or 0 <= seconds < float("inf")


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit reached. Please try again in 7m12.5s. Visit https://x.test for more.", 432.5),
        ("You may send the next request in 20 seconds.", 20.0),
        ("Limit 30, Used 30, Requested 1. Please try again in 2s.", 2.0),
        ("Please retry in 43.388158183s.", 43.388158183),
        ("Retry after 5 minutes", 300.0),
        ("try again in 250ms", 0.25),
        ("Try again in 1 hour, 5 minutes and 3 seconds", 3903.0),
        ("Please wait 12s", 12.0),
        ("available again in about 2 days", 172800.0),
    ],
)
def test_a_message_may_ask_for_a_wait(message: str, seconds: float) -> None:
    assert prose(message) == pytest.approx(seconds)


@pytest.mark.parametrize("message", ["", "Limit: 5 requests", "at most 10 requests per 60s", "born in 2024", "retry"])
def test_other_numbers_are_none(message: str) -> None:
    assert prose(message) is None


class TestReset:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, None),
            ({"x-ratelimit-reset": "1700000030"}, 30.0),
            ({"x-ratelimit-reset": "1700000030000"}, 30.0),
            ({"ratelimit-reset": "30"}, 30.0),
            ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "7m12.5s"}, 432.5),
            (
                {
                    "x-ratelimit-reset-requests": "1s",
                    "x-ratelimit-remaining-requests": "0",
                    "x-ratelimit-reset-tokens": "7m12.5s",
                    "x-ratelimit-remaining-tokens": "14",
                },
                1.0,
            ),
            (
                {
                    "anthropic-ratelimit-requests-remaining": "0",
                    "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:30Z",
                    "anthropic-ratelimit-tokens-remaining": "9",
                    "anthropic-ratelimit-tokens-reset": "2023-11-14T23:13:30Z",
                },
                10.0,
            ),
            ({"x-ratelimit-reset-requests": "later"}, None),
            ({"x-ratelimit-reset": "5", "x-ratelimit-remaining": "none"}, 5.0),
        ],
    )
    def test_the_limit_that_is_used_up_counts_else_the_last_to_be_back(
        self, headers: dict[str, str], seconds: float | None
    ) -> None:
        assert reset(headers, WALL) == seconds


class TestDated:
    @pytest.mark.parametrize(
        ("headers", "by_body", "wait"),
        [
            (HEADERS, 20.0, 7.0),
            (HEADERS, None, 7.0),
            ({"retry-after": "0"}, 20.0, 0.0),
            ({"x-ratelimit-reset-requests": "30s"}, 20.0, 20.0),
            ({"x-ratelimit-reset-requests": "30s"}, None, 30.0),
            ({}, 20.0, 20.0),
            ({}, None, None),
        ],
    )
    @pytest.mark.parametrize("kind", [FaultKind.STATUS, FaultKind.WRAPPED])
    def test_retry_after_says_more_than_the_body_and_the_body_more_than_resets(
        self, headers: dict[str, str], by_body: float | None, wait: float | None, kind: FaultKind
    ) -> None:
        assert dated(Fault(kind, status=429, retry_after=by_body), headers, WALL).retry_after == wait

    def test_resets_speak_of_limits_and_of_nothing_else(self) -> None:
        fault = Fault(FaultKind.STATUS, status=503)
        assert dated(fault, {"x-ratelimit-reset-requests": "7m12s"}, WALL).retry_after is None
        assert dated(fault, {"retry-after": "9"}, WALL).retry_after == 9.0

    @pytest.mark.parametrize("kind", [FaultKind.EMPTY, FaultKind.RESET, FaultKind.FIRST_BYTE_TIMEOUT])
    def test_what_is_no_answer_has_no_date(self, kind: FaultKind) -> None:
        assert dated(Fault(kind), HEADERS, WALL).retry_after is None


def test_words_in_an_error_count_where_no_field_does() -> None:
    words = {"error": {"message": "Slow down, try again in 20 seconds", "code": 429}}
    fault, fielded = wrapped_fault(words), wrapped_fault({"error": {**words["error"], "retry_after": "7m12s"}})
    assert fault
    assert fielded
    assert (fault.retry_after, fielded.retry_after) == (20.0, 432.0)


class TestStatedLimits:
    @pytest.mark.parametrize(
        ("headers", "limits"),
        [
            ({}, []),
            ({"x-ratelimit-limit-requests": "30", "x-ratelimit-reset-requests": "2s"}, [("rpm", 30)]),
            ({"x-ratelimit-limit-requests": "1000", "x-ratelimit-reset-requests": "2m59.5s"}, [("rpd", 1000)]),
            ({"x-ratelimit-limit-tokens": "6000", "x-ratelimit-reset-tokens": "60s"}, [("tpm", 6000)]),
            ({"x-ratelimit-limit-requests-day": "50"}, [("rpd", 50)]),
            ({"x-ratelimit-limit-tokens-minute": "7", "x-ratelimit-limit-req-minute": "2"}, [("tpm", 7), ("rpm", 2)]),
            ({"x-ratelimit-limit": "20", "x-ratelimit-reset": "1700000060000"}, [("rpm", 20)]),
            (
                {
                    "anthropic-ratelimit-requests-limit": "50",
                    "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:30Z",
                },
                [("rpm", 50)],
            ),
            ({"x-ratelimit-limit-requests": "30"}, []),
            ({"x-ratelimit-limit-requests": "0", "x-ratelimit-reset-requests": "2s"}, []),
            ({"x-ratelimit-limit-requests": "many", "x-ratelimit-reset-requests": "2s"}, []),
            ({"anthropic-ratelimit-input-tokens-limit": "9", "anthropic-ratelimit-input-tokens-reset": "3"}, []),
            ({"x-ratelimit-limit-images": "9", "x-ratelimit-reset-images": "3"}, []),
        ],
    )
    def test_each_is_for_the_minute_or_the_day_by_its_name_or_its_reset(
        self, headers: dict[str, str], limits: list[tuple[str, int]]
    ) -> None:
        assert list(stated_limits(headers, WALL)) == limits
