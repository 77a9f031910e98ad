"""The limits that providers state in headers: how much is left of each, and when it is back.

Names are those of OpenAI and its kin (`x-ratelimit-reset-requests`), Anthropic (`anthropic-ratelimit-tokens-reset`),
Mistral (`ratelimitbysize-remaining`), GitHub (`x-ratelimit-timeremaining`), ChatGPT (`x-codex-primary-used-percent`),
and the IETF's `RateLimit` and `RateLimit-Reset`. Headers are given with their names in lower case.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pointsman.wire.time_text import moment

MINUTE = 60.0
MAX_WINDOWS = 32
"""Of one answer, that are read."""

HEADER = re.compile(r"(?:[a-z]{1,12}-)?(ratelimit(?:bysize)?|rate-limit|codex|tokenlimit)-([a-z0-9-]{1,64})")
MEMBER = re.compile(
    r"(?:^|-)(limit|remaining|(reset(?:s)?(?:-(?:after|at|in|time))?|timeremaining)(?:-(?:seconds|(ms)))?"
    r"|status|used-percent)(?=-|$)"
)
IETF_ITEM = re.compile(r";\s{0,8}([rt])\s{0,8}=\s{0,8}(\d{1,15})")
IETF_MEMBER = re.compile(r"\b(limit|remaining|reset)\s{0,8}=\s{0,8}(\d{1,15})")
MAX_VALUE = 512

UNITS = {"requests": "r", "req": "r", "": "r", "tokens": "t"}


@dataclass(slots=True)
class LimitWindow:
    """What a provider reports of one of its limits. `subject`: `requests`, `tokens`, `requests-day`, or nothing."""

    subject: str
    limit: int | None = None
    is_spent: bool | None = None
    """None where nothing is said of what remains."""
    reset: str = ""
    """When it is back at its limit, as it is stated."""

    def name(self, clock: float) -> str | None:
        """Which of the configured limits it corresponds to: `rpm`, `rpd`, `tpm`, `tpd`; None for none of them."""
        counted, _, period = self.subject.partition("-")
        unit = UNITS.get(counted)
        if unit is None or period not in ("", "minute", "day"):
            return None
        if not period and (seconds := moment(self.reset, clock)) is not None:
            period = "minute" if seconds <= MINUTE else "day"
        return f"{unit}p{period[0]}" if period else None


def limit_windows(headers: Mapping[str, str]) -> list[LimitWindow]:
    """The limits that an answer's headers state."""
    found: dict[str, LimitWindow] = {}
    ietf: list[LimitWindow] = []
    for name, value in headers.items():
        if "limit" not in name and "codex" not in name:
            continue
        if name in ("ratelimit", "x-ratelimit"):
            ietf += _ietf(value[:MAX_VALUE])
            continue
        header = HEADER.fullmatch(name)
        member = MEMBER.search(header[2]) if header else None
        if not header or not member or len(found) >= MAX_WINDOWS:
            continue
        rest = (header[2][: member.start()] + header[2][member.end() :]).strip("-")
        family = "" if header[1] in ("ratelimit", "rate-limit") else header[1]
        subject = "-".join(filter(None, (family, rest)))
        _set(found.setdefault(subject, LimitWindow(subject)), member, value.strip())
    return [*found.values(), *ietf]


def decisive(windows: Iterable[LimitWindow]) -> list[LimitWindow]:
    """Those with a reset that a refusal may be about: the ones that are spent, else the ones that may be."""
    known = [window for window in windows if window.reset]
    spent = [window for window in known if window.is_spent]
    return spent or [window for window in known if window.is_spent is None]


def reset_wait(windows: Iterable[LimitWindow], clock: float, only_spent: bool = False) -> float | None:
    """Seconds until the last of the decisive limits is back; `only_spent`: nothing but those that are said to be."""
    known = decisive(window for window in windows if window.is_spent or not only_spent)
    return max((wait for window in known if (wait := moment(window.reset, clock)) is not None), default=None)


def _set(window: LimitWindow, member: re.Match[str], value: str) -> None:
    plain = re.fullmatch(r"(-?\d{1,15})(?:\.\d{1,12})?", value)
    if member[2]:
        window.reset = f"{value}ms" if member[3] and plain else value
    elif member[1] == "status":
        window.is_spent = value.lower() in ("rejected", "exceeded", "exhausted")
    elif plain and member[1] == "used-percent":
        window.is_spent = int(plain[1]) >= 100
    elif plain and member[1] == "remaining":
        window.is_spent = float(value) <= 0
    elif plain and member[1] == "limit":
        window.limit = max(0, int(plain[1]))


def _ietf(value: str) -> Iterator[LimitWindow]:
    """`"default";r=0;t=30, "day";r=5;t=7200`, or as it once was: `limit=10, remaining=0, reset=30`."""
    if members := dict(IETF_MEMBER.findall(value)):
        spent = int(members["remaining"]) == 0 if "remaining" in members else None
        yield LimitWindow("ietf", None, spent, members.get("reset", ""))
        return
    for item in value.split(",")[:MAX_WINDOWS]:
        parameters = dict(IETF_ITEM.findall(item))
        spent = int(parameters["r"]) == 0 if "r" in parameters else None
        yield LimitWindow("ietf", None, spent, parameters.get("t", ""))
