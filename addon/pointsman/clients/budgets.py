"""The ledger: what each client has spent in the periods of its budgets, and what is reserved for its running requests.

An attempt reserves an estimate when it is launched, in the periods of that moment. When it ends, what it has used takes
the place of the estimate in the same periods, also in one that has ended meanwhile. Money is integers of nano-dollars.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pointsman.clients.periods import period_at
from pointsman.config.clients import Budget
from pointsman.config.enums import BudgetPeriod
from pointsman.wire.frames import Usage

KEPT_PERIODS = 3
"""Periods of one kind that a client's account keeps, the last ones: the clock may be set back."""
MAX_FORMER_ACCOUNTS = 1000
"""Accounts of clients that are no longer configured; they go on if the client is configured again."""


class Estimate(NamedTuple):
    """Of an attempt. `cost` is None where the price is not known; then nothing is reserved in money."""

    cost: int | None
    tokens: int


class SpanName(NamedTuple):
    """A kind of period."""

    per: BudgetPeriod
    zone: str


@dataclass(slots=True, eq=False)
class Window:
    """One period of a client: what all its budgets for such a period count."""

    client: str
    span: SpanName
    start: float
    end: float
    cost: int = 0
    tokens: int = 0
    reserved_cost: int = 0
    reserved_tokens: int = 0

    def used(self, budget: Budget) -> int:
        """Spent and reserved, in the unit of the budget."""
        if budget.tokens is not None:
            return self.tokens + self.reserved_tokens
        return self.cost + self.reserved_cost

    def spent(self, budget: Budget) -> int:
        return self.cost if budget.tokens is None else self.tokens


@dataclass(slots=True, eq=False)
class Totals:
    """Of a client since it was first seen. `unpriced` counts attempts that used something whose price is not known."""

    client: str
    requests: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: int = 0
    unpriced: int = 0
    last_used: float = 0.0
    """Unix time."""


type Entry = Window | Totals


class Shortage(NamedTuple):
    """A budget that has no room for an attempt. `until`: when there will be; None: never, as it is too small."""

    budget: Budget
    until: float | None


@dataclass(slots=True, eq=False)
class Reservation:
    """Of one attempt, to be settled or released once; what comes later changes nothing."""

    windows: tuple[Window, ...]
    cost: int
    tokens: int
    is_open: bool = True


