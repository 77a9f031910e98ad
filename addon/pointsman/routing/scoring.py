"""How good a target is for a mode, and how sure we are of it: Thompson sampling.

What is known of a target's reliability R is a Beta distribution. For each exchange a value is drawn from it: whoever is
well known is taken at its word, whoever is hardly known gets a lucky draw now and then, and so its chance.

    R  reliability   Beta(max(0.1, s) + 2, max(0.1, f) + 2); s and f: what `Rule.evidence` makes of both memories
    S  speed         1 - exp(-tokens per second / 60)
    T  latency       1 up to 300 ms to the first content, from there linear to 0 at 5 s
    I  intelligence  1 - (rank - best) / (worst - best), by the values of the ranks

    score = R × weighted mean of (1, S, T, I) × headroom - penalty

An attempt that fails is worth nothing, however clever its model: therefore R multiplies, in full where reliability has
the weight `FULL` or more, and less where whoever configured it wants less of it. `docs/choosing.md` compares this with
an average of all four.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from pointsman.config.settings import Weights
from pointsman.routing.recent_outcomes import Lately
from pointsman.routing.target_stats import Figures

TINY, LOG_4, LOG_5_AND_1 = 1e-100, math.log(4), 1 + math.log(5)
DOUBT = 2.0
"""Successes and failures that every target starts with."""
LEAST = 0.1
"""Counts below this count as this, negative ones too."""
PAST = 100.0
"""Observations that the long memory weighs at most: more would make it too sure of itself."""
PATIENCE, ALARM = 1.0, 2.0
"""Failures beyond those expected that the long memory shrugs off, and how fast its word loses weight from there."""
FULL = 0.35
"""The part of all weights from which on reliability multiplies in full; with none it does not count at all."""
PRIOR = 3.0
"""Observations that a catalog's word about speed is worth."""
PACE = 60.0
"""Tokens a second."""
PROMPT, SLOW = 0.3, 5.0
"""Seconds to the first content that are worth 1, and 0."""
ROOM, LEAST_ROOM = 0.2, 0.1
"""The part of a limit that must be left to count as free, and what an exhausted one still counts."""
PENALTY, MOST_PENALISED = 0.05, 4.0
"""For each recent rate-limit answer, and how many of them count at most."""


class Belief(NamedTuple):
    """Beta(alpha, beta)."""

    alpha: float
    beta: float

    @classmethod
    def of(cls, successes: float, failures: float) -> "Belief":
        return cls(_count(successes) + DOUBT, _count(failures) + DOUBT)

    @property
    def mean(self) -> float:
        return self.alpha / (self.alpha + self.beta)


class Lot(NamedTuple):
    """A Beta distribution ready to be drawn from. Both parameters exceed 1, as those of every belief do.

    Cheng's algorithm BB ("Generating beta variates with nonintegral shape parameters", CACM 21, 1978): exact, and with
    its constants kept three times as fast as the generator's own, which matters with hundreds of targets.
    """

    small: float
    large: float
    both: float
    root: float
    gain: float
    turned: bool
    """Alpha is the larger one."""

    @classmethod
    def of(cls, belief: Belief) -> "Lot":
        small, large = sorted(belief)
        both = small + large
        root = math.sqrt((both - 2) / (2 * small * large - both))
        return cls(small, large, both, root, small + 1 / root, small != belief.alpha)

    def draw(self, random: Callable[[], float]) -> float:
        """`random` gives numbers from 0 to 1, without 1."""
        small, large, both, root, gain, turned = self
        while True:
            u = random() or TINY
            v = root * math.log(u / (1 - u))
            w = small * math.exp(v)
            z = u * u * (random() or TINY)
            r = gain * v - LOG_4
            s = small + r - w
            if s + LOG_5_AND_1 >= 5 * z or s >= (t := math.log(z)) or r + both * math.log(both / (large + w)) >= t:
                return large / (large + w) if turned else w / (large + w)


class Qualities(NamedTuple):
    """Each from 0 to 1."""

    speed: float
    latency: float
    intelligence: float


