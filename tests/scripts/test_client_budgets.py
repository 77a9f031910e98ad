"""The check of clients' budgets: it finds every wrong sum, what stays reserved, and what was refused too early."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from robustness.budgets import Budgets, estimate, not_stored
from robustness.requests import ChatRequest

NANO = 10**9
ONE = ChatRequest.of(5, 1)
EXPECTED = estimate(ONE, "p1")
USAGE = {
    "input": 100,
    "cache_read": 0,
    "cache_write_5m": 0,
    "cache_write_1h": 0,
    "output": 50,
    "reasoning": 10,
}


def exchange(started: float, cost: int, lasted: float = 1.0, why: str = "rank 1") -> dict[str, Any]:
    attempt = {"provider": "p1", "outcome": "request_success", "usage": USAGE, "cost_usd": f"{cost / NANO:.9f}"}
    attempt |= {"started": started, "settled_ms": lasted * 1000, "why": why}
    return {"request_id": ONE.id, "client": ONE.client, "attempts": [attempt]}


def client(cost: int, count: int, limit: int, **more: Any) -> dict[str, Any]:
    """As `/api/clients` shows it."""
    budget = {"usd": f"{limit / NANO:.9f}", "per": "day", "spent": f"{cost / NANO:.9f}", "reserved": "0"}
    usage = {kind: each * count for kind, each in USAGE.items()}
    usual = {"name": ONE.client, "requests": count, "running": 0, "usage": usage, "cost_usd": f"{cost / NANO:.9f}"}
    return {**usual, "budgets": [budget | more.pop("budget", {})], **more}


def found(told: dict[str, Any], *exchanges: dict[str, Any]) -> list[str]:
    budgets = Budgets()
    budgets.add(exchanges, "hedge_triggered")
    return list(budgets.violations([told], limits_hold=True))


def test_sums_that_are_right_are_accepted() -> None:
    assert found(client(30, 2, 100), exchange(1, 10), exchange(5, 20)) == []


@pytest.mark.parametrize(
    "more",
    [
        {"cost_usd": "0.000000031"},
        {"budget": {"spent": "0.000000029"}},
        {"budget": {"reserved": "0.000000001"}},
        {"usage": {**USAGE, "input": 201}},
        {"running": 1},
        {"requests": 1},
    ],
    ids=lambda more: next(iter(more)),
)
def test_a_wrong_number_is_found(more: dict[str, Any]) -> None:
    assert len(found(client(30, 2, 100, **more), exchange(1, 10), exchange(5, 20))) == 1


@pytest.mark.parametrize(("excess", "violations"), [(0, 0), (1, 1)])
def test_a_budget_is_exceeded_by_what_running_attempts_were_underestimated(excess: int, violations: int) -> None:
    """Two run when the last one is launched; the first of all has ended by then."""
    known, each = EXPECTED["usd"], EXPECTED["usd"] + 1000
    runs = (exchange(1, known * 3), exchange(5, each, lasted=10), exchange(6, each))
    spent = known * 3 + each * 2
    assert len(found(client(spent, 3, spent - 2000 - excess), *runs)) == violations


def test_what_is_asked_instead_may_cost_whatever_it_does() -> None:
    instead = exchange(9, 10**9, why="steady/safe, as a budget is exhausted")
    assert found(client(10**9 + 5, 2, 5), exchange(1, 5), instead) == []


@pytest.mark.parametrize(("spare", "violations"), [(-1, 0), (0, 1)])
def test_nothing_is_refused_while_there_is_room(spare: int, violations: int) -> None:
    budgets = Budgets()
    budgets.add([exchange(1, 7)], "hedge_triggered")
    excluded = [{"provider": "p1", "reason": "budget", "detail": "0.5 usd per day"}]
    budgets.note_refusals(ONE, {"started": 5, "ended_ms": 10, "excluded": excluded})
    told = client(7, 1, 7 + EXPECTED["usd"] + spare)
    assert len(list(budgets.violations([told], limits_hold=True))) == violations


def test_the_file_has_what_was_reported() -> None:
    told = client(30, 2, 100)
    row = {"client": ONE.client, "requests": 2, **told["usage"], "cost": 30, "periods": {"day": {"usd": 30}}}
    assert list(not_stored([told], {ONE.client: row})) == []
    for wrong in ({"cost": 29}, {"requests": 1}, {"periods": {"day": {"usd": 29}}}):
        assert len(list(not_stored([told], {ONE.client: row | wrong}))) == 1
    assert len(list(not_stored([told], {}))) == 1
