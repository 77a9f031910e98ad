"""The default order: by score, with a reliability drawn for each exchange. `scoring` has the formula."""

from pointsman.routing.scoring import DEFAULT_RULE, ScoringRule
from pointsman.routing.strategies.base import OrderFacts, Strategy, TargetOrder


class ScoreStrategy(Strategy):
    """The order is the sample's own: lazy, and aware of limits that change within an exchange."""

    def __init__(self, rule: ScoringRule = DEFAULT_RULE) -> None:
        self.rule = rule

    def for_exchange(self, facts: OrderFacts) -> TargetOrder:
        return facts.scores