class Account:
    """One client's money. `on_change` is told each entry that changes. Moments are Unix time."""

    def __init__(self, client: str, on_change: Callable[[Entry], None]) -> None:
        self.client = client
        self.budgets: tuple[Budget, ...] = ()
        self.totals = Totals(client)
        self._windows: dict[SpanName, list[Window]] = {}
        """The last periods of each kind, the current one last."""
        self._on_change = on_change

    def window(self, budget: Budget, wall: float) -> Window:
        """The budget's period at that moment."""
        span = SpanName(budget.per, budget.zone)
        windows = self._windows.get(span)
        if windows and windows[-1].start <= wall < windows[-1].end:
            return windows[-1]
        return self._turn_to(span, *period_at(budget.per, budget.clock, wall))

    def shortages(self, estimate: Estimate, wall: float, lifted: Collection[Budget] = ()) -> list[Shortage]:
        """The budgets that keep such an attempt from being launched. What costs nothing is not kept."""
        found = []
        for budget in self.budgets:
            amount, limit = _amount(budget, estimate), limit_of(budget)
            if amount and budget not in lifted:
                window = self.window(budget, wall)
                if window.used(budget) + amount > limit:
                    found.append(Shortage(budget, window.end if amount <= limit else None))
        return found

    def reserve(self, estimate: Estimate, wall: float) -> Reservation:
        """Counts at once against every budget."""
        windows = tuple(dict.fromkeys(self.window(budget, wall) for budget in self.budgets))
        reservation = Reservation(windows, estimate.cost or 0, estimate.tokens)
        for window in windows:
            window.reserved_cost += reservation.cost
            window.reserved_tokens += reservation.tokens
        return reservation

    def settle(self, reservation: Reservation, usage: Usage | None, cost: int | None) -> None:
        """The attempt has ended. `usage`: None if it used nothing; `cost`: None if the price is not known."""
        if not reservation.is_open:
            return
        self.release(reservation)
        if usage is None and not cost:
            return
        tokens = usage.total if usage else 0
        for window in reservation.windows:
            window.cost += cost or 0
            window.tokens += tokens
            self._on_change(window)
        totals = self.totals
        if usage is not None:
            totals.usage += usage
        totals.cost += cost or 0
        totals.unpriced += cost is None
        self._on_change(totals)

    def release(self, reservation: Reservation) -> None:
        """Nothing was used."""
        if reservation.is_open:
            reservation.is_open = False
            for window in reservation.windows:
                window.reserved_cost -= reservation.cost
                window.reserved_tokens -= reservation.tokens

    def count_request(self, wall: float) -> None:
        self.totals.requests += 1
        self.totals.last_used = wall
        self._on_change(self.totals)

    def restore(self, window: Window) -> None:
        """What an earlier run has spent."""
        self._turn_to(window.span, window.start, window.end)
        kept = self._windows[window.span][-1]
        kept.cost, kept.tokens = window.cost, window.tokens

    @property
    def reserved(self) -> int:
        """Nano-dollars and tokens that are reserved in any kept period, together: 0 when nothing runs."""
        return sum(each.reserved_cost + each.reserved_tokens for kept in self._windows.values() for each in kept)

    def _turn_to(self, span: SpanName, start: float, end: float) -> Window:
        """Makes the period the current one, a kept one if there is."""
        windows = self._windows.setdefault(span, [])
        found = next((each for each in windows if each.start == start), None)
        if found:
            windows.remove(found)
        found = found or Window(self.client, span, start, end)
        windows.append(found)
        del windows[:-KEPT_PERIODS]
        return found


class Ledger:
    """The account of each client. `on_change` is called when an entry changes and none has changed since the last
    `take_changes`.
    """

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.on_change = on_change
        self._accounts: dict[str, Account] = {}
        self._former: dict[str, Account] = {}
        """The last removed one last."""
        self._changed: dict[Entry, None] = {}

    def __getitem__(self, client: str) -> Account:
        """Raises KeyError for a client that is not configured."""
        return self._accounts[client]

    def update_settings(self, budgets: Mapping[str, tuple[Budget, ...]]) -> None:
        """The budgets of each client. What is spent stays spent, whatever its limit is now."""
        for name in self._accounts.keys() - budgets.keys():
            self._former[name] = self._accounts.pop(name)
        for name, own in budgets.items():
            self._account(name).budgets = own
        while len(self._former) > MAX_FORMER_ACCOUNTS:
            del self._former[next(iter(self._former))]

    def restore(self, entries: Collection[Entry]) -> None:
        """What earlier runs have left, windows in the order of their time. Entries of clients that are not configured
        are kept for when they are.
        """
        for entry in entries:
            account = self._accounts.get(entry.client) or self._former.setdefault(
                entry.client, Account(entry.client, self._note)
            )
            if isinstance(entry, Totals):
                account.totals = entry
            else:
                account.restore(entry)

    def take_changes(self) -> list[Entry]:
        """The entries that have changed since the last call."""
        changed, self._changed = list(self._changed), {}
        return changed

    def _account(self, name: str) -> Account:
        if name not in self._accounts:
            former = self._former
            self._accounts[name] = former.pop(name) if name in former else Account(name, self._note)
        return self._accounts[name]

    def _note(self, entry: Entry) -> None:
        is_first = not self._changed
        self._changed[entry] = None
        if is_first:
            self.on_change()


def limit_of(budget: Budget) -> int:
    """Nano-dollars or tokens."""
    if budget.tokens is not None:
        return budget.tokens
    assert budget.nano_dollars is not None
    return budget.nano_dollars


def _amount(budget: Budget, estimate: Estimate) -> int:
    return estimate.tokens if budget.tokens is not None else estimate.cost or 0
