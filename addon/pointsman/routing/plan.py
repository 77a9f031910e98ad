"""The plan of one exchange: it is asked for the next candidate at each launch, and notified of settled attempts.

Each question is answered from the current state; nothing is patched in between. So a plan never returns a candidate
that has just been excluded, by this exchange or by another one. A candidate is chosen in these steps:

1. the targets that the name and the mode select (`pools`): the pinned one first, then in the order of the
   strategy (`strategies`), guarded ones that are serving another session last;
2. without those excluded (`exclusions` has the reasons);
3. for each, its keys: the session's own first, then those with most headroom, in rotation; without those excluded;
4. if nothing is left: what may work all the same, in the order of `LAST_RESORT`, and the earliest to recover first.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from pointsman.config.enums import ContentFilter, Dialect, Mode, ProtectionLevel
from pointsman.domain.failures import (
    ALIKE_REFUSALS,
    CONTENT_FAILURES,
    FAILURE_POLICIES,
    REFUSALS,
    Failure,
    SkipScope,
    classify,
)
from pointsman.domain.records import AppliedRedirect, AttemptRecord
from pointsman.domain.targets import Candidate, Inventory, Target
from pointsman.routing.exclusion_reasons import Exclusion, ExclusionReason
from pointsman.routing.exclusions import Exclusions
from pointsman.routing.final_error import final_error
from pointsman.routing.in_flight import InFlightEntry
from pointsman.routing.issued_ids import Holder
from pointsman.routing.limits import Lease
from pointsman.routing.model_redirects import apply_redirects
from pointsman.routing.pools import CandidateSet
from pointsman.routing.protection import FailureContext, ban_scope, evaluate
from pointsman.routing.ranking import ScoreSample
from pointsman.routing.resolve import Resolution
from pointsman.routing.state import RoutingState
from pointsman.routing.strategies.base import OrderFacts, TargetOrder
from pointsman.sessions.binding import SessionBinding
from pointsman.sessions.store import Pin
from pointsman.wire.conversation import answer_message
from pointsman.wire.errors import Code, Fault, FaultKind, Problem
from pointsman.wire.headers import Headers
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.retry_after import stated_limits
from pointsman.wire.thinking_signatures import LeftOut, PartId

LAST_RESORT = (
    ExclusionReason.COOLING,
    ExclusionReason.HALF_OPEN,
    ExclusionReason.UNHEALTHY,
    ExclusionReason.BANNED,
    ExclusionReason.GONE,
)
"""What is used all the same when nothing else is left, the most likely to work first."""
REQUEST_REASONS = frozenset({ExclusionReason.DIALECT, ExclusionReason.CAPABILITY, ExclusionReason.CONTEXT})
"""They speak of the request, and not of the target."""


@dataclass(slots=True)
class Plan:
    """`dialect` is the client's: a target must speak it, or another one that has words for the request. `inventory` is
    the one in force when the exchange began.

    `wall_offset` is what the clock on the wall is ahead of the routing clock. `rng` is the state's unless given.
    """

    resolution: Resolution
    facts: RequestFacts
    dialect: Dialect
    inventory: Inventory
    binding: SessionBinding
    state: RoutingState
    retry_wait: float | None = None
    """Seconds the client has to wait because it repeats a failing request; no attempt is made."""
    wall_offset: float = 0.0
    rng: Random | None = None
    holder: Holder | None = None
    """The account that alone can serve the request, as it holds what the request refers to."""
    faults: list[tuple[Failure, Fault]] = field(default_factory=list)
    candidates: CandidateSet = field(init=False)
    """Who takes part."""
    scores: ScoreSample = field(init=False)
    _order: TargetOrder = field(init=False)
    _exclusions: Exclusions = field(init=False)
    _ranks: dict[Target, int] = field(default_factory=dict)
    """Of each target that was looked at, in the strategy's order; 1 is best."""
    _leases: dict[int, tuple[Lease, float]] = field(default_factory=dict)
    """The lease of each attempt in flight, and when it was launched (routing clock)."""
    _running: dict[int, Candidate] = field(default_factory=dict)
    """Of each attempt in flight."""
    _in_flight: dict[int, InFlightEntry] = field(default_factory=dict)
    """The entry of each attempt in flight at a guarded target."""
    _struck: set[Target] = field(default_factory=set)
    """Targets whose failure has counted in this exchange."""
    _failed: set[Target] = field(default_factory=set)
    """Targets that failed in this exchange."""
    _refused: set[Target] = field(default_factory=set)
    """Targets that did not take what this exchange asks."""

    def __post_init__(self) -> None:
        self._exclusions = Exclusions(self.facts, self.dialect, self.inventory, self.state, self.binding, self.holder)
        ranking, rng = self.state.ranking, self.rng or self.state.rng
        self.candidates = ranking.candidate_set(self.resolution)
        self.scores = ranking.sample(self.mode, rng, self.dialect)
        facts = OrderFacts(self.mode, self.dialect, ranking, self.scores, rng)
        strategy = deepcopy(self.state.strategy) if self.rng else self.state.strategy  # a preview must not count
        self._order = strategy.for_exchange(facts)

    # Asked.

    @property
    def mode(self) -> Mode:
        return self.resolution.mode

    @property
    def session(self) -> str | None:
        return self.binding.label

    def next_candidate(self, now: float, running: Collection[Candidate] = ()) -> Candidate | None:
        """The best candidate that may be launched beside those running, or None."""
        if self.retry_wait is not None:
            return None
        if not running:
            return next(self.ranked_candidates(now), None) or self._last_resort(now)
        taken = {candidate.target.provider.name for candidate in running}
        return next((each for each in self.ranked_candidates(now) if self._may_hedge(each, taken, now)), None)

    def _may_hedge(self, candidate: Candidate, taken: Collection[str], now: float) -> bool:
        """A provider other than those running; a guarded one is not used while it serves another session."""
        target = candidate.target
        busy = self.state.in_flight.serves_another_session(target, self.binding.holder, now)
        return target.provider.name not in taken and not busy

    def ranked_candidates(self, now: float) -> Iterator[Candidate]:
        """The candidates that may take the request, best first."""
        for target in self.state.in_flight.busy_last(self._ordered_targets(now), self.binding.holder, now):
            if self._exclusions.target_exclusion(target, now) is None:
                yield from self._usable_keys(target, now)

    def selection_reason(self, candidate: Candidate, now: float, wall: float) -> str:
        """How it came to be chosen: its rank and the reason for it, or `pin`, with what else had a say, or
        `last_resort` and what gave way to it.
        """
        excluded = self._exclusions.target_exclusion(candidate.target, now)
        excluded = excluded or self._exclusions.key_exclusion(candidate, now)
        if excluded:
            return f"last_resort: {excluded.reason}{_until(excluded, wall - now)} ({excluded.detail})"
        target, notes = candidate.target, []
        if self.state.in_flight.serves_another_session(target, self.binding.holder, now):
            notes.append(f"no other candidate, although {target.scope} serves another session")
        if self.holder:
            return "; ".join(("holder of what the request refers to", *notes))
        if self._is_pinned(target):
            return "; ".join(("pin", *notes))
        if self.candidates.note:
            notes.insert(0, self.candidates.note)
        if self.binding.pin_paused:
            notes.append("the pin is paused")
        why = self._order.why(target, now, wall)
        return "; ".join((f"rank {self._ranks.get(target, 1)}, {why}", *notes))

    def redirect(self, candidate: Candidate) -> AppliedRedirect | None:
        """The rule that led to this target, or else its provider's rule for its name."""
        target = candidate.target
        return self.resolution.redirects.get(target) or apply_redirects(target.provider, target.model.id)

    def hedge_delay(self, candidate: Candidate, wall: float) -> float | None:
        return self.state.hedge_delay(candidate.target, wall)

    def exclusions(self, now: float) -> list[Exclusion]:
        """Every excluded candidate, with its reason."""
        pinned = self._pinned_target()
        outside = [exclusion for exclusion in self.candidates.excluded if exclusion.target is not pinned]
        return [*self._exclusions.every_exclusion(self._all_targets(), now), *outside]

    def exclusion_dicts(self, now: float, wall: float) -> list[dict[str, object]]:
        """The exclusions in plain JSON types; `wall` is what the clock on the wall shows at `now`."""
        return [exclusion.to_dict(wall - now) for exclusion in self.exclusions(now)]

    def is_final(self, fault: Fault) -> bool:
        """The provider refused the request itself, so its answer is the client's."""
        failure, setting = classify(fault), self.state.settings.routing.content_filter
        if failure in CONTENT_FAILURES and setting is not None:
            return setting is ContentFilter.FINAL
        return FAILURE_POLICIES[failure].skip is SkipScope.ALL

    def is_refusal(self, fault: Fault) -> bool:
        """Another target may take what this one refused; if none can, its answer is the client's. So is any answer of
        the only one that knows what the request refers to.
        """
        failure = classify(fault)
        is_last_word = self.holder is not None and fault.kind is FaultKind.STATUS and failure is not Failure.KEY_INVALID
        return failure in REFUSALS | ALIKE_REFUSALS or is_last_word

    def is_last_key(self, candidate: Candidate, now: float) -> bool:
        """No other key of its target may take the request."""
        return not self._exclusions.has_other_key(candidate, now)

    def final_error(self, now: float, wall: float) -> Problem:
        """The error for the client when no candidate is left."""
        if self.retry_wait is not None:
            message = "This request keeps failing and is repeated too fast; wait before retrying."
            return Problem(Code.RATE_LIMITED, message, retry_after=self.retry_wait)
        free = self._exclusions.first_available(self._all_targets(), now)
        return final_error(self.faults, self.exclusions(now), None if free is None else free - now, wall - now)

    # Told.

    def on_launched(
        self, n: int, candidate: Candidate, now: float, last_byte: Callable[[], float] | None = None
    ) -> None:
        self.binding.touch(now)
        self._leases[n] = self.state.lease(candidate, self.facts.tokens, now), now
        self._running[n] = candidate
        self.state.concurrency.begin(candidate)
        self._exclusions.begin_trial(candidate, now)
        self.inventory.advance_turn(candidate)
        if candidate.target.protection_level is ProtectionLevel.PROVIDER_BAN:
            scope, active = candidate.target.scope, self.state.in_flight
            self.binding.record_key(scope, candidate.key_id[1])
            self._in_flight[n] = active.begin(scope, self.binding.holder, last_byte or (lambda: now), now)

    def on_head(self, candidate: Candidate, headers: Mapping[str, str], now: float, wall: float) -> None:
        """The head of an answer: providers state their limits there."""
        self.state.on_stated_limits(candidate, stated_limits(headers, wall))

    def on_committed(self, candidate: Candidate, now: float, was_slow: bool = False) -> None:
        """The session's pin is written here, never at selection: only now is a cache warm. A candidate so slow that
        another one was started beside it does not get the conversation back.
        """
        self._exclusions.end_trial(candidate, has_passed=True)
        if was_slow:
            self.binding.clear_pin()
            return
        target = candidate.target
        if not self.state.inventory.can_route(candidate) or self.state.ban_on(target, self.binding, now):
            return
        if self._keeps_pin(target, now):
            self.binding.set_detour(_pin(candidate), now)
        else:
            self.binding.set_pin(_pin(candidate), now)

    def _keeps_pin(self, target: Target, now: float) -> bool:
        """The pinned target did not fail: it only does not take what this one request asks."""
        pinned = self._pinned_target()
        if pinned is None or pinned is target or pinned in self._failed:
            return False
        if pinned in self._refused:
            return True
        excluded = self._exclusions.target_exclusion(pinned, now)
        return excluded is not None and excluded.reason in REQUEST_REASONS

    def on_settled(self, candidate: Candidate, record: AttemptRecord, fault: Fault | None, now: float) -> str | None:
        """An attempt has ended; `fault` is None when the attempt is not to blame. Returns what that changes for
        everyone, for the log.
        """
        self._release(record.n)
        target = candidate.target
        self.binding.touch(now, _target_name(target))
        launched = self._settle_lease(record)
        if record.first_byte_ms is not None:
            self.state.on_reached(target.provider.name)
        if fault is None:
            return self._on_success(candidate, launched, now) if record.outcome.is_success else None
        assert record.failure
        failure = record.failure
        self.faults.append((failure, fault))
        self._exclusions.skip(candidate, failure, fault)
        self._note_failure(target, failure, now)
        has_untried_key = not self.is_last_key(candidate, now)
        notice = self.state.on_failure(candidate, failure, fault, has_untried_key, record.ended, now)
        is_local = failure is Failure.CONNECT and self.state.network.is_down(now)
        banned = None if is_local else self._apply_protection(target, failure, fault, launched, now)
        return "; ".join(filter(None, (notice, banned))) or None

    def on_ended(self, failed: bool, now: float) -> None:
        """The exchange has ended; `failed`: the client received an error."""
        turn = self.binding.fingerprint
        if failed and turn is not None and self.retry_wait is None:
            self.state.retry_storms.on_failure(self.binding.client_id, turn.digest, now)
            self.binding.record_broken_stream(self.facts.stream)

    def discard(self) -> None:
        """The exchange ends without further notice."""
        for n in list(self._running):
            self._release(n)

    @property
    def needs_answer(self) -> bool:
        return self.binding.is_prefix_keyed

    def parts_left_out(self, candidate: Candidate) -> LeftOut:
        return LeftOut(self.binding.refused_parts(candidate.target.provider.name))

    def on_parts_refused(self, candidate: Candidate, parts: Sequence[PartId]) -> None:
        self.binding.record_refused_parts(candidate.target.provider.name, parts)

    def on_answer_id(self, answer_id: str, candidate: Candidate, now: float) -> None:
        self.state.sessions.on_answer_id(self.binding, answer_id)
        if answer_id and self.facts.stores_answer:
            self._record_issued((answer_id,), candidate, now)

    def _record_issued(self, ids: Sequence[str], candidate: Candidate, now: float) -> None:
        """Its account holds them, unless the answer is a converted one."""
        target = candidate.target
        if ids and not target.needs_conversion(self.dialect):
            self.state.issued_ids.record(ids, _pin(candidate), now)

    def on_answer(self, answer: bytes, now: float) -> None:
        """The session will be found by this answer too."""
        if message := answer_message(self.dialect, answer, self.facts.stream):
            self.state.sessions.on_answer(self.binding, message)

    def on_response_started(self, answered: Target | None) -> None:
        """The response headers were sent; counts their sticky result."""
        self.binding.count_outcome(_target_name(answered))

    def early_session_headers(self, prefix: str) -> Headers:
        return self.binding.early_headers(prefix)

    def session_headers(self, prefix: str, answered: Target | None) -> Headers:
        return self.binding.headers(prefix, _target_name(answered))

    def stickiness(self, answered: Target | None) -> str:
        return self.binding.stickiness(_target_name(answered)).value

    # Order.

    def _ordered_targets(self, now: float) -> Iterator[Target]:
        """The pinned target before all others, these by tier and in the strategy's order."""
        preferred, place = list(filter(None, (self._pinned_target(), self._second_target()))), 0
        yield from preferred
        for tier in self.candidates.tiers:
            for target in self._order.best_first(tier, now, now + self.wall_offset):
                place += 1
                self._ranks[target] = place
                if target not in preferred:
                    yield target

    @property
    def _preferred_pin(self) -> Pin | None:
        """The target to ask first: the holder of what the request refers to; else the session's pin, even a paused one
        if the request refers to anything.
        """
        if self.holder:
            return self.holder.pin
        return self.binding.pin if self.facts.held else self.binding.preferred_pin

    def _pinned_target(self) -> Target | None:
        """The target of the session's pin, if the name means it: whatever its pool."""
        return self._target_of(self._preferred_pin)

    def _second_target(self) -> Target | None:
        """Comes next where the pinned target does not take the request."""
        second = self._target_of(self.binding.second_choice)
        return second if second is not self._pinned_target() else None

    def _target_of(self, pin: Pin | None) -> Target | None:
        target = self.inventory.by_label.get(pin.label) if pin else None
        return target if target in self.resolution.targets else None

    def _all_targets(self) -> Sequence[Target]:
        """All that take part, in configured order."""
        pinned, targets = self._pinned_target(), self.candidates.targets
        return targets if pinned is None or pinned in targets else (pinned, *targets)

    def _usable_keys(self, target: Target, now: float) -> Iterator[Candidate]:
        return (each for each in self._ordered_keys(target, now) if self._exclusions.key_exclusion(each, now) is None)

    def _ordered_keys(self, target: Target, now: float) -> Sequence[Candidate]:
        """The session's own key first: some providers dislike a conversation that changes keys. Then those with most
        room, in turn; last those that were refused and have not succeeded since.
        """
        candidates = self.inventory.keys_in_turn(target)
        if len(candidates) < 2:
            return candidates
        pin, limits, state = self._preferred_pin, target.model.limits, self.state
        own = pin.key if pin and (self.holder or self._is_pinned(target)) else None

        def place(each: Candidate) -> tuple[bool, bool, float]:
            room = state.limits.headroom(each.pair_id, limits, now)
            return own is None or each.key_id[1] != own, each.key_id in state.cooldowns.invalid_keys, -round(room, 1)

        return sorted(candidates, key=place)

    def _last_resort(self, now: float) -> Candidate | None:
        """Nobody is kept from the last thing that might work."""
        giving_way = (
            (place, candidate)
            for target in self._ordered_targets(now)
            for candidate in self._ordered_keys(target, now)
            if (place := self._last_resort_place(candidate, now)) is not None
        )
        best = min(giving_way, key=lambda found: found[0], default=None)
        return best[1] if best else None

    def _last_resort_place(self, candidate: Candidate, now: float) -> tuple[bool, int, float] | None:
        """To sort by; None for what is not used whatever is left."""
        found = (
            self._exclusions.target_exclusion(candidate.target, now),
            self._exclusions.key_exclusion(candidate, now),
        )
        exclusions = [exclusion for exclusion in found if exclusion]
        if not exclusions or any(each.holds for each in exclusions):
            return None
        worst = max(exclusions, key=lambda each: LAST_RESORT.index(each.reason))
        serves_another = self.state.in_flight.serves_another_session(candidate.target, self.binding.holder, now)
        return serves_another, LAST_RESORT.index(worst.reason), now if worst.until is None else worst.until

    def _is_pinned(self, target: Target) -> bool:
        pin = self._preferred_pin
        return pin is not None and pin.label == target.label

    # Protection.

    def _note_failure(self, target: Target, failure: Failure, now: float) -> None:
        if failure is Failure.CONTEXT_TOO_LARGE:
            self.binding.record_refused_size(target.label, self.facts.tokens)
        if not FAILURE_POLICIES[failure].moves_pin:
            self._refused.add(target)
            return
        self._failed.add(target)
        if target.label in self.state.inventory.by_label:
            self.state.outages.on_failure(target.label, now)

    def _apply_protection(
        self, target: Target, failure: Failure, fault: Fault, launched: float, now: float
    ) -> str | None:
        """What a failure costs its target in this session and exchange. Returns it in words, if it is a ban."""
        label, binding = target.label, self.binding
        if FAILURE_POLICIES[failure].counts_as_strike and target not in self._struck:
            self._struck.add(target)
            self._count_failure(target, launched, now)
        action = evaluate(FailureContext(target.protection_level, failure, binding.failure_count(label), fault.label))
        if action.skip_target:
            self._exclusions.skip_target(target, fault.label)
        if action.clear_pin:
            binding.clear_pin_on(label, now)
        if not action.bans:
            return None
        scope, gives_way = ban_scope(target), target.protection_level is ProtectionLevel.MODEL_SKIP
        binding.ban(scope, action.reason, self.state.settings.sticky.ban, gives_way, now)
        return f"session {self.session or '(none)'} bans {scope}: {action.reason}"

    def _count_failure(self, target: Target, launched: float, now: float) -> None:
        """Against the target in this session, unless it fails others as well: then it is an outage, for which the
        cooldown is enough.
        """
        label, outages, client = target.label, self.state.outages, self.binding.client_id
        fails_others = outages.fails_others(target.provider.name, client, now)
        if label in self.state.inventory.by_label:
            outages.on_outcome(target.provider.name, label, client, False, now)
        counted = self.binding.failure_counted_at(label)
        if counted is not None and outages.covers(label, counted):
            self.binding.forget_failures(label)
        if target.protection_level is ProtectionLevel.OFF or fails_others or outages.covers(label, now):
            return
        self.binding.record_failure(label, self.facts.stream, launched, now)

    def _on_success(self, candidate: Candidate, launched: float, now: float) -> str | None:
        """An answer has ended well."""
        target, binding = candidate.target, self.binding
        held = self.facts.held
        self._record_issued((*held.own, *held.shared), candidate, now)
        if target.label in self.state.inventory.by_label:
            self.state.outages.on_outcome(target.provider.name, target.label, binding.client_id, True, now)
        lifted = binding.record_success(target.label)
        if lifted:
            binding.set_pin(_pin(candidate), now)
        if binding.fingerprint is not None:
            turn = binding.fingerprint
            self.state.retry_storms.on_success(binding.client_id, lambda: turn.digest)
        lifted_notice = f"session {self.session} no longer bans {target.label}: it has answered" if lifted else None
        return "; ".join(filter(None, (self.state.on_success(candidate, launched), lifted_notice))) or None

    def _release(self, n: int) -> None:
        candidate = self._running.pop(n)
        self._exclusions.end_trial(candidate)
        self.state.concurrency.end(candidate)
        if entry := self._in_flight.pop(n, None):
            self.state.in_flight.end(entry)

    # Limits.

    def _settle_lease(self, record: AttemptRecord) -> float:
        """Returns when the attempt was launched."""
        lease, launched = self._leases.pop(record.n)
        usage = record.usage
        tokens = usage.prompt + usage.completion if usage else None
        self.state.limits.settle(lease, tokens, record.connected_ms is not None)
        return launched


def _target_name(target: Target | None) -> tuple[str, str] | None:
    return (target.provider.name, target.model.id) if target else None


def _pin(candidate: Candidate) -> Pin:
    return Pin(candidate.target.provider.name, candidate.target.model.id, candidate.key_id[1])


def _until(exclusion: Exclusion, offset: float) -> str:
    if exclusion.until is None:
        return ""
    return f" until {datetime.fromtimestamp(exclusion.until + offset, UTC).isoformat(timespec='seconds')}"
