"""When to come back: every way in which providers say it, and the limits they state beside it.

In this order, the first that says anything counts: the `Retry-After` header, a field of the error made for it, the
error's message ("try again in 7m12.5s"), and, for a rate limit, the reset headers. All are in seconds from now, as the
provider stated them; how far they are believed is for routing to say.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.headers import retry_after

MINUTE = 60.0
EPOCH = 1e9
"""A greater number of seconds is a moment, not a wait."""
EPOCH_MS = 1e12

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
NUMBER = r"\d{1,13}(?:\.\d{1,12})?"
UNIT = r"(?:milliseconds?|millis|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)"
PART = re.compile(rf"({NUMBER})\s*({UNIT})")
DURATION = rf"{NUMBER}\s*{UNIT}(?:(?:,|\s|and)*{NUMBER}\s*{UNIT})*(?![a-z])"
PROSE = (
    re.compile(rf"\b(?:again|retry|retrying|wait|back|resets?|available)\b[^.\d]{{0,40}}?\b({DURATION})"),
    re.compile(rf"\bin (?:about |approximately |at least )?({DURATION})"),
)
"""The first that matches counts."""

GAUGE = re.compile(r"(?:x-)?ratelimit-(limit|remaining|reset)(?:-([a-z-]+))?")
ANTHROPIC_GAUGE = re.compile(r"anthropic-ratelimit-([a-z-]+)-(limit|remaining|reset)")


@dataclass(slots=True)
class Gauge:
    """What a provider reports of one of its limits. `subject`: `requests`, `tokens`, `requests-day`, or nothing."""

    subject: str
    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None
    """Seconds until it is back at its limit."""

    @property
    def window(self) -> str | None:
        """Which of the configured limits it speaks of: `rpm`, `rpd`, `tpm`, `tpd`; None for none of them."""
        counted, _, period = self.subject.partition("-")
        unit = {"requests": "r", "req": "r", "": "r", "tokens": "t"}.get(counted)
        if unit is None or period not in ("", "minute", "day"):
            return None
        if not period and self.reset is not None:
            period = "minute" if self.reset <= MINUTE else "day"
        return f"{unit}p{period[0]}" if period else None


def dated(fault: Fault, headers: Mapping[str, str], wall: float) -> Fault:
    """The fault with what the headers of its answer say about when to come back. `wall` is Unix time in seconds."""
    if fault.kind not in (FaultKind.STATUS, FaultKind.WRAPPED):
        return fault
    wait = retry_after(headers, wall)
    if wait is None:
        wait = fault.retry_after
    if wait is None and fault.status == 429:
        wait = reset(headers, wall)
    return replace(fault, retry_after=wait)


def reset(headers: Mapping[str, str], wall: float) -> float | None:
    """When the limit that is used up is back, or the last of them where none says that it is."""
    known = [gauge for gauge in gauges(headers, wall) if gauge.reset is not None]
    used_up = [gauge for gauge in known if gauge.remaining == 0]
    return max((gauge.reset for gauge in used_up or known if gauge.reset is not None), default=None)


def stated_limits(headers: Mapping[str, str], wall: float) -> Iterator[tuple[str, int]]:
    """The limits that an answer's headers state, each by the name the configuration has for it."""
    for gauge in gauges(headers, wall):
        if gauge.limit and (window := gauge.window):
            yield window, gauge.limit


def gauges(headers: Mapping[str, str], wall: float) -> list[Gauge]:
    """Names in lower case."""
    found: dict[str, Gauge] = {}
    for name, value in headers.items():
        if "ratelimit-" not in name:
            continue
        if match := GAUGE.fullmatch(name):
            member, subject = match[1], match[2] or ""
        elif match := ANTHROPIC_GAUGE.fullmatch(name):
            subject, member = match[1], match[2]
        else:
            continue
        gauge = found.setdefault(subject, Gauge(subject))
        if member == "reset":
            gauge.reset = moment(value, wall)
        elif re.fullmatch(r"\d{1,15}", plain := value.strip()):
            setattr(gauge, member, int(plain))
    return list(found.values())


def moment(value: str, wall: float) -> float | None:
    """Seconds from now: a number of them, a duration, a Unix time in seconds or milliseconds, or an ISO date."""
    value = value.strip()
    if re.fullmatch(NUMBER, value):
        number = float(value)
        if number >= EPOCH_MS:
            number /= 1000
        return max(0.0, number - wall) if number >= EPOCH else number
    if (seconds := duration(value)) is not None:
        return seconds
    try:
        date = datetime.fromisoformat(value)
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - wall)
    except (ValueError, OverflowError):
        return None


def duration(value: str) -> float | None:
    """Seconds in `7m12.5s`, `250ms`, `2 hours`, or a bare number of seconds; None for anything else."""
    value = value.strip().lower()
    if re.fullmatch(NUMBER, value):
        return float(value)
    return _sum(value) if re.fullmatch(DURATION, value) else None


def prose(message: str) -> float | None:
    """The wait that a message asks for in words."""
    lowered = message.lower()
    match = next((match for pattern in PROSE if (match := pattern.search(lowered))), None)
    return _sum(match[1]) if match else None


def _sum(text: str) -> float:
    return sum(float(number) * UNITS[_unit(word)] for number, word in PART.findall(text))


def _unit(word: str) -> str:
    return "ms" if word.startswith(("ms", "milli")) else word[0]
