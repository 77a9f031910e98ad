"""The built-in table: each row can be read, and is found by the provider's address and the model's name."""

import re

import pytest

from pointsman.prices import prices_as_of
from pointsman.prices.rates import Tier
from pointsman.prices.table import FILE, ListedModels, _models, _period, _providers, listed_rates


def tier_of(base_url: str, model: str, prompt: int = 1, at: float = 0.0) -> Tier | None:
    rates = listed_rates("mine", (base_url,), model)
    return rates and rates.tier(prompt, at)


def test_it_says_how_old_it_is_and_where_it_comes_from() -> None:
    assert re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", prices_as_of())
    assert b"genai-prices" in FILE.read_bytes().splitlines()[0]
    assert "Permission is hereby granted" in FILE.with_name("LICENSE-genai-prices").read_text()


@pytest.mark.parametrize("provider", sorted(_providers()))
def test_every_row_can_be_read(provider: str) -> None:
    for periods in _models(provider).periods:
        for period in map(_period, periods):
            assert [tier.above for tier in period.tiers] == sorted({tier.above for tier in period.tiers})
            assert period.tiers[0].above == 0
            assert all(rate is None or rate >= 0 for tier in period.tiers for rate in tier)


def test_a_model_with_a_tier_for_long_prompts() -> None:
    url = "https://api.anthropic.com/v1"
    assert tier_of(url, "claude-sonnet-4-5-20250929", 200_000) == Tier(
        0, 3_000_000, 15_000_000, 300_000, 3_750_000, 6_000_000, 15_000_000
    )
    assert tier_of(url, "claude-sonnet-4-5", 200_001) == Tier(
        200_000, 6_000_000, 22_500_000, 600_000, 7_500_000, 12_000_000, 22_500_000
    )


def test_what_has_no_price_of_its_own_costs_as_the_input_or_the_output() -> None:
    tier = tier_of("https://generativelanguage.googleapis.com/v1beta", "models/gemini-2.5-pro")
    assert tier == Tier(0, 1_250_000, 10_000_000, 125_000, 1_250_000, 1_250_000, 10_000_000)


@pytest.mark.parametrize(("hour", "rate"), [(0, 150_000), (1, 300_000), (3, 300_000), (5, 150_000), (6, 300_000)])
def test_a_model_with_a_price_by_the_time_of_day(hour: int, rate: int) -> None:
    tier = tier_of("https://api.deepseek.com", "deepseek-flash", at=hour * 3600.0)
    assert tier
    assert tier.input == rate


def test_a_model_of_another_maker_at_a_host() -> None:
    assert tier_of("https://mine.openai.azure.com/openai/v1", "claude-sonnet-4-5")


@pytest.mark.parametrize(
    ("base_url", "model"),
    [("https://api.openai.com/v1", "nobodys-model"), ("https://models.example.com/v1", "gpt-4o")],
)
def test_what_is_not_listed_is_not_known(base_url: str, model: str) -> None:
    assert tier_of(base_url, model) is None


def test_the_first_row_that_fits_counts_whether_it_is_a_name_or_a_pattern() -> None:
    models = ListedModels([["a"], ["b"], ["c"]], {"m": 1, "other": 2}, [(0, "^o"), (2, ["^m", "$x"])])
    assert [models.place(name) for name in ("m", "other", "max", "none")] == [1, 0, 2, None]


def test_a_name_counts_where_the_address_says_nothing() -> None:
    at_own = listed_rates("groq", ("https://api.groq.com/openai/v1",), "llama-3.1-8b-instant")
    assert at_own
    assert listed_rates("groq", ("http://127.0.0.1:1",), "llama-3.1-8b-instant") == at_own
