"""The periods of budgets: a day, a week from Monday or a month, on the clocks of a zone."""

from datetime import date, datetime, timedelta, tzinfo
from typing import assert_never

from pointsman.config.enums import BudgetPeriod


def period_at(per: BudgetPeriod, zone: tzinfo, wall: float) -> tuple[float, float]:
    """When the period of that moment begins and ends (Unix time). Where clocks change, a day has 23 or 25 hours.

    >>> from datetime import UTC
    >>> period_at(BudgetPeriod.DAY, UTC, 90_000.0)
    (86400.0, 172800.0)
    """
    today = datetime.fromtimestamp(wall, zone).date()
    match per:
        case BudgetPeriod.DAY:
            first, after = today, today + timedelta(days=1)
        case BudgetPeriod.WEEK:
            first = today - timedelta(days=today.weekday())
            after = first + timedelta(days=7)
        case BudgetPeriod.MONTH:
            first = today.replace(day=1)
            after = (first + timedelta(days=31)).replace(day=1)
        case _ as never:
            assert_never(never)
    return _midnight(first, zone), _midnight(after, zone)


def _midnight(day: date, zone: tzinfo) -> float:
    """A midnight that clocks skip is the moment of the change; of one that they show twice, the first counts."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
