"""What an account reserves, settles and releases, and in which period."""

import pytest

from clients.client_builders import account, budget
from pointsman.clients import budgets
from pointsman.clients.budgets import BudgetLine, Estimate, Ledger, Shortage, SpanName, Totals, Window
from pointsman.config.clients import Budget
from pointsman.config.enums import BudgetPeriod
from pointsman.wire.frames import Usage

DOLLAR, DAY = 10**9, 86_400.0
DAILY, TOKENS = budget(usd=1, per="day"), budget(tokens=100, per="day")
NOON = 10.5 * DAY


def line(own: budgets.Account, limit: Budget, wall: float = NOON) -> BudgetLine:
    return next(each for each in own.lines(wall) if each.budget == limit)


def spent(own: budgets.Account, limit: Budget, wall: float = NOON) -> tuple[int, int]:
    found = line(own, limit, wall)
    return found.spent, found.reserved


def test_a_reservation_counts_until_it_is_settled() -> None:
    own = account(DAILY, TOKENS)
    first = own.reserve(Estimate(6 * DOLLAR // 10, 60), NOON)
    assert own.shortages(Estimate(4 * DOLLAR // 10, 40), NOON) == []
    assert own.shortages(Estimate(4 * DOLLAR // 10 + 1, 40), NOON) == [Shortage(DAILY, 11 * DAY)]
    assert own.shortages(Estimate(1, 41), NOON) == [Shortage(TOKENS, 11 * DAY)]
    own.settle(first, Usage(input=5, output=5), DOLLAR // 10)
    assert (spent(own, DAILY), spent(own, TOKENS)) == ((DOLLAR // 10, 0), (10, 0))


def test_what_is_settled_or_released_twice_counts_once() -> None:
    own = account(DAILY)
    first, second = own.reserve(Estimate(5, 5), NOON), own.reserve(Estimate(7, 7), NOON)
    own.settle(first, Usage(output=1), 3)
    own.settle(first, Usage(output=1), 3)
    own.release(first)
    own.release(second)
    own.settle(second, Usage(output=1), 3)
    assert spent(own, DAILY) == (3, 0)
    assert (own.totals.cost, own.reserved) == (3, 0)


def test_a_reservation_belongs_to_the_period_it_was_made_in() -> None:
    own = account(DAILY)
    late = own.reserve(Estimate(DOLLAR, 10), 11 * DAY - 1)
    assert own.shortages(Estimate(DOLLAR, 10), 11 * DAY) == []
    own.settle(late, Usage(output=10), 2 * DOLLAR)
    assert spent(own, DAILY, 11 * DAY) == (0, 0)
    assert spent(own, DAILY, 11 * DAY - 1) == (2 * DOLLAR, 0), "the clock was set back"


def test_what_can_never_fit_has_no_end() -> None:
    own = account(DAILY)
    assert own.shortages(Estimate(DOLLAR + 1, 1), NOON) == [Shortage(DAILY, None)]


def test_what_costs_nothing_always_fits() -> None:
    own = account(DAILY)
    own.settle(own.reserve(Estimate(0, 1), NOON), Usage(output=1), 5 * DOLLAR)
    assert own.shortages(Estimate(0, 10), NOON) == []
    assert own.shortages(Estimate(1, 10), NOON) != []


def test_what_has_no_price_counts_in_tokens_alone() -> None:
    own = account(DAILY, TOKENS)
    own.settle(own.reserve(Estimate(0, 10), NOON), Usage(input=3, output=4), None)
    assert (spent(own, DAILY), spent(own, TOKENS)) == ((0, 0), (7, 0))
    assert (own.totals.unpriced, own.totals.cost, sum(own.totals.tokens.values())) == (1, 0, 7)


def test_limits_of_one_period_share_what_is_counted_and_others_do_not() -> None:
    weekly, elsewhere = budget(usd=9, per="week"), budget(usd=1, per="day", zone="Asia/Tokyo")
    own = account(DAILY, TOKENS, weekly, elsewhere)
    assert line(own, DAILY).window is line(own, TOKENS).window
    assert len({each.window for each in own.lines(NOON)}) == 3
    own.settle(own.reserve(Estimate(9, 9), NOON), Usage(output=9), 9)
    assert all(each.window.cost == 9 for each in own.lines(NOON))


def test_a_reload_keeps_what_is_spent_and_reserved() -> None:
    ledger = Ledger()
    own = account(DAILY, ledger=ledger)
    running = own.reserve(Estimate(DOLLAR // 2, 1), NOON)
    own.settle(own.reserve(Estimate(1, 1), NOON), Usage(output=1), DOLLAR // 4)
    smaller = budget(usd="0.7", per="day")
    assert account(smaller, ledger=ledger) is own
    assert [each.until for each in own.shortages(Estimate(1, 1), NOON)] == [11 * DAY]
    ledger.update_settings({})
    own.settle(running, Usage(output=1), DOLLAR // 2)
    assert spent(account(DAILY, ledger=ledger), DAILY) == (3 * DOLLAR // 4, 0), "removed, and added again"


def test_what_an_earlier_run_has_left_is_restored() -> None:
    ledger = Ledger()
    span = SpanName(BudgetPeriod.DAY, "UTC")
    left = [Totals("ci", 7, cost=50), Window("ci", span, 10 * DAY, 11 * DAY, 40, 4)]
    ledger.restore(left)
    own = account(DAILY, ledger=ledger)
    assert spent(own, DAILY) == (40, 0)
    own.count_request(NOON)
    assert (own.totals.requests, own.totals.cost) == (8, 50)
    assert spent(own, DAILY, 11 * DAY) == (0, 0)


def test_accounts_of_former_clients_and_old_periods_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "MAX_FORMER_ACCOUNTS", 2)
    ledger = Ledger()
    own = account(DAILY, ledger=ledger)
    for day in range(9):
        own.reserve(Estimate(1, 1), day * DAY)
    assert len(own._periods[SpanName(BudgetPeriod.DAY, "UTC")]) == budgets.KEPT_PERIODS
    for name in "abcd":
        account(DAILY, ledger=ledger, name=name)
    assert sorted(ledger._former) == ["b", "c"]


def test_a_change_is_reported_once_until_the_changes_are_taken() -> None:
    told: list[str] = []
    ledger = Ledger(lambda: told.append("changed"))
    own = account(DAILY, ledger=ledger)
    for _ in range(3):
        own.settle(own.reserve(Estimate(1, 1), NOON), Usage(output=1), 1)
    assert (told, set(ledger.take_changes())) == (["changed"], {own.totals, line(own, DAILY).window})
    assert ledger.take_changes() == []
    own.count_request(NOON)
    assert told == ["changed", "changed"]
