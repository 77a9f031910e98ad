"""When to come back: every way in which providers say it, and the limits they state beside it.

In this order, the first that says anything counts: `retry-after-ms` and `Retry-After`, what the body of the error says
(`error_waits`), and, for a limit, the reset headers (`limit_windows`). Dates are measured against the clock of the
provider, as the `Date` of its answer shows it: either clock may be wrong. All are in seconds from now, and never more
than a day.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import isfinite

from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.limit_windows import limit_windows, reset_wait
from pointsman.wire.time_text import DAY, EPOCH, moment

MAX_WAIT = DAY
MILLISECOND_HEADERS = ("retry-after-ms", "x-ms-retry-after-ms")
HEADERS = ("retry-after", "x-retry-after", "x-ratelimit-retry-after", "retry-after-seconds")
LIMIT_STATUSES = (402, 403, 429)
"""What a limit may be behind."""
MAX_DATE = 64


def dated(fault: Fault, headers: Mapping[str, str], wall: float) -> Fault:
    """The fault with what its answer says about when to come back. `wall` is Unix time in seconds; names of headers
    are in lower case.
    """
    if fault.kind not in (FaultKind.STATUS, FaultKind.WRAPPED):
        return fault
    clock = provider_clock(headers, wall)
    wait = retry_after(headers, wall)
    if wait is None:
        wait = fault.retry_after
    if wait is None:
        known = [seconds for each in fault.retry_at if (seconds := moment(each, clock)) is not None]
        wait = max(known, default=None)
    if wait is None and fault.status in LIMIT_STATUSES:
        wait = reset_wait(limit_windows(headers), clock, only_spent=fault.status != 429)
    return replace(fault, retry_after=None if wait is None else min(wait, MAX_WAIT))


def retry_after(headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds that a header made for it asks for, at most a day; None where it is absent or means nothing."""
    for name in MILLISECOND_HEADERS:
        if (milliseconds := _number(headers.get(name, ""))) is not None:
            return min(max(0.0, milliseconds / 1000), MAX_WAIT)
    stated = (value for name in HEADERS if (value := headers.get(name, "").strip()))
    value = next(stated, "").strip('"')
    if not value:
        return None
    clock = provider_clock(headers, wall)
    seconds = _number(value)
    if seconds is None and re.match(r"\d[\d.]*,", value):
        seconds = _number(value.partition(",")[0])  # stated twice, by a proxy too
    if seconds is None or seconds >= EPOCH:
        date = _timestamp(value)
        seconds = moment(value, clock) if date is None else date - clock
    return None if seconds is None else min(max(0.0, seconds), MAX_WAIT)


def provider_clock(headers: Mapping[str, str], wall: float) -> float:
    """Unix time as the answer's `Date` has it, else `wall`."""
    stated = _timestamp(headers.get("date", ""))
    return wall if stated is None else stated


def stated_limits(headers: Mapping[str, str], wall: float) -> Iterator[tuple[str, int]]:
    """The limits that an answer's headers state, each by the name the configuration has for it."""
    if windows := [window for window in limit_windows(headers) if window.limit]:
        clock = provider_clock(headers, wall)
        for window in windows:
            if window.limit and (name := window.name(clock)):
                yield name, window.limit


def _number(value: str) -> float | None:
    try:
        number = float(value[:MAX_DATE])
    except ValueError:
        return None
    return number if isfinite(number) else None


def _timestamp(date: str) -> float | None:
    """Seconds since the epoch, None for what is no date of HTTP. A date that names no zone is in GMT, as all of HTTP's
    are.
    """
    if not date[:1].isalpha() and "," not in date and " " not in date:
        return None
    try:
        read = parsedate_to_datetime(date[:MAX_DATE])
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
