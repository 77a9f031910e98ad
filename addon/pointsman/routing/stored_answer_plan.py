"""The plan of a request about a stored answer. Only the account that holds the answer is asked, and statistics,
cooldowns and sessions learn nothing from it.
"""

from dataclasses import dataclass
from urllib.parse import quote

from pointsman.config.enums import Dialect
from pointsman.domain.failures import Failure, classify
from pointsman.domain.records import AttemptRecord
from pointsman.domain.targets import Candidate, Inventory, Target
from pointsman.routing.count_tokens_plan import CountTokensPlan
from pointsman.routing.issued_ids import Holder
from pointsman.wire.errors import Code, Fault, FaultKind, Problem
from pointsman.wire.request_facts import RequestFacts

REPEATABLE_METHODS = ("GET",)
"""Of requests that change nothing."""
NOT_SENT = frozenset({FaultKind.REFUSED, FaultKind.DNS, FaultKind.TLS, FaultKind.CONNECT_TIMEOUT})
"""No connection was made, so the provider has seen nothing of the request."""


@dataclass(slots=True)
class StoredAnswerPlan(CountTokensPlan):
    """Without a known holder, each key of the only provider is asked in turn. A failed request is sent once more where
    that is safe: if it changes nothing, or was not sent.
    """

    is_repeatable: bool = False
    _has_repeated: bool = False

    def on_settled(self, candidate: Candidate, record: AttemptRecord, fault: Fault | None, now: float) -> None:
        if fault is None:
            return
        assert record.failure
        self.faults.append((record.failure, fault))
        is_refused = fault.kind is FaultKind.STATUS and (fault.status or 0) < 500
        if not is_refused and not self._has_repeated and (self.is_repeatable or fault.kind in NOT_SENT):
            self._has_repeated = True
            return
        self._exclusions.skip(candidate, Failure.FORBIDDEN if self.holder else Failure.KEY_INVALID, fault)

    def is_final(self, fault: Fault) -> bool:
        return self.holder is not None and self.is_refusal(fault) and (fault.status or 0) < 500

    def is_refusal(self, fault: Fault) -> bool:
        return fault.kind is FaultKind.STATUS and classify(fault) is not Failure.KEY_INVALID


def asked_for_stored(
    facts: RequestFacts, dialect: Dialect, holder: Holder | None, inventory: Inventory
) -> tuple[Target, ...]:
    """The target to ask: the one that gave the answer, else another one of its provider; without a known holder, one of
    the only provider of the dialect. Raises Problem (not_found).
    """
    native = [t for t in inventory.targets if t.enabled and inventory.keys[t] and not t.needs_conversion(dialect)]
    names = list(dict.fromkeys(target.provider.name for target in native))
    if holder is None and len(names) != 1:
        raise _not_found(facts, dialect, names)
    name = holder.pin.provider if holder else names[0]
    own = [target for target in native if target.provider.name == name]
    if not own:
        raise _not_found(facts, dialect, names)
    label = holder.pin.label if holder else ""
    return (next((target for target in own if target.label == label), own[0]),)


def _not_found(facts: RequestFacts, dialect: Dialect, names: list[str]) -> Problem:
    """Says what is known of the id, and who might know more."""
    asked = quote(facts.held.answers[0], safe=":")
    may_know = f"It may be at one of {', '.join(names)}; ask there." if names else f"No provider speaks {dialect}."
    message = (
        f"Response {asked!r} not found: within the last day, no provider has stored an answer of this id for this"
        f" router. Converted answers, and those with `store: false`, are not stored. {may_know}"
    )
    return Problem(Code.NOT_FOUND, message)
