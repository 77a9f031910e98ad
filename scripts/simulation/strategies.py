"""The strategies: the router's own, and simpler ones to compare it with.

All use the same router with the same failover, cooldowns, limits and statistics; only the order of targets differs.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from pointsman.config import Settings
from pointsman.config.settings import Weights
from pointsman.domain.targets import Target
from pointsman.routing.recent_outcomes import OutcomeCounts
from pointsman.routing.router import Router
from pointsman.routing.scoring import BetaDistribution, Qualities, ScoreLine, ScoringRule, total_weight, weighted_sum
from pointsman.routing.strategies import registry
from pointsman.routing.strategies.base import FixedStrategy, OrderFacts, Strategy
from pointsman.routing.strategies.score import ScoreStrategy
from pointsman.routing.target_stats import TargetStats

SECRET = b"nobody's conversation"


class Averaging(ScoringRule):
    """A former rule: reliability is one term of the average, and only the long-term statistics count."""

    def estimate(self, past: TargetStats, lately: OutcomeCounts) -> BetaDistribution:
        return BetaDistribution.from_counts(past.successes, past.failures)

    def score_line(self, qualities: Qualities, weights: Weights) -> ScoreLine:
        return ScoreLine(weighted_sum(qualities, weights, reliability=0.0), weights.reliability / total_weight(weights))


class LongMemory(ScoringRule):
    """All results so far, with the same weight."""

    def estimate(self, past: TargetStats, lately: OutcomeCounts) -> BetaDistribution:
        return BetaDistribution.from_counts(past.successes, past.failures)


class Baseline(FixedStrategy):
    """Orders by expected scores at most, without drawing a reliability."""

    rule = LongMemory()

    def why(self, target: Target, facts: OrderFacts, now: float, wall: float) -> str:
        return facts.scores.why(target, now, wall)


class RoundRobin(Baseline):
    def __init__(self) -> None:
        self._count = 0

    def order(self, targets: Sequence[Target], facts: OrderFacts, now: float, wall: float) -> Sequence[Target]:
        first = self._count % len(targets)
        self._count += 1
        return (*targets[first:], *targets[:first])


class ConfiguredOrder(Baseline):
    def order(self, targets: Sequence[Target], facts: OrderFacts, now: float, wall: float) -> Sequence[Target]:
        return targets


class WeightedRandom(Baseline):
    """Each in proportion to its mean score (Efraimidis and Spirakis: the order of u ** (1 / weight))."""

    def order(self, targets: Sequence[Target], facts: OrderFacts, now: float, wall: float) -> Sequence[Target]:
        means = dict(zip(targets, _means(targets, facts, wall), strict=True))
        return sorted(targets, key=lambda each: facts.rng.random() ** (1 / max(1e-6, means[each])), reverse=True)


class Greedy(Baseline):
    def order(self, targets: Sequence[Target], facts: OrderFacts, now: float, wall: float) -> Sequence[Target]:
        means = dict(zip(targets, _means(targets, facts, wall), strict=True))
        return sorted(targets, key=means.__getitem__, reverse=True)


def _means(targets: Sequence[Target], facts: OrderFacts, wall: float) -> list[float]:
    terms = (facts.ranking.cached_terms((target,), facts.mode, wall)[0] for target in targets)
    return [each.score_line.at(each.reliability.mean) for each in terms]


ROUTER = "pointsman"
AVERAGE = "average of all"
BASELINES: Mapping[str, Callable[[], Strategy]] = {
    "round robin": RoundRobin,
    "configured order": ConfiguredOrder,
    "weighted random": WeightedRandom,
    "greedy": Greedy,
}
STRATEGIES: Mapping[str, Callable[[], Strategy]] = {
    ROUTER: registry.STRATEGIES[registry.DEFAULT_STRATEGY],
    AVERAGE: lambda: ScoreStrategy(Averaging()),
    **BASELINES,
}


def strategy_names() -> list[str]:
    """Those above, and every other one that the router has."""
    return [*STRATEGIES, *(name for name in registry.STRATEGIES if name != registry.DEFAULT_STRATEGY)]


def make_router(strategy: str, settings: Settings, rng: Random) -> Router:
    """Raises KeyError for a strategy that is not in `strategy_names`."""
    make = STRATEGIES.get(strategy) or registry.STRATEGIES[strategy]
    return Router(settings, SECRET, rng, make())
