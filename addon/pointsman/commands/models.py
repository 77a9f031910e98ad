"""`pointsman models`: which models are usable with the current configuration and keys, and why others are not."""

import argparse
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pointsman import catalog, config
from pointsman.commands import models_refresh
from pointsman.commands.config_args import add_config_argument, load_config, print_config_error
from pointsman.config import ConfigError, Model, Provider, Settings, UnknownModel
from pointsman.demo import DEMO_ROUTING
from pointsman.routing.unknown_models import FAMILIES, table

NUMBERS = ("intelligence", "speed", "context")
USUAL = {"priority": 1, "weight": 1.0}
"""Columns that are shown only if a model has another value there."""
WIDTH = 200
"""Columns if the output is not a terminal."""


@dataclass(frozen=True, slots=True)
class ModelListing:
    """`why_not` is empty for a model that is usable. `model` is None where the catalog lists none of a provider."""

    provider: str
    model: str | None
    pool: str | None = None
    intelligence: int | None = None
    speed: int | None = None
    context: int | None = None
    priority: int = 1
    weight: float = 1.0
    why_not: str = ""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pointsman models", description=__doc__)
    add_config_argument(parser)
    parser.add_argument("--usable", action="store_true", help="list usable models only")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("--refresh", action="store_true", help="compare your models with what their providers list")
    parser.add_argument(
        "--write", action="store_true", help="with --refresh: change the configuration file; its former text is kept"
    )
    parser.add_argument(
        "--add", action="append", default=[], metavar="PATTERN",
        help="with --refresh --write: also add new models whose provider/model matches, such as 'groq/*'; repeatable",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    if given.refresh:
        return models_refresh.run(given.config, write=given.write, add=given.add, as_json=given.json)
    if given.write or given.add:
        parser.error("--write and --add belong to --refresh")
    try:
        path, settings = load_config(given.config)
    except ConfigError as error:
        return print_config_error("models", error)
    rows = [row for row in list_models(settings) if not (given.usable and row.why_not)]
    policy = settings.routing.unknown_model if path else _demo_policy()
    if given.json:
        aliases = dict(settings.routing.aliases)
        names = {"aliases": aliases, "unknown_model": policy.value, "unknown_names": table(policy)}
        print(json.dumps({"models": [asdict(row) for row in rows], **names}, indent=2))
    else:
        _show(rows, path)
        print("\n".join((*aliases_in_words(settings), *unknown_names(policy))))
    return 0


def list_models(settings: Settings) -> Iterator[ModelListing]:
    """Every model of the configuration in its order, then those that are only in the catalog."""
    known = catalog.known()
    for provider in settings.providers.values():
        for model in provider.models:
            yield _row(provider, model, _why_not(provider, model, needs_key(provider, known)))
        if not provider.models:
            yield ModelListing(provider.name, None, why_not="no models configured, and the catalog lists none")
    for name in known:
        if name not in settings.providers:
            yield from _unconfigured(name)


def needs_key(provider: Provider, known: Mapping[str, object]) -> bool:
    """A provider of the catalog needs one unless it is `keyless`; of any other provider this is not known."""
    return provider.name in known and not provider.keyless


def _why_not(provider: Provider, model: Model, needs_key: bool) -> str:
    if not provider.enabled:
        return f"providers.{provider.name}.enabled is false"
    if provider.keys and not any(key.enabled for key in provider.keys):
        return f"every key of providers.{provider.name}.keys is disabled"
    if needs_key and not provider.keys:
        return f"no key: add one to providers.{provider.name}.keys"
    return "" if model.enabled else "the model is disabled"


def _unconfigured(name: str) -> Iterator[ModelListing]:
    entry = catalog.known()[name]
    keyless = " (it needs no key)" if entry.get("keyless") else ""
    why_not = f"not configured: add providers.{name}{keyless}"
    for written in entry["models"]:
        model = Model.model_validate(written)
        ranks = model.intelligence, model.speed, model.context
        yield ModelListing(name, model.id, model.pool, *ranks, why_not=why_not)


def _row(provider: Provider, model: Model, why_not: str) -> ModelListing:
    priority = provider.priority if model.priority is None else model.priority
    weight = provider.weight if model.weight is None else model.weight
    ranks = model.intelligence, model.speed, model.context
    return ModelListing(provider.name, model.id, model.pool, *ranks, priority, weight, why_not)


def _demo_policy() -> UnknownModel:
    """What holds for the demo providers, which run where there is no configuration."""
    return config.build({"routing": DEMO_ROUTING}, os.environ).routing.unknown_model


def aliases_in_words(settings: Settings) -> Iterator[str]:
    """What each alias means, for people."""
    for name, meaning in settings.routing.aliases.items():
        yield f"{name} means {meaning if isinstance(meaning, str) else ', then '.join(meaning)}"


def unknown_names(policy: UnknownModel) -> Iterator[str]:
    """What becomes of a model name that no provider has, for people."""
    match policy:
        case UnknownModel.ERROR:
            yield "Unknown model names get 404 (routing.unknown_model: error)."
        case UnknownModel.AUTO:
            yield "Unknown model names are taken as auto (routing.unknown_model: auto)."
        case UnknownModel.MAP:
            yield f"Unknown model names ({', '.join(FAMILIES)} …) are taken as (routing.unknown_model: map):"
            for row in table(policy):
                yield f"  {', '.join(row['words']) or 'all others'}: {row['taken_as']}"


def _cell(value: object) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _show(rows: list[ModelListing], path: Path | None) -> None:
    table = Table(box=SIMPLE_HEAD)
    columns: dict[str, Callable[[ModelListing], object]] = {
        name: attrgetter(name) for name in ("provider", "model", "pool", *NUMBERS)
    }
    for name, usual in USUAL.items():
        if any(getattr(row, name) != usual for row in rows):
            columns[name] = attrgetter(name)
    columns["usable"] = lambda row: row.why_not or "yes"
    for name in columns:
        table.add_column(name, justify="right" if name in (*NUMBERS, *USUAL) else "left")
    for row in rows:
        table.add_row(*map(_cell, (value(row) for value in columns.values())))
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    console.print(table, markup=False)
    usable = sum(not row.why_not for row in rows)
    source = path or "no configuration file"
    console.print(f"{usable} of {len(rows)} usable ({source}). Ranks: 1 is best.", markup=False, highlight=False)
