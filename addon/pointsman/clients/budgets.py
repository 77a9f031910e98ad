"""The ledger: what each client has spent in the periods of its budgets, and what is reserved for its running requests.

An attempt reserves an estimate when it is launched, in the periods of that moment. When it ends, what it has used takes
the place of the estimate in the same periods, also in one that has ended meanwhile. Money is integers of nano-dollars.

Where several instances share their budgets, each keeps its own spending, and knows the sum of the others'.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from operator import attrgetter
from typing import NamedTuple, Protocol

from pointsman.clients.periods import period_at
from pointsman.config.clients import Budget
from pointsman.config.enums import BudgetPeriod
from pointsman.wire.frames import TOKEN_KINDS, Usage

KEPT_PERIODS = 3
"""Periods of one kind that a client's account keeps, the last ones: the clock may be set back."""
SOON = 1.0
"""Seconds until it is worth asking again where only what others hold of a budget keeps a request from it."""
MAX_FORMER_ACCOUNTS = 1000
"""Accounts of clients that are no longer configured; they go on if the client is configured again."""
MAX_SUM = 2**63 - 1
"""Nano-dollars or tokens that the ledger's file can hold: providers may report any number."""


COUNTS = attrgetter(*TOKEN_KINDS)
"""The numbers of a usage."""


class Estimate(NamedTuple):
    """What an attempt may use and cost. `cost` is 0 where the price is not known: then nothing is reserved in money."""

    cost: int
    tokens: int


class ExpectedTokens(NamedTuple):
    """What one attempt may use: the estimated prompt, and the longest answer that the request allows."""

    input: int
    output: int

    @property
    def total(self) -> int:
        return self.input + self.output


class SpanName(NamedTuple):
    """A kind of period."""

    per: BudgetPeriod
    zone: str


class SharedBudget(Protocol):
    """A budget in one period from which several instances spend."""

    def on_used(self) -> None:
        """Called when something has been reserved, spent or released here."""

    def is_low(self, amount: int) -> bool:
        """Whether the share of this instance may be too small for a request that costs this much."""

    def may_reserve(self, amount: int, wall: float) -> bool:
        """Whether this much may be reserved, although it exceeds what is allowed here so far. If not, more is
        requested.
        """


@dataclass(slots=True, eq=False)
class Window:
    """One period of a client: what all its budgets for such a period count. `cost` and `tokens` are what is spent here,
    `others_cost` and `others_tokens` what other instances have spent.
    """

    client: str
    span: SpanName
    start: float
    end: float
    cost: int = 0
    tokens: int = 0
    reserved_cost: int = 0
    reserved_tokens: int = 0
    others_cost: int = 0
    others_tokens: int = 0
    shared: tuple[SharedBudget, ...] = ()
    """The budgets that count it, where they are shared."""


@dataclass(slots=True, eq=False)
class Totals:
    """What a client has used since it was first seen. `unpriced` counts attempts that used something whose price is not
    known.
    """

    client: str
    requests: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKEN_KINDS, 0))
    """By kind."""
    cost: int = 0
    unpriced: int = 0
    last_used: float = 0.0
    """Unix time."""

    def __add__(self, other: "Totals") -> "Totals":
        tokens = {kind: count + other.tokens[kind] for kind, count in self.tokens.items()}
        requests, cost, unpriced = (
            self.requests + other.requests,
            self.cost + other.cost,
            self.unpriced + other.unpriced,
        )
        return Totals(self.client, requests, tokens, cost, unpriced, max(self.last_used, other.last_used))


type Entry = Window | Totals


NO_WINDOW = Window("", SpanName(BudgetPeriod.DAY, ""), 0.0, 0.0)
"""Before the first moment is known."""


class Shortage(NamedTuple):
    """A budget that has no room for an attempt. `until`: when there will be; None: never, as it is too small."""

    budget: Budget
    until: float | None


@dataclass(slots=True, eq=False)
class Reservation:
    """The reservation of one attempt, to be settled or released once; later calls change nothing."""

    windows: tuple[Window, ...]
    cost: int
    tokens: int
    is_open: bool = True


