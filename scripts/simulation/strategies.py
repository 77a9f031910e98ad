"""The strategies: the router's own, and simpler ones to compare it with.

All use the same router with the same failover, cooldowns, limits and statistics; only the order of targets differs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from pointsman.config import Settings
from pointsman.config.enums import Dialect, Mode
from pointsman.config.settings import Weights
from pointsman.domain.targets import Target
from pointsman.routing.ranking import Ranking, ScoreSample
from pointsman.routing.recent_outcomes import OutcomeCounts
from pointsman.routing.router import Router
from pointsman.routing.scoring import BetaDistribution, Qualities, ScoreLine, ScoringRule, total_weight, weighted_sum
from pointsman.routing.target_stats import TargetStats

SECRET = b"nobody's conversation"


class Averaging(ScoringRule):
    """A former rule: reliability is one term of the average, and only the long-term statistics count."""

    def estimate(self, past: TargetStats, lately: OutcomeCounts) -> BetaDistribution:
        return BetaDistribution.from_counts(past.successes, past.failures)

    def score_line(self, qualities: Qualities, weights: Weights) -> ScoreLine:
        return ScoreLine(weighted_sum(qualities, weights, reliability=0.0), weights.reliability / total_weight(weights))


type Order = Callable[["History", Sequence[Target], Random], Sequence[Target]]


@dataclass(slots=True)
class History:
    """What a strategy may use: the number of exchanges so far, and the mean score of each target."""

    means: Callable[[Target], float] = field(default=lambda _: 0.0)
    count: int = 0


def in_turn(history: History, targets: Sequence[Target], _: Random) -> Sequence[Target]:
    first = history.count % len(targets)
    return (*targets[first:], *targets[:first])


def as_configured(_: History, targets: Sequence[Target], __: Random) -> Sequence[Target]:
    return targets


def at_random(history: History, targets: Sequence[Target], chance: Random) -> Sequence[Target]:
    """Each in proportion to its mean score (Efraimidis and Spirakis: the order of u ** (1 / weight))."""
    return sorted(targets, key=lambda each: chance.random() ** (1 / max(1e-6, history.means(each))), reverse=True)


def best_so_far(history: History, targets: Sequence[Target], _: Random) -> Sequence[Target]:
    return sorted(targets, key=history.means, reverse=True)


class FixedOrder(ScoreSample):
    """Sorts once per exchange."""

    def __init__(self, ranking: "OrderedRanking", mode: Mode, chance: Random) -> None:
        super().__init__(ranking, mode, chance)
        self._ordered_ranking = ranking
        self._order: Sequence[Target] | None = None

    def best_first(self, targets: Sequence[Target], now: float, wall: float) -> Iterator[Target]:
        if self._order is None:
            self._order = self._ordered_ranking.ordered(targets, self._mode, wall)
        return iter(self._order)


class OrderedRanking(Ranking):
    """A ranking without random draws, with the statistics of the ranking it replaces."""

    def __init__(self, order: Order, like: Ranking) -> None:
        self.__dict__.update(like.__dict__)
        self._order, self._history = order, History()

    def sample(self, mode: Mode, chance: Random | None = None, dialect: Dialect | None = None) -> ScoreSample:
        return FixedOrder(self, mode, chance or self._rng)

    def ordered(self, targets: Sequence[Target], mode: Mode, wall: float) -> Sequence[Target]:
        def mean(target: Target) -> float:
            terms = self.cached_terms((target,), mode, wall)[0]
            return terms.score_line.at(terms.reliability.mean)

        self._history.means = mean
        order = self._order(self._history, targets, self._rng)
        self._history.count += 1
        return order


class LongMemory(ScoringRule):
    """All results so far, with the same weight."""

    def estimate(self, past: TargetStats, lately: OutcomeCounts) -> BetaDistribution:
        return BetaDistribution.from_counts(past.successes, past.failures)


type Strategy = Callable[[Settings, Random], Router]


def ruled(rule: ScoringRule | None) -> Strategy:
    return lambda settings, chance: Router(settings, SECRET, chance, *([rule] if rule else []))


def other(order: Order) -> Strategy:
    def strategy(settings: Settings, chance: Random) -> Router:
        router = Router(settings, SECRET, chance, LongMemory())
        router.ranking = OrderedRanking(order, router.ranking)
        return router

    return strategy


ROUTER = "pointsman"
AVERAGE = "average of all"
BASELINES: Mapping[str, Strategy] = {
    "round robin": other(in_turn),
    "configured order": other(as_configured),
    "weighted random": other(at_random),
    "greedy": other(best_so_far),
}
STRATEGIES: Mapping[str, Strategy] = {ROUTER: ruled(None), AVERAGE: ruled(Averaging()), **BASELINES}
