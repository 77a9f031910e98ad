"""The strategies by name. A new one is a class, and one line here."""

from collections.abc import Callable, Mapping

from pointsman.routing.strategies.base import Strategy
from pointsman.routing.strategies.score import ScoreStrategy

DEFAULT_STRATEGY = "score"

STRATEGIES: Mapping[str, Callable[[], Strategy]] = {
    DEFAULT_STRATEGY: ScoreStrategy,
}
"""Each makes a strategy of its own for one router."""
