"""What recent traffic says about each target, in hourly sums that fade over a week.

An observation weighs `min(1, max(0, 1 - age / 7 days))`, its age counted from the end of its hour: what happened within
the last hour weighs 1. Hours that lie in the future, because the clock was set back, are taken for the present one.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple, dataclass, field
from math import exp, inf, isfinite
from typing import NamedTuple

from pointsman.routing.attempt_outcomes import Observation, Seen
from pointsman.routing.target_stats import NOTHING, Figures

HOUR = 3600.0
WEEK = 168 * HOUR
REFRESH = 300.0
"""Seconds for which figures stand at least, at most twice as long, when nothing new is observed: their weights change
by a thousandth meanwhile.
"""
RECENT = 128
"""Waits for first content that are kept of each target, for their percentiles."""
FEWEST = 5
"""Waits that tell them."""
RATE_LIMIT_FADES = 100.0
"""Seconds in which a rate limit's weight falls to 1/e; after five minutes it is 0.05."""


class Wait(NamedTuple):
    """For the first content of one streamed answer. `cut_off`: it would have been longer than that."""

    wall: float
    seconds: float
    cut_off: bool


class Usual(NamedTuple):
    """Seconds within which 80 and 95 of 100 answers have begun."""

    p80: float
    p95: float


@dataclass(slots=True)
class Sums:
    """Of one target in one hour. `seconds` is what the `tokens` of `paced` answers took, `waited` what passed until
    `contents` first contents came and `cut_offs` were given up.
    """

    successes: float = 0.0
    failures: float = 0.0
    tokens: float = 0.0
    seconds: float = 0.0
    paced: float = 0.0
    waited: float = 0.0
    contents: float = 0.0
    cut_offs: float = 0.0

    def observe(self, seen: Observation) -> None:
        self.successes += seen.seen is Seen.SUCCESS
        self.failures += seen.seen is Seen.FAILURE
        if seen.tokens > 0 and seen.seconds > 0:
            self.tokens += seen.tokens
            self.seconds += seen.seconds
            self.paced += 1
        if seen.first_content is not None:
            self.waited += max(0.0, seen.first_content)
            self.contents += seen.seen is not Seen.LATER
            self.cut_offs += seen.seen is Seen.LATER

    def add(self, other: "Sums", weight: float = 1.0) -> None:
        """Written out, for this is what drawing up figures costs."""
        self.successes += weight * other.successes
        self.failures += weight * other.failures
        self.tokens += weight * other.tokens
        self.seconds += weight * other.seconds
        self.paced += weight * other.paced
        self.waited += weight * other.waited
        self.contents += weight * other.contents
        self.cut_offs += weight * other.cut_offs

    def sane(self) -> "Sums":
        """What is no count, such as a negative one in an old file, is none."""
        return Sums(*(each if each > 0 and isfinite(each) else 0.0 for each in astuple(self)))