class Line(NamedTuple):
    """A score before headroom and penalty, as a function of reliability: `base + slope × R`."""

    base: float
    slope: float

    def at(self, reliability: float) -> float:
        return self.base + self.slope * reliability


class Rule:
    """How memories become a belief, and a belief a score. A class, so that another rule can be compared with it."""

    def evidence(self, past: Figures, lately: Lately) -> Belief:
        """The long memory counts as long as the last attempts agree with it. These count in both: they tell most."""
        successes, failures = _count(past.successes), _count(past.failures)
        expected = lately.total * (successes + DOUBT) / (successes + failures + 2 * DOUBT)
        surprise = max(0.0, abs(lately.successes - expected) - PATIENCE)
        weight = min(1.0, PAST / (successes + failures)) * math.exp(-ALARM * surprise)
        return Belief.of(successes * weight + lately.successes, failures * weight + lately.failures)

    def line(self, qualities: Qualities, weights: Weights) -> Line:
        worth, share = weighted(qualities, weights, reliability=1.0), weights.reliability / total(weights)
        counts = min(1.0, share / FULL)
        return Line(worth * (1 - counts), worth * counts)


RULE = Rule()


class Scale(NamedTuple):
    """The ranks of one kind among the enabled targets; 1 is best."""

    best: float
    worst: float

    @classmethod
    def of(cls, ranks: Iterable[int | None]) -> "Scale":
        known = [rank for rank in ranks if rank is not None]
        return cls(min(known), max(known)) if known else cls(0, 0)

    def place(self, rank: int | None) -> float:
        """1: the best one, 0: the worst one; no rank is the middle, and so is any where all are equal."""
        if rank is None or self.worst <= self.best:
            return 0.5
        return min(1.0, max(0.0, 1 - (rank - self.best) / (self.worst - self.best)))


@dataclass(frozen=True, slots=True)
class Score:
    """Every term of one target's score. `draw` is the reliability drawn for this exchange, `mean` its expectation."""

    mean: float
    draw: float
    qualities: Qualities
    line: Line
    headroom: float
    penalty: float

    @property
    def value(self) -> float:
        return self.line.at(self.draw) * self.headroom - self.penalty

    @property
    def expected(self) -> float:
        return self.line.at(self.mean) * self.headroom - self.penalty


def qualities(past: Figures, speed_place: float, intelligence: float) -> Qualities:
    """What is not measured yet is as the catalog's speed rank says; each measurement makes that count less."""
    pace, first = _number(past.tokens_per_second), _number(past.first_content)
    return Qualities(
        _blended(speed_place, None if pace is None else speed(pace), past.speed_samples),
        _blended(speed_place, None if first is None else latency(first), past.latency_samples),
        intelligence,
    )


def speed(tokens_per_second: float) -> float:
    return 1 - math.exp(-max(0.0, tokens_per_second) / PACE)


def latency(seconds: float) -> float:
    return min(1.0, max(0.0, (SLOW - seconds) / (SLOW - PROMPT)))


def headroom(left: float) -> float:
    """`left`: the part of a limit that is not used up."""
    return 1.0 if left >= ROOM else LEAST_ROOM + (1 - LEAST_ROOM) * max(0.0, left) / ROOM


def penalty(rate_limited: float) -> float:
    return PENALTY * min(MOST_PENALISED, max(0.0, rate_limited))


def total(weights: Weights) -> float:
    return weights.reliability + weights.speed + weights.latency + weights.intelligence


def weighted(qualities: Qualities, weights: Weights, reliability: float) -> float:
    """The weighted mean of all four."""
    return (
        weights.reliability * reliability
        + weights.speed * qualities.speed
        + weights.latency * qualities.latency
        + weights.intelligence * qualities.intelligence
    ) / total(weights)


def _count(count: float) -> float:
    """What an old database may hold instead of a count, infinity and NaN too, is none."""
    return count if LEAST < count < math.inf else LEAST


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _blended(prior: float, measured: float | None, samples: float) -> float:
    if measured is None or not 0 < samples < math.inf:
        return prior
    return (prior * PRIOR + measured * samples) / (PRIOR + samples)
