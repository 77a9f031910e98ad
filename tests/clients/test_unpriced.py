"""Clients whose budgets in dollars do not count everything are named."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from clients.client_builders import priced
from pointsman import cli
from pointsman.clients.unpriced import unpriced_warnings
from pointsman.domain.targets import Inventory
from support.settings import settings, write

PROVIDERS = {"a": priced("a", 1), "b": priced("b", None, "m", "n"), "off": priced("off") | {"enabled": False}}
DOLLARS, TOKENS = [{"usd": 1, "per": "day"}], [{"tokens": 9, "per": "day"}]


def warnings(**client: Any) -> list[str]:
    read = settings(PROVIDERS, clients={"ci": {"key": "the-key-of-a-client", **client}})
    return list(unpriced_warnings(read.clients, Inventory.from_settings(read)))


def test_a_client_with_a_budget_in_dollars_is_warned_of_what_it_does_not_count() -> None:
    [told] = warnings(budgets=DOLLARS)
    assert "clients.ci" in told
    assert "b/m, b/n" in told
    [told] = warnings(budgets=DOLLARS, models=["n"])
    assert "b/n" in told
    assert "b/m" not in told


def test_others_are_not() -> None:
    assert warnings() == warnings(budgets=TOKENS) == warnings(budgets=DOLLARS, models=["a/*"]) == []
    assert warnings(budgets=DOLLARS, disabled=True) == []


async def test_the_check_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, PROVIDERS, clients={"ci": {"key": "the-key-of-a-client", "budgets": DOLLARS}})
    assert await asyncio.to_thread(cli.main, ["check", "--config", str(path), "--no-keys"]) == 0
    assert "its budget in usd does not count b/m, b/n" in capsys.readouterr().out
