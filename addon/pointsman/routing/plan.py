"""The plan of one exchange: asked for the next candidate at each launch, told of each attempt that settled.

Each question is answered from the whole situation anew; nothing is patched in between. So a plan never hands out what
a settled attempt has just ruled out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pointsman.config.words import Dialect, Mode
from pointsman.exchange.audit import AttemptRecord
from pointsman.routing.consequences import Consequence, consequence
from pointsman.routing.reasons import Exclusion, Reason
from pointsman.routing.resolve import Resolution
from pointsman.routing.targets import Candidate, Inventory, Target
from pointsman.routing.verdict import verdict
from pointsman.sessions.desk import Desk
from pointsman.sessions.store import Pin
from pointsman.sessions.ticket import Ticket
from pointsman.wire.conversation import answer_message
from pointsman.wire.facts import RequestFacts
from pointsman.wire.faults import Fault, Problem
from pointsman.wire.headers import Headers

CONTEXT_SLACK = 1.2
"""A token estimate is rough: a target is too small only when the estimate exceeds its context by this factor."""


@dataclass(slots=True)
class Plan:
    """`dialect` is the client's: a target must speak it."""

    resolution: Resolution
    facts: RequestFacts
    dialect: Dialect
    inventory: Inventory
    ticket: Ticket
    desk: Desk
    faults: list[Fault] = field(default_factory=list)
    _skipped: dict[Target | Candidate, str] = field(default_factory=dict)

    def next(self, now: float, running: Iterable[Candidate] = ()) -> Candidate | None:
        """The best candidate that may be launched beside those running, or None."""
        taken = {candidate.target for candidate in running}
        return next((candidate for candidate in self.ranked(now) if candidate.target not in taken), None)

    def ranked(self, now: float) -> Iterator[Candidate]:
        """The candidates that may take the request, best first."""
        for target in self._in_order():
            if self._target_exclusion(target) is None:
                yield from (c for c in self._keys_in_order(target) if c not in self._skipped)

    def exclusions(self, now: float) -> list[Exclusion]:
        """Every candidate left out, with its reason."""
        return [exclusion for target in self.resolution.targets for exclusion in self._exclusions_of(target)]

    def excluded(self, now: float) -> list[dict[str, object]]:
        """The exclusions in plain JSON types."""
        return [exclusion.plain() for exclusion in self.exclusions(now)]

    def is_final(self, fault: Fault) -> bool:
        """The provider refused the request itself, so its answer is the client's."""
        return consequence(fault) is Consequence.STOP

    @property
    def mode(self) -> Mode:
        return self.resolution.mode

    @property
    def session(self) -> str | None:
        return self.ticket.label

    def settled(self, candidate: Candidate, record: AttemptRecord, fault: Fault | None, now: float) -> None:
        """Learn from an attempt that ended; `fault` is None when the attempt is not to blame."""
        if fault is None:
            return
        self.faults.append(fault)
        if consequence(fault) is Consequence.SKIP_KEY and candidate.key is not None:
            self._skipped[candidate] = fault.label
        else:
            self._skipped[candidate.target] = fault.label

    def exhausted(self, now: float) -> Problem:
        """What to tell the client when nothing is left."""
        return verdict(self.faults, self.exclusions(now))

    def committed(self, candidate: Candidate, now: float) -> None:
        """The session's pin is written here, never at selection: only now is a cache warm."""
        target = candidate.target
        self.ticket.pin_to(Pin(target.provider.name, target.model.id, candidate.key_label), now)

    @property
    def keeps_answer(self) -> bool:
        return self.ticket.known_by_words

    def answered(self, answer: bytes, now: float) -> None:
        """The session will be found by this answer too."""
        if message := answer_message(self.dialect, answer, self.facts.stream):
            self.desk.answered(self.ticket, message, now)

    def ended(self, answered: Target | None) -> None:
        self.ticket.count(_name(answered))

    def early_headers(self, prefix: str) -> Headers:
        return self.ticket.early_headers(prefix)

    def headers(self, prefix: str, answered: Target | None) -> Headers:
        return self.ticket.headers(prefix, _name(answered))

    def stickiness(self, answered: Target | None) -> str:
        return self.ticket.stickiness(_name(answered)).value

    def _in_order(self) -> list[Target]:
        """The configured order, the pinned target before all others."""
        pin = self.ticket.preferred
        if pin is None:
            return list(self.resolution.targets)
        return sorted(self.resolution.targets, key=lambda target: _name(target) != (pin.provider, pin.model))

    def _keys_in_order(self, target: Target) -> Sequence[Candidate]:
        """The session's own key first: some providers dislike a conversation that changes keys."""
        pin, candidates = self.ticket.preferred, self.inventory.keys[target]
        if pin is None or _name(target) != (pin.provider, pin.model):
            return candidates
        return sorted(candidates, key=lambda candidate: candidate.key_label != pin.key)

    def _exclusions_of(self, target: Target) -> Iterator[Exclusion]:
        if exclusion := self._target_exclusion(target):
            yield exclusion
            return
        for candidate in self.inventory.keys[target]:
            if candidate in self._skipped:
                yield Exclusion(target, candidate.key_label, Reason.SKIPPED_KEY, self._skipped[candidate])

    def _target_exclusion(self, target: Target) -> Exclusion | None:
        if not target.enabled:
            return Exclusion(target, None, Reason.DISABLED)
        if target.address(self.dialect) is None:
            return Exclusion(target, None, Reason.DIALECT, f"does not speak {self.dialect}")
        if not self.inventory.keys[target]:
            return Exclusion(target, None, Reason.NO_KEY)
        if missing := self._missing(target):
            return Exclusion(target, None, Reason.CAPABILITY, ", ".join(sorted(missing)))
        if target.model.context is not None and self.facts.tokens > CONTEXT_SLACK * target.model.context:
            return Exclusion(
                target,
                None,
                Reason.CONTEXT,
                f"about {self.facts.tokens} tokens for a context of {target.model.context}",
            )
        if target in self._skipped:
            return Exclusion(target, None, Reason.SKIPPED_TARGET, self._skipped[target])
        return None

    def _missing(self, target: Target) -> frozenset[str]:
        supports = target.model.supports
        return self.facts.needs.difference(supports) if supports is not None else frozenset()


def _name(target: Target | None) -> tuple[str, str] | None:
    return (target.provider.name, target.model.id) if target else None
