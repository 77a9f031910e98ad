"""What all instances together may have used at most: of a budget, or as requests at once."""

from abc import abstractmethod
from typing import Any

from pointsman.shared.leases.scripts import CEILING, LEASE_SECONDS
from pointsman.shared.leases.sharing import Leased, Sharing
from pointsman.shared.part import Call, SharedTime


class CeilingLease(Leased):
    """`name` is that of the limit at the engine, `ledger` the one that this instance's spending is written to."""

    def __init__(self, sharing: Sharing, name: tuple[str, ...], limit: int, ledger: str) -> None:
        super().__init__(sharing, name)
        self.limit = limit
        self.others = 0
        """What the others have spent, as far as it is known here."""
        self.ceiling = 0
        """What may be spent and reserved here."""
        self.free: int | None = None
        """What no instance has used or holds, as the engine last said."""
        self._ledger = ledger
        self._known: dict[str, int] = {}
        """What each ledger has spent, this one included."""
        self._version = 0
        self._tells_all = True
        self._shared_from: int | None = None
        """What was used when this instance took its share of what was left; None: its ceiling is leased."""
        self._is_unanswered = False
        """As if cut off, until the reply to a call comes that asks for all that was needed here."""
        self._answered_by = 0
        """The number of the first such call, or a lower one."""

    @property
    @abstractmethod
    def spent(self) -> int:
        """Here, for good."""

    @property
    @abstractmethod
    def reserved(self) -> int:
        """Here, for what runs."""

    @property
    def used(self) -> int:
        return self.spent + self.reserved

    def on_ceiling(self) -> None:
        """`ceiling` or `others` has changed."""

    def on_ledger(self, spent: int) -> None:
        """The others remember that this instance has spent so much, which is more than it knows itself."""

    # Used, on the request's way.

    def begin(self, now: float) -> None:
        """Before anything is used."""
        if self.sharing.gives_leases(now):
            self._set_ceiling(self.used)
        else:
            self.take_share()

    def may_use(self, amount: int, now: float) -> bool:
        """Whether this much more may be used; if it is not leased, it is requested."""
        gives_leases = self._gives_leases(now)
        if self.used + amount <= self.ceiling and not (gives_leases and self._shared_from is not None):
            return True
        if self.used + amount > self.limit - self.others:
            return False
        if gives_leases:
            self.on_lacking(amount, now)
            return False
        if self.used != self._shared_from:
            return False
        self._set_ceiling(self.used + amount)  # a share that is too small for one request still allows one
        return True

    # Told and leased, tick by tick.

    def _end_lease(self) -> None:
        super()._end_lease()
        self._is_unanswered = False

    def take_share(self) -> None:
        """Without an engine: of what is left, as far as it is known."""
        self._shared_from = self.used
        left = self.limit - self.others - self.used
        self._set_ceiling(self.used + (self.sharing.share(left) if left > 0 else 0))

    def on_connected(self) -> None:
        super().on_connected()
        self._version, self._tells_all = 0, True
        if self._shared_from is None and not self.sharing.gives_leases(self.sharing.clock.now):
            self.take_share()  # a new engine that is there before the old one was missed

    def on_disconnected(self, now: float) -> None:
        super().on_disconnected(now)
        if self._shared_from is None:
            self.take_share()

    def is_due(self, now: float) -> bool:
        return super().is_due(now) or (self._shared_from is not None and self.sharing.gives_leases(now))

    def is_at_rest(self, now: float) -> bool:
        return super().is_at_rest(now) and self._shared_from is None

    def _holds_any(self, now: float) -> bool:
        return self._shared_from is None and self.ceiling > self.spent

    def _make_call(self, now: SharedTime) -> Call:
        wanted = kept = needed = self.used
        is_for_lease = self.sharing.gives_leases(now.now)
        if is_for_lease:
            needed += self._short
            wanted = needed + self._ahead(now.now)
            held = self.ceiling if now.now < self._until and self._shared_from is None else 0
            kept = max(self.used, min(wanted, held))
            if not self._is_unanswered:
                self._shared_from = None
                self._set_ceiling(kept)
        known = self._known if self._tells_all else {}
        told = [word for ledger, amount in (known | {self._ledger: self.spent}).items() for word in (ledger, amount)]
        self._tells_all = False
        seq, lifetime = self._seq, round(self._lifetime(now) * 1000)
        times = (round(LEASE_SECONDS * 1000), self.sharing.hub.instances, self._version, lifetime)
        return Call(
            CEILING,
            (self.key,),
            (self.sharing.hub.instance, self._ledger, seq, self.limit, wanted, kept, needed, *times, *told),
            lambda reply, at: self._on_reply(seq, needed, is_for_lease, reply, at),
        )

    def _gives_leases(self, now: float) -> bool:
        return self.sharing.gives_leases(now) and not self._is_unanswered

    def _ahead(self, now: float) -> int:
        """How much to hold unused."""
        return self.demand.ahead(now, self._is_tight)

    def _lifetime(self, now: SharedTime) -> float:
        """Seconds for which the engine keeps it."""
        return LEASE_SECONDS

    def _on_reply(self, seq: int, needed: int, is_for_lease: bool, reply: Any, now: SharedTime) -> None:
        if not self._is_reply_to(seq, reply):
            return
        ceiling, room, self._version, known = reply
        self.free = int(room)
        self._on_replied(self.free, int(ceiling) < needed, now.now)
        if self._is_unanswered and is_for_lease and seq >= self._answered_by:
            self._is_unanswered, self._shared_from = False, None
        for ledger, amount in zip(known[::2], known[1::2], strict=True):
            name = ledger.decode()
            self._known[name] = max(int(amount), self._known.get(name, 0))
        self.others = sum(amount for ledger, amount in self._known.items() if ledger != self._ledger)
        if self._known.get(self._ledger, 0) > self.spent:
            self.on_ledger(self._known[self._ledger])
        self._set_ceiling(int(ceiling) if self._shared_from is None else self.ceiling)

    def _set_ceiling(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.on_ceiling()
