"""The plan of one exchange: asked for the next candidate at each launch, told of each attempt that settled.

Each question is answered from the whole situation anew; nothing is patched in between. So a plan never hands out what
has just been ruled out, by this exchange or by another one. A candidate is chosen in these steps:

1. the targets that the name and the mode mean (`pools`), the pinned one first, then by score (`ranking`), guarded ones
   that serve somebody else last;
2. without those excluded (`exclusions` says who, and why);
3. of each the keys, the session's own first, then those with most room, in turn; without those excluded;
4. if nothing is left: the targets that are merely cooling after a transient failure, the earliest to recover first,
   and behind them those whose provider cannot be reached.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from pointsman.config.enums import Dialect, Level, Mode
from pointsman.domain.failures import LESSONS, Failure, Skip, classify
from pointsman.domain.records import AppliedRedirect, AttemptRecord
from pointsman.domain.targets import Candidate, Inventory, Target
from pointsman.routing.exclusion_reasons import Exclusion, Reason
from pointsman.routing.exclusions import Exclusions
from pointsman.routing.final_error import verdict
from pointsman.routing.in_flight import Entry
from pointsman.routing.limits import Lease
from pointsman.routing.model_redirects import redirected
from pointsman.routing.pools import Field
from pointsman.routing.protection import Context, evaluate
from pointsman.routing.ranking import Hand
from pointsman.routing.resolve import Resolution
from pointsman.sessions.binding import Ticket
from pointsman.sessions.store import Pin
from pointsman.wire.conversation import answer_message
from pointsman.wire.errors import Code, Fault, Problem
from pointsman.wire.headers import Headers
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.retry_after import stated_limits

if TYPE_CHECKING:
    from pointsman.routing.router import Router

GIVES_WAY = frozenset({Reason.COOLING, Reason.UNHEALTHY})
"""What is used all the same when nothing else is left."""


@dataclass(slots=True)
class Plan:
    """`dialect` is the client's: a target must speak it, or another one that has words for the request. `inventory` is
    the one in force when the exchange began.

    `ahead` is what the clock on the wall is ahead of the routing clock. `chance` is the router's unless given.
    """

    resolution: Resolution
    facts: RequestFacts
    dialect: Dialect
    inventory: Inventory
    ticket: Ticket
    router: "Router"
    refused: float | None = None
    """Seconds for which the client has to wait, because it repeats itself: nobody is asked."""
    ahead: float = 0.0
    chance: Random | None = None
    faults: list[tuple[Failure, Fault]] = field(default_factory=list)
    rivals: Field = field(init=False)
    """Who takes part."""
    hand: Hand = field(init=False)
    _excluded: Exclusions = field(init=False)
    _places: dict[Target, int] = field(default_factory=dict)
    """Of each target that was looked at, by score; 1 is best."""
    _leases: dict[int, tuple[Lease, float]] = field(default_factory=dict)
    """Of each attempt in flight, and when it was launched."""
    _serving: dict[int, Entry] = field(default_factory=dict)
    """Of each attempt in flight at a guarded target."""
    _counted: set[Target] = field(default_factory=set)
    """Targets whose failure has counted in this exchange."""

    def __post_init__(self) -> None:
        self._excluded = Exclusions(self.facts, self.dialect, self.inventory, self.router, self.ticket)
        ranking = self.router.ranking
        self.rivals = ranking.field(self.resolution)
        self.hand = ranking.hand(self.mode, self.chance, self.dialect)

    # Asked.

    @property
    def mode(self) -> Mode:
        return self.resolution.mode

    @property
    def session(self) -> str | None:
        return self.ticket.label

    def next(self, now: float, running: Collection[Candidate] = ()) -> Candidate | None:
        """The best candidate that may be launched beside those running, or None."""
        if self.refused is not None:
            return None
        if not running:
            return next(self.ranked(now), None) or self._last_resort(now)
        taken = {candidate.target.provider.name for candidate in running}
        return next((each for each in self.ranked(now) if self._may_race(each, taken, now)), None)

    def _may_race(self, candidate: Candidate, taken: Collection[str], now: float) -> bool:
        """Another provider than those that run; and a guarded one is not disturbed as long as somebody is at work."""
        target = candidate.target
        busy = self.router.active.serves_another(target, self.ticket.holder, now)
        return target.provider.name not in taken and not busy

    def ranked(self, now: float) -> Iterator[Candidate]:
        """The candidates that may take the request, best first."""
        for target in self.router.active.others_last(self._in_order(now), self.ticket.holder, now):
            if self._excluded.of_target(target, now) is None:
                yield from self._open_keys(target, now)

    def why(self, candidate: Candidate, now: float, wall: float) -> str:
        """How it came to be chosen: its place and score, or `pin`, with what else had a say, or `last_resort` and what
        gave way to it.
        """
        excluded = self._excluded.of_target(candidate.target, now)
        if excluded and excluded.until is not None:
            until = datetime.fromtimestamp(excluded.until - now + wall, UTC).isoformat(timespec="seconds")
            return f"last_resort: {excluded.reason} until {until} ({excluded.detail})"
        target, notes = candidate.target, []
        if self.router.active.serves_another(target, self.ticket.holder, now):
            notes.append(f"nobody else is left, though {target.scope} serves another session")
        if self._is_pinned(target):
            return "; ".join(("pin", *notes))
        if self.rivals.note:
            notes.insert(0, self.rivals.note)
        if self.ticket.rests:
            notes.append("the pin rests")
        score = self.hand.score(target, now, wall).value
        return "; ".join((f"rank {self._places.get(target, 1)}, score {score:.2f}", *notes))

    def redirect(self, candidate: Candidate) -> AppliedRedirect | None:
        """The rule that led to this target, or else its provider's rule for its name."""
        target = candidate.target
        return self.resolution.redirects.get(target) or redirected(target.provider, target.model.id)

    def hedge_after(self, candidate: Candidate, wall: float) -> float | None:
        return self.router.hedge_after(candidate.target, wall)

    def exclusions(self, now: float) -> list[Exclusion]:
        """Every candidate left out, with its reason."""
        pinned = self._pinned()
        outside = [exclusion for exclusion in self.rivals.outside if exclusion.target is not pinned]
        return [*self._excluded.each(self._targets(), now), *outside]

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
        if self.refused is not None:
            message = "This request has failed again and again, and is repeated too fast; pause before the next try."
            return Problem(Code.RATE_LIMITED, message, retry_after=self.refused)
        free = self._excluded.first_free(self._targets(), now)
        return verdict(self.faults, self.exclusions(now), None if free is None else free - now, wall - now)

    # Told.

    def launched(self, n: int, candidate: Candidate, now: float, last_byte: Callable[[], float] | None = None) -> None:
        self._leases[n] = self.router.lease(candidate, self.facts.tokens, now), now
        self.inventory.turn(candidate)
        if candidate.target.level is Level.PROVIDER_BAN:
            scope, active = candidate.target.scope, self.router.active
            self.ticket.shows(scope, candidate.key_label)
            self._serving[n] = active.begin(scope, self.ticket.holder, last_byte or (lambda: now), now)

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
        if self.router.inventory.routes(candidate) and not self.ticket.ban_on(target.provider.name, target.label):
            self.ticket.pin_to(Pin(target.provider.name, target.model.id, candidate.key_label), now)

    def settled(self, candidate: Candidate, record: AttemptRecord, fault: Fault | None, now: float) -> str | None:
        """Learn from an attempt that ended; `fault` is None when the attempt is not to blame. Returns what everyone
        has learnt, for the log.
        """
        self._release(record.n)
        target = candidate.target
        self.ticket.in_use(now, _name(target))
        launched = self._settle_lease(record)
        if record.first_byte_ms is not None:
            self.router.health.reached(target.provider.name)
        if fault is None:
            return self._succeeded(candidate, launched) if record.outcome.is_success else None
        assert record.failure
        failure = record.failure
        self.faults.append((failure, fault))
        self._excluded.skip(candidate, failure, fault)
        banned = self._protect(target, failure, fault)
        has_untried_key = not self.is_last_key(candidate, now)
        learnt = self.router.learn(candidate, failure, fault, has_untried_key, record.ended, now)
        return "; ".join(filter(None, (learnt, banned))) or None

    def ended(self, failed: bool, now: float) -> None:
        """The exchange is over; `failed`: its client was told of a failure."""
        turn = self.ticket.turn
        if failed and turn is not None and self.refused is None:
            self.router.storms.failed(self.ticket.asker, turn.digest, now)
            self.ticket.ended_badly(self.facts.stream)

    def abandoned(self) -> None:
        """Nobody will tell how the exchange ends."""
        for n in list(self._serving):
            self._release(n)

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

    def _in_order(self, now: float) -> Iterator[Target]:
        """The pinned target before all others, these by tier and score."""
        pinned, place = self._pinned(), 0
        if pinned is not None:
            yield pinned
        for tier in self.rivals.tiers:
            for target in self.hand.best_first(tier, now, now + self.ahead):
                place += 1
                self._places[target] = place
                if target is not pinned:
                    yield target

    def _pinned(self) -> Target | None:
        """The target of the session's pin, if the name means it: whatever its pool."""
        pin = self.ticket.preferred
        pinned = self.inventory.by_label.get(f"{pin.provider}/{pin.model}") if pin else None
        return pinned if pinned in self.resolution.targets else None

    def _targets(self) -> Sequence[Target]:
        """All that take part, in configured order."""
        pinned, targets = self._pinned(), self.rivals.targets
        return targets if pinned is None or pinned in targets else (pinned, *targets)

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
        """Neither transient cooldowns nor lost connections ever empty the field."""

        def place(exclusion: Exclusion) -> tuple[bool, bool, float]:
            serves_another = self.router.active.serves_another(exclusion.target, self.ticket.holder, now)
            return serves_another, exclusion.reason is Reason.UNHEALTHY, exclusion.until or now

        giving_way = (
            (place(exclusion), key)
            for target in self._in_order(now)
            if (exclusion := self._excluded.of_target(target, now)) and exclusion.reason in GIVES_WAY
            for key in self._open_keys(target, now)
        )
        best = min(giving_way, key=lambda found: found[0], default=None)
        return best[1] if best else None

    def _is_pinned(self, target: Target) -> bool:
        pin = self.ticket.preferred
        return pin is not None and _name(target) == (pin.provider, pin.model)

    # Protection.

    def _protect(self, target: Target, failure: Failure, fault: Fault) -> str | None:
        """What a failure costs its provider in this session and exchange. Returns it in words, if it is a ban."""
        if LESSONS[failure].counts and target.level is not Level.OFF and target not in self._counted:
            self._counted.add(target)
            self.ticket.failed(target.scope, self.facts.stream)
        action = evaluate(Context(target.level, failure, self.ticket.failures(target.scope), fault.label))
        if action.skip_target:
            self._excluded.pass_over(target, fault.label)
        if action.clear_pin:
            self.ticket.unpin(target.provider.name, target.model.id)
        if not action.ban_provider:
            return None
        self.ticket.ban(target.scope, action.reason)
        return f"session {self.session or '(none)'} bans {target.scope}: {action.reason}"

    def _succeeded(self, candidate: Candidate, launched: float) -> str | None:
        """An answer has ended well."""
        target, ticket = candidate.target, self.ticket
        ticket.succeeded(target.scope)
        if ticket.turn is not None:
            turn = ticket.turn
            self.router.storms.succeeded(ticket.asker, lambda: turn.digest)
        return self.router.worked(candidate, launched)

    def _release(self, n: int) -> None:
        if entry := self._serving.pop(n, None):
            self.router.active.end(entry)

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
