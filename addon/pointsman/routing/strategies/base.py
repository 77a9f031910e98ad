"""What a strategy is: it orders the targets of a tier, best first, and says why.

Tiers, exclusions, pins, keys and guarded targets are not its concern: a plan takes the first target of the order that
may serve the request. A strategy whose order stays as it is for one exchange needs two methods:

    class Cheapest(FixedStrategy):
        def order(self, targets, facts, now, wall):
            return sorted(targets, key=price)

        def why(self, target, facts, now, wall):
            return f"price {price(target)}"

and its line in `registry`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from pointsman.config.enums import Dialect, Mode
from pointsman.domain.targets import Target
from pointsman.routing.load import Load
from pointsman.routing.ranking import Ranking, ScoreSample
from pointsman.routing.scoring import DEFAULT_RULE, ScoringRule


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What the order of one exchange may depend on. `ranking` knows every target's expected score and headroom,
    `scores` holds the scores drawn for this exchange, `rng` is the source of random numbers. `dialect` is the client's.
    `load` knows what each target is working on.
    """

    mode: Mode
    dialect: Dialect
    ranking: Ranking
    scores: ScoreSample
    rng: Random
    load: Load


class TargetOrder(Protocol):
    """The order of one exchange. It is read at each launch, so it must not change without a cause.

    `now` is on the routing clock, `wall` on the wall clock, both in seconds.
    """

    def best_first(self, targets: Sequence[Target], now: float, wall: float) -> Iterable[Target]:
        """All targets of one tier, given in configured order, each once."""

    def least_saving(self, target: Target, pinned: Target | None, now: float, wall: float) -> float | None:
        """What part of the cost a conversation must save at least to leave the pinned target for this one of the same
        tier; `pinned` is None where the tier is a better one. None: it does not leave.
        """

    def why(self, target: Target, now: float, wall: float) -> str:
        """What gave the target its place, such as `score 0.81`. It follows the rank in the selection reason."""

    def on_launched(self, target: Target) -> None:
        """The first attempt goes there because of this order, and not because of a pin."""


class Strategy(ABC):
    """One instance per router, so what it counts across exchanges is its own. A preview, such as `pointsman explain`
    shows, asks a deep copy and so counts nothing: keep plain data.
    """

    rule: ScoringRule = DEFAULT_RULE
    """How the scores in `OrderFacts` are computed."""

    @abstractmethod
    def for_exchange(self, facts: OrderFacts) -> TargetOrder:
        """Called once for each exchange, before its first attempt."""


class FixedStrategy(Strategy):
    """Orders each tier once per exchange."""

    def for_exchange(self, facts: OrderFacts) -> TargetOrder:
        return FixedOrder(self, facts)

    @abstractmethod
    def order(self, targets: Sequence[Target], facts: OrderFacts, now: float, wall: float) -> Sequence[Target]:
        """All targets of one tier, best first. Called once per tier and exchange."""

    def least_saving(self, target: Target, pinned: Target | None) -> float | None:
        """As `TargetOrder.least_saving`. None: an order that shares out the load is not changed for a lower price."""
        return None

    def why(self, target: Target, facts: OrderFacts, now: float, wall: float) -> str:
        """What gave the target its place."""
        return f"by {type(self).__name__}"

    def on_chosen(self, target: Target, tier: Sequence[Target]) -> None:
        """An exchange begins with this target of the tier because of the order."""


@dataclass(slots=True)
class FixedOrder:
    """The order of one exchange, computed once for each tier."""

    strategy: FixedStrategy
    facts: OrderFacts
    _orders: dict[tuple[Target, ...], Sequence[Target]] = field(default_factory=dict)  # bounded by the tiers

    def best_first(self, targets: Sequence[Target], now: float, wall: float) -> Sequence[Target]:
        tier = tuple(targets)
        if tier not in self._orders:
            self._orders[tier] = self.strategy.order(targets, self.facts, now, wall)
        return self._orders[tier]

    def least_saving(self, target: Target, pinned: Target | None, now: float, wall: float) -> float | None:
        return self.strategy.least_saving(target, pinned)

    def why(self, target: Target, now: float, wall: float) -> str:
        return self.strategy.why(target, self.facts, now, wall)

    def on_launched(self, target: Target) -> None:
        for tier in self._orders:
            if target in tier:
                self.strategy.on_chosen(target, tier)