@dataclass(slots=True)
class Past:
    """Of one target: at most 169 hours, which expire after a week, and its latest waits."""

    hours: dict[int, Sums] = field(default_factory=dict)
    waits: deque[Wait] = field(default_factory=lambda: deque(maxlen=RECENT))
    rate_limited: float = 0.0
    rate_limited_at: float = 0.0
    stand: float = REFRESH
    """Seconds; of each target others, so that not all have to be drawn up at once."""
    figures: Figures = NOTHING
    figured: float | None = None
    """When `figures` were drawn up; None: something has happened since."""
    usual: Usual | None = None
    """As far as `waits` tell it."""

    def hour(self, wall: float, now: float) -> Sums:
        """The sums to which an observation of then belongs."""
        self.figured = None
        if len(self.hours) > 168:
            self.tidy(now)
        return self.hours.setdefault(int(min(wall, now) // HOUR), Sums())

    def tidy(self, now: float) -> None:
        """What has expired goes, what claims to be of the future is of now."""
        present = int(now // HOUR)
        for hour in [each for each in self.hours if not present - 168 <= each <= present]:
            sums = self.hours.pop(hour)
            if hour > present:
                self.hours.setdefault(present, Sums()).add(sums)

    def limit_rate(self, wall: float) -> None:
        self.rate_limited, self.rate_limited_at = self.rate_limits(wall) + 1, wall

    def rate_limits(self, wall: float) -> float:
        return self.rate_limited * exp(-max(0.0, wall - self.rate_limited_at) / RATE_LIMIT_FADES)


class Statistics:
    """Bounded by the labels it is told of. `wall` is Unix time throughout."""

    def __init__(self, labels: Collection[str]) -> None:
        self._pasts: dict[str, Past] = {}
        self.replace(labels, ())

    @property
    def labels(self) -> Collection[str]:
        return self._pasts.keys()

    def add(self, seen: Observation) -> None:
        """Of targets that are not configured nothing is kept."""
        past = self._pasts.get(seen.label)
        if past is None:
            return
        past.hour(seen.wall, seen.wall).observe(seen)
        if seen.rate_limited:
            past.limit_rate(seen.wall)
        if seen.first_content is not None:
            past.waits.append(Wait(seen.wall, max(0.0, seen.first_content), seen.seen is Seen.LATER))
            past.usual = None

    def of(self, label: str, wall: float) -> Figures:
        past = self._pasts.get(label)
        if past is None:
            return NOTHING
        if past.figured is None or not 0 <= wall - past.figured < past.stand:
            past.tidy(wall)
            past.figures, past.figured = _figures(past.hours, wall), wall
        if not past.rate_limited:
            return past.figures
        return past.figures._replace(rate_limited=past.rate_limits(wall))

    def usual_wait(self, label: str, wall: float) -> Usual | None:
        """For the first content; None while too few are known."""
        past = self._pasts.get(label)
        if past is None:
            return None
        if past.waits and wall - past.waits[0].wall >= WEEK:
            past.waits = deque((wait for wait in past.waits if wall - wait.wall < WEEK), RECENT)
            past.usual = None
        if past.usual is None and len(past.waits) >= FEWEST:
            past.usual = Usual(percentile(past.waits, 0.8), percentile(past.waits, 0.95))
        return past.usual

    def restore(self, hours: Mapping[tuple[str, int], Sums], waits: Mapping[str, Iterable[Wait]], wall: float) -> None:
        """Adds what is remembered of earlier: sums by label and hour since 1970, waits by label, oldest first."""
        for (label, hour), sums in hours.items():
            if (past := self._pasts.get(label)) and wall - (hour + 1) * HOUR < WEEK:
                past.hour(hour * HOUR, wall).add(sums.sane())
        for label, earlier in waits.items():
            if past := self._pasts.get(label):
                sane = [wait._replace(wall=min(wait.wall, wall)) for wait in earlier if 0 <= wait.seconds < inf]
                past.waits = deque([*sane, *past.waits], RECENT)
                past.usual = None
        for label in self._pasts:
            self.of(label, wall)

    def replace(self, labels: Collection[str], same: Collection[str]) -> None:
        """These are observed from now on. What is known stays known of those that are the `same` as before."""
        self._pasts = {label: (label in same and self._pasts.get(label)) or Past() for label in labels}
        for place, past in enumerate(self._pasts.values()):
            past.stand = REFRESH * (1 + place / len(self._pasts))


def weight(hour: int, wall: float) -> float:
    """Of what happened in that hour since 1970."""
    return min(1.0, max(0.0, 1 - (wall - (hour + 1) * HOUR) / WEEK))


def _figures(hours: Mapping[int, Sums], wall: float) -> Figures:
    """The mean wait counts the waits that were cut off as time without an answer: the sum of all waits by the number of
    first contents is the maximum likelihood estimate of an exponential distribution's mean under censoring. Where not
    one has come it is taken as if one had come just now.
    """
    faded, raw, cut_offs = Sums(), 0.0, 0.0
    for hour, sums in hours.items():
        raw += sums.successes + sums.failures
        cut_offs += sums.cut_offs
        faded.add(sums, weight(hour, wall))
    contents = faded.contents
    if not contents and cut_offs:
        contents = faded.cut_offs / cut_offs
    return Figures(
        successes=faded.successes,
        failures=faded.failures,
        raw=round(raw),
        tokens_per_second=_ratio(faded.tokens, faded.seconds),
        speed_samples=faded.paced,
        first_content=_ratio(faded.waited, contents),
        latency_samples=contents,
    )


def _ratio(amount: float, by: float) -> float | None:
    return amount / by if by > 0 else None


def percentile(waits: Collection[Wait], share: float) -> float:
    """The Kaplan-Meier estimate (1958): of those still waiting at each moment, so many got their first content then.
    Where too many were cut off to tell, the longest wait that is known.
    """
    waiting, left = len(waits), 1.0
    longest = 0.0
    for wait in sorted(waits, key=lambda each: (each.seconds, each.cut_off)):
        longest = wait.seconds
        if not wait.cut_off:
            left *= 1 - 1 / waiting
            if left <= 1 - share + 1e-9:
                break
        waiting -= 1
    return longest
