"""What a usage costs: to the nano-dollar, by the size of its prompt and by the time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.prices import Period, Rates, Tier, cost, dollars
from pointsman.wire.frames import Usage

SONNET = Tier(0, 3_000_000, 15_000_000, 300_000, 3_750_000, 6_000_000, 15_000_000)
LONG = Tier(200_000, 6_000_000, 22_500_000, 600_000, 7_500_000, 12_000_000, 22_500_000)
FLAT = Rates((Period((SONNET, LONG)),))
USAGE = Usage(input=1000, output=200, cache_read=5000, cache_write_5m=100, cache_write_1h=10, reasoning=50)
HOUR = 3600
TOKENS = st.integers(0, 10**7)


def priced(input: int) -> tuple[Tier, ...]:
    return (Tier(0, input),)


def test_each_kind_of_token_has_its_price_and_none_counts_twice() -> None:
    assert cost(USAGE, FLAT, 0.0) == 1000 * 3000 + 200 * 15000 + 5000 * 300 + 100 * 3750 + 10 * 6000


def test_thoughts_may_have_a_price_of_their_own() -> None:
    rates = Rates((Period((SONNET._replace(reasoning=1_000_000),)),))
    assert cost(Usage(output=200, reasoning=50), rates, 0.0) == 150 * 15000 + 50 * 1000


@pytest.mark.parametrize(("cached", "rate"), [(199_999, 3000), (200_000, 6000)])
def test_a_tier_counts_for_the_whole_of_a_larger_prompt_caches_included(cached: int, rate: int) -> None:
    read = cost(Usage(cache_read=cached), FLAT, 0.0)
    whole = cost(Usage(input=1, cache_read=cached), FLAT, 0.0)
    assert read is not None
    assert whole is not None
    assert whole == rate + cached * rate // 10


@pytest.mark.parametrize(
    ("hour", "rate"), [(0, 5), (1, 10), (3.99, 10), (4, 5), (12, 5), (22, 20), (23.5, 20), (24.5, 20), (25, 10)]
)
def test_prices_by_the_time_of_day(hour: float, rate: int) -> None:
    periods = (
        Period(priced(5000)),
        Period(priced(20000), begins=22 * HOUR, ends=HOUR),
        Period(priced(10000), begins=HOUR, ends=4 * HOUR),
    )
    if hour == 0:
        periods = periods[:1]
    assert cost(Usage(input=1), Rates(periods), 86400 * 20000 + hour * HOUR) == rate


def test_a_price_of_the_future_waits_for_its_day() -> None:
    rates = Rates((Period(priced(5000)), Period(priced(9000), since=1000.0)))
    assert [cost(Usage(input=1), rates, at) for at in (999.0, 1000.0)] == [5, 9]


@pytest.mark.parametrize(("tokens", "amount"), [(1, 3), (2, 6), (10, 28), (1000, 2800)])
def test_fractions_of_a_nano_dollar_are_rounded_once(tokens: int, amount: int) -> None:
    assert cost(Usage(input=tokens), Rates((Period(priced(2800)),)), 0.0) == amount


class TestNotKnown:
    def test_no_rates(self) -> None:
        assert cost(USAGE, None, 0.0) is None

    def test_an_output_without_a_price(self) -> None:
        rates = Rates((Period(priced(1000)),))
        assert cost(Usage(input=5, output=1), rates, 0.0) is None
        assert cost(Usage(input=5), rates, 0.0) == 5

    def test_a_price_of_nothing_is_known(self) -> None:
        assert cost(USAGE, Rates((Period((Tier(0, 0, 0, 0, 0, 0, 0),)),)), 0.0) == 0

    def test_nothing_was_used(self) -> None:
        assert (cost(None, FLAT, 0.0), cost(None, None, 0.0)) == (0, None)


@pytest.mark.parametrize("rates", [None, FLAT])
def test_what_the_provider_bills_has_precedence(rates: Rates | None) -> None:
    assert cost(Usage(input=5, output=1, cost=1234), rates, 0.0) == 1234


@given(TOKENS, TOKENS, TOKENS)
def test_more_tokens_never_cost_less_and_the_cost_is_whole(input: int, read: int, output: int) -> None:
    rates = Rates((Period((SONNET,)),))
    one, more = cost(Usage(input, output, read), rates, 0.0), cost(Usage(input + 1, output, read), rates, 0.0)
    assert isinstance(one, int)
    assert more == one + 3000


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, None),
        (0, "0"),
        (1, "0.000000001"),
        (10**8, "0.1"),
        (10 * 10**9, "10"),
        (10**10 + 5, "10.000000005"),
    ],
)
def test_money_is_plain_decimal_text(amount: int | None, text: str | None) -> None:
    assert dollars(amount) == text
