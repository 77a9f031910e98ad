"""Budgets that several instances spend from. Each keeps its own spending, which only grows, and remembers that of all
others. When the engine has lost its data, each sends everything that it remembers.
"""

from collections.abc import Iterator

from pointsman.clients.budgets import BudgetLine, Ledger, Window
from pointsman.shared.client_names import ClientDigest
from pointsman.shared.leases.ceiling_lease import CeilingLease
from pointsman.shared.leases.sharing import Sharing
from pointsman.shared.part import SharedTime

AMPLE = 4
"""An instance in use may hold its share of what is left, divided by this: a request that is tried again, or raced, is
charged more than once, and does not wait for that.
"""
KEPT_AFTER_END = 86_400.0
"""Seconds for which the engine keeps a period that has ended: its last requests may still run."""


class BudgetLease(CeilingLease):
    """One budget in one period."""

    def __init__(self, sharing: Sharing, line: BudgetLine, ledger: str, digest: ClientDigest) -> None:
        window, unit = line.window, "usd" if line.is_money else "tokens"
        self.line, self.window, self.is_money = line, window, line.is_money
        self._used_before = 0
        span = (window.span.per.value, window.span.zone, f"{window.start:.0f}", unit)
        super().__init__(sharing, ("budgets", digest(window.client), *span), line.limit, ledger)

    @property
    def spent(self) -> int:
        return self.window.cost if self.is_money else self.window.tokens

    @property
    def reserved(self) -> int:
        return self.window.reserved_cost if self.is_money else self.window.reserved_tokens

    def follow(self, line: BudgetLine) -> None:
        """The settings have made a new line of it."""
        self.line, self.limit = line, line.limit
        self.on_ceiling()

    def on_ceiling(self) -> None:
        if self.is_money:
            self.window.others_cost = self.others
        else:
            self.window.others_tokens = self.others
        if self.line.window is self.window:
            self.line.allowed = min(self.ceiling, self.limit - self.others)

    def on_ledger(self, spent: int) -> None:
        if self.is_money:
            self.window.cost = spent
        else:
            self.window.tokens = spent

    def on_used(self) -> None:
        used, before = self.used, self._used_before
        self._used_before = used
        if used > before:
            self.demand.on_used(used - before, self.sharing.clock.now)
        self.touch()

    def is_low(self, amount: int) -> bool:
        return self.ceiling - self.used < max(1, amount)

    def may_reserve(self, amount: int, wall: float) -> bool:
        return self.may_use(amount, self.sharing.to_routing(wall))

    def on_unanswered(self) -> None:
        """No request is refused because the engine is slow. The call that is under way may be older than what this
        request needs; then its reply says nothing of that.
        """
        self._answered_by = self._seq + bool(self._short)
        if self._shared_from is None:
            self.take_share()

    def take_share(self) -> None:
        """Kept until there is a lease in its place, as requests that are tried again do not wait for one. Others go on
        with what they hold, so only the rest is divided: then all of them together stay within the budget.
        """
        held = max(self.used, self.ceiling)
        super().take_share()
        if self.free is not None:
            self._set_ceiling(min(self.ceiling, held + self.sharing.share(self.free)))
        self._is_unanswered = True

    def _end_lease(self) -> None:
        super()._end_lease()
        self._is_unanswered = self._shared_from is not None

    def _ahead(self, now: float) -> int:
        needed = self.demand.ahead(now, is_tight=True)
        if self._is_tight or (self.demand.is_idle(now) and not self._short):
            return needed
        return max(needed, self.sharing.share(max(0, self.limit - self.others - self.used)) // AMPLE)

    def _lifetime(self, now: SharedTime) -> float:
        return max(KEPT_AFTER_END, self.window.end - now.wall + KEPT_AFTER_END)


class SharedBudgets:
    """Every budget of every client, by its period. `name` is that of the ledger, which this instance writes."""

    def __init__(self, sharing: Sharing, ledger: Ledger, name: str, digest: ClientDigest) -> None:
        self._sharing, self._ledger, self._name, self._digest = sharing, ledger, name, digest
        self._leases: dict[tuple[Window, bool], BudgetLease] = {}
        """Bounded by the periods that clients' accounts keep."""
        ledger.on_turn = self._on_turn

    def __iter__(self) -> Iterator[BudgetLease]:
        return iter(self._leases.values())

    def turn(self, wall: float) -> None:
        """Moves every budget to its current period, and removes those of periods that ended long ago."""
        self._ledger.turn(wall)
        for key, lease in list(self._leases.items()):
            if lease.window.end + KEPT_AFTER_END < wall:
                del self._leases[key]
                lease.window.shared = tuple(each for each in lease.window.shared if each is not lease)

    def _on_turn(self, line: BudgetLine, wall: float) -> None:
        """The period of a budget has begun."""
        key = line.window, line.is_money
        lease = self._leases.get(key)
        if lease is None:
            lease = self._leases[key] = BudgetLease(self._sharing, line, self._name, self._digest)
            line.window.shared = (*line.window.shared, lease)
            lease.begin(self._sharing.to_routing(wall))
            lease.touch()
        line.shared = lease
        lease.follow(line)
