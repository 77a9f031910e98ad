"""Times as providers write them, alone and in sentences."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.time_text import duration, moment, stated_moment, stated_wait

WALL = 1_700_000_000.0
"""Tue, 14 Nov 2023 22:13:20 GMT."""
HOUR = 3600.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7m12.5s", 432.5),
        ("1s", 1.0),
        ("12ms", 0.012),
        ("6m0s", 360.0),
        ("1h2m3s", 3723.0),
        ("2h5m3.4s", 7503.4),
        ("2 hours", 7200.0),
        ("59.5", 59.5),
        (" 3 ", 3.0),
        ("PT1H30M", 5400.0),
        ("1700000010", 10.0),
        ("1700000010.5", 10.5),
        ("1700000010000", 10.0),
        ("1600000000", 0.0),
        ("2023-11-14T22:13:30Z", 10.0),
        ("2023-11-14T22:13:30.250Z", 10.25),
        ("2023-11-14T22:13:30.123456789Z", 10.123456),
        ("2023-11-14T23:13:30+01:00", 10.0),
        ("2023-11-14 17:13:30 -0500", 10.0),
        ("2023-11-14T22:13:30", 10.0),
        ("2023-11-14T22:13:00Z", 0.0),
        ("2023-11-15", 6400.0),
        ("2023/11/14 22:14", 40.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Nov 14, 2023 at 10:14 PM UTC", 40.0),
        ("November 14th, 2023 11:14 PM (CET)", 40.0),
        ("22:14", 40.0),
        ("10:14 PM", 40.0),
        ("11pm (UTC)", 2800.0),
        ("11 p.m.", 2800.0),
        ("5:14 PM America/New_York", 40.0),
        ("2:14pm (America/Los_Angeles)", 40.0),
        ("2:14 pm pt", 40.0),
        ("12:00 am", 6400.0),
        ("22:13", 0.0),
        ("22:00", 24 * HOUR - 800.0),
        ("Nov 15, 8am", 9 * HOUR + 2800.0),
        ("Jan 1", 47 * 24 * HOUR + 6400.0),
    ],
)
def test_a_moment_is_a_number_a_duration_a_unix_time_a_date_or_a_time_of_the_day(value: str, seconds: float) -> None:
    assert moment(value, WALL) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value",
    [
        "", "soon", "-5", "nan", "inf", "7m later", "2023-99-14T22:13:30Z", "0000-01-01", "9" * 400, "25:00", "13 pm",
        "0 am", "24:00:00", "Feb 30, 2023", "9999-12-31T23:59:59+99:99", "1 s" * 100, "10:61", "1e5",
    ],
)  # fmt: skip
def test_what_means_nothing_is_no_moment(value: str) -> None:
    assert moment(value, WALL) is None
    assert duration(value) is None


TIMES = st.from_regex(r"[0-9.]{0,30}(ms|s|m|h|d)?[0-9.]{0,30}(s)?") | st.datetimes().map(str) | st.text()
DATES = st.from_regex(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}|(jan|feb|dec) [0-9]{1,2}(, [0-9]{4})?)?[ t][0-9]{1,2}(:[0-9]{2}){0,2} ?(am|pm)?"
    r" ?(z|utc|[+-][0-9]{1,2}(:[0-9]{2})?|pt|[a-z]{2,9}/[a-z_]{2,9})?",
    fullmatch=True,
)


@given(TIMES | DATES, st.floats(0, 4e9))
def test_whatever_is_sent_it_is_a_finite_wait_or_none(value: str, clock: float) -> None:
    for seconds in (moment(value, clock), duration(value), stated_wait(f"try again in {value}")):
        assert seconds is None or 0 <= seconds < float("inf")
    if text := stated_moment(f"try again at {value}"):
        assert (wait := moment(text, clock)) is None or 0 <= wait < float("inf")


@given(st.datetimes(datetime(2001, 9, 10), datetime(2100, 1, 1)), st.floats(0, 86_000))
def test_a_time_of_the_day_is_the_next_one(now: datetime, ahead: float) -> None:
    clock = now.replace(tzinfo=UTC).timestamp()
    then = datetime.fromtimestamp(clock + ahead, UTC)
    wait = moment(then.strftime("%I:%M:%S.%f %p"), clock)
    assert wait == pytest.approx(ahead, abs=1e-3)


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit reached. Please try again in 7m12.5s. Visit https://x.test for more.", 432.5),
        ("Rate limit reached for gpt-4o on tokens per min: Limit 30000, Used 29000. Please try again in 6m0s.", 360.0),
        ("You may send the next request in 20 seconds.", 20.0),
        ("Limit 30, Used 30, Requested 1. Please try again in 2s.", 2.0),
        ("Please retry in 43.388158183s.", 43.388158183),
        ("Retry after 5 minutes", 300.0),
        ("retry after 12 seconds", 12.0),
        ("Too many requests, Retry-After: 12", 12.0),
        ("rate limited (retry_after=5.5)", 5.5),
        ("Rate limit of 50 per 86400s exceeded. Please wait 3600 seconds before retrying.", 3600.0),
        ("You've hit your usage limit, or try again in 5 days 2 hours 13 minutes.", 439980.0),
        ("Please retry after 1 second.", 1.0),
        ("The limit is resetting in 00h05m", 300.0),
        ("please try again after 1 seconds", 1.0),
        ("Cooling down for 15s", 15.0),
        ("Please try again in 1.5 hours", 5400.0),
        ("try again in 250ms", 0.25),
        ("Try again in 1 hour, 5 minutes and 3 seconds", 3903.0),
        ("try again in 1,200 seconds", 1200.0),
        ("Please wait 12s", 12.0),
        ("Please wait 30 seconds before sending another request", 30.0),
        ("Usage limit reached, resets in 2h5m", 7500.0),
        ("Your quota will reset after 2h", 7200.0),
        ("Your quota will reset after 4h48m20.7s.", 17300.7),
        ("available again in about 2 days", 172800.0),
        ("Retry after 00:01:30", 90.0),
        ("Please try again in a minute.", 60.0),
        ("请在 10 秒后重试", 10.0),
        ("请 3 分钟后重试", 180.0),
        ("请2小时后再试", 2 * HOUR),
        ("Please try again in less than an hour", 3600.0),
    ],
)  # fmt: skip
def test_a_message_may_ask_for_a_wait(message: str, seconds: float) -> None:
    assert stated_wait(message) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "message",
    [
        "", "Limit: 5 requests", "at most 10 requests per 60s", "born in 2024", "retry", "Please try again later.",
        "You have sent 100 requests in 24 hours", "Usage limit reached for 5 hour", "retry after 3 requests",
        "try again in -5 seconds", "You have no access to the 1M context", "not available for 1M tokens",
        f"try again in {'9' * 400} seconds",
    ],
)  # fmt: skip
def test_other_numbers_are_none(message: str) -> None:
    assert stated_wait(message) is None


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please try again at 2023-11-15 08:00 UTC.", 9 * HOUR + 2800.0),
        ("Usage limit reached for 5 hour. Your limit will reset at 2023-11-14 23:13:20", HOUR),
        ("Your limit will reset at 2023-11-14 23:13:20 (UTC)", HOUR),
        ("You've hit your usage limit. Try again at 10:45 PM.", 1900.0),
        ("You've hit your limit · resets 11pm (Europe/London)", 2800.0),
        ("5-hour limit reached ∙ resets 6:45pm (America/New_York)", HOUR + 1900.0),
        ("Upgrade to Pro or try again at Nov 15th, 2023 3:45 PM.", 17 * HOUR + 1900.0),
        ("You will regain access on 2023-11-15 at 00:00 UTC.", 6400.0),
        ("The model is available again at Wed, 15 Nov 2023 00:00:00 GMT", 6400.0),
        ("Blocked until 2023-11-14T23:13:20Z", HOUR),
        ("Rate limit resets at 1700003600", HOUR),
        ("Claude AI usage limit reached|1700003600", HOUR),
        ("Retry at 1700003600000", HOUR),
        ("Your daily quota resets at 00:00 UTC", 6400.0),
        ("Your daily quota resets at midnight UTC", 6400.0),
        ("Quotas reset at midnight Pacific time", 8 * HOUR + 6400.0),
        ("You've hit your limit · resets 7pm (America/Port_of_Spain)", HOUR - 800.0),
        ("resets 8pm (America/Argentina/Buenos_Aires)", HOUR - 800.0),
        ("已达到 5 小时的使用上限。您的限额将在 2023-11-15 07:13:20 重置。", HOUR),
        ("重置时间 2023-11-15 07:13:20", HOUR),
        ("请于 2023-11-15 07:13:20 后重试", HOUR),
    ],
)
def test_a_message_may_name_a_moment(message: str, seconds: float) -> None:
    text = stated_moment(message)
    assert text
    assert moment(text, WALL) == pytest.approx(seconds)
    assert stated_wait(message) is None


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Try again.",
        "reset at will",
        "As of 2023-11-14 the limit is 5",
        "try again at 25:00",
        "retry maybe 12 times",
    ],
)
def test_other_dates_are_none(message: str) -> None:
    assert stated_moment(message) is None


@pytest.mark.parametrize(
    "piece", ["again in 1 ", "again 1h ", "1h, and ", "retry ", "wait until 1:", "reset jan 1, ", "9", " ", "a/", "+1:"]
)
def test_a_hostile_text_is_read_at_once(piece: str) -> None:
    text = piece * 1_000_000
    assert stated_wait(text) is None or stated_wait(text) >= 0
    stated_moment(text)
    assert moment(text, WALL) is None
