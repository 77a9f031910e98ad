"""The time of day at which a provider's daily quotas begin again."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import PlainValidator


@dataclass(frozen=True, slots=True)
class QuotaReset:
    """A time on the clocks of a zone, such as `00:00 America/Los_Angeles`."""

    at: time
    zone: tzinfo

    def __str__(self) -> str:
        """As the file would write it."""
        return f"{self.at:%H:%M} {self.zone}"

    def seconds_until(self, wall: float) -> float:
        """Seconds from `wall` (Unix time) to the next one, more than 0 and up to 25 hours. A time that the clocks skip
        when they are set forward is as much later as they are.
        """
        today = datetime.fromtimestamp(wall, self.zone).date()
        days = (today + timedelta(days=ahead) for ahead in range(3))
        moments = (datetime.combine(day, self.at, self.zone).timestamp() for day in days)
        return next(moment for moment in moments if moment > wall) - wall


MIDNIGHT_UTC = QuotaReset(time(), UTC)


def parse_quota_reset(value: object) -> QuotaReset:
    """Reads `HH:MM Zone`, the zone by its IANA name. Raises ValueError."""
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d) (\S{1,64})", value, re.ASCII) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a time and a zone, such as 00:00 UTC or 00:00 America/Los_Angeles")
    at, name = time(int(found[1]), int(found[2])), found[3]
    try:
        return QuotaReset(at, find_zone(name))
    except ValueError as error:
        raise ValueError(str(error).replace("must be", "must end in", 1)) from None


def find_zone(name: str) -> tzinfo:
    """The zone with this IANA name; UTC needs no database. Raises ValueError."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # a path, a folder, or no such file
        raise ValueError(
            "must be a zone that this machine's time zone database has, such as America/Los_Angeles"
        ) from None


QuotaResetTime = Annotated[QuotaReset, PlainValidator(parse_quota_reset)]
