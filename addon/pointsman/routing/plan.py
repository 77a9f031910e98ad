"""The plan of one exchange: asked for the next candidate at each launch, told of each attempt that settled.

Each question is answered from the whole situation anew; nothing is patched in between. So a plan never hands out what
has just been ruled out, by this exchange or by another one. A candidate is chosen in these steps:

1. the targets that the name means, the pinned one first;
2. without those excluded: disabled, wrong dialect, no key, missing capability, too small, skipped here, cooling;
3. of each the keys, the session's own first, without those skipped, cooling or used up;
4. if nothing is left: the targets that are merely cooling after a transient failure, the earliest to recover first.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pointsman.config.words import Dialect, Mode
from pointsman.exchange.audit import AttemptRecord
from pointsman.routing.failures import LESSONS, Failure, Skip, classify
from pointsman.routing.limits import Lease
from pointsman.routing.reasons import Exclusion, Reason
from pointsman.routing.resolve import Resolution
from pointsman.routing.targets import Candidate, Inventory, Target
from pointsman.routing.verdict import verdict
from pointsman.sessions.store import Pin
from pointsman.sessions.ticket import Ticket
from pointsman.wire.conversation import answer_message
from pointsman.wire.facts import RequestFacts
from pointsman.wire.faults import Fault, Problem
from pointsman.wire.headers import Headers

if TYPE_CHECKING:
    from pointsman.routing.router import Router

CONTEXT_SLACK = 1.2
"""A token estimate is rough: a target is too small only when the estimate exceeds its context by this factor."""


@dataclass(slots=True)
class Plan:
    """`dialect` is the client's: a target must speak it. `inventory` is the one in force when the exchange began."""

    resolution: Resolution
    facts: RequestFacts
    dialect: Dialect
    inventory: Inventory
    ticket: Ticket
    router: "Router"
    faults: list[tuple[Failure, Fault]] = field(default_factory=list)
    _skipped: dict[Target | Candidate, str] = field(default_factory=dict)
    _too_small: int | None = None
    """A window of so many tokens was too small."""
    _leases: dict[int, Lease] = field(default_factory=dict)

    # Asked.

    @property
    def mode(self) -> Mode:
        return self.resolution.mode

    @property
    def session(self) -> str | None:
        return self.ticket.label

    def next(self, now: float, running: Collection[Candidate] = ()) -> Candidate | None:
        """The best candidate that may be launched beside those running, or None."""
        taken = {candidate.target for candidate in running}
        choice = next((each for each in self.ranked(now) if each.target not in taken), None)
        return choice or (None if taken else self._last_resort(now))

    def ranked(self, now: float) -> Iterator[Candidate]:
        """The candidates that may take the request, best first."""
        for target in self._in_order():
            if self._target_exclusion(target, now) is None:
                yield from (each for each in self._keys_in_order(target, now) if self._key_exclusion(each, now) is None)

    def exclusions(self, now: float) -> list[Exclusion]:
        """Every candidate left out, with its reason."""
        return [exclusion for target in self.resolution.targets for exclusion in self._exclusions_of(target, now)]

    def excluded(self, now: float, wall: float) -> list[dict[str, object]]:
        """The exclusions in plain JSON types; `wall` is what the clock on the wall shows at `now`."""
        return [exclusion.plain(wall - now) for exclusion in self.exclusions(now)]

    def is_final(self, fault: Fault) -> bool:
        """The provider refused the request itself, so its answer is the client's."""
        return LESSONS[classify(fault)].skip is Skip.ALL

    def is_refusal(self, fault: Fault) -> bool:
        """Another target may take what this one refused; if none can, its answer is the client's."""
        return classify(fault) is Failure.PARAMETER

    def exhausted(self, now: float, wall: float) -> Problem:
        """What to tell the client when nothing is left."""
        return verdict(self.faults, self.exclusions(now), now, wall)

    # Told.

    def launched(self, n: int, candidate: Candidate, now: float) -> None:
        target = candidate.target
        place, limits = (target.label, candidate.key_label), target.model.limits
        self._leases[n] = self.router.limits.lease(place, limits, self.facts.tokens, now)
        self.inventory.turn(candidate)

    def committed(self, candidate: Candidate, now: float) -> None:
        """The session's pin is written here, never at selection: only now is a cache warm."""
        target = candidate.target
        self.ticket.pin_to(Pin(target.provider.name, target.model.id, candidate.key_label), now)

    def settled(self, candidate: Candidate, record: AttemptRecord, fault: Fault | None, now: float) -> None:
        """Learn from an attempt that ended; `fault` is None when the attempt is not to blame."""
        self.ticket.in_use(now)
        self._settle_lease(record, now)
        if fault is None:
            if record.outcome.is_success:
                self.router.cooldowns.worked(candidate.target.label, candidate.name)
            return
        failure = classify(fault, committed=record.first_content_ms is not None)
        self.faults.append((failure, fault))
        self._skip(candidate, failure, fault)
        self.router.learn(candidate, failure, fault, self._has_untried_key(candidate.target, now), record.ended, now)
        if LESSONS[failure].unpins:
            self.ticket.unpin(candidate.target.provider.name, candidate.target.model.id)

    @property
    def keeps_answer(self) -> bool:
        return self.ticket.known_by_words

    def answered(self, answer: bytes, now: float) -> None:
        """The session will be found by this answer too."""
        if message := answer_message(self.dialect, answer, self.facts.stream):
            self.router.sessions.answered(self.ticket, message)

    def told(self, answered: Target | None) -> None:
        """The client has been told who answered; what it was told of its session counts."""
        self.ticket.told(_name(answered))

    def early_headers(self, prefix: str) -> Headers:
        return self.ticket.early_headers(prefix)

    def headers(self, prefix: str, answered: Target | None) -> Headers:
        return self.ticket.headers(prefix, _name(answered))

    def stickiness(self, answered: Target | None) -> str:
        return self.ticket.stickiness(_name(answered)).value

    # Order.

    def _in_order(self) -> Sequence[Target]:
        """The configured order, the pinned target before all others."""
        pin = self.ticket.preferred
        if pin is None:
            return self.resolution.targets
        return sorted(self.resolution.targets, key=lambda target: _name(target) != (pin.provider, pin.model))

    def _keys_in_order(self, target: Target, now: float) -> Sequence[Candidate]:
        """The session's own key first: some providers dislike a conversation that changes keys. Else in turn."""
        pin, candidates = self.ticket.preferred, self.inventory.in_turn(target)
        if len(candidates) < 2:
            return candidates
        limits, headroom = target.model.limits, self.router.limits.headroom
        rooms = {each: round(headroom((target.label, each.key_label), limits, now), 1) for each in candidates}
        own = pin.key if pin and _name(target) == (pin.provider, pin.model) else None
        return sorted(candidates, key=lambda each: (own is None or each.key_label != own, -rooms[each]))

    def _last_resort(self, now: float) -> Candidate | None:
        """Transient cooldowns never empty the field."""
        cooling = (
            (exclusion.until or now, key)
            for target in self.resolution.targets
            if (exclusion := self._target_exclusion(target, now)) and exclusion.reason is Reason.COOLING
            for key in self._keys_in_order(target, now)
            if self._key_exclusion(key, now) is None
        )
        best = min(cooling, key=lambda found: found[0], default=None)
        return best[1] if best else None

    # Exclusion.

    def _exclusions_of(self, target: Target, now: float) -> Iterator[Exclusion]:
        if exclusion := self._target_exclusion(target, now):
            yield exclusion
            return
        yield from filter(None, (self._key_exclusion(each, now) for each in self.inventory.keys[target]))

    def _target_exclusion(self, target: Target, now: float) -> Exclusion | None:
        if not target.enabled:
            return Exclusion(target, None, Reason.DISABLED)
        if target.address(self.dialect) is None:
            return Exclusion(target, None, Reason.DIALECT, f"does not speak {self.dialect}")
        if not self.inventory.keys[target]:
            return Exclusion(target, None, Reason.NO_KEY)
        if missing := self._missing(target):
            return Exclusion(target, None, Reason.CAPABILITY, ", ".join(sorted(missing)))
        if small := self._smallness(target):
            return Exclusion(target, None, Reason.CONTEXT, small)
        if target in self._skipped:
            return Exclusion(target, None, Reason.SKIPPED_TARGET, self._skipped[target])
        if cooling := self.router.cooldowns.target(target.label, now):
            reason = Reason.GONE if cooling.reason == Failure.GONE else Reason.COOLING
            return Exclusion(target, None, reason, cooling.reason, cooling.until)
        return None

    def _key_exclusion(self, candidate: Candidate, now: float) -> Exclusion | None:
        target, key = candidate.target, candidate.key_label
        if candidate in self._skipped:
            return Exclusion(target, key, Reason.SKIPPED_KEY, self._skipped[candidate])
        if cooling := self.router.cooldowns.key(candidate.name, now):
            reason = Reason.KEY_INVALID if cooling.reason == "key_invalid" else Reason.RATE_LIMITED
            return Exclusion(target, key, reason, cooling.reason, cooling.until)
        frees = self.router.limits.frees_at((target.label, key), target.model.limits, self.facts.tokens, now)
        return Exclusion(target, key, Reason.RATE_LIMITED, "limit", frees) if frees > now else None

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

    def _skip(self, candidate: Candidate, failure: Failure, fault: Fault) -> None:
        skip, target = LESSONS[failure].skip, candidate.target
        if skip is Skip.KEY:
            self._skipped[candidate] = fault.label
            return
        self._skipped[target] = fault.label
        if skip is Skip.SMALLER and target.model.context is not None:
            self._too_small = max(self._too_small or 0, target.model.context)

    def _has_untried_key(self, target: Target, now: float) -> bool:
        return any(self._key_exclusion(each, now) is None for each in self.inventory.keys[target])

    def _settle_lease(self, record: AttemptRecord, now: float) -> None:
        if lease := self._leases.pop(record.n, None):
            usage = record.usage
            tokens = usage.prompt + usage.completion if usage else None
            self.router.limits.settle(lease, tokens, record.connected_ms is not None, now)


def _name(target: Target | None) -> tuple[str, str] | None:
    return (target.provider.name, target.model.id) if target else None
