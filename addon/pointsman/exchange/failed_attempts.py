"""The failed attempts of one exchange, and whether they give its answer when no candidate is left."""

from dataclasses import dataclass, field

from pointsman.domain.failures import ALIKE_REFUSALS, classify
from pointsman.exchange.attempt import Attempt
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.finish_reasons import finish_of


@dataclass(slots=True)
class FailedAttempts:
    """Attempts that failed before commit."""

    count: int = 0
    refusals: list[tuple[Attempt, Fault]] = field(default_factory=list)
    """Attempts that were refused: the provider's answer may become the client's."""
    empty_answers: list[tuple[Attempt, bytes]] = field(default_factory=list)
    """Attempts that ended empty with a finish reason, with their answers."""

    def add_refusal(self, attempt: Attempt, fault: Fault) -> None:
        """One more that failed, by refusing the request."""
        self.count += 1
        self.refusals.append((attempt, fault))

    def empty_answer(self) -> tuple[Attempt, bytes] | None:
        """The last empty answer, if every attempt ended so: it is then the client's answer. Else None."""
        return self.empty_answers[-1] if self.empty_answers and len(self.empty_answers) == self.count else None

    def refusal(self) -> tuple[Attempt, Fault] | None:
        """The first refusal, if every attempt was refused, and none in another way than the rest. Else None."""
        if not self.refusals or len(self.refusals) != self.count:
            return None
        failures = {classify(fault) for _, fault in self.refusals}
        return self.refusals[0] if len(failures) == 1 or failures.isdisjoint(ALIKE_REFUSALS) else None


def empty_answer_fault(finish: str | None) -> Fault:
    """The fault of an answer without content. A finish reason with a word of its own blames what the model wrote."""
    if finish is None or finish_of(finish):
        return Fault(FaultKind.EMPTY, "the answer had no content")
    return Fault(FaultKind.UNUSABLE, f"the answer had no content and ended with {finish!r}")
