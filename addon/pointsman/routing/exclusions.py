"""Which candidates may not take one exchange's request, why, and until when.

Some of it holds for the request (capabilities, size), some for this exchange alone (skips), some for its session (bans,
keys), some for everyone (cooldowns, limits, health). A target is asked first, then each of its keys. What holds comes
before what gives way, and of that the last resort comes first: so the reason that is given is the one that decides.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import assert_never

from pointsman.clients.access import ModelAccess
from pointsman.config.enums import Dialect, Kind, ProtectionLevel
from pointsman.domain.failures import FAILURE_POLICIES, Failure, SkipScope
from pointsman.domain.targets import Candidate, Inventory, Target
from pointsman.routing.client_spending import ClientSpending
from pointsman.routing.concurrency import RETRY_WAIT
from pointsman.routing.cooldowns import Cooldown
from pointsman.routing.exclusion_reasons import Exclusion, ExclusionReason
from pointsman.routing.issued_ids import Holder
from pointsman.routing.state import RoutingState
from pointsman.routing.waiting import Waiter
from pointsman.sessions.binding import SessionBinding
from pointsman.sessions.penalties import Ban
from pointsman.wire import provider_quirks
from pointsman.wire.conversion.unsupported import spoken_to
from pointsman.wire.errors import Fault
from pointsman.wire.request_facts import RequestFacts

CONTEXT_TOLERANCE = 1.2
"""A token estimate is rough: a target is too small only when the estimate exceeds its context by this factor."""
ONE_TEXT = (Kind.CHAT, Kind.COMPLETION)
"""The requests whose whole text has to fit; others may hold many texts, each of which is read by itself."""
KEY_REASONS = {
    Failure.KEY_INVALID.value: ExclusionReason.KEY_INVALID,
    Failure.ACCOUNT.value: ExclusionReason.ACCOUNT,
    Failure.NO_ACCESS.value: ExclusionReason.NO_ACCESS,
    Failure.REGION.value: ExclusionReason.NO_ACCESS,
}
"""By the reason of the cooldown; all others are limits."""
MANY_FAILURES = 4
"""Failures of a provider in one exchange after which other providers come first: attempts are limited, and it may have
more keys and models than that. As many keys of a target speak for all of them.
"""
MAX_GUESS = 60.0
"""Seconds at most that a client is told to wait where no provider and no configured limit names a time."""
TRIED_BY_ANOTHER = "another request is trying it"
OTHERS_WAIT = "other requests wait for it"
LIMIT_FAILURES = frozenset(
    {Failure.RATE_LIMIT, Failure.KEY_RATE_LIMIT, Failure.CONCURRENCY, Failure.QUOTA, Failure.KEY_QUOTA}
)
LIMIT_STATUSES = ("402", "429")
"""The reasons of cooldowns by `routing.failures` that are limits; what has another status may work at any time."""
AWAITED = frozenset({ExclusionReason.RATE_LIMITED, ExclusionReason.HALF_OPEN, ExclusionReason.COOLING})
"""What a request waits for that may wait."""
ENDING = frozenset({ExclusionReason.RATE_LIMITED, *KEY_REASONS.values()})
"""What holds, and is waited for where its end is known."""
SKIPPED = frozenset({ExclusionReason.SKIPPED_TARGET, ExclusionReason.SKIPPED_KEY})


@dataclass(slots=True, eq=False)
class Exclusions:
    """Every answer is computed from the current state; only the skips are stored here."""

    facts: RequestFacts
    dialect: Dialect
    inventory: Inventory
    state: RoutingState
    binding: SessionBinding
    holder: Holder | None = None
    """The account that holds what the request refers to."""
    access: ModelAccess | None = None
    """What the client may use; None: every target of this request."""
    spending: ClientSpending | None = None
    """None: its cost is charged to no client."""
    _skipped: dict[Target | Candidate, str] = field(default_factory=dict)
    waiter: Waiter | None = None
    """The request's place, if it waits for a limit."""
    _limited: set[Candidate] = field(default_factory=set)
    """Those that are skipped for a limit."""
    _too_small: int | None = None
    """A window of so many tokens was too small."""
    _unsupported_by_dialects: dict[tuple[Dialect, ...], str] = field(default_factory=dict)
    """By the dialects that a target speaks; the request says the same each time."""

    # Asked.

    def target_exclusion(self, target: Target, now: float) -> Exclusion | None:
        """Why none of its keys may take the request."""
        if not target.enabled:
            return Exclusion(target, None, ExclusionReason.DISABLED)
        if self.access and not self.access.allows_target(target):
            return Exclusion(target, None, ExclusionReason.NOT_ALLOWED)
        wanted = self.facts.options.providers
        if wanted and target.provider.name not in wanted:
            return Exclusion(target, None, ExclusionReason.NOT_REQUESTED, f"only {', '.join(wanted)}")
        if obstacle := self._unsupported(target):
            return Exclusion(target, None, ExclusionReason.DIALECT, obstacle)
        if not self.inventory.keys[target]:
            return Exclusion(target, None, ExclusionReason.NO_KEY)
        if missing := self._missing_capabilities(target):
            return Exclusion(target, None, ExclusionReason.CAPABILITY, ", ".join(sorted(missing)))
        if self.holder and target.provider.name != self.holder.pin.provider:
            return Exclusion(target, None, ExclusionReason.NOT_HOLDER, f"held by {self.holder.pin.provider}")
        if small := self._context_problem(target):
            return Exclusion(target, None, ExclusionReason.CONTEXT, small)
        if self.spending and (unpaid := self.spending.exclusion(target, now)):
            return unpaid
        ban = self.state.ban_on(target, self.binding, now)
        cooldown = self.state.cooldowns.target_cooldown(target.label, now)
        is_gone = cooldown is not None and cooldown.reason == Failure.MODEL_GONE
        holds = target in self._skipped
        if ban and not ban.gives_way:
            return _banned(target, ban, holds=True)
        if holds and not ban:
            return Exclusion(target, None, ExclusionReason.SKIPPED_TARGET, self._skipped[target], *_end_of(cooldown))
        if cooldown and is_gone:
            return Exclusion(target, None, ExclusionReason.GONE, cooldown.reason, *_end_of(cooldown), holds)
        if ban:
            return _banned(target, ban, holds)
        if outage := self.state.health.outage(target.provider.name):
            due = max(now, outage.probe_due)
            return Exclusion(target, None, ExclusionReason.UNHEALTHY, outage.reason, due, True, holds=False)
        if cooldown:
            return Exclusion(target, None, ExclusionReason.COOLING, cooldown.reason, *_end_of(cooldown), holds=False)
        if self.state.cooldowns.is_target_tried(target.label, self, now):
            return Exclusion(target, None, ExclusionReason.HALF_OPEN, TRIED_BY_ANOTHER, holds=False)
        return None

    def key_exclusion(self, candidate: Candidate, now: float) -> Exclusion | None:
        """Why this key of a target that may take it may not."""
        if self.holder and self.holder.is_exclusive and candidate.key_id[1] != self.holder.pin.key:
            detail = f"held by {self.inventory.key_labels.get(self.holder.pin.key_id) or 'another key'}"
            return Exclusion(candidate.target, candidate.key_label, ExclusionReason.NOT_HOLDER, detail)
        guarded = candidate.target.protection_level is ProtectionLevel.PROVIDER_BAN
        if guarded and not self.binding.may_use_key(candidate.target.scope, candidate.key_id[1]):
            detail = "this session uses another key of this provider"
            return Exclusion(
                candidate.target, candidate.key_label, ExclusionReason.OTHER_KEY, detail, self.binding.expires_at
            )
        closed = self._shared_key_exclusion(candidate, now)
        if candidate not in self._skipped:
            return closed
        target, why = candidate.target, self._skipped[candidate]
        end = (closed.until, closed.is_estimate) if closed else (None, False)
        if end[0] is None:
            end = _end_of(self.state.cooldowns.target_cooldown(target.label, now))
        return Exclusion(target, candidate.key_label, ExclusionReason.SKIPPED_KEY, why, *end)

    def every_exclusion(self, targets: Iterable[Target], now: float) -> Iterator[Exclusion]:
        """Every exclusion. That of a target covers all of its keys, unless it gives way to a last resort and theirs do
        not.
        """
        for target in targets:
            own = self.target_exclusion(target, now)
            if own and own.holds:
                yield own
                continue
            of_keys = [self.key_exclusion(key, now) for key in self.inventory.keys[target]]
            if own and not all(each and each.holds for each in of_keys):
                yield own
            else:
                yield from filter(None, of_keys)

    def is_being_tried(self, candidate: Candidate, now: float) -> bool:
        """Whether another request is trying it. For a request that waits, also whether the trial has failed and a new
        cooldown has begun.
        """
        awaited = (ExclusionReason.HALF_OPEN, ExclusionReason.COOLING) if self.waiter else (ExclusionReason.HALF_OPEN,)
        return any(each.reason in awaited for each in self._exclusions_of(candidate, now) if each)

    def awaited(self, candidate: Candidate, now: float) -> Exclusion | None:
        """What a request waits for that cannot use the candidate: what holds until a known time or, where none does, a
        trial or a cooldown. None: it does not wait for this candidate.
        """
        found = [each for each in self._exclusions_of(candidate, now) if each]
        holding = [each for each in found if each.holds]
        if any(each.reason not in ENDING or each.until is None for each in holding):
            return None
        if holding:
            return max(holding, key=lambda each: each.until or 0.0)
        return next((each for each in found if each.reason in AWAITED), None)

    def first_available(self, targets: Iterable[Target], now: float) -> float | None:
        """When the first candidate may take such a request again, as far as that is known.

        An end that the router only guesses is not promised for later than `MAX_GUESS`, nor is any other while something
        failed here that does not cool, since it may work again at any time.
        """
        candidates = [each for target in targets for each in self.inventory.keys[target]]
        known = [moment for each in candidates if (moment := self._available_at(each, now)) is not None]
        if any(self._may_work_next_time(each, now) for each in candidates):
            known = [min(moment, now + MAX_GUESS) for moment in known]
        return min(known, default=None)

    def has_other_key(self, candidate: Candidate, now: float) -> bool:
        """Whether another key of its target has not failed here and is not excluded for all exchanges, whether or not
        this session may use it.
        """
        others = (each for each in self.inventory.keys[candidate.target] if each is not candidate)
        return any(each not in self._skipped and self._shared_key_exclusion(each, now) is None for each in others)

    def fails_often(self, target: Target) -> bool:
        """Whether so many keys and models of its provider failed in this exchange that other providers come first."""
        if len(self._skipped) < MANY_FAILURES:
            return False
        failed = (each if isinstance(each, Target) else each.target for each in self._skipped)
        return sum(each.provider is target.provider for each in failed) >= MANY_FAILURES

    def many_keys_failed(self, target: Target) -> bool:
        """Whether so many keys of the target have failed in this exchange that the keys are hardly the cause."""
        return sum(each in self._skipped for each in self.inventory.keys[target]) >= MANY_FAILURES

    # Told.

    def skip(self, candidate: Candidate, failure: Failure, fault: Fault) -> None:
        """Excludes the candidate, or its target, from the rest of this exchange, as the failure's policy says."""
        target = candidate.target
        match FAILURE_POLICIES[failure].skip:
            case SkipScope.NOTHING:
                pass
            case SkipScope.KEY:
                self._skipped[candidate] = fault.label
                if failure in LIMIT_FAILURES:
                    self._limited.add(candidate)
            case SkipScope.TARGET | SkipScope.ALL:
                self.skip_target(target, fault.label)
            case SkipScope.SMALLER:
                self.skip_target(target, fault.label)
                if target.model.context is not None:
                    self._too_small = max(self._too_small or 0, target.model.context)
            case _ as never:
                assert_never(never)

    def skip_target(self, target: Target, why: str) -> None:
        """Excludes the target from the rest of this exchange."""
        self._skipped[target] = why

    def forget_limits(self) -> None:
        """Called when the request waits: candidates that were skipped for a limit may be used once that has ended."""
        for candidate in self._limited:
            self._skipped.pop(candidate, None)
        self._limited.clear()

    def begin_trial(self, candidate: Candidate, now: float) -> None:
        """A request of this exchange goes there, which is a trial after a cooldown unless another one is running."""
        if self.state.inventory.contains(candidate):
            self.state.cooldowns.begin_trial(candidate, self, now)

    def end_trial(self, candidate: Candidate, has_passed: bool = False) -> None:
        """`has_passed`: the request has content."""
        self.state.cooldowns.end_trial(candidate, self, has_passed)

    # How.

    def _shared_key_exclusion(self, candidate: Candidate, now: float) -> Exclusion | None:
        """The exclusion of a key that holds for all exchanges: invalid, cooling down, or out of limits."""
        target, key = candidate.target, candidate.key_label
        if cooldown := self.state.cooldowns.candidate_cooldown(candidate, now):
            reason = KEY_REASONS.get(cooldown.reason, ExclusionReason.RATE_LIMITED)
            if cooldown.reason.isdecimal() and cooldown.reason not in LIMIT_STATUSES:  # a rule charges it to a key
                return Exclusion(target, key, ExclusionReason.COOLING, cooldown.reason, *_end_of(cooldown), holds=False)
            return Exclusion(target, key, reason, cooldown.reason, *_end_of(cooldown))
        frees = self.state.limits.frees_at(candidate.pair_id, target.model.limits, self.facts.tokens, now)
        if frees > now:
            return Exclusion(target, key, ExclusionReason.RATE_LIMITED, "limit", frees)
        if first := self.state.waiting.first_of_others(candidate.pair_id, self.waiter):
            if candidate.pair_id not in first.limited:  # it waits for a trial, which is no reason to refuse others
                return Exclusion(target, key, ExclusionReason.HALF_OPEN, OTHERS_WAIT, holds=False)
            return Exclusion(target, key, ExclusionReason.RATE_LIMITED, OTHERS_WAIT, now + RETRY_WAIT, True)
        is_full = self.state.concurrency.is_full(candidate, now)
        if is_full or self.state.concurrency.seems_full(candidate, now):
            until = now + RETRY_WAIT
            return Exclusion(target, key, ExclusionReason.RATE_LIMITED, "concurrency", until, True, holds=is_full)
        if self.state.cooldowns.is_key_tried(candidate, self, now):
            return Exclusion(target, key, ExclusionReason.HALF_OPEN, TRIED_BY_ANOTHER, holds=False)
        return None

    def _available_at(self, candidate: Candidate, now: float) -> float | None:
        known = [now]
        for exclusion in filter(None, self._exclusions_of(candidate, now)):
            until, is_estimate = self._end_for_clients(exclusion, now)
            if until is None:
                return None
            known.append(min(until, now + MAX_GUESS) if is_estimate else until)
        return max(known)

    def _end_for_clients(self, exclusion: Exclusion, now: float) -> tuple[float | None, bool]:
        """Until when it keeps a request away, and whether that is an estimate. What is banned, where that gives way,
        may work as soon as it no longer cools.
        """
        target = exclusion.target
        if exclusion.reason is ExclusionReason.HALF_OPEN:
            return now + RETRY_WAIT, True
        if exclusion.reason is ExclusionReason.BANNED:
            ban = self.state.ban_on(target, self.binding, now)
            if ban and ban.gives_way:
                return _end_of(self.state.cooldowns.target_cooldown(target.label, now))
        return exclusion.until, exclusion.is_estimate

    def _may_work_next_time(self, candidate: Candidate, now: float) -> bool:
        """Nothing keeps it from the next request: it failed in this exchange, and does not cool."""
        found = [exclusion for exclusion in self._exclusions_of(candidate, now) if exclusion]
        return bool(found) and all(each.reason in SKIPPED and each.until is None for each in found)

    def _exclusions_of(self, candidate: Candidate, now: float) -> tuple[Exclusion | None, Exclusion | None]:
        return self.target_exclusion(candidate.target, now), self.key_exclusion(candidate, now)

    def _unsupported(self, target: Target) -> str:
        """What the target's dialects, or its provider's quirks, have no place for."""
        spoken = target.spoken_dialects
        if spoken not in self._unsupported_by_dialects:
            self._unsupported_by_dialects[spoken] = spoken_to(self.dialect, spoken, self.facts)[1]
        return self._unsupported_by_dialects[spoken] or provider_quirks.obstacle(target.provider, self.facts)

    def _missing_capabilities(self, target: Target) -> frozenset[str]:
        supports = target.model.supports
        return self.facts.needs.difference(supports) if supports is not None else frozenset()

    def _context_problem(self, target: Target) -> str:
        context = target.model.context
        if context is None or self.facts.kind not in ONE_TEXT:
            return ""
        if self._too_small is not None and context <= self._too_small:
            return f"a context of {self._too_small} was too small"
        tokens = self.facts.tokens
        return f"about {tokens} tokens for a context of {context}" if tokens > CONTEXT_TOLERANCE * context else ""


def _banned(target: Target, ban: Ban, holds: bool) -> Exclusion:
    """Its end is no promise: what is banned may be used before, and need not work after."""
    until = ban.until if isfinite(ban.until) else None
    return Exclusion(target, None, ExclusionReason.BANNED, ban.reason, until, True, holds)


def _end_of(cooldown: Cooldown | None) -> tuple[float | None, bool]:
    """As an exclusion has it: until when, and whether that is an estimate."""
    return (cooldown.next_try, not cooldown.is_stated) if cooldown else (None, False)
