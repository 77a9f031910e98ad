"""One exchange at its client's expense: which targets the client's budgets have no room for, and what each attempt
reserves and uses.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from pointsman.clients.budgets import Estimate, ExpectedTokens, Reservation, Shortage
from pointsman.clients.clients import RunningRequest, left_text
from pointsman.config.clients import Budget
from pointsman.config.enums import KINDS_WITHOUT_OUTPUT
from pointsman.domain.records import AttemptRecord
from pointsman.domain.targets import Candidate, Target
from pointsman.prices.rates import dollars, expected_cost
from pointsman.routing.exclusion_reasons import Exclusion, ExclusionReason
from pointsman.wire.output_limit import output_limit
from pointsman.wire.request_facts import RequestFacts

USUAL_OUTPUT = 1024
"""Tokens that are reserved for an answer whose request names no limit."""
NO_ESTIMATE = Estimate(0, 0)
"""Where no budget counts it."""
BATCH, BATCHES = "a batch", "/batches"


def expected_tokens(facts: RequestFacts) -> ExpectedTokens:
    """The tokens that are reserved for one attempt."""
    if facts.kind is None:
        return ExpectedTokens(0, 0)  # it asks no model
    output = 0 if facts.kind in KINDS_WITHOUT_OUTPUT else output_limit(facts.document, USUAL_OUTPUT)
    return ExpectedTokens(max(1, facts.tokens), output)  # what is too short to be counted is not free


def uncounted_work(facts: RequestFacts, method: str) -> str:
    """Work that the request starts and that outlasts its answer, so its cost stays unknown here; empty if none."""
    if facts.kind is None and method == "POST" and facts.action.endswith(BATCHES):
        return BATCH
    return "an answer in the background" if facts.document.get("background") else ""


@dataclass(slots=True, eq=False)
class ClientSpending:
    """`wall_offset` is what the clock on the wall is ahead of the routing clock; `model_sent` is the name that a target
    is asked for.
    """

    request: RunningRequest
    facts: RequestFacts
    wall_offset: float
    model_sent: Callable[[Target], str]
    lifted: Collection[Budget] = ()
    """Budgets that do not apply to this exchange any more."""
    is_refused: bool = False
    """The client is told that its budgets are exhausted."""
    _estimates: dict[Target, Estimate] = field(default_factory=dict)
    """By the targets that were looked at."""
    _reservations: dict[int, Reservation] = field(default_factory=dict)
    """Of each attempt in flight."""

    def exclusion(self, target: Target, now: float) -> Exclusion | None:
        """Why the client cannot pay for an attempt there, and until when."""
        if not self.request.account.has_budgets or not (found := self.shortages(target, now)):
            return None
        ends = [each.until for each in found]
        until = None if None in ends else max(end for end in ends if end is not None) - self.wall_offset
        detail = ", ".join(_described(each.budget) for each in found)
        return Exclusion(target, None, ExclusionReason.BUDGET, detail, until)

    def shortages(self, target: Target, now: float) -> list[Shortage]:
        wall = now + self.wall_offset
        estimate = self._estimates.get(target) or self._estimate(target, wall)
        return self.request.account.shortages(estimate, wall, self.lifted)

    def on_launched(self, n: int, candidate: Candidate, now: float) -> None:
        wall, account = now + self.wall_offset, self.request.account
        estimate = NO_ESTIMATE
        if account.has_budgets:
            estimate = self._estimates.get(candidate.target) or self._estimate(candidate.target, wall)
        self._reservations[n] = account.reserve(estimate, wall)

    def on_settled(self, record: AttemptRecord) -> None:
        reservation = self._reservations.pop(record.n, None)
        if reservation is None:
            return
        usage = record.usage if self.facts.kind else None
        self.request.used_tokens += self.request.account.settle(reservation, usage, record.cost if usage else 0)

    def end(self) -> None:
        """Called however the exchange ends. Reservations that were not settled until then have used nothing."""
        for reservation in self._reservations.values():
            self.request.account.release(reservation)
        self._reservations.clear()
        self.request.end()

    def budget_left(self, now: float) -> str:
        """As the header has it; empty while there is much."""
        return left_text(self.request.account, now + self.wall_offset)

    def _estimate(self, target: Target, wall: float) -> Estimate:
        tokens, rates = self.request.estimate, target.rates.get(self.model_sent(target))
        amount = expected_cost(*tokens, rates, wall) if rates else 0
        estimate = self._estimates[target] = Estimate(amount, tokens.total)
        return estimate


def _described(budget: Budget) -> str:
    limit = f"{budget.tokens} tokens" if budget.tokens is not None else f"{dollars(budget.nano_dollars)} usd"
    return f"{limit} per {budget.per.value}"
