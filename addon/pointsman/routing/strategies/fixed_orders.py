"""Orders that users know from load balancers: as configured, by weight, in turn, and by load."""

from collections.abc import Sequence

from cachetools import LRUCache

from pointsman.domain.targets import Target
from pointsman.routing.strategies.base import FixedStrategy, OrderFacts

MAX_ROUNDS = 1000
"""Tiers whose turn is remembered; the least recently used is dropped first."""


class PriorityStrategy(FixedStrategy):
    """As configured: the first usable one is used."""

    def order(self, targets: Sequence[Target], facts: OrderFacts, now: float, wall: float) -> Sequence[Target]:
        return sorted(targets, key=_rank)

    def least_saving(self, target: Target, pinned: Target | None) -> float | None:
        return 0.0 if pinned is None or target.rank < pinned.rank else None

    def why(self, target: Target, facts: OrderFacts, now: float, wall: float) -> str:
        return f"priority {target.priority}, configured as number {target.rank + 1}"


class WeightedStrategy(FixedStrategy):
    """A draw without replacement, in which a target comes first with the chance of its share of all weights. Source:
    Efraimidis and Spirakis, Weighted random sampling with a reservoir (2006): the order by u^(1/w), u uniform.
    """

    def order(self, targets: Sequence[Target], facts: OrderFacts, now: float, wall: float) -> Sequence[Target]:
        drawn = {target: _draw(target.weight, facts.rng.random()) for target in targets}
        return sorted(targets, key=lambda target: (-drawn[target], target.rank))

    def why(self, target: Target, facts: OrderFacts, now: float, wall: float) -> str:
        return f"weight {target.weight:g}"


class RoundRobinStrategy(FixedStrategy):
    """In turn: each exchange begins with the target after the one that the last exchange began with. Targets that are
    not usable, and exchanges that go to their pin, do not count.
    """

    def __init__(self) -> None:
        self._last: LRUCache[tuple[str, ...], str] = LRUCache(MAX_ROUNDS)

    def order(self, targets: Sequence[Target], facts: OrderFacts, now: float, wall: float) -> Sequence[Target]:
        tier = _labels(targets)
        last = self._last.get(tier)
        start = 0 if last is None else tier.index(last) + 1
        return [*targets[start:], *targets[:start]]

    def on_chosen(self, target: Target, tier: Sequence[Target]) -> None:
        self._last[_labels(tier)] = target.label

    def why(self, target: Target, facts: OrderFacts, now: float, wall: float) -> str:
        return "in turn"


class LeastBusyStrategy(FixedStrategy):
    """Those with the fewest tokens to work on first, then those with the fewest requests; see `routing.load`."""

    def order(self, targets: Sequence[Target], facts: OrderFacts, now: float, wall: float) -> Sequence[Target]:
        return sorted(targets, key=lambda target: (*facts.load.of(target), target.rank))

    def why(self, target: Target, facts: OrderFacts, now: float, wall: float) -> str:
        tokens, requests = facts.load.of(target)
        return f"{requests} running, {tokens} tokens"


def _labels(tier: Sequence[Target]) -> tuple[str, ...]:
    return tuple(target.label for target in tier)


def _rank(target: Target) -> int:
    return target.rank


def _draw(weight: float, chance: float) -> float:
    """Nothing weighs less than 0, so what has no weight comes last."""
    return chance ** (1 / weight) if weight > 0 else -1.0
