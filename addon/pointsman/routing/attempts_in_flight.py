"""What the attempts of one exchange take of the shared state, from their launch to their end."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pointsman.config.enums import ProtectionLevel
from pointsman.domain.records import AttemptRecord
from pointsman.domain.targets import Candidate
from pointsman.routing.exclusions import Exclusions
from pointsman.routing.in_flight import InFlightEntry
from pointsman.routing.limits import Lease
from pointsman.routing.load import Work
from pointsman.routing.state import RoutingState
from pointsman.sessions.binding import SessionBinding
from pointsman.wire.request_facts import RequestFacts


@dataclass(frozen=True, slots=True)
class AttemptInFlight:
    """`launched` is on the routing clock."""

    candidate: Candidate
    launched: float
    lease: Lease
    work: Work
    guard: InFlightEntry | None
    """Its entry at a guarded target."""


@dataclass(slots=True)
class AttemptsInFlight:
    """By their numbers."""

    facts: RequestFacts
    binding: SessionBinding
    state: RoutingState
    exclusions: Exclusions
    _attempts: dict[int, AttemptInFlight] = field(default_factory=dict)

    def begin(self, n: int, candidate: Candidate, last_byte: Callable[[], float] | None, now: float) -> None:
        target, state, tokens = candidate.target, self.state, self.facts.tokens
        lease = state.lease(candidate, tokens, now)
        work = state.load.begin(target, tokens, None)
        state.concurrency.begin(candidate)
        self.exclusions.begin_trial(candidate, now)
        guard = None
        if target.protection_level is ProtectionLevel.PROVIDER_BAN:
            self.binding.record_key(target.scope, candidate.key_id[1])
            guard = state.in_flight.begin(target.scope, self.binding.holder, last_byte or (lambda: now), now)
        self._attempts[n] = AttemptInFlight(candidate, now, lease, work, guard)

    def on_content(self, candidate: Candidate) -> None:
        """Its answer has begun."""
        for each in self._attempts.values():
            if each.candidate is candidate:
                self.state.load.on_content(each.work)
        self.exclusions.end_trial(candidate, has_passed=True)
        self.state.waiting.on_freed(candidate.pair_id)

    def end(self, n: int) -> AttemptInFlight:
        """Gives back all but the lease: `settle_lease` does that, if the attempt has settled."""
        attempt = self._attempts.pop(n)
        candidate = attempt.candidate
        self.state.load.end(attempt.work)
        self.exclusions.end_trial(candidate)
        self.state.concurrency.end(candidate)
        self.state.waiting.on_freed(candidate.pair_id)
        if attempt.guard:
            self.state.in_flight.end(attempt.guard)
        return attempt

    def settle_lease(self, attempt: AttemptInFlight, record: AttemptRecord) -> None:
        tokens = record.usage.total if record.usage else None
        self.state.limits.settle(attempt.lease, tokens, record.connected_ms is not None)

    def end_all(self) -> None:
        for n in list(self._attempts):
            self.end(n)
