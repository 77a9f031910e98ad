"""Statistics of recent traffic for each target, in hourly sums that fade over a week.

An observation weighs `min(1, max(0, 1 - age / 7 days))`, its age counted from the end of its hour: what happened within
the last hour weighs 1. Hours that lie in the future, because the clock was set back, are taken for the present one.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple, dataclass, field
from math import exp, inf, isfinite
from typing import NamedTuple

from pointsman.routing.attempt_outcomes import Observation, Verdict
from pointsman.routing.target_stats import NO_STATS, TargetStats

HOUR = 3600.0
WEEK = 168 * HOUR
REFRESH_INTERVAL = 300.0
"""Seconds for which figures stand at least, at most twice as long, when nothing new is observed: their weights change
by a thousandth meanwhile.
"""
MAX_WAITS = 128
"""Waits for first content that are kept of each target, for their percentiles."""
MAX_NEWER_SHARE = 0.1
"""Of these, so many may be newer than the percentiles: to sort them all takes a while."""
MIN_WAITS = 5
"""Fewer waits give no percentiles."""
RATE_LIMIT_DECAY = 100.0
"""Seconds in which a rate limit's weight falls to 1/e; after five minutes it is 0.05."""


class ContentWait(NamedTuple):
    """For the first content of one streamed answer. `is_censored`: it would have been longer than that."""

    wall: float
    seconds: float
    is_censored: bool


class WaitPercentiles(NamedTuple):
    """Seconds within which 80 and 95 of 100 answers have begun."""

    p80: float
    p95: float


@dataclass(slots=True)
class HourlySums:
    """Of one target in one hour. `seconds` is what the `tokens` of `paced` answers took, `waited` what passed until
    `contents` first contents came and `censored` were given up.
    """

    successes: float = 0.0
    failures: float = 0.0
    tokens: float = 0.0
    seconds: float = 0.0
    paced: float = 0.0
    waited: float = 0.0
    contents: float = 0.0
    censored: float = 0.0

    def observe(self, observation: Observation) -> None:
        self.successes += observation.verdict is Verdict.SUCCESS
        self.failures += observation.verdict is Verdict.FAILURE
        if observation.tokens > 0 and observation.seconds > 0:
            self.tokens += observation.tokens
            self.seconds += observation.seconds
            self.paced += 1
        if observation.first_content is not None:
            self.waited += max(0.0, observation.first_content)
            self.contents += observation.verdict is not Verdict.CENSORED
            self.censored += observation.verdict is Verdict.CENSORED

    def add(self, other: "HourlySums", weight: float = 1.0) -> None:
        """Written out, for this is what drawing up figures costs."""
        self.successes += weight * other.successes
        self.failures += weight * other.failures
        self.tokens += weight * other.tokens
        self.seconds += weight * other.seconds
        self.paced += weight * other.paced
        self.waited += weight * other.waited
        self.contents += weight * other.contents
        self.censored += weight * other.censored

    def sanitized(self) -> "HourlySums":
        """What is no count, such as a negative one in an old file, is none."""
        return HourlySums(*(each if each > 0 and isfinite(each) else 0.0 for each in astuple(self)))


