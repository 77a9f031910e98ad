"""The built-in prices: `table.jsonl`, which `scripts/prices` makes from the package `genai-prices` (MIT, see
LICENSE-genai-prices beside it).

The first line says where the prices come from and how old they are. Every other line is a provider: what finds it, a
tab, and its models, each as [condition, periods], and each period as [when, tier, …]; see `condition` and `when` of
scripts/price_table.py. A line's models are read when the first of them is asked for.
"""

import re
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from pointsman.prices.rates import Period, Rates, Tier

FILE = Path(__file__).with_name("table.jsonl")


class ListedProvider(NamedTuple):
    """`url` is the condition that its base URL meets; `others` are the providers whose models it has as well."""

    id: str
    url: str
    models: bytes
    others: tuple[str, ...] = ()


class ListedModels(NamedTuple):
    """The models of a provider, of which the first that meets its condition counts. Most are known by a name alone,
    which `names` finds at once.
    """

    periods: list[Any]
    names: dict[str, int]
    patterns: list[tuple[int, Any]]

    def place(self, model: str) -> int | None:
        named = self.names.get(model)
        patterns = (
            place for place, match in self.patterns if (named is None or place < named) and _meets(model, match)
        )
        return next(patterns, named)


@cache
def prices_as_of() -> str:
    """The day on which the table was made, as `2026-11-27`."""
    as_of: str = orjson.loads(_lines()[0])["as_of"]
    return as_of


def listed_rates(name: str, base_urls: tuple[str, ...], model: str) -> Rates | None:
    """The rates of a model, by the provider's address, or else by its name. None: not known."""
    wanted = model.lower().removeprefix("models/")
    for id in _provider_ids(name, base_urls):
        provider = _providers()[id]
        for listed in (provider, *(_providers()[other] for other in provider.others)):
            place = _models(listed.id).place(wanted)
            if place is not None:
                return Rates(tuple(map(_period, _models(listed.id).periods[place])))
    return None


@lru_cache(256)
def _provider_ids(name: str, base_urls: tuple[str, ...]) -> tuple[str, ...]:
    for base_url in base_urls:
        if found := tuple(each.id for each in _providers().values() if _meets(base_url, each.url)):
            return found
    return (name,) if name in _providers() else ()


@cache
def _lines() -> list[bytes]:
    return FILE.read_bytes().splitlines()


@cache
def _providers() -> dict[str, ListedProvider]:
    split = [line.partition(b"\t") for line in _lines()[1:]]
    heads = [(orjson.loads(head), models) for head, _, models in split]
    return {
        head["id"]: ListedProvider(head["id"], head["url"], models, tuple(head.get("others", ())))
        for head, models in heads
    }


@cache
def _models(provider: str) -> ListedModels:
    models = ListedModels([], {}, [])
    for place, (condition, periods) in enumerate(orjson.loads(_providers()[provider].models)):
        models.periods.append(periods)
        for each in condition if isinstance(condition, list) else [condition]:
            if isinstance(each, str) and each.startswith("="):
                models.names.setdefault(each[1:], place)
            else:
                models.patterns.append((place, each))
    return models


def _meets(text: str, condition: Any) -> bool:
    """The first character of a condition says how; of a list, one must be met."""
    if isinstance(condition, list):
        return any(_meets(text, each) for each in condition)
    if isinstance(condition, dict):
        return all(_meets(text, each) for each in condition["all"])
    sign, wanted = str(condition[0]), str(condition[1:])
    match sign:
        case "=":
            return text == wanted
        case "^":
            return text.startswith(wanted)
        case "$":
            return text.endswith(wanted)
        case "*":
            return wanted in text
        case _:
            return re.search(wanted, text) is not None


def _period(written: list[Any]) -> Period:
    when, *rows = written
    tiers = tuple(Tier(*row) for row in rows)
    if when is None:
        return Period(tiers)
    if len(when) == len("2026-12-01"):
        return Period(tiers, since=datetime.fromisoformat(when).replace(tzinfo=UTC).timestamp())
    begins, ends = (int(text[:2]) * 3600 + int(text[3:]) * 60 for text in when.split("-"))
    return Period(tiers, begins=begins, ends=ends)
