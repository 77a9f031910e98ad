"""When a daily limit will be used up, if requests go on as they come.

    pace = used within the last 4 h / the time since the first use that the window knows, from 24 min to 4 h

A window slides: what was used 24 h ago is free again. So its limit is used up at the first time t at which

    used now + pace × (t - now) - what expires until t >= limit

and never, if what expires makes up for what comes.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from pointsman.config import LimitSettings
from pointsman.domain.targets import PairId
from pointsman.domain.usage_window import STEPS_PER_WINDOW, UsageWindow
from pointsman.routing.limits import DAY, RateLimits

PACE_SPAN = 4 * 3600.0
"""Seconds back that the pace is taken from: long enough for a pause, short enough to follow the day."""
SHORTEST_SPAN = DAY / STEPS_PER_WINDOW
LONGEST = DAY + SHORTEST_SPAN
"""Seconds that a window remembers."""
HOURS_LIFETIME = 10.0
"""Seconds."""
MAX_HOURS = 24


class Forecast(NamedTuple):
    """Of one window: what is used of its limit, the pace per second, and when that uses it up, on the routing clock;
    None: not at this pace.
    """

    name: str
    used: int
    limit: int
    pace: float
    used_up_at: float | None

    def to_dict(self, offset: float) -> dict[str, Any]:
        """In plain JSON types. `offset`: seconds that the wall clock is ahead of the routing clock."""
        at = self.used_up_at
        return {
            "window": self.name,
            "used": self.used,
            "limit": self.limit,
            "per_hour": round(self.pace * 3600, 1),
            "used_up_at": None if at is None else at + offset,
        }


def forecast(name: str, window: UsageWindow, configured: int, now: float) -> Forecast:
    speed = pace((window,), now)
    return Forecast(name, window.used(now), window.limit(configured), speed, used_up_at(window, configured, speed, now))


def pace(windows: Collection[UsageWindow], now: float) -> float:
    """Of all of them together, per second."""
    span = now - min((window.first_use(now) for window in windows), default=now)
    return sum(window.used_since(now - PACE_SPAN) for window in windows) / min(PACE_SPAN, max(SHORTEST_SPAN, span))


def used_up_at(window: UsageWindow, configured: int, pace: float, now: float) -> float | None:
    """On the routing clock; now, if nothing is left."""
    used, limit, time = window.used(now) + 0.0, window.limit(configured), now
    if used >= limit:
        return now
    if used + pace * LONGEST < limit:
        return None
    for step in window.steps(now):
        coming = pace * (step.end - time)
        if used + coming >= limit:
            break
        used, time = used + coming - step.used, step.end
    # Where everything has expired, what comes is all there is, until that begins to expire as well.
    reached = time + (limit - used) / pace
    return reached if reached < now + LONGEST else None


class QuotaHours:
    """For how many hours the daily quotas of a target's keys last."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self._known: dict[str, tuple[float, Mapping[PairId, int]]] = {}  # bounded by the targets in force

    def of(self, label: str, places: Sequence[PairId], limits: LimitSettings, now: float) -> Mapping[PairId, int]:
        """For each key how many hours its quota would last if it took all of the target's requests; 24 at most, and
        where nothing is limited. Kept for `HOURS_LIFETIME`.
        """
        if limits.rpd is None and limits.tpd is None:
            return dict.fromkeys(places, MAX_HOURS)
        as_of, known = self._known.get(label, (-HOURS_LIFETIME, {}))
        if not (0 <= now - as_of < HOURS_LIFETIME and known.keys() >= set(places)):
            known = self._hours(places, limits, now)
            self._known[label] = now, known
        return known

    def keep_only(self, labels: Collection[str]) -> None:
        self._known = {label: known for label, known in self._known.items() if label in labels}

    def _hours(self, places: Sequence[PairId], limits: LimitSettings, now: float) -> Mapping[PairId, int]:
        windows = {place: list(self._limits.daily_windows(place, limits)) for place in places}
        by_name: dict[str, list[UsageWindow]] = {}
        for name, window, _ in chain.from_iterable(windows.values()):
            by_name.setdefault(name, []).append(window)
        paces = {name: pace(each, now) for name, each in by_name.items()}
        return {
            place: min(
                (_hours_until(used_up_at(window, limit, paces[name], now), now) for name, window, limit in own),
                default=MAX_HOURS,
            )
            for place, own in windows.items()
        }


def _hours_until(moment: float | None, now: float) -> int:
    return MAX_HOURS if moment is None else min(MAX_HOURS, round((moment - now) / 3600))
