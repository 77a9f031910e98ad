"""Who may not take one exchange's request, why, and until when.

Some of it holds for the request (capabilities, size), some for this exchange alone (skips), some for its session (bans,
keys), some for everyone (cooldowns, limits, health). A target is asked first, then each of its keys.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pointsman.config.enums import Dialect, Level
from pointsman.domain.failures import LESSONS, Failure, Skip
from pointsman.domain.targets import Candidate, Inventory, Target
from pointsman.routing.exclusion_reasons import Exclusion, Reason
from pointsman.sessions.binding import Ticket
from pointsman.wire import provider_quirks
from pointsman.wire.conversion.unsupported import spoken_to
from pointsman.wire.errors import Fault
from pointsman.wire.request_facts import RequestFacts

if TYPE_CHECKING:
    from pointsman.routing.router import Router

CONTEXT_SLACK = 1.2
"""A token estimate is rough: a target is too small only when the estimate exceeds its context by this factor."""


@dataclass(slots=True)
class Exclusions:
    """Answers from the whole situation anew each time; only the skips are its own."""

    facts: RequestFacts
    dialect: Dialect
    inventory: Inventory
    router: "Router"
    ticket: Ticket
    _skipped: dict[Target | Candidate, str] = field(default_factory=dict)
    _too_small: int | None = None
    """A window of so many tokens was too small."""
    _obstacles: dict[tuple[Dialect, ...], str] = field(default_factory=dict)
    """By the dialects that a target speaks; the request says the same each time."""

    # Asked.

    def of_target(self, target: Target, now: float) -> Exclusion | None:
        """Why none of its keys may take the request."""
        if not target.enabled:
            return Exclusion(target, None, Reason.DISABLED)
        if obstacle := self._obstacle(target):
            return Exclusion(target, None, Reason.DIALECT, obstacle)
        if not self.inventory.keys[target]:
            return Exclusion(target, None, Reason.NO_KEY)
        if missing := self._missing(target):
            return Exclusion(target, None, Reason.CAPABILITY, ", ".join(sorted(missing)))
        if small := self._smallness(target):
            return Exclusion(target, None, Reason.CONTEXT, small)
        if why := self.ticket.ban_on(target.provider.name, target.label):
            return Exclusion(target, None, Reason.BANNED, why, self.ticket.expires)
        cooling = self.router.cooldowns.target(target.label, now)
        if target in self._skipped:
            until = cooling.until if cooling else None
            return Exclusion(target, None, Reason.SKIPPED_TARGET, self._skipped[target], until)
        if cooling and cooling.reason == Failure.GONE:
            return Exclusion(target, None, Reason.GONE, cooling.reason, cooling.until)
        if illness := self.router.health.illness(target.provider.name):
            return Exclusion(target, None, Reason.UNHEALTHY, illness.what, max(now, illness.probe_due))
        if cooling:
            return Exclusion(target, None, Reason.COOLING, cooling.reason, cooling.until)
        return None

    def of_key(self, candidate: Candidate, now: float) -> Exclusion | None:
        """Why this key of a target that may take it may not."""
        guarded = candidate.target.level is Level.PROVIDER_BAN
        if guarded and not self.ticket.may_show(candidate.target.scope, candidate.key_label):
            detail = "this session has shown it another key"
            return Exclusion(candidate.target, candidate.key_label, Reason.OTHER_KEY, detail, self.ticket.expires)
        closed = self._closed(candidate, now)
        if candidate not in self._skipped:
            return closed
        target, until = candidate.target, closed.until if closed else None
        if until is None and (cooling := self.router.cooldowns.target(target.label, now)):
            until = cooling.until
        return Exclusion(target, candidate.key_label, Reason.SKIPPED_KEY, self._skipped[candidate], until)

    def each(self, targets: Iterable[Target], now: float) -> Iterator[Exclusion]:
        """Every one. That of a target stands for all of its keys, unless they failed here one by one."""
        for target in targets:
            own, keys = self.of_target(target, now), self.inventory.keys[target]
            if own is None or (own.reason is Reason.COOLING and self._skipped.keys() >= set(keys)):
                yield from filter(None, (self.of_key(key, now) for key in keys))
            else:
                yield own

    def first_free(self, targets: Iterable[Target], now: float) -> float | None:
        """When the first candidate may take such a request again, as far as that is known."""
        known = (self._free(each, now) for target in targets for each in self.inventory.keys[target])
        return min((moment for moment in known if moment is not None), default=None)

    def has_other_key(self, candidate: Candidate, now: float) -> bool:
        """Another key of its target has not failed here and is not closed for everyone, whether or not this session may
        show it.
        """
        others = (each for each in self.inventory.keys[candidate.target] if each is not candidate)
        return any(each not in self._skipped and self._closed(each, now) is None for each in others)

    # Told.

    def skip(self, candidate: Candidate, failure: Failure, fault: Fault) -> None:
        """For the rest of this exchange."""
        target = candidate.target
        match LESSONS[failure].skip:
            case Skip.NOTHING:
                pass
            case Skip.KEY:
                self._skipped[candidate] = fault.label
            case Skip.TARGET | Skip.ALL:
                self.pass_over(target, fault.label)
            case Skip.SMALLER:
                self.pass_over(target, fault.label)
                if target.model.context is not None:
                    self._too_small = max(self._too_small or 0, target.model.context)

    def pass_over(self, target: Target, why: str) -> None:
        """For the rest of this exchange."""
        self._skipped[target] = why

    # How.

    def _closed(self, candidate: Candidate, now: float) -> Exclusion | None:
        """For everyone."""
        target, key = candidate.target, candidate.key_label
        if cooling := self.router.cooldowns.key(candidate.name, now):
            reason = Reason.KEY_INVALID if cooling.reason == "key_invalid" else Reason.RATE_LIMITED
            return Exclusion(target, key, reason, cooling.reason, cooling.until)
        frees = self.router.limits.frees_at((target.label, key), target.model.limits, self.facts.tokens, now)
        return Exclusion(target, key, Reason.RATE_LIMITED, "limit", frees) if frees > now else None

    def _free(self, candidate: Candidate, now: float) -> float | None:
        found = [self.of_target(candidate.target, now), self.of_key(candidate, now)]
        untils = [exclusion.until for exclusion in found if exclusion]
        known = [until for until in untils if until is not None]
        return None if len(known) < len(untils) else max(known, default=now)

    def _obstacle(self, target: Target) -> str:
        """What the target's dialects, or its provider's quirks, have no place for."""
        spoken = target.spoken
        if spoken not in self._obstacles:
            self._obstacles[spoken] = spoken_to(self.dialect, spoken, self.facts)[1]
        return self._obstacles[spoken] or provider_quirks.obstacle(target.provider, self.facts)

    def _missing(self, target: Target) -> frozenset[str]:
        supports = target.model.supports
        return self.facts.needs.difference(supports) if supports is not None else frozenset()

    def _smallness(self, target: Target) -> str:
        context = target.model.context
        if context is None:
            return ""
        if self._too_small is not None and context <= self._too_small:
            return f"a context of {self._too_small} was too small"
        tokens = self.facts.tokens
        return f"about {tokens} tokens for a context of {context}" if tokens > CONTEXT_SLACK * context else ""