@dataclass(slots=True, eq=False)
class BudgetLine:
    """A budget in force. `limit` is in nano-dollars or tokens, `window` the period that was current when last asked;
    `allowed` is what may be spent and reserved here: the limit, unless it is shared.
    """

    budget: Budget
    limit: int
    is_money: bool
    window: Window
    allowed: int
    shared: SharedBudget | None = None

    @property
    def spent(self) -> int:
        """What all instances have spent."""
        return self.own + self.others

    @property
    def own(self) -> int:
        return self.window.cost if self.is_money else self.window.tokens

    @property
    def others(self) -> int:
        return self.window.others_cost if self.is_money else self.window.others_tokens

    @property
    def reserved(self) -> int:
        return self.window.reserved_cost if self.is_money else self.window.reserved_tokens

    @property
    def left(self) -> int:
        return self.limit - self.spent - self.reserved


def _resets(line: BudgetLine, amount: int, wall: float) -> float | None:
    """When so much fits into the budget that it does not now. What others have only reserved may be free again soon."""
    if amount > line.limit:
        return None
    return wall + SOON if line.shared and amount <= line.left else line.window.end


class Account:
    """One client's money. `on_change` gets each entry that changes, `on_turn` each budget whose period has changed.
    Moments are Unix time.
    """

    def __init__(
        self,
        client: str,
        on_change: Callable[[Iterable[Entry]], None],
        on_turn: Callable[[BudgetLine, float], None] = lambda _, __: None,
    ) -> None:
        self.client = client
        self.totals = Totals(client)
        self.others = Totals(client)
        """Of other instances, as far as they are known."""
        self.has_budgets = False
        self._periods: dict[SpanName, list[Window]] = {}
        """The last periods of each kind, the current one last."""
        self._lines: tuple[BudgetLine, ...] = ()
        self._current: tuple[Window, ...] = ()
        """The periods that the lines count in, each once."""
        self._since, self._until = inf, -inf
        """While all of these last."""
        self._on_change, self._on_turn = on_change, on_turn

    def update_settings(self, budgets: Iterable[Budget]) -> None:
        """What is spent stays spent, whatever its limit is now."""
        self._lines = tuple(_line(each) for each in budgets)
        self.has_budgets = bool(self._lines)
        self._since, self._until = inf, -inf

    def lines(self, wall: float) -> tuple[BudgetLine, ...]:
        """The budgets, in the periods of that moment."""
        if not self._since <= wall < self._until:
            self._turn_lines(wall)
        return self._lines

    def shortages(self, estimate: Estimate, wall: float, lifted: Collection[Budget] = ()) -> list[Shortage]:
        """The budgets that keep such an attempt from being launched. An attempt that costs nothing has none."""
        found: list[Shortage] = []
        lines = self._lines if self._since <= wall < self._until else self.lines(wall)
        for line in lines:  # asked several times for each request, so that nothing is called here
            window = line.window
            if line.is_money:
                amount, left = estimate.cost, line.allowed - window.cost - window.reserved_cost
            else:
                amount, left = estimate.tokens, line.allowed - window.tokens - window.reserved_tokens
            if amount and amount > left and line.budget not in lifted:
                if line.shared and line.shared.may_reserve(amount, wall):
                    continue
                found.append(Shortage(line.budget, _resets(line, amount, wall)))
        return found

    def reserve(self, estimate: Estimate, wall: float) -> Reservation:
        """Reserves the estimate in every budget at once."""
        if not self._since <= wall < self._until:
            self._turn_lines(wall)
        cost, tokens = estimate
        for window in self._current:
            window.reserved_cost += cost
            window.reserved_tokens += tokens
        _notify(self._current)
        return Reservation(self._current, cost, tokens)

    def settle(self, reservation: Reservation, usage: Usage | None, cost: int | None) -> int:
        """The attempt has ended. `usage`: None if it used nothing; `cost`: None if the price is not known. Returns how
        many tokens it has used.
        """
        if not reservation.is_open:
            return 0
        self.release(reservation)
        if usage is None and not cost:
            return 0
        tokens = usage.total if usage else 0
        for window in reservation.windows:
            window.cost = min(MAX_SUM, window.cost + (cost or 0))
            window.tokens = min(MAX_SUM, window.tokens + tokens)
        _notify(reservation.windows)
        totals = self.totals
        if usage is not None:
            for kind, count in zip(TOKEN_KINDS, COUNTS(usage), strict=True):
                totals.tokens[kind] = min(MAX_SUM, totals.tokens[kind] + count)
        totals.cost = min(MAX_SUM, totals.cost + (cost or 0))
        totals.unpriced += cost is None
        self._on_change((*reservation.windows, totals))
        return tokens

    def release(self, reservation: Reservation) -> None:
        """Ends a reservation of which nothing was used."""
        if reservation.is_open:
            reservation.is_open = False
            for window in reservation.windows:
                window.reserved_cost -= reservation.cost
                window.reserved_tokens -= reservation.tokens
            _notify(reservation.windows)

    def count_request(self, wall: float) -> None:
        self.totals.requests += 1
        self.totals.last_used = wall
        self._on_change((self.totals,))

    def restore(self, window: Window) -> None:
        """What an earlier run has spent."""
        self._turn_to(window.span, window.start, window.end)
        kept = self._periods[window.span][-1]
        kept.cost, kept.tokens = window.cost, window.tokens

    @property
    def reserved(self) -> int:
        """Nano-dollars and tokens that are reserved in any kept period, together: 0 when nothing runs."""
        return sum(each.reserved_cost + each.reserved_tokens for kept in self._periods.values() for each in kept)

    def _turn_lines(self, wall: float) -> None:
        for line in self._lines:
            if not line.window.start <= wall < line.window.end:
                budget = line.budget
                span = SpanName(budget.per, budget.zone)
                line.window = self._turn_to(span, *period_at(budget.per, budget.clock, wall))
                self._on_turn(line, wall)
        self._current = tuple({line.window: None for line in self._lines})
        self._since = max((each.start for each in self._current), default=-inf)
        self._until = min((each.end for each in self._current), default=inf)

    def _turn_to(self, span: SpanName, start: float, end: float) -> Window:
        """Makes the period the current one, a kept one if there is."""
        windows = self._periods.setdefault(span, [])
        found = next((each for each in windows if each.start == start), None)
        if found:
            windows.remove(found)
        found = found or Window(self.client, span, start, end)
        windows.append(found)
        del windows[:-KEPT_PERIODS]
        return found


