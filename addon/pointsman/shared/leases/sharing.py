"""What all leases of one instance stand on: whether they count, how many instances there are, which ones are in use."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil, exp
from typing import Any, Protocol

from pointsman.shared.leases.scripts import LEASE_SECONDS
from pointsman.shared.part import Call, SharedTime

MARGIN = 0.25
"""Seconds by which a lease ends earlier here than at the engine."""
RENEWAL = LEASE_SECONDS / 4
"""Seconds after which a lease that is held is renewed."""
SETTLING = 2.0
"""Seconds after an engine has lost what it knew, in which the instances tell it: until then nothing is leased."""
OVERDUE = 1.0
"""Seconds after which a call counts as lost. The engine ignores it if it comes after a newer one."""
DRY = 0.05
"""Seconds for which no request waits for the engine where it has just said that nothing is left."""
IDLE = 4.0
"""Seconds since its last use after which an instance gives a lease back."""
HORIZON = 0.25
"""Seconds for which an instance leases ahead, at its present pace."""


class Place(Protocol):
    """Of the hub."""

    instance: str
    instances: int

    @property
    def is_connected(self) -> bool: ...

    def key(self, *names: str) -> str: ...


class Demand:
    """How much of a limit is used a second, and at a time."""

    def __init__(self) -> None:
        self.largest = 0
        self._pace = 0.0
        self._recent, self._since, self._used_at = 0, float("-inf"), float("-inf")

    def on_used(self, amount: int, now: float) -> None:
        self._recent += amount
        self.largest = max(self.largest, amount)
        self._used_at = now

    def is_idle(self, now: float) -> bool:
        return now - self._used_at > IDLE

    def ahead(self, now: float, is_tight: bool) -> int:
        """How much to hold unused. `is_tight`: others may need what is not needed here."""
        if self.is_idle(now):
            self._pace, self.largest = 0.0, 0
        elapsed = min(1.0, now - self._since)
        if elapsed > HORIZON / 10:
            self._pace += (self._recent / elapsed - self._pace) * (1 - exp(-elapsed / HORIZON))
            self._recent, self._since = 0, now
        return ceil(self._pace * HORIZON - 0.01 if is_tight else self._pace * HORIZON + self.largest)


class Leased(ABC):
    """A limit of which this instance leases a part. One call at a time is under way. `name` is that of the limit at the
    engine.
    """

    is_taken_ahead = True
    """Also without a request that waits for it."""

    def __init__(self, sharing: "Sharing", name: tuple[str, ...]) -> None:
        self.sharing = sharing
        self.key = sharing.hub.key(*name)
        """At the engine."""
        self.demand = Demand()
        self._short = 0
        """What requests have asked for and not got since the last call."""
        self._until = float("-inf")
        """When the lease ends here (routing clock)."""
        self._sent: float | None = None
        """When the call that is under way was sent."""
        self._seq = 0
        """Its number."""
        self._replied = float("-inf")
        self._is_tight = False
        self._dry_until = float("-inf")
        self._is_dirty = False
        """Something has changed since the last call and is to be reported."""

    def touch(self) -> None:
        self._is_dirty = True
        self.sharing.active[self] = None

    def on_lacking(self, amount: int, now: float) -> None:
        """A request needs so much more, which may be there."""
        self.sharing.active[self] = None
        if now >= self._dry_until:
            self.sharing.lacking[self] = max(amount, self.sharing.lacking.get(self, 0))

    def add_need(self, amount: int, now: float) -> None:
        """To be asked for with the next call."""
        self._short += amount

    def call(self, now: SharedTime) -> Call | None:
        """To tell what was used here, and to lease; None while one is under way."""
        if self.is_under_way(now.now):
            return None
        self._seq, self._sent, self._is_dirty = self.sharing.next_number(), now.now, False
        call = self._make_call(now)
        self._short = 0
        return call

    def is_under_way(self, now: float) -> bool:
        return self._sent is not None and now - self._sent < OVERDUE

    def is_due(self, now: float) -> bool:
        """Something is to be told or asked with the next tick."""
        return self._is_dirty or self._short > 0 or (self._holds_any(now) and now - self._replied >= RENEWAL)

    def is_at_rest(self, now: float) -> bool:
        """Whether nothing has to be published, requested or renewed until it is used again."""
        return not (self._is_dirty or self._short or self._sent is not None) and not self._holds_any(now)

    def on_unanswered(self) -> None:  # noqa: B027
        """A request has waited for the engine, which has not answered in time, and goes on without it."""

    def on_connected(self) -> None:
        """The engine may have old data of this instance: everything is reported again, and leases end."""
        self._end_lease()
        self._is_dirty = True

    def on_disconnected(self, now: float) -> None:
        self._end_lease()

    def _end_lease(self) -> None:
        self._until, self._sent = float("-inf"), None
        self._dry_until = float("-inf")

    def _is_reply_to(self, seq: int, reply: Any) -> bool:
        """The reply is to the call that is under way, which was not ignored."""
        if seq != self._seq or self._sent is None:
            return False
        if not reply:
            self._sent, self._is_dirty = None, True
        return bool(reply)

    def _on_replied(self, room: int, lacks: bool, now: float) -> None:
        assert self._sent is not None
        self._until, self._sent, self._replied = self._sent + LEASE_SECONDS - MARGIN, None, now
        self._is_tight = room == 0
        self._dry_until = now + DRY if lacks and self._is_tight else float("-inf")

    @abstractmethod
    def _make_call(self, now: SharedTime) -> Call: ...

    @abstractmethod
    def _holds_any(self, now: float) -> bool:
        """Something that is leased and not used."""


@dataclass(slots=True, eq=False)
class Sharing:
    """`hub` says who is there. Bounded by the limits that are configured."""

    hub: Place
    clock: SharedTime
    """As of the last tick."""
    settled_at: float = float("-inf")
    """From then on leases are given (routing clock)."""
    active: dict[Leased, None] = field(default_factory=dict)
    """Those that are in use, the last called one last."""
    lacking: dict[Leased, int] = field(default_factory=dict)
    """Those that lacked something when they were last looked at, and how much."""
    _number: int = 0

    def gives_leases(self, now: float) -> bool:
        """False: each instance takes its share of a limit."""
        return self.hub.is_connected and now >= self.settled_at

    def is_lacking(self, now: float) -> bool:
        """Something that requests have lacked since the last tick may be leased with the next one."""
        return bool(self.lacking) and self.gives_leases(now)

    def give_back(self) -> None:
        """Gives everything back with the next tick: nothing is used here any more."""
        self.settled_at = float("inf")
        for leased in self.active:
            leased.touch()

    def share(self, limit: int) -> int:
        """The share of this instance while nothing is leased: at least 1 if anything is allowed."""
        return max(min(limit, 1), limit // max(1, self.hub.instances))

    def to_routing(self, wall: float) -> float:
        """A moment of the wall, on the routing clock."""
        return wall - self.clock.wall + self.clock.now

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def keep_demand(self, now: float) -> None:
        """Has what was lacking so far asked for with the next tick, except for locks."""
        found, self.lacking = self.lacking, {}
        for leased, amount in found.items():
            if leased.is_taken_ahead:
                leased.add_need(amount, now)

    def needs(self, now: float) -> list[Leased]:
        """What the request that was just planned on trial lacks and waits for. Of the providers that it could lock,
        only the first.
        """
        found, self.lacking = self.lacking, {}
        lock = next((each for each in found if not each.is_taken_ahead), None)
        needed = [each for each in found if each.is_taken_ahead or each is lock]
        for each in needed:
            each.add_need(found[each], now)
        return needed

    def due_calls(self, now: SharedTime) -> Iterator[Call]:
        """The calls of a tick."""
        self.clock = now
        self.keep_demand(now.now)
        for leased in list(self.active):
            if leased.is_at_rest(now.now):
                del self.active[leased]
            elif leased.is_due(now.now) and (call := leased.call(now)):
                self.active[leased] = self.active.pop(leased)  # the others come first if not all fit into the next tick
                yield call


def numbers(reply: Any) -> Iterator[tuple[int, int]]:
    """Of a flat list of pairs."""
    return zip(map(int, reply[::2]), map(int, reply[1::2]), strict=True)
