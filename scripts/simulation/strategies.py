"""Who plays: the router, and other ways to choose that a reader may expect to do as well.

All of them drive the same router: failover, cooldowns, limits and statistics are the same, only the order differs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from pointsman.config import Settings
from pointsman.config.settings import Weights
from pointsman.config.words import Dialect, Mode
from pointsman.routing.bandit import Belief, Line, Qualities, Rule, total, weighted
from pointsman.routing.figures import Figures
from pointsman.routing.ranking import Hand, Ranking
from pointsman.routing.recent import Lately
from pointsman.routing.router import Router
from pointsman.routing.targets import Target

SECRET = b"nobody's conversation"


class Averaging(Rule):
    """The rule as it was first thought of: the average of all four, and the long memory alone."""

    def evidence(self, past: Figures, lately: Lately) -> Belief:
        return Belief.of(past.successes, past.failures)

    def line(self, qualities: Qualities, weights: Weights) -> Line:
        return Line(weighted(qualities, weights, reliability=0.0), weights.reliability / total(weights))


type Order = Callable[["Turns", Sequence[Target], Random], Sequence[Target]]


@dataclass(slots=True)
class Turns:
    """What a way of choosing may look at: how many exchanges there have been, and each target's mean score so far."""

    means: Callable[[Target], float] = field(default=lambda _: 0.0)
    count: int = 0


def in_turn(turns: Turns, targets: Sequence[Target], _: Random) -> Sequence[Target]:
    first = turns.count % len(targets)
    return (*targets[first:], *targets[:first])


def as_configured(_: Turns, targets: Sequence[Target], __: Random) -> Sequence[Target]:
    return targets


def at_random(turns: Turns, targets: Sequence[Target], chance: Random) -> Sequence[Target]:
    """Each in proportion to its mean score (Efraimidis and Spirakis: the order of u ** (1 / weight))."""
    return sorted(targets, key=lambda each: chance.random() ** (1 / max(1e-6, turns.means(each))), reverse=True)


def best_so_far(turns: Turns, targets: Sequence[Target], _: Random) -> Sequence[Target]:
    return sorted(targets, key=turns.means, reverse=True)


class Ordered(Hand):
    """Sorts once for its exchange, in a way of its own."""

    def __init__(self, ranking: "Otherwise", mode: Mode, chance: Random) -> None:
        super().__init__(ranking, mode, chance)
        self._otherwise = ranking
        self._order: Sequence[Target] | None = None

    def best_first(self, targets: Sequence[Target], now: float, wall: float) -> Iterator[Target]:
        if self._order is None:
            self._order = self._otherwise.ordered(targets, self._mode, wall)
        return iter(self._order)


class Otherwise(Ranking):
    """A ranking that is not by draws, and knows all that the one it stands in for knows."""

    def __init__(self, order: Order, like: Ranking) -> None:
        self.__dict__.update(like.__dict__)
        self._order, self._turns = order, Turns()

    def hand(self, mode: Mode, chance: Random | None = None, dialect: Dialect | None = None) -> Hand:
        return Ordered(self, mode, chance or self._chance)

    def ordered(self, targets: Sequence[Target], mode: Mode, wall: float) -> Sequence[Target]:
        def mean(target: Target) -> float:
            terms = self.kept_terms((target,), mode, wall)[0]
            return terms.line.at(terms.belief.mean)

        self._turns.means = mean
        order = self._order(self._turns, targets, self._chance)
        self._turns.count += 1
        return order


class LongMemory(Rule):
    """What was seen so far, all of it the same."""

    def evidence(self, past: Figures, lately: Lately) -> Belief:
        return Belief.of(past.successes, past.failures)


type Player = Callable[[Settings, Random], Router]


def ruled(rule: Rule | None) -> Player:
    return lambda settings, chance: Router(settings, SECRET, chance, *([rule] if rule else []))


def other(order: Order) -> Player:
    def player(settings: Settings, chance: Random) -> Router:
        router = Router(settings, SECRET, chance, LongMemory())
        router.ranking = Otherwise(order, router.ranking)
        return router

    return player


ROUTER = "pointsman"
BEFORE = "average of all"
BASELINES: Mapping[str, Player] = {
    "round robin": other(in_turn),
    "configured order": other(as_configured),
    "weighted random": other(at_random),
    "greedy": other(best_so_far),
}
PLAYERS: Mapping[str, Player] = {ROUTER: ruled(None), BEFORE: ruled(Averaging()), **BASELINES}
