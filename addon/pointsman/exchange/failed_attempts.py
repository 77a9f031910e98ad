"""The failed attempts of one exchange, and whether they give its answer when no candidate is left."""

from dataclasses import dataclass, field

from pointsman.domain.failures import classify
from pointsman.exchange.attempt import Attempt
from pointsman.wire.errors import Fault


@dataclass(slots=True)
class FailedAttempts:
    """Attempts that failed before commit."""

    count: int = 0
    refusals: list[tuple[Attempt, Fault]] = field(default_factory=list)
    """Attempts whose answer may be the client's, with the provider's word on it."""
    empty_answers: list[tuple[Attempt, bytes]] = field(default_factory=list)
    """Attempts that ended empty with `stop`, with their answers."""

    def empty_answer(self) -> tuple[Attempt, bytes] | None:
        """The last empty answer, if every attempt ended so: it is then the client's answer. Else None."""
        return self.empty_answers[-1] if self.empty_answers and len(self.empty_answers) == self.count else None

    def refusal(self) -> tuple[Attempt, Fault] | None:
        """The first one, where every attempt was refused alike."""
        alike = len({classify(fault) for _, fault in self.refusals}) == 1
        return self.refusals[0] if alike and len(self.refusals) == self.count else None
