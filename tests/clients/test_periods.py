"""When a budget's day, week or month begins and ends, on the clocks of its zone."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from pointsman.clients.periods import period_at
from pointsman.config.enums import BudgetPeriod

HOUR = 3600
DAY, WEEK, MONTH = BudgetPeriod


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("per", "zone", "moment", "begins", "ends"),
    [
        (DAY, "UTC", "2026-11-27T00:00:00Z", "2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z"),
        (DAY, "UTC", "2026-11-27T23:59:59Z", "2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z"),
        (DAY, "America/Los_Angeles", "2026-11-27T05:00:00Z", "2026-11-26T08:00:00Z", "2026-11-27T08:00:00Z"),
        (DAY, "Asia/Kathmandu", "2026-11-27T18:15:00Z", "2026-11-27T18:15:00Z", "2026-11-28T18:15:00Z"),
        (WEEK, "UTC", "2026-11-29T23:59:59Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
        (WEEK, "UTC", "2026-11-30T00:00:00Z", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z"),
        (MONTH, "UTC", "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        (MONTH, "Europe/Berlin", "2026-12-31T23:30:00Z", "2026-12-31T23:00:00Z", "2027-01-31T23:00:00Z"),
        # Clocks go forward in the night, and back in the autumn.
        (DAY, "Europe/Berlin", "2026-03-29T10:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        (DAY, "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        (WEEK, "Europe/Berlin", "2026-10-25T10:00:00Z", "2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z"),
        (MONTH, "Europe/Berlin", "2026-10-31T10:00:00Z", "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"),
        # There is no midnight here: clocks go from 23:59 to 1:00.
        (DAY, "Asia/Beirut", "2026-03-29T10:00:00Z", "2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"),
        # This midnight is shown twice.
        (DAY, "America/Havana", "2026-11-01T05:30:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
    ],
)
def test_a_period_is_that_of_the_zone(per: BudgetPeriod, zone: str, moment: str, begins: str, ends: str) -> None:
    assert period_at(per, ZoneInfo(zone), at(moment)) == (at(begins), at(ends))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "Australia/Lord_Howe"])
@pytest.mark.parametrize("per", BudgetPeriod)
def test_periods_follow_each_other_without_a_gap(per: BudgetPeriod, zone: str) -> None:
    moment, last = at("2018-01-01T12:00:00Z"), at("2020-01-01T12:00:00Z")
    begins, ends = period_at(per, ZoneInfo(zone), moment)
    while ends < last:
        assert period_at(per, ZoneInfo(zone), ends - 1) == (begins, ends)
        before, (begins, ends) = ends, period_at(per, ZoneInfo(zone), ends)
        assert begins == before
