"""The failed attempts of one exchange, and whether they give its answer when no candidate is left."""

from dataclasses import dataclass, field

from pointsman.exchange.attempt import Attempt
from pointsman.wire.errors import Fault


@dataclass(slots=True)
class FailedAttempts:
    """Attempts that failed before commit."""

    count: int = 0
    refusals: list[tuple[Attempt, Fault]] = field(default_factory=list)
    """Attempts whose target does not take such a request, with the provider's error."""
    empty_answers: list[tuple[Attempt, bytes]] = field(default_factory=list)
    """Attempts that ended empty with `stop`, with their answers."""

    def add_refusal(self, attempt: Attempt, fault: Fault) -> None:
        """One more that failed, by refusing the request."""
        self.count += 1
        self.refusals.append((attempt, fault))

    def empty_answer(self) -> tuple[Attempt, bytes] | None:
        """The last empty answer, if every attempt ended so: it is then the client's answer. Else None."""
        return self.empty_answers[-1] if self.empty_answers and len(self.empty_answers) == self.count else None

    def refusal(self) -> tuple[Attempt, Fault] | None:
        """The first refusal, if every attempt was refused. Else None."""
        return self.refusals[0] if self.refusals and len(self.refusals) == self.count else None
