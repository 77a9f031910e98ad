"""The rates of a model, and what a usage costs by them. Nothing here reads a clock or a file.

>>> rates = Rates((Period(tiers=(Tier(0, input=3_000_000, output=15_000_000),)),))
>>> dollars(cost(Usage(input=1000, output=100), rates, at=0.0))
'0.0045'
"""

from typing import NamedTuple

from pointsman.wire.frames import Usage

DAY = 86400
PICO = 1000
"""Picodollars in a nano-dollar."""


class Tier(NamedTuple):
    """Picodollars for a token, which is the price of a million tokens in dollars with six decimals. It counts for the
    whole of a request whose prompt has more than `above` tokens. None: not known.
    """

    above: int
    input: int
    output: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None


class Period(NamedTuple):
    """When these tiers count: from `since` (Unix time), and from `begins` to `ends`, seconds of a day in UTC that may
    go past midnight.
    """

    tiers: tuple[Tier, ...]
    """At least one, by `above`, the first at 0."""
    since: float | None = None
    begins: int = 0
    ends: int = DAY

    def counts(self, at: float) -> bool:
        if self.since is not None and at < self.since:
            return False
        second = at % DAY
        if self.begins <= self.ends:
            return self.begins <= second < self.ends
        return second >= self.begins or second < self.ends


class Rates(NamedTuple):
    """At least one period; the last one that counts has precedence, and the first one counts where none does."""

    periods: tuple[Period, ...]

    def tier(self, prompt: int, at: float) -> Tier:
        """The tier for a prompt of so many tokens at `at` (Unix time)."""
        period = self.periods[0]
        if len(self.periods) > 1:
            period = next((each for each in reversed(self.periods) if each.counts(at)), period)
        if len(period.tiers) == 1:
            return period.tiers[0]
        return next((tier for tier in reversed(period.tiers) if prompt > tier.above), period.tiers[0])


def cost(usage: Usage | None, rates: Rates | None, at: float) -> int | None:
    """Nano-dollars for an answer at `at` (Unix time), rounded to the nearest; what the provider says it bills has
    precedence. None: it has used something whose price is not known. No usage costs nothing, if there are rates.
    """
    if usage is not None and usage.cost is not None:
        return usage.cost
    if rates is None:
        return None
    if usage is None:
        return 0
    tier = rates.tier(usage.prompt, at)
    counts = (
        (usage.input, tier.input),
        (usage.cache_read, tier.cache_read),
        (usage.cache_write_5m, tier.cache_write_5m),
        (usage.cache_write_1h, tier.cache_write_1h),
        (usage.output - usage.reasoning, tier.output),
        (usage.reasoning, tier.reasoning),
    )
    total = 0
    for tokens, rate in counts:
        if tokens:
            if rate is None:
                return None
            total += tokens * rate
    return (total + PICO // 2) // PICO


def expected_cost(prompt: int, output: int, rates: Rates, at: float) -> int:
    """Nano-dollars for an answer of so many tokens at `at` (Unix time), where nothing is cached, rounded up: only what
    is free is 0, and what has no known price.
    """
    tier = rates.tier(prompt, at)
    if output and tier.output is None:
        return 0
    return -(-(prompt * tier.input + output * (tier.output or 0)) // PICO)


def dollars(amount: int | None) -> str | None:
    """Nano-dollars as plain decimal text in dollars: `0.0045`, never with an exponent.

    >>> dollars(4_500_000), dollars(0), dollars(12 * 10**9), dollars(None)
    ('0.0045', '0', '12', None)
    """
    if amount is None:
        return None
    whole, rest = divmod(amount, 10**9)
    return f"{whole}.{rest:09d}".rstrip("0") if rest else str(whole)
