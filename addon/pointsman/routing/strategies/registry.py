"""The strategies by name. A new one is a class, a word of `config.enums.Strategy`, and one line here."""

from collections.abc import Callable, Mapping

from pointsman.config import enums
from pointsman.enum_tables import require_total
from pointsman.routing.strategies.base import Strategy
from pointsman.routing.strategies.fixed_orders import (
    LeastBusyStrategy,
    PriorityStrategy,
    RoundRobinStrategy,
    WeightedStrategy,
)
from pointsman.routing.strategies.score import ScoreStrategy

DEFAULT_STRATEGY = enums.Strategy.SCORE

STRATEGIES: Mapping[str, Callable[[], Strategy]] = {
    enums.Strategy.SCORE: ScoreStrategy,
    enums.Strategy.PRIORITY: PriorityStrategy,
    enums.Strategy.WEIGHTED: WeightedStrategy,
    enums.Strategy.ROUND_ROBIN: RoundRobinStrategy,
    enums.Strategy.LEAST_BUSY: LeastBusyStrategy,
}
"""Each makes a strategy of its own for one router."""
require_total(STRATEGIES, enums.Strategy, "routing.strategies.registry.STRATEGIES")