@dataclass(slots=True)
class TargetHistory:
    """Of one target: at most 169 hours, which expire after a week, and its latest waits."""

    hours: dict[int, HourlySums] = field(default_factory=dict)
    waits: deque[ContentWait] = field(default_factory=lambda: deque(maxlen=MAX_WAITS))
    rate_limited: float = 0.0
    rate_limited_at: float = 0.0
    refresh_after: float = REFRESH_INTERVAL
    """Seconds; of each target others, so that not all have to be drawn up at once."""
    stats: TargetStats = NO_STATS
    stats_at: float | None = None
    """When `stats` were drawn up; None: something has happened since."""
    percentiles: WaitPercentiles | None = None
    """Percentiles of `waits`, but for those that came since."""
    newer_waits: int = 0
    """How many came since."""

    def hour_sums(self, wall: float, now: float) -> HourlySums:
        """The sums to which an observation of then belongs."""
        self.stats_at = None
        if len(self.hours) > 168:
            self.expire(now)
        return self.hours.setdefault(int(min(wall, now) // HOUR), HourlySums())

    def expire(self, now: float) -> None:
        """What has expired goes, what claims to be of the future is of now."""
        present = int(now // HOUR)
        for hour in [each for each in self.hours if not present - 168 <= each <= present]:
            sums = self.hours.pop(hour)
            if hour > present:
                self.hours.setdefault(present, HourlySums()).add(sums)

    def on_rate_limit(self, wall: float) -> None:
        self.rate_limited, self.rate_limited_at = self.recent_rate_limits(wall) + 1, wall

    def recent_rate_limits(self, wall: float) -> float:
        return self.rate_limited * exp(-max(0.0, wall - self.rate_limited_at) / RATE_LIMIT_DECAY)


class Statistics:
    """Bounded by the labels it is told of. `wall` is Unix time throughout."""

    def __init__(self, labels: Collection[str]) -> None:
        self._histories: dict[str, TargetHistory] = {}
        self.set_labels(labels, ())

    @property
    def labels(self) -> Collection[str]:
        return self._histories.keys()

    def observe(self, observation: Observation) -> None:
        """Adds an observation; ignored if its target is not configured."""
        history = self._histories.get(observation.label)
        if history is None:
            return
        history.hour_sums(observation.wall, observation.wall).observe(observation)
        if observation.rate_limited:
            history.on_rate_limit(observation.wall)
        if observation.first_content is not None:
            history.waits.append(
                ContentWait(
                    observation.wall, max(0.0, observation.first_content), observation.verdict is Verdict.CENSORED
                )
            )
            history.newer_waits += 1

    def add(self, label: str, hour: int, sums: HourlySums, rate_limits: int, wall: float) -> None:
        """What others have observed in that hour (since 1970)."""
        history = self._histories[label]
        history.hour_sums(hour * HOUR, wall).add(sums)
        for _ in range(rate_limits):
            history.on_rate_limit(wall)

    def add_waits(self, label: str, waits: Iterable[ContentWait]) -> None:
        """What others have observed lately."""
        history = self._histories[label]
        history.waits.extend(waits)
        history.percentiles = None

    def stats_for(self, label: str, wall: float) -> TargetStats:
        history = self._histories.get(label)
        if history is None:
            return NO_STATS
        if history.stats_at is None or not 0 <= wall - history.stats_at < history.refresh_after:
            history.expire(wall)
            history.stats, history.stats_at = _compute_stats(history.hours, wall), wall
        if not history.rate_limited:
            return history.stats
        return history.stats._replace(rate_limited=history.recent_rate_limits(wall))

    def wait_percentiles(self, label: str, wall: float) -> WaitPercentiles | None:
        """Seconds to the first content; None while too few are known."""
        history = self._histories.get(label)
        if history is None:
            return None
        if history.waits and wall - history.waits[0].wall >= WEEK:
            history.waits = deque((wait for wait in history.waits if wall - wait.wall < WEEK), MAX_WAITS)
            history.percentiles = None
        is_old = history.percentiles is None or history.newer_waits > len(history.waits) * MAX_NEWER_SHARE
        if is_old and len(history.waits) >= MIN_WAITS:
            history.percentiles = WaitPercentiles(percentile(history.waits, 0.8), percentile(history.waits, 0.95))
            history.newer_waits = 0
        return history.percentiles

    def restore(
        self, hours: Mapping[tuple[str, int], HourlySums], waits: Mapping[str, Iterable[ContentWait]], wall: float
    ) -> None:
        """Adds what the history holds: sums by label and hour since 1970, waits by label, oldest first."""
        for (label, hour), sums in hours.items():
            if (history := self._histories.get(label)) and wall - (hour + 1) * HOUR < WEEK:
                history.hour_sums(hour * HOUR, wall).add(sums.sanitized())
        for label, earlier in waits.items():
            if history := self._histories.get(label):
                sane = [wait._replace(wall=min(wait.wall, wall)) for wait in earlier if 0 <= wait.seconds < inf]
                history.waits = deque([*sane, *history.waits], MAX_WAITS)
                history.percentiles = None
        for label in self._histories:
            self.stats_for(label, wall)

    def set_labels(self, labels: Collection[str], same: Collection[str]) -> None:
        """These are observed from now on. What is known stays known of those that are the `same` as before."""
        self._histories = {label: (label in same and self._histories.get(label)) or TargetHistory() for label in labels}
        for place, history in enumerate(self._histories.values()):
            history.refresh_after = REFRESH_INTERVAL * (1 + place / len(self._histories))


def recency_weight(hour: int, wall: float) -> float:
    """The weight, from 0 to 1, of observations in that hour (counted since 1970)."""
    return min(1.0, max(0.0, 1 - (wall - (hour + 1) * HOUR) / WEEK))


def _compute_stats(hours: Mapping[int, HourlySums], wall: float) -> TargetStats:
    """The mean wait counts the waits that were cut off as time without an answer: the sum of all waits by the number of
    first contents is the maximum likelihood estimate of an exponential distribution's mean under censoring. Where not
    one has come it is taken as if one had come just now.
    """
    faded, raw, cut_offs = HourlySums(), 0.0, 0.0
    for hour, sums in hours.items():
        raw += sums.successes + sums.failures
        cut_offs += sums.censored
        faded.add(sums, recency_weight(hour, wall))
    contents = faded.contents
    if not contents and cut_offs:
        contents = faded.censored / cut_offs
    return TargetStats(
        successes=faded.successes,
        failures=faded.failures,
        attempts=round(raw),
        tokens_per_second=_ratio(faded.tokens, faded.seconds),
        speed_samples=faded.paced,
        first_content=_ratio(faded.waited, contents),
        latency_samples=contents,
    )


def _ratio(amount: float, by: float) -> float | None:
    return amount / by if by > 0 else None


def percentile(waits: Collection[ContentWait], share: float) -> float:
    """The Kaplan-Meier estimate (1958): of those still waiting at each moment, so many got their first content then.
    Where too many were cut off to tell, the longest wait that is known.
    """
    waiting, left = len(waits), 1.0
    longest = 0.0
    for wait in sorted(waits, key=lambda each: (each.seconds, each.is_censored)):
        longest = wait.seconds
        if not wait.is_censored:
            left *= 1 - 1 / waiting
            if left <= 1 - share + 1e-9:
                break
        waiting -= 1
    return longest
