"""How good a target is for a mode, and how certain that is: Thompson sampling.

A target's reliability R is modelled by a Beta distribution, and each exchange draws a value from it. A target with many
observations is scored close to its mean; one with few gets a high draw now and then, and so its chance.

    R  reliability   Beta(max(0.1, s) + 2, max(0.1, f) + 2); s and f come from `ScoringRule.estimate`
    S  speed         1 - exp(-tokens per second / 60)
    T  latency       1 up to 300 ms to the first content, from there linear to 0 at 5 s
    I  intelligence  1 - (rank - best) / (worst - best), by the values of the ranks

    score = R × weighted mean of (1, S, T, I) × headroom - penalty

A failed attempt is worth nothing, however capable its model. Therefore R multiplies: fully if reliability has the
weight `FULL_RELIABILITY_SHARE` or more, and less where it is configured to count less. `docs/choosing.md` compares this
with an average of all four.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from pointsman.config.settings import Weights
from pointsman.routing.recent_outcomes import OutcomeCounts
from pointsman.routing.target_stats import TargetStats

TINY, LOG_4, LOG_5_AND_1 = 1e-100, math.log(4), 1 + math.log(5)
PRIOR_COUNT = 2.0
"""Successes and failures that every target starts with."""
MIN_COUNT = 0.1
"""Counts below this count as this, negative ones too."""
MAX_PAST_ATTEMPTS = 100.0
"""Observations that the long memory weighs at most: more would make it too sure of itself."""
SURPRISE_TOLERANCE, SURPRISE_DECAY = 1.0, 2.0
"""Failures beyond those expected that the long memory shrugs off, and how fast its word loses weight from there."""
FULL_RELIABILITY_SHARE = 0.35
"""The part of all weights from which on reliability multiplies in full; with none it does not count at all."""
CATALOG_SAMPLES = 3.0
"""Observations that a catalog's word about speed is worth."""
REFERENCE_SPEED = 60.0
"""Tokens a second."""
BEST_LATENCY, WORST_LATENCY = 0.3, 5.0
"""Seconds to the first content that are worth 1, and 0."""
FREE_HEADROOM, MIN_HEADROOM = 0.2, 0.1
"""The part of a limit that must be left to count as free, and what an exhausted one still counts."""
RATE_LIMIT_PENALTY, MAX_PENALISED = 0.05, 4.0
"""For each recent rate-limit answer, and how many of them count at most."""


class BetaDistribution(NamedTuple):
    """Beta(alpha, beta)."""

    alpha: float
    beta: float

    @classmethod
    def from_counts(cls, successes: float, failures: float) -> "BetaDistribution":
        return cls(_count(successes) + PRIOR_COUNT, _count(failures) + PRIOR_COUNT)

    @property
    def mean(self) -> float:
        return self.alpha / (self.alpha + self.beta)


class BetaSampler(NamedTuple):
    """A Beta distribution ready to be drawn from. Both parameters exceed 1, as those of every belief do.

    Cheng's algorithm BB ("Generating beta variates with nonintegral shape parameters", CACM 21, 1978): exact, and with
    its constants kept three times as fast as the generator's own, which matters with hundreds of targets.
    """

    small: float
    large: float
    total: float
    root: float
    gain: float
    is_swapped: bool
    """Alpha is the larger one."""

    @classmethod
    def from_distribution(cls, belief: BetaDistribution) -> "BetaSampler":
        small, large = sorted(belief)
        both = small + large
        root = math.sqrt((both - 2) / (2 * small * large - both))
        return cls(small, large, both, root, small + 1 / root, small != belief.alpha)

    def sample(self, random: Callable[[], float]) -> float:
        """`random` gives numbers from 0 to 1, without 1."""
        return sample_each((self,), random)[0]


def sample_each(samplers: Iterable[BetaSampler], random: Callable[[], float]) -> list[float]:
    """One draw from each. In one loop, as a call for each of hundreds of targets would take as long as the draws do.

    `random` gives numbers from 0 to 1, without 1.
    """
    log, exp, draws = math.log, math.exp, []
    for small, large, both, root, gain, turned in samplers:
        while True:
            u = random() or TINY
            v = root * log(u / (1 - u))
            w = small * exp(v)
            z = u * u * (random() or TINY)
            r = gain * v - LOG_4
            s = small + r - w
            if s + LOG_5_AND_1 >= 5 * z or s >= (t := log(z)) or r + both * log(both / (large + w)) >= t:
                draws.append((large if turned else w) / (large + w))
                break
    return draws


