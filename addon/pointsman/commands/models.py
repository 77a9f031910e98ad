"""`pointsman models`: which models are usable with the current configuration and keys, and why others are not."""

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
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
        names = {"unknown_model": policy.value, "unknown_names": table(policy)}
        print(json.dumps({"models": [asdict(row) for row in rows], **names}, indent=2))
    else:
        _show(rows, path)
        print("\n".join(unknown_names(policy)))
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
        yield ModelListing(name, model.id, model.pool, model.intelligence, model.speed, model.context, why_not)


def _row(provider: Provider, model: Model, why_not: str) -> ModelListing:
    return ModelListing(provider.name, model.id, model.pool, model.intelligence, model.speed, model.context, why_not)


def _demo_policy() -> UnknownModel:
    """What holds for the demo providers, which run where there is no configuration."""
    return config.build({"routing": DEMO_ROUTING}, os.environ).routing.unknown_model


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


def _show(rows: list[ModelListing], path: Path | None) -> None:
    table = Table(box=SIMPLE_HEAD)
    for column in ("provider", "model", "pool", "intelligence", "speed", "context", "usable"):
        table.add_column(column, justify="right" if column in ("intelligence", "speed", "context") else "left")
    for row in rows:
        cells = (row.provider, row.model, row.pool, row.intelligence, row.speed, row.context, row.why_not or "yes")
        table.add_row(*("–" if cell is None else str(cell) for cell in cells))
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    console.print(table, markup=False)
    usable = sum(not row.why_not for row in rows)
    source = path or "no configuration file"
    console.print(f"{usable} of {len(rows)} usable ({source}). Ranks: 1 is best.", markup=False, highlight=False)
