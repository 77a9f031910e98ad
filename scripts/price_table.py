"""Makes the table of prices from the package `genai-prices`. `scripts/prices` runs it; see the head of table.py.

What is left out: prices that have ended, those per request, image, page or hour, and models that have such prices
alone or beside those per token.
"""

import argparse
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from genai_prices import types as source
from genai_prices.data import providers

FOLDER = Path(__file__).parents[1] / "addon" / "pointsman" / "prices"
CONDITION_SIGNS = {
    source.ClauseEquals: ("=", "equals"),
    source.ClauseStartsWith: ("^", "starts_with"),
    source.ClauseEndsWith: ("$", "ends_with"),
    source.ClauseContains: ("*", "contains"),
    source.ClauseRegex: ("~", "regex"),
}
RATES = (
    ("input_mtok", None),
    ("output_mtok", None),
    ("cache_read_mtok", "input_mtok"),
    ("cache_write_mtok", "input_mtok"),
    ("cache_write_1h_mtok", "cache_write_mtok"),
    ("output_reasoning_mtok", "output_mtok"),
)
"""In the order of the table, each with the price that stands for it where it is not known."""
PER_TOKEN = re.compile(r"(input|output|cache)_(\w+_)?mtok")
BESIDE = frozenset({"web_searches_kcount", "storage_searches_kcount"})
"""Prices of extras that only some requests have."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--as-of", type=date.fromisoformat, default=datetime.now(UTC).date(), metavar="DATE")
    as_of = parser.parse_args().as_of
    package = distribution("genai-prices")
    head = {
        "as_of": as_of.isoformat(),
        "source": f"genai-prices {package.version}, https://github.com/pydantic/genai-prices",
        "license": "MIT, see LICENSE-genai-prices",
    }
    lines = [compact(head), *(line for provider in providers if (line := provider_line(provider, as_of)))]
    (FOLDER / "table.jsonl").write_text("".join(f"{line}\n" for line in lines))
    [license_file] = [file for file in package.files or () if file.name == "LICENSE"]
    (FOLDER / "LICENSE-genai-prices").write_text(license_file.read_text())
    print(f"{len(lines) - 1} providers, {sum(line.count('[[') for line in lines)} models")


def provider_line(provider: source.Provider, as_of: date) -> str:
    """What finds the provider, a tab, and its models; empty if it has none."""
    models = [[condition(m.match), periods] for m in provider.models if (periods := list(periods_of(m, as_of)))]
    if not models:
        return ""
    head: dict[str, Any] = {"id": provider.id, "url": url_condition(provider.api_pattern)}
    if provider.fallback_model_providers:
        head["others"] = provider.fallback_model_providers
    return f"{compact(head)}\t{compact(models)}"


def url_condition(pattern: str) -> str:
    literal = pattern.replace("\\.", ".")
    return f"~{pattern}" if re.search(r"[][()*+?|^$\\]", literal) else f"^{literal}"


def condition(match: Any) -> Any:
    """A text (its first character says how), a list of which one must hold, or `{"all": […]}`."""
    if isinstance(match, source.ClauseOr):
        return [condition(each) for each in match.or_]
    if isinstance(match, source.ClauseAnd):
        return {"all": [condition(each) for each in match.and_]}
    sign, name = CONDITION_SIGNS[type(match)]
    text = getattr(match, name)
    return sign + (text if sign == "~" else text.lower())


def periods_of(model: source.ModelInfo, as_of: date) -> Iterator[list[Any]]:
    """Each with when it counts and its tiers. The last one that counts has precedence."""
    written = model.prices if isinstance(model.prices, list) else [source.ConditionalPrice(prices=model.prices)]
    first = max((i for i, each in enumerate(written) if is_in_force(each.constraint, as_of)), default=0)
    for each in written[first:]:
        tiers = tiers_of(each.prices)
        if tiers is None:
            return
        yield [when(each.constraint, as_of), *tiers]


def is_in_force(constraint: Any, as_of: date) -> bool:
    is_dated = isinstance(constraint, source.StartDateConstraint)
    return constraint is None or (is_dated and constraint.start_date <= as_of)


def when(constraint: Any, as_of: date) -> str | None:
    """None: always. `2026-12-01`: from that day. `01:00-04:00`: at that time of each day. All in UTC."""
    match constraint:
        case source.StartDateConstraint():
            return None if constraint.start_date <= as_of else constraint.start_date.isoformat()
        case source.TimeOfDateConstraint():
            assert {constraint.start_time.utcoffset(), constraint.end_time.utcoffset()} <= {None, UTC.utcoffset(None)}
            return f"{constraint.start_time:%H:%M}-{constraint.end_time:%H:%M}"
    return None


def tiers_of(prices: source.ModelPrice) -> list[list[int | None]] | None:
    """None: it is not priced by the token alone, or its input has no price."""
    named = {name: price for name, price in vars(prices).items() if price is not None}
    if "input_mtok" not in named or any(not PER_TOKEN.fullmatch(name) for name in named.keys() - BESIDE):
        return None
    tiered = [price for price in named.values() if isinstance(price, source.TieredPrices)]
    starts = sorted({0, *(tier.start for price in tiered for tier in price.tiers)})
    return [[start, *rates_above(named, start)] for start in starts]


def rates_above(named: dict[str, Any], start: int) -> list[int | None]:
    found: dict[str, int | None] = {}
    for name, instead in RATES:
        price = named.get(name)
        found[name] = rate(price, start) if price is not None else found.get(instead or "")
    return list(found.values())


def rate(price: Decimal | source.TieredPrices, start: int) -> int:
    """Picodollars for a token: the price of a million in dollars, with six decimals."""
    if isinstance(price, source.TieredPrices):
        reached = [tier.price for tier in price.tiers if tier.start <= start]
        price = reached[-1] if reached and start else price.base
    return int((price * 10**6).to_integral_value(ROUND_HALF_UP))


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    main()
