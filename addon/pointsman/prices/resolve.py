"""The rates of a configured provider's models: its own `prices`, or else the built-in table's."""

from decimal import Decimal

from pointsman import catalog
from pointsman.config.providers import ModelPrices, Provider
from pointsman.prices.rates import Period, Rates, Tier
from pointsman.prices.table import listed_rates


def model_rates(provider: Provider, model: str) -> Rates | None:
    """None: not known. A provider of the catalog at another address has the prices of the catalog's."""
    if own := provider.prices.get(model):
        return _own_rates(own)
    if catalog.is_local(provider.base_url) and provider.name not in catalog.known():
        return None
    known = catalog.known().get(provider.name, {}).get("base_url")
    base_urls = (provider.base_url, known) if known else (provider.base_url,)
    return listed_rates(provider.name, base_urls, model)


def _own_rates(prices: ModelPrices) -> Rates:
    """What is not written costs what it would without it: a cache as the input, thoughts as the output."""
    input, output = _rate(prices.input), _rate(prices.output)
    write = _rate(prices.cache_write_5m, input)
    tier = Tier(
        above=0,
        input=input or 0,
        output=output,
        cache_read=_rate(prices.cache_read, input),
        cache_write_5m=write,
        cache_write_1h=_rate(prices.cache_write_1h, write),
        reasoning=_rate(prices.reasoning, output),
    )
    return Rates((Period((tier,)),))


def _rate(price: Decimal | None, instead: int | None = None) -> int | None:
    """Picodollars for a token, of dollars for a million."""
    return instead if price is None else int(price * 10**6)
