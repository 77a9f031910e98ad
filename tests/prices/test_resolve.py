"""The rates of configured models: the file's, or else the table's."""

import pytest

from pointsman.domain.targets import Inventory
from pointsman.prices import Rates, cost
from pointsman.prices.rates import Tier
from pointsman.wire.frames import Usage
from support.settings import provider, settings


def rates_of(name: str = "mine", model: str = "m", **more: object) -> Rates | None:
    written = provider("https://mine.example.com/v1", models=[{"id": model}], **more)
    [target] = Inventory.from_settings(settings({name: written})).targets
    return target.rates[model]


def only_tier(rates: Rates | None) -> Tier:
    assert rates
    [[tier]] = [period.tiers for period in rates.periods]
    return tier


def test_own_prices_are_dollars_for_a_million_tokens() -> None:
    tier = only_tier(rates_of(prices={"m": {"input": 0.15, "output": 0.60, "cache_read": 0.075}}))
    assert tier == Tier(0, 150_000, 600_000, 75_000, 150_000, 150_000, 600_000)


def test_each_price_can_be_written() -> None:
    written = {"input": 3, "output": 15, "cache_read": 0.3, "cache_write_5m": 3.75, "cache_write_1h": 6, "reasoning": 2}
    tier = only_tier(rates_of(prices={"m": written}))
    assert tier == Tier(0, 3_000_000, 15_000_000, 300_000, 3_750_000, 6_000_000, 2_000_000)


def test_own_prices_override_the_table() -> None:
    known = "claude-sonnet-4-5"
    assert only_tier(rates_of("anthropic", known, prices={known: {"input": 1, "output": 2}})).input == 1_000_000
    listed = rates_of("anthropic", known)
    assert listed
    assert listed.tier(1, 0.0).input == 3_000_000


def test_what_neither_knows_is_not_known() -> None:
    assert rates_of() is None
    rates = rates_of(prices={"m": {"input": 0.02}})
    assert (cost(Usage(input=50), rates, 0.0), cost(Usage(output=1), rates, 0.0)) == (1000, None)


def test_the_name_that_a_redirect_yields_has_prices_too() -> None:
    rule = {"match": "exact", "source": "m", "target": "sent"}
    written = provider("https://mine.example.com/v1", redirects=[rule], prices={"sent": {"input": 1}})
    target = Inventory.from_settings(settings({"mine": written})).targets[0]
    assert only_tier(target.rates["sent"]).input == 1_000_000


@pytest.mark.parametrize("name", ["mine", "x-ai"])
def test_a_server_on_this_machine_is_not_a_maker_of_its_name(name: str) -> None:
    written = provider("http://127.0.0.1:9/v1", models=[{"id": "grok-4"}])
    [target] = Inventory.from_settings(settings({name: written})).targets
    assert target.rates["grok-4"] is None
