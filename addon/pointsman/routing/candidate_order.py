"""The order in which the candidates of one exchange are looked at, and the last resort when none is left."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pointsman.domain.targets import Candidate, Inventory, Target
from pointsman.routing.exclusion_reasons import Exclusion, ExclusionReason
from pointsman.routing.exclusions import Exclusions
from pointsman.routing.issued_ids import Holder
from pointsman.routing.pin_choice import PinChoice
from pointsman.routing.pools import CandidateSet
from pointsman.routing.resolve import Resolution
from pointsman.routing.state import RoutingState
from pointsman.routing.strategies.base import TargetOrder
from pointsman.sessions.binding import SessionBinding
from pointsman.sessions.store import Pin
from pointsman.wire.request_facts import RequestFacts

LAST_RESORT = (
    ExclusionReason.COOLING,
    ExclusionReason.HALF_OPEN,
    ExclusionReason.RATE_LIMITED,  # where a learnt limit of concurrency seems reached
    ExclusionReason.UNHEALTHY,
    ExclusionReason.BANNED,
    ExclusionReason.GONE,
)
"""What is used all the same when nothing else is left, the most likely to work first."""
MIN_REFUSED_SIZE = 4000
"""Tokens. The estimate for a smaller request does not show which others are too long."""


@dataclass(slots=True)
class CandidateOrder:
    """Every answer is computed from the current state. `wall_offset` is what the clock on the wall is ahead of the
    routing clock.
    """

    resolution: Resolution
    facts: RequestFacts
    inventory: Inventory
    binding: SessionBinding
    state: RoutingState
    holder: Holder | None
    candidates: CandidateSet
    exclusions: Exclusions
    strategy: TargetOrder
    pin_choice: PinChoice
    wall_offset: float
    ranks: dict[Target, int] = field(default_factory=dict)
    """Of each target that was looked at, in the strategy's order; 1 is best."""

    def usable(self, now: float) -> Iterator[Candidate]:
        """The candidates that may take the request, best first; busy guarded providers come last."""
        targets = self._often_failed_last(self._targets(now))
        for target in self.state.in_flight.busy_last(targets, self.binding.holder, now):
            if self.exclusions.target_exclusion(target, now) is None:
                for candidate in self._keys(target, now):
                    if self.exclusions.key_exclusion(candidate, now) is None:
                        yield candidate

    def last_resort(self, now: float) -> Candidate | None:
        """The best of the excluded candidates that may still work; None if there is none."""
        giving_way = (
            (place, candidate)
            for target in self._targets(now)
            for candidate in self._keys(target, now)
            if (place := self._last_resort_place(candidate, now)) is not None
        )
        best = min(giving_way, key=lambda found: found[0], default=None)
        return best[1] if best else None

    def all_targets(self) -> Sequence[Target]:
        """All targets of the candidate set, in configured order."""
        pinned, targets = self.pinned_target(), self.candidates.targets
        return targets if pinned is None or pinned in targets else (pinned, *targets)

    def pinned_target(self) -> Target | None:
        """The target of the session's pin if the name selects it, whatever its pool."""
        return self._target_of(self._preferred_pin)

    def is_pinned(self, target: Target) -> bool:
        pin = self._preferred_pin
        return pin is not None and pin.label == target.label

    def exclusion(self, candidate: Candidate, now: float) -> Exclusion | None:
        """Why the candidate may not take the request, for its target or its key."""
        exclusion = self.exclusions.target_exclusion(candidate.target, now)
        return exclusion or self.exclusions.key_exclusion(candidate, now)

    def selection_reason(self, candidate: Candidate, because: Iterable[str], now: float, wall: float) -> str:
        """How it came to be chosen, as `Plan.selection_reason`; `because` says why this order is the one in use."""
        target, notes = candidate.target, list(because)
        if excluded := self.exclusion(candidate, now):
            why = f"last_resort: {excluded.reason}{_until(excluded, wall - now)} ({excluded.detail})"
            return "; ".join((why, *notes))
        if self.state.in_flight.serves_another_session(target, self.binding.holder, now):
            notes.append(f"no other candidate, although {target.scope} serves another session")
        if self.holder:
            return "; ".join(("holder of what the request refers to", *notes))
        if self.is_pinned(target):
            return "; ".join(("pin", *notes))
        if target is self.pin_choice.target:
            return "; ".join((self.pin_choice.reason, *notes))
        if self.candidates.note:
            notes.insert(0, self.candidates.note)
        if step := self.candidates.steps.get(target):
            notes.insert(0, step)
        if self.binding.pin_paused:
            notes.append("the pin is paused")
        why = self.strategy.why(target, now, wall)
        return "; ".join((f"rank {self.ranks.get(target, 1)}, {why}", *notes))

    @property
    def _preferred_pin(self) -> Pin | None:
        """The target to ask first: the holder of what the request refers to; else the session's pin, even a paused one
        if the request refers to anything.
        """
        if self.holder:
            return self.holder.pin
        return self.binding.pin if self.facts.held else self.binding.preferred_pin

    def has_refused_size(self, target: Target) -> bool:
        """The target has refused a shorter request of this session as too long. It comes last: the length is an
        estimate, and part of what it refused may have been the room for the answer.
        """
        refused = self.binding.refused_size(target.label)
        return refused is not None and self.facts.tokens >= max(refused, MIN_REFUSED_SIZE)

    def _targets(self, now: float) -> Iterator[Target]:
        """All that take part, in the order in which they are looked at."""
        refusing = []
        for target in self._preferences(now):
            if self.has_refused_size(target):
                refusing.append(target)
            else:
                yield target
        yield from refusing

    def _preferences(self, now: float) -> Iterator[Target]:
        """The pinned target before all others, unless the pin is given up for another one; the rest by tier and in the
        strategy's order.
        """
        pinned, place = self.pinned_target(), 0
        cheaper = self._instead_of(pinned, now) if pinned else None
        preferred = dict.fromkeys(filter(None, (cheaper, pinned, self._second_target())))
        yield from preferred
        for tier in self.candidates.tiers:
            for target in self.strategy.best_first(tier, now, now + self.wall_offset):
                place += 1
                self.ranks[target] = place
                if target not in preferred:
                    yield target

    def _instead_of(self, pinned: Target, now: float) -> Target | None:
        """The target that the session's pin is given up for."""
        if self.holder or self.facts.held or self.has_refused_size(pinned):
            return None
        return self.pin_choice.instead_of(pinned, lambda each: self._is_usable(each, now), now, now + self.wall_offset)

    def _is_usable(self, target: Target, now: float) -> bool:
        if self.has_refused_size(target) or self.exclusions.target_exclusion(target, now):
            return False
        return any(self.exclusions.key_exclusion(each, now) is None for each in self.inventory.keys[target])

    def _often_failed_last(self, targets: Iterable[Target]) -> Iterator[Target]:
        """In the same order, but those last whose provider has failed often in this exchange."""
        failed = []
        for target in targets:
            if self.exclusions.fails_often(target):
                failed.append(target)
            else:
                yield target
        yield from failed

    def _second_target(self) -> Target | None:
        """Comes next where the pinned target does not take the request."""
        second = self._target_of(self.binding.second_choice)
        return second if second is not self.pinned_target() else None

    def _target_of(self, pin: Pin | None) -> Target | None:
        target = self.inventory.by_label.get(pin.label) if pin else None
        return target if target in self.resolution.targets else None

    def _keys(self, target: Target, now: float) -> Sequence[Candidate]:
        """The session's own key first: some providers dislike a conversation that changes keys. Then those whose daily
        quota lasts longest; of these the ones with most room, in turn; last those that were refused and have not
        succeeded since.
        """
        candidates = self.inventory.keys_in_turn(target)
        if len(candidates) < 2:
            return candidates
        pin, limits, state = self._preferred_pin, target.model.limits, self.state
        own = pin.key if pin and (self.holder or self.is_pinned(target)) else self.pin_choice.key_on(target)
        hours = state.quota_hours.of(target.label, [each.pair_id for each in candidates], limits, now)

        def place(each: Candidate) -> tuple[bool, bool, int, float]:
            room = state.limits.headroom(each.pair_id, limits, now)
            is_other, is_refused = own is None or each.key_id[1] != own, each.key_id in state.cooldowns.invalid_keys
            return is_other, is_refused, -hours[each.pair_id], -round(room, 1)

        return sorted(candidates, key=place)

    def _last_resort_place(self, candidate: Candidate, now: float) -> tuple[bool, int, float] | None:
        """To sort by; None for what is not used whatever is left."""
        found = (
            self.exclusions.target_exclusion(candidate.target, now),
            self.exclusions.key_exclusion(candidate, now),
        )
        exclusions = [exclusion for exclusion in found if exclusion]
        if not exclusions or any(each.holds for each in exclusions):
            return None
        worst = max(exclusions, key=lambda each: LAST_RESORT.index(each.reason))
        serves_another = self.state.in_flight.serves_another_session(candidate.target, self.binding.holder, now)
        return serves_another, LAST_RESORT.index(worst.reason), now if worst.until is None else worst.until


def _until(exclusion: Exclusion, offset: float) -> str:
    if exclusion.until is None:
        return ""
    return f" until {datetime.fromtimestamp(exclusion.until + offset, UTC).isoformat(timespec='seconds')}"
