"""Who may not take one exchange's request, why, and until when.

Some of it holds for the request (capabilities, size), some for this exchange alone (skips), some for its session (bans,
keys), some for everyone (cooldowns, limits, health). A target is asked first, then each of its keys. What holds comes
before what gives way, and of that the last resort comes first: so the reason that is given is the one that decides.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import assert_never

from pointsman.config.enums import Dialect, ProtectionLevel
from pointsman.domain.failures import FAILURE_POLICIES, Failure, SkipScope
from pointsman.domain.targets import Candidate, Inventory, Target
from pointsman.routing.exclusion_reasons import Exclusion, ExclusionReason
from pointsman.routing.state import RoutingState
from pointsman.sessions.binding import SessionBinding
from pointsman.wire import provider_quirks
from pointsman.wire.conversion.unsupported import spoken_to
from pointsman.wire.errors import Fault
from pointsman.wire.request_facts import RequestFacts

CONTEXT_TOLERANCE = 1.2
"""A token estimate is rough: a target is too small only when the estimate exceeds its context by this factor."""
KEY_REASONS = {"key_invalid": ExclusionReason.KEY_INVALID}
"""By the reason of the cooldown; all others are limits."""
MIN_REFUSED_SIZE = 4000
"""Tokens. The estimate for a smaller request does not tell which others are too long as well."""


@dataclass(slots=True)
class Exclusions:
    """Every answer is computed from the current state; only the skips are stored here."""

    facts: RequestFacts
    dialect: Dialect
    inventory: Inventory
    state: RoutingState
    binding: SessionBinding
    _skipped: dict[Target | Candidate, str] = field(default_factory=dict)
    _too_small: int | None = None
    """A window of so many tokens was too small."""
    _unsupported_by_dialects: dict[tuple[Dialect, ...], str] = field(default_factory=dict)
    """By the dialects that a target speaks; the request says the same each time."""

    # Asked.

    def target_exclusion(self, target: Target, now: float) -> Exclusion | None:
        """Why none of its keys may take the request."""
        if not target.enabled:
            return Exclusion(target, None, ExclusionReason.DISABLED)
        if obstacle := self._unsupported(target):
            return Exclusion(target, None, ExclusionReason.DIALECT, obstacle)
        if not self.inventory.keys[target]:
            return Exclusion(target, None, ExclusionReason.NO_KEY)
        if missing := self._missing_capabilities(target):
            return Exclusion(target, None, ExclusionReason.CAPABILITY, ", ".join(sorted(missing)))
        if small := self._context_problem(target):
            return Exclusion(target, None, ExclusionReason.CONTEXT, small)
        ban = self.state.ban_on(target, self.binding, now)
        cooldown = self.state.cooldowns.target_cooldown(target.label, now)
        is_gone = cooldown is not None and cooldown.reason == Failure.MODEL_GONE
        if ban and not ban.gives_way:
            return Exclusion(target, None, ExclusionReason.BANNED, ban.reason, _finite(ban.until))
        if target in self._skipped and not ban:
            until = cooldown.until if cooldown else None
            return Exclusion(target, None, ExclusionReason.SKIPPED_TARGET, self._skipped[target], until)
        holds = target in self._skipped
        if cooldown and is_gone:
            return Exclusion(target, None, ExclusionReason.GONE, cooldown.reason, cooldown.until, holds)
        if ban:
            return Exclusion(target, None, ExclusionReason.BANNED, ban.reason, _finite(ban.until), holds)
        if outage := self.state.health.outage(target.provider.name):
            due = max(now, outage.probe_due)
            return Exclusion(target, None, ExclusionReason.UNHEALTHY, outage.reason, due, holds=False)
        if cooldown:
            return Exclusion(target, None, ExclusionReason.COOLING, cooldown.reason, cooldown.until, holds=False)
        return None

    def key_exclusion(self, candidate: Candidate, now: float) -> Exclusion | None:
        """Why this key of a target that may take it may not."""
        guarded = candidate.target.protection_level is ProtectionLevel.PROVIDER_BAN
        if guarded and not self.binding.may_use_key(candidate.target.scope, candidate.key_id[1]):
            detail = "this session uses another key of it"
            return Exclusion(
                candidate.target, candidate.key_label, ExclusionReason.OTHER_KEY, detail, self.binding.expires_at
            )
        closed = self._shared_key_exclusion(candidate, now)
        if candidate not in self._skipped:
            return closed
        target, until = candidate.target, closed.until if closed else None
        if until is None and (cooldown := self.state.cooldowns.target_cooldown(target.label, now)):
            until = cooldown.until
        return Exclusion(target, candidate.key_label, ExclusionReason.SKIPPED_KEY, self._skipped[candidate], until)

    def every_exclusion(self, targets: Iterable[Target], now: float) -> Iterator[Exclusion]:
        """Every one. That of a target stands for all of its keys, unless they failed here one by one."""
        for target in targets:
            own, keys = self.target_exclusion(target, now), self.inventory.keys[target]
            if own is None or (own.reason is ExclusionReason.COOLING and self._skipped.keys() >= set(keys)):
                yield from filter(None, (self.key_exclusion(key, now) for key in keys))
            else:
                yield own

    def first_available(self, targets: Iterable[Target], now: float) -> float | None:
        """When the first candidate may take such a request again, as far as that is known."""
        known = (self._available_at(each, now) for target in targets for each in self.inventory.keys[target])
        return min((moment for moment in known if moment is not None), default=None)

    def has_other_key(self, candidate: Candidate, now: float) -> bool:
        """Another key of its target has not failed here and is not closed for everyone, whether or not this session may
        show it.
        """
        others = (each for each in self.inventory.keys[candidate.target] if each is not candidate)
        return any(each not in self._skipped and self._shared_key_exclusion(each, now) is None for each in others)

    # Told.

    def skip(self, candidate: Candidate, failure: Failure, fault: Fault) -> None:
        """For the rest of this exchange."""
        target = candidate.target
        match FAILURE_POLICIES[failure].skip:
            case SkipScope.NOTHING:
                pass
            case SkipScope.KEY:
                self._skipped[candidate] = fault.label
            case SkipScope.TARGET | SkipScope.ALL:
                self.skip_target(target, fault.label)
            case SkipScope.SMALLER:
                self.skip_target(target, fault.label)
                if target.model.context is not None:
                    self._too_small = max(self._too_small or 0, target.model.context)
            case _ as never:
                assert_never(never)

    def skip_target(self, target: Target, why: str) -> None:
        """For the rest of this exchange."""
        self._skipped[target] = why

    # How.

    def _shared_key_exclusion(self, candidate: Candidate, now: float) -> Exclusion | None:
        """For everyone."""
        target, key = candidate.target, candidate.key_label
        if cooldown := self.state.cooldowns.candidate_cooldown(candidate, now):
            reason = KEY_REASONS.get(cooldown.reason, ExclusionReason.RATE_LIMITED)
            return Exclusion(target, key, reason, cooldown.reason, cooldown.next_try)
        frees = self.state.limits.frees_at(candidate.pair_id, target.model.limits, self.facts.tokens, now)
        return Exclusion(target, key, ExclusionReason.RATE_LIMITED, "limit", frees) if frees > now else None

    def _available_at(self, candidate: Candidate, now: float) -> float | None:
        found = [self.target_exclusion(candidate.target, now), self.key_exclusion(candidate, now)]
        untils = [exclusion.until for exclusion in found if exclusion]
        known = [until for until in untils if until is not None]
        return None if len(known) < len(untils) else max(known, default=now)

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
        context, refused = target.model.context, self.binding.refused_size(target.label)
        if refused is not None and self.facts.tokens >= max(refused, MIN_REFUSED_SIZE) and target not in self._skipped:
            return f"it refused a request of about {refused} tokens in this session"
        if context is None:
            return ""
        if self._too_small is not None and context <= self._too_small:
            return f"a context of {self._too_small} was too small"
        tokens = self.facts.tokens
        return f"about {tokens} tokens for a context of {context}" if tokens > CONTEXT_TOLERANCE * context else ""


def _finite(moment: float) -> float | None:
    return moment if isfinite(moment) else None
