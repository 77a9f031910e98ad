"""The plan of one exchange: asked for the next candidate at each launch, told of each attempt that settled.

Each question is answered from the whole situation anew; nothing is patched in between. So a plan never hands out what
has just been ruled out, by this exchange or by another one. A candidate is chosen in these steps:

1. the targets that the name means, the pinned one first;
2. without those excluded (`exclusions` says who, and why);
3. of each the keys, the session's own first, then those with most room, in turn; without those excluded;
4. if nothing is left: the targets that are merely cooling after a transient failure, the earliest to recover first.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pointsman.config.words import Dialect, Mode
from pointsman.exchange.audit import AppliedRedirect, AttemptRecord
from pointsman.routing.exclusions import Exclusions
from pointsman.routing.failures import LESSONS, Failure, Skip, classify
from pointsman.routing.limits import Lease
from pointsman.routing.reasons import Exclusion, Reason
from pointsman.routing.redirects import redirected
from pointsman.routing.resolve import Resolution
from pointsman.routing.targets import Candidate, Inventory, Target
from pointsman.routing.verdict import verdict
from pointsman.sessions.store import Pin
from pointsman.sessions.ticket import Ticket
from pointsman.wire.conversation import answer_message
from pointsman.wire.facts import RequestFacts
from pointsman.wire.faults import Fault, Problem
from pointsman.wire.headers import Headers
from pointsman.wire.waits import stated_limits

if TYPE_CHECKING:
    from pointsman.routing.router import Router


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
    _excluded: Exclusions = field(init=False)
    _leases: dict[int, tuple[Lease, float]] = field(default_factory=dict)
    """Of each attempt in flight, and when it was launched."""

    def __post_init__(self) -> None:
        self._excluded = Exclusions(self.facts, self.dialect, self.inventory, self.router)

    # Asked.

    @property
    def mode(self) -> Mode:
        return self.resolution.mode

    @property
    def session(self) -> str | None:
        return self.ticket.label

    def next(self, now: float, running: Collection[Candidate] = ()) -> Candidate | None:
        """The best candidate that may be launched beside those running, or None."""
        taken = {candidate.target.provider.name for candidate in running}
        choice = next((each for each in self.ranked(now) if each.target.provider.name not in taken), None)
        return choice or (None if taken else self._last_resort(now))

    def ranked(self, now: float) -> Iterator[Candidate]:
        """The candidates that may take the request, best first."""
        for target in self._in_order():
            if self._excluded.of_target(target, now) is None:
                yield from self._open_keys(target, now)

    def why(self, candidate: Candidate, now: float, wall: float) -> str:
        """How it came to be chosen: `order`, `pin`, or `last_resort` and what gave way to it."""
        excluded = self._excluded.of_target(candidate.target, now)
        if excluded and excluded.until is not None:
            until = datetime.fromtimestamp(excluded.until - now + wall, UTC).isoformat(timespec="seconds")
            return f"last_resort: cooling until {until} ({excluded.detail})"
        return "pin" if self._is_pinned(candidate.target) else "order"

    def redirect(self, candidate: Candidate) -> AppliedRedirect | None:
        """The rule that led to this target, or else its provider's rule for its name."""
        target = candidate.target
        return self.resolution.redirects.get(target) or redirected(target.provider, target.model.id)

    def hedge_after(self, candidate: Candidate, wall: float) -> float | None:
        return self.router.hedge_after(candidate.target, wall)

    def exclusions(self, now: float) -> list[Exclusion]:
        """Every candidate left out, with its reason."""
        return list(self._excluded.each(self.resolution.targets, now))

    def excluded(self, now: float, wall: float) -> list[dict[str, object]]:
        """The exclusions in plain JSON types; `wall` is what the clock on the wall shows at `now`."""
        return [exclusion.plain(wall - now) for exclusion in self.exclusions(now)]

    def is_final(self, fault: Fault) -> bool:
        """The provider refused the request itself, so its answer is the client's."""
        return LESSONS[classify(fault)].skip is Skip.ALL

    def is_refusal(self, fault: Fault) -> bool:
        """Another target may take what this one refused; if none can, its answer is the client's."""
        return classify(fault) is Failure.REFUSED

    def is_last_key(self, candidate: Candidate, now: float) -> bool:
        """No other key of its target may take the request."""
        return not self._excluded.has_other_key(candidate, now)

    def exhausted(self, now: float, wall: float) -> Problem:
        """What to tell the client when nothing is left."""
        free = self._excluded.first_free(self.resolution.targets, now)
        return verdict(self.faults, self.exclusions(now), None if free is None else free - now, wall - now)

    # Told.

    def launched(self, n: int, candidate: Candidate, now: float) -> None:
        self._leases[n] = self.router.lease(candidate, self.facts.tokens, now), now
        self.inventory.turn(candidate)

    def heard(self, candidate: Candidate, headers: Mapping[str, str], now: float, wall: float) -> None:
        """The head of an answer: providers state their limits there."""
        self.router.limited(candidate, stated_limits(headers, wall))

    def committed(self, candidate: Candidate, now: float, was_slow: bool = False) -> None:
        """The session's pin is written here, never at selection: only now is a cache warm. A candidate so slow that
        another one was started beside it does not get the conversation back.
        """
        if was_slow:
            self.ticket.drop_pin()
            return
        target = candidate.target
        self.ticket.pin_to(Pin(target.provider.name, target.model.id, candidate.key_label), now)

    def settled(self, candidate: Candidate, record: AttemptRecord, fault: Fault | None, now: float) -> str | None:
        """Learn from an attempt that ended; `fault` is None when the attempt is not to blame. Returns what everyone
        has learnt, for the log.
        """
        self.ticket.in_use(now)
        launched = self._settle_lease(record)
        if fault is None:
            if record.outcome.is_success:
                self.router.cooldowns.worked(candidate.target.label, candidate.name, launched)
            return None
        assert record.failure
        failure, target = record.failure, candidate.target
        self.faults.append((failure, fault))
        self._excluded.skip(candidate, failure, fault)
        if LESSONS[failure].unpins:
            self.ticket.unpin(target.provider.name, target.model.id)
        has_untried_key = not self.is_last_key(candidate, now)
        return self.router.learn(candidate, failure, fault, has_untried_key, record.ended, now)

    @property
    def keeps_answer(self) -> bool:
        return self.ticket.known_by_words

    def answer_named(self, answer_id: str) -> None:
        self.router.sessions.answer_named(self.ticket, answer_id)

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

    def _in_order(self) -> Iterator[Target]:
        """The configured order, the pinned target before all others."""
        pin, targets = self.ticket.preferred, self.resolution.targets
        pinned = self.inventory.by_label.get(f"{pin.provider}/{pin.model}") if pin else None
        if pinned is None or pinned not in targets:
            yield from targets
            return
        yield pinned
        yield from (target for target in targets if target is not pinned)

    def _open_keys(self, target: Target, now: float) -> Iterator[Candidate]:
        return (each for each in self._keys_in_order(target, now) if self._excluded.of_key(each, now) is None)

    def _keys_in_order(self, target: Target, now: float) -> Sequence[Candidate]:
        """The session's own key first: some providers dislike a conversation that changes keys. Then those with most
        room, in turn; last those that were refused and have not worked since.
        """
        candidates = self.inventory.in_turn(target)
        if len(candidates) < 2:
            return candidates
        pin, limits, router = self.ticket.preferred, target.model.limits, self.router
        own = pin.key if pin and self._is_pinned(target) else None

        def place(each: Candidate) -> tuple[bool, bool, float]:
            room = router.limits.headroom((target.label, each.key_label), limits, now)
            return own is None or each.key_label != own, each.name in router.cooldowns.invalid, -round(room, 1)

        return sorted(candidates, key=place)

    def _last_resort(self, now: float) -> Candidate | None:
        """Transient cooldowns never empty the field."""
        cooling = (
            (exclusion.until or now, key)
            for target in self._in_order()
            if (exclusion := self._excluded.of_target(target, now)) and exclusion.reason is Reason.COOLING
            for key in self._open_keys(target, now)
        )
        best = min(cooling, key=lambda found: found[0], default=None)
        return best[1] if best else None

    def _is_pinned(self, target: Target) -> bool:
        pin = self.ticket.preferred
        return pin is not None and _name(target) == (pin.provider, pin.model)

    # Limits.

    def _settle_lease(self, record: AttemptRecord) -> float:
        """Returns when the attempt was launched."""
        lease, launched = self._leases.pop(record.n)
        usage = record.usage
        tokens = usage.prompt + usage.completion if usage else None
        self.router.limits.settle(lease, tokens, record.connected_ms is not None)
        return launched


def _name(target: Target | None) -> tuple[str, str] | None:
    return (target.provider.name, target.model.id) if target else None
