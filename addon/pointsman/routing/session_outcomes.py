"""What the attempts of one exchange mean for its session: strikes, bans, the pin, and what its targets refuse."""

from dataclasses import dataclass, field

from pointsman.config.enums import ProtectionLevel
from pointsman.domain.failures import FAILURE_POLICIES, Failure
from pointsman.domain.targets import Candidate, Target
from pointsman.routing.candidate_order import CandidateOrder
from pointsman.routing.exclusion_reasons import ExclusionReason
from pointsman.routing.exclusions import Exclusions
from pointsman.routing.protection import FailureContext, ban_scope, evaluate
from pointsman.routing.state import RoutingState
from pointsman.sessions.binding import SessionBinding
from pointsman.sessions.store import Pin
from pointsman.wire.errors import Fault
from pointsman.wire.request_facts import RequestFacts

REQUEST_REASONS = frozenset(
    {
        ExclusionReason.DIALECT,
        ExclusionReason.CAPABILITY,
        ExclusionReason.CONTEXT,
        ExclusionReason.BUDGET,
        ExclusionReason.NOT_REQUESTED,
        ExclusionReason.BUDGET,
    }
)
"""Reasons that concern the request, not the target."""


@dataclass(slots=True)
class SessionOutcomes:
    """Moments are on the routing clock, in seconds."""

    facts: RequestFacts
    binding: SessionBinding
    state: RoutingState
    order: CandidateOrder
    exclusions: Exclusions
    has_fallback: bool = False
    """Targets of another name are asked instead, as a budget is exhausted."""
    _struck: set[Target] = field(default_factory=set)
    """Targets whose failure has counted in this exchange."""
    _failed: set[Target] = field(default_factory=set)
    """Targets that failed in this exchange."""
    _refused: set[Target] = field(default_factory=set)
    """Targets that did not take what this exchange asks."""

    # The pin.

    def on_committed(self, candidate: Candidate, now: float, was_slow: bool) -> None:
        """The session's pin is written here, never at selection: only now is a cache warm. A candidate so slow that
        another one was started beside it does not get the conversation back.
        """
        if was_slow:
            self.binding.clear_pin()
            return
        target = candidate.target
        if not self.state.inventory.can_route(candidate) or self.state.ban_on(target, self.binding, now):
            return
        if self._keeps_pin(target, now):
            self.binding.set_detour(pin_on(candidate), now)
        else:
            is_choice = self.order.pin_choice.target is target and self.order.pinned_target() not in self._failed
            self.binding.set_pin(pin_on(candidate), now, has_failed=not is_choice)

    def _keeps_pin(self, target: Target, now: float) -> bool:
        """The pinned target did not fail: it only does not take what this one request asks."""
        if self.has_fallback:
            return self.binding.pin is not None and self.binding.pin.label != target.label
        pinned = self.order.pinned_target()
        if pinned is None or pinned is target or pinned in self._failed:
            return False
        if pinned in self._refused or self.order.has_refused_size(pinned):
            return True
        excluded = self.exclusions.target_exclusion(pinned, now)
        return excluded is not None and excluded.reason in REQUEST_REASONS

    # Failures.

    def note_failure(self, target: Target, failure: Failure, now: float) -> None:
        """Whether the target failed, or only refused what this request asks."""
        if failure is Failure.CONTEXT_TOO_LARGE:
            self.binding.record_refused_size(target.label, self.facts.tokens)
        if not FAILURE_POLICIES[failure].moves_pin:
            self._refused.add(target)
            return
        self._failed.add(target)
        if target.label in self.state.inventory.by_label:
            self.state.outages.on_failure(target.label, now)

    def apply_protection(
        self, target: Target, failure: Failure, fault: Fault, launched: float, now: float
    ) -> str | None:
        """What a failure costs its target in this session and exchange. Returns it in words, if it is a ban."""
        label, binding = target.label, self.binding
        if FAILURE_POLICIES[failure].counts_as_strike and target not in self._struck:
            self._struck.add(target)
            self._count_failure(target, launched, now)
        action = evaluate(FailureContext(target.protection_level, failure, binding.failure_count(label), fault.label))
        if action.skip_target:
            self.exclusions.skip_target(target, fault.label)
        if action.clear_pin:
            binding.clear_pin_on(label, now)
        if not action.bans:
            return None
        scope, gives_way = ban_scope(target), target.protection_level is ProtectionLevel.MODEL_SKIP
        self.state.ban_on(target, binding, now)  # one that turned out to be for an outage makes room
        binding.ban(scope, action.reason, self.state.settings.sticky.ban, gives_way, now)
        return f"session {binding.label or '(none)'} bans {scope}: {action.reason}"

    def _count_failure(self, target: Target, launched: float, now: float) -> None:
        """Against the target in this session, unless it fails others as well: then it is an outage, for which the
        cooldown is enough.
        """
        label, outages, client = target.label, self.state.outages, self.binding.client_id
        fails_others = outages.fails_others(target.provider.name, client, now)
        if label in self.state.inventory.by_label:
            outages.on_outcome(target.provider.name, label, client, False, now)
        counted = self.binding.failure_counted_at(label)
        if counted is not None and (outages.covers(label, counted) or self.state.was_network_down(target, counted)):
            self.binding.forget_failures(label)
        if target.protection_level is ProtectionLevel.OFF or fails_others or outages.covers(label, now):
            return
        self.binding.record_failure(label, self.facts.stream, launched, now)

    # Success.

    def on_success(self, candidate: Candidate, now: float) -> str | None:
        """An answer has ended well. Returns in words which ban that lifts."""
        target, binding = candidate.target, self.binding
        if target.label in self.state.inventory.by_label:
            self.state.outages.on_outcome(target.provider.name, target.label, binding.client_id, True, now)
        if turn := binding.fingerprint:
            self.state.retry_storms.on_success(binding.client_id, lambda: turn.digest)
        if not binding.record_success(target.label):
            return None
        binding.set_pin(pin_on(candidate), now)
        return f"session {binding.label} no longer bans {target.label}: it has answered"


def pin_on(candidate: Candidate) -> Pin:
    return Pin(candidate.target.provider.name, candidate.target.model.id, candidate.key_id[1])
