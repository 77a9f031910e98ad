"""When to come back: what headers say, what counts first, and by whose clock."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.retry_after import MAX_WAIT, dated, retry_after

WALL = 1_700_000_000.0
WALL_2015 = 1_445_412_470.0
"""Wed, 21 Oct 2015 07:27:50 GMT."""
HEADERS = {"retry-after": "7", "x-ratelimit-reset-requests": "30s"}


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("30", 30.0),
            (" 2.5 ", 2.5),
            ("0", 0.0),
            ("-5", 0.0),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 10.0),
            ("Wed, 21 Oct 2015 09:28:00 +0200", 10.0),
            ("Wednesday, 21-Oct-15 07:28:00 GMT", 10.0),
            ("Wed Oct 21 07:28:00 2015", 10.0),
            ("Wed, 21 Oct 2015 07:28:00", 10.0),
            ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
            ("1m30s", 90.0),
            ("2015-10-21T07:28:00Z", 10.0),
            ("1445412480", 10.0),
            ('"10"', 10.0),
            ("10, 20", 10.0),
            ("999999", MAX_WAIT),
        ],
    )
    def test_it_is_in_seconds_or_a_date(self, value: str, seconds: float) -> None:
        assert retry_after({"retry-after": value}, WALL_2015) == seconds

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "soon",
            "nan",
            "inf",
            "-inf",
            "1e400",
            "9" * 400,
            "Wed, 99 Oct 2015 07:28:00 GMT",
            "1 Jan 99999999999999999999 00:00:00 GMT",
            "Wed, 21 Oct 2015 07:28:00 +99999999999999999999",
        ],
    )
    def test_what_means_nothing_is_passed_over(self, value: str) -> None:
        assert retry_after({"retry-after": value}, WALL_2015) is None

    def test_it_may_be_absent(self) -> None:
        assert retry_after({}, WALL_2015) is None

    @pytest.fixture
    def far_east(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with monkeypatch.context() as here:
            here.setenv("TZ", "JST-9")
            time.tzset()
            yield
        time.tzset()

    @pytest.mark.usefixtures("far_east")
    @pytest.mark.parametrize("value", ["Wed, 21 Oct 2015 07:28:00", "Wed, 21 Oct 2015 07:28:00 -0000"])
    def test_a_date_without_a_zone_is_in_gmt_wherever_the_router_runs(self, value: str) -> None:
        assert retry_after({"retry-after": value}, WALL_2015) == 10.0

    @given(
        st.text()
        | st.from_regex(r"(Wed, )?\d{1,3} (Jan|Feb|x) \d{1,30} \d{1,3}:\d{1,3}(:\d{1,3})? ?([+-]\d{1,30}|GMT|)")
        | st.floats().map(str)
    )
    @example("\n")
    def test_whatever_a_provider_sends_it_is_a_finite_wait_or_none(self, value: str) -> None:
        seconds = retry_after({"retry-after": value}, WALL_2015)
        assert seconds is None or 0 <= seconds <= MAX_WAIT

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry-after-ms": "7000", "retry-after": "8"}, 7.0),
            ({"retry-after-ms": "2500.5"}, 2.5005),
            ({"x-ms-retry-after-ms": "1500"}, 1.5),
            ({"retry-after-ms": "274579000"}, MAX_WAIT),
            ({"retry-after-ms": "soon", "retry-after": "8"}, 8.0),
            ({"retry-after-ms": "nan"}, None),
            ({"retry-after-ms": "-1"}, 0.0),
            ({"x-retry-after": "5"}, 5.0),
            ({"x-ratelimit-retry-after": "1m"}, 60.0),
            ({"retry-after-seconds": "20"}, 20.0),
            ({"retry-after": "4", "x-retry-after": "5"}, 4.0),
        ],
    )
    def test_milliseconds_say_more_precisely(self, headers: dict[str, str], seconds: float | None) -> None:
        assert retry_after(headers, WALL_2015) == pytest.approx(seconds)

    @pytest.mark.parametrize(
        ("date", "seconds"),
        [
            ("Wed, 21 Oct 2015 07:17:50 GMT", 610.0),
            ("Wed, 21 Oct 2015 07:27:55 GMT", 5.0),
            ("Wed, 21 Oct 2015 07:37:50 GMT", 0.0),
            ("", 10.0),
            ("today", 10.0),
        ],
    )
    def test_a_date_is_measured_by_the_clock_of_the_answer(self, date: str, seconds: float) -> None:
        headers = {"date": date, "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}
        assert retry_after(headers, WALL_2015) == seconds
        assert retry_after({**headers, "retry-after": "3"}, WALL_2015) == 3.0


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
            ({}, 1e9, MAX_WAIT),
            ({"x-ratelimit-reset-requests": "30h"}, None, MAX_WAIT),
            ({}, None, None),
        ],
    )
    @pytest.mark.parametrize("kind", [FaultKind.STATUS, FaultKind.WRAPPED])
    def test_retry_after_says_more_than_the_body_and_the_body_more_than_resets(
        self, headers: dict[str, str], by_body: float | None, wait: float | None, kind: FaultKind
    ) -> None:
        assert dated(Fault(kind, status=429, retry_after=by_body), headers, WALL).retry_after == wait

    def test_of_the_moments_in_a_body_the_last_counts(self) -> None:
        fault = Fault(FaultKind.STATUS, status=429, retry_at=("1700000010", "1700000050", "never", "30s"))
        assert dated(fault, {}, WALL).retry_after == 50.0

    def test_resets_speak_of_limits_and_of_nothing_else(self) -> None:
        fault = Fault(FaultKind.STATUS, status=503)
        assert dated(fault, {"x-ratelimit-reset-requests": "7m12s"}, WALL).retry_after is None
        assert dated(fault, {"retry-after": "9"}, WALL).retry_after == 9.0

    @pytest.mark.parametrize("number", [402, 403])
    def test_elsewhere_than_in_a_429_a_limit_must_be_spent(self, number: int) -> None:
        fault, reset = Fault(FaultKind.STATUS, status=number), {"x-ratelimit-reset": "1700000030"}
        assert dated(fault, reset, WALL).retry_after is None
        assert dated(fault, {**reset, "x-ratelimit-remaining": "0"}, WALL).retry_after == 30.0

    @pytest.mark.parametrize("kind", [FaultKind.EMPTY, FaultKind.RESET, FaultKind.FIRST_BYTE_TIMEOUT])
    def test_what_is_no_answer_has_no_date(self, kind: FaultKind) -> None:
        assert dated(Fault(kind), HEADERS, WALL).retry_after is None

    @given(
        st.dictionaries(
            st.sampled_from(
                ["retry-after", "retry-after-ms", "date", "x-ratelimit-reset", "x-ratelimit-remaining", "ratelimit",
                 "anthropic-ratelimit-unified-5h-reset", "x-codex-primary-used-percent"]
            ),
            st.text(max_size=40) | st.integers().map(str) | st.floats().map(str) | st.datetimes().map(str),
        ),
        st.floats(0, 4e9),
    )  # fmt: skip
    def test_whatever_headers_say_it_is_within_a_day(self, headers: dict[str, str], wall: float) -> None:
        for number in (402, 403, 429, 503):
            wait = dated(Fault(FaultKind.STATUS, status=number), headers, wall).retry_after
            assert wait is None or 0 <= wait <= MAX_WAIT