class Ledger:
    """The account of each client. `on_change` is called when an entry changes and none has changed since the last
    `take_changes`; `on_turn` as that of an account.
    """

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.on_change = on_change
        self.on_turn: Callable[[BudgetLine, float], None] = lambda _, __: None
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
            self._account(name).update_settings(own)
        while len(self._former) > MAX_FORMER_ACCOUNTS:
            del self._former[next(iter(self._former))]

    def restore(self, entries: Collection[Entry]) -> None:
        """What earlier runs have left, windows in the order of their time. Entries of clients that are not configured
        are kept for when they are.
        """
        for entry in entries:
            account = self._accounts.get(entry.client) or self._former.setdefault(
                entry.client, self._new_account(entry.client)
            )
            if isinstance(entry, Totals):
                account.totals = entry
            else:
                account.restore(entry)

    def __iter__(self) -> Iterator[Account]:
        """Those of the clients that are configured."""
        return iter(self._accounts.values())

    def __contains__(self, client: str) -> bool:
        return client in self._accounts

    def former(self) -> Iterator[Account]:
        """Those of clients that are no longer configured and have used something."""
        return (each for each in self._former.values() if each.totals.last_used or each.others.last_used)

    def turn(self, wall: float) -> None:
        """Moves every budget to the period of that moment."""
        for account in self._accounts.values():
            account.lines(wall)

    def take_changes(self) -> list[Entry]:
        """The entries that have changed since the last call."""
        changed, self._changed = list(self._changed), {}
        return changed

    def _account(self, name: str) -> Account:
        if name not in self._accounts:
            former = self._former
            self._accounts[name] = former.pop(name) if name in former else self._new_account(name)
        return self._accounts[name]

    def _new_account(self, name: str) -> Account:
        return Account(name, self._note, lambda line, wall: self.on_turn(line, wall))

    def _note(self, entries: Iterable[Entry]) -> None:
        is_first = not self._changed
        for entry in entries:
            self._changed[entry] = None
        if is_first:
            self.on_change()


def _notify(windows: Iterable[Window]) -> None:
    for window in windows:
        for each in window.shared:
            each.on_used()


def _line(budget: Budget) -> BudgetLine:
    limit = limit_of(budget)
    return BudgetLine(budget, limit, budget.tokens is None, NO_WINDOW, limit)


def limit_of(budget: Budget) -> int:
    """The limit of a budget, in nano-dollars or tokens."""
    if budget.tokens is not None:
        return budget.tokens
    assert budget.nano_dollars is not None
    return budget.nano_dollars