class Qualities(NamedTuple):
    """Each from 0 to 1."""

    speed: float
    latency: float
    intelligence: float


class ScoreLine(NamedTuple):
    """A score before headroom and penalty, as a function of reliability: `base + slope × R`."""

    base: float
    slope: float

    def at(self, reliability: float) -> float:
        return self.base + self.slope * reliability


class ScoringRule:
    """How memories become a belief, and a belief a score. A class, so that another rule can be compared with it."""

    def estimate(self, past: TargetStats, lately: OutcomeCounts) -> BetaDistribution:
        """The long-term statistics count as long as the last attempts, which count in both, agree with them."""
        successes, failures = _count(past.successes), _count(past.failures)
        expected = lately.total * (successes + PRIOR_COUNT) / (successes + failures + 2 * PRIOR_COUNT)
        surprise = max(0.0, abs(lately.successes - expected) - SURPRISE_TOLERANCE)
        weight = min(1.0, MAX_PAST_ATTEMPTS / (successes + failures)) * math.exp(-SURPRISE_DECAY * surprise)
        return BetaDistribution.from_counts(successes * weight + lately.successes, failures * weight + lately.failures)

    def score_line(self, qualities: Qualities, weights: Weights) -> ScoreLine:
        worth, share = weighted_sum(qualities, weights, reliability=1.0), weights.reliability / total_weight(weights)
        counts = min(1.0, share / FULL_RELIABILITY_SHARE)
        return ScoreLine(worth * (1 - counts), worth * counts)


DEFAULT_RULE = ScoringRule()


class RankScale(NamedTuple):
    """The ranks of one kind among the enabled targets; 1 is best."""

    best: float
    worst: float

    @classmethod
    def from_ranks(cls, ranks: Iterable[int | None]) -> "RankScale":
        known = [rank for rank in ranks if rank is not None]
        return cls(min(known), max(known)) if known else cls(0, 0)

    def position(self, rank: int | None) -> float:
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
    score_line: ScoreLine
    headroom: float
    penalty: float

    @property
    def worth(self) -> float:
        """Of an answer that succeeds."""
        return self.score_line.at(1.0)

    @property
    def certainty(self) -> float:
        """What part of its worth the target's drawn reliability and its headroom leave."""
        return self.score_line.at(self.draw) / self.worth * self.headroom if self.worth else 0.0

    @property
    def value(self) -> float:
        return self.score_line.at(self.draw) * self.headroom - self.penalty

    @property
    def expected(self) -> float:
        return self.score_line.at(self.mean) * self.headroom - self.penalty


def qualities(past: TargetStats, speed_place: float, intelligence: float) -> Qualities:
    """What is not measured yet is as the catalog's speed rank says; each measurement makes that count less."""
    pace, first = _number(past.tokens_per_second), _number(past.first_content)
    return Qualities(
        _blended(speed_place, None if pace is None else speed(pace), past.speed_samples),
        _blended(speed_place, None if first is None else latency(first), past.latency_samples),
        intelligence,
    )


def speed(tokens_per_second: float) -> float:
    return 1 - math.exp(-max(0.0, tokens_per_second) / REFERENCE_SPEED)


def latency(seconds: float) -> float:
    return min(1.0, max(0.0, (WORST_LATENCY - seconds) / (WORST_LATENCY - BEST_LATENCY)))


def headroom(left: float) -> float:
    """`left`: the part of a limit that is not used up."""
    return 1.0 if left >= FREE_HEADROOM else MIN_HEADROOM + (1 - MIN_HEADROOM) * max(0.0, left) / FREE_HEADROOM


def penalty(rate_limited: float) -> float:
    return RATE_LIMIT_PENALTY * min(MAX_PENALISED, max(0.0, rate_limited))


def total_weight(weights: Weights) -> float:
    return weights.reliability + weights.speed + weights.latency + weights.intelligence


def weighted_sum(qualities: Qualities, weights: Weights, reliability: float) -> float:
    """The weighted mean of all four."""
    return (
        weights.reliability * reliability
        + weights.speed * qualities.speed
        + weights.latency * qualities.latency
        + weights.intelligence * qualities.intelligence
    ) / total_weight(weights)


def _count(count: float) -> float:
    """What an old database may hold instead of a count, infinity and NaN too, is none."""
    return count if MIN_COUNT < count < math.inf else MIN_COUNT


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _blended(prior: float, measured: float | None, samples: float) -> float:
    if measured is None or not 0 < samples < math.inf:
        return prior
    return (prior * CATALOG_SAMPLES + measured * samples) / (CATALOG_SAMPLES + samples)
