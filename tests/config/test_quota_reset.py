"""When daily quotas begin again: by the provider's own clock, on days of 23 and 25 hours too."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.quota_reset import MIDNIGHT_UTC, parse_quota_reset

PACIFIC = "00:00 America/Los_Angeles"
HOUR = 3600.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("written", "now", "then"),
    [
        ("00:00 UTC", "2026-07-01T23:59:00+00:00", "2026-07-02T00:00:00+00:00"),
        ("00:00 UTC", "2026-07-01T00:00:00+00:00", "2026-07-02T00:00:00+00:00"),
        ("16:30 UTC", "2026-07-01T16:29:59+00:00", "2026-07-01T16:30:00+00:00"),
        (PACIFIC, "2026-07-01T12:00:00+00:00", "2026-07-02T07:00:00+00:00"),
        (PACIFIC, "2026-07-01T06:59:00+00:00", "2026-07-01T07:00:00+00:00"),
        (PACIFIC, "2026-01-01T12:00:00+00:00", "2026-01-02T08:00:00+00:00"),
        (PACIFIC, "2026-03-08T08:00:00+00:00", "2026-03-09T07:00:00+00:00"),
        (PACIFIC, "2026-11-01T07:00:00+00:00", "2026-11-02T08:00:00+00:00"),
        ("02:30 America/Los_Angeles", "2026-03-08T09:00:00+00:00", "2026-03-08T10:30:00+00:00"),
        ("09:00 Asia/Shanghai", "2026-07-01T00:30:00+00:00", "2026-07-01T01:00:00+00:00"),
    ],
    ids=[
        "a minute before", "at the moment itself", "any minute", "summer", "just before midnight there", "winter",
        "a day of 23 hours", "a day of 25 hours", "a time that is skipped", "east of UTC",
    ],
)  # fmt: skip
def test_the_next_moment_is_by_the_clocks_of_the_zone(written: str, now: str, then: str) -> None:
    assert parse_quota_reset(written).seconds_until(at(now)) == at(then) - at(now)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)), st.sampled_from(["00:00", "02:30", "01:15", "23:59"]))
def test_it_is_always_ahead_and_at_most_25_hours(moment: datetime, time: str) -> None:
    wall = moment.replace(tzinfo=UTC).timestamp()
    assert 0 < parse_quota_reset(f"{time} America/Los_Angeles").seconds_until(wall) <= 25 * HOUR
    assert 0 < MIDNIGHT_UTC.seconds_until(wall) <= 24 * HOUR


@pytest.mark.parametrize(
    "written", [0, None, "", "00:00", "24:00 UTC", "0:00 UTC", "00:60 UTC", "00:00 ", "00:00UTC", "\u0660\u0660:00 UTC"]
)
def test_a_wrong_form_is_refused_with_an_example(written: object) -> None:
    with pytest.raises(ValueError, match="such as 00:00 UTC or 00:00 America/Los_Angeles"):
        parse_quota_reset(written)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "America", "../../etc/passwd", "/etc/passwd", "PST8", "America/"])
def test_a_zone_that_there_is_none_of_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="must end in a zone"):
        parse_quota_reset(f"00:00 {zone}")
