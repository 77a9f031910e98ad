"""`pointsman models --refresh`: compares the configured models with what their providers list, and proposes changes."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pointsman import catalog
from pointsman.commands.config_args import load_config, print_config_error
from pointsman.config import ConfigError, Provider, Settings, document
from pointsman.config.model_edits import EditError, ModelEdits, edited
from pointsman.overrides.atomic_file import write_beside
from pointsman.provider_models import Comparison, ProviderList, compare, list_models

MAX_SHOWN = 12
"""New models of a provider that are printed; JSON has them all."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """For one provider. `comparison` is None if it has no list."""

    provider: Provider
    listed: ProviderList
    comparison: Comparison | None

    def edits(self, patterns: Sequence[str]) -> ModelEdits:
        """What may be written unasked: models that are gone, if the list is complete, and new ones of a server on
        this machine, or where there are none yet. Others are added by a pattern.
        """
        if self.comparison is None:
            return ModelEdits()
        free = catalog.is_local(self.provider.base_url) or not self.provider.models
        name = self.provider.name
        added = [m for m in self.comparison.new if (free and not patterns) or _matches(f"{name}/{m.id}", patterns)]
        gone = tuple(model.id for model in self.comparison.gone) if self.listed.complete else ()
        return ModelEdits(gone, tuple({"id": m.id} | ({"context": m.context} if m.context else {}) for m in added))

    def to_dict(self) -> dict[str, Any]:
        """In plain JSON types."""
        found = self.comparison
        return {
            "provider": self.provider.name,
            "problem": self.listed.problem,
            "complete": self.listed.complete,
            "gone": [model.id for model in found.gone] if found else [],
            "new": [model.id for model in found.new] if found else [],
        }


def run(named: str | None, *, write: bool, add: Sequence[str], as_json: bool) -> int:
    """Exit status 1 if the configuration is invalid, or nothing could be written; what is gone is no failure."""
    try:
        path, settings = load_config(named)
    except ConfigError as error:
        return print_config_error("models", error)
    if path is None:
        print("pointsman models: there is no configuration file; pointsman init writes one", file=sys.stderr)
        return 1
    proposals = asyncio.run(propose(settings))
    if as_json:
        print(json.dumps({"providers": [each.to_dict() for each in proposals]}, indent=2))
    else:
        print("\n".join(line for each in proposals for line in _lines(each)))
    edits = {each.provider.name: edit for each in proposals if (edit := each.edits(add)) != ModelEdits()}
    if write:
        return _write(path, edits)
    if edits and not as_json:
        print(f"\nNothing was changed. pointsman models --refresh --write would write to {path}:")
        print("\n".join(_summary(edits)))
    return 0


async def propose(settings: Settings) -> list[Proposal]:
    """For every provider that is in use: enabled, and with a key where one is written."""
    asked = [
        provider
        for provider in settings.providers.values()
        if provider.enabled and (not provider.keys or any(key.enabled for key in provider.keys))
    ]
    lists = await list_models(asked)
    return [Proposal(each, found := lists[each.name], _comparison(each, found)) for each in asked]


def _comparison(provider: Provider, listed: ProviderList) -> Comparison | None:
    return None if listed.models is None else compare(provider, listed.models)


def _lines(proposal: Proposal) -> Iterator[str]:
    name, found = proposal.provider.name, proposal.comparison
    if found is None:
        yield f"{name}: not compared, {proposal.listed.problem}"
        return
    enabled = sum(model.enabled for model in proposal.provider.models)
    part = "" if proposal.listed.complete else " (its list is longer than one page: only that was compared)"
    yield f"{name}: lists {enabled - len(found.gone)} of {enabled} enabled models, and {len(found.new)} others{part}"
    yield from (f"  gone  {model.id}" for model in found.gone)
    yield from (f"  new   {model.id}" for model in found.new[:MAX_SHOWN])
    if len(found.new) > MAX_SHOWN:
        yield f"  …     {len(found.new) - MAX_SHOWN} more (--json has them all)"


def _summary(edits: dict[str, ModelEdits]) -> Iterator[str]:
    for name, edit in edits.items():
        yield from (f"  {name}/{model}: enabled: false" for model in edit.disable)
        yield from (f"  {name}/{model['id']}: added" for model in edit.add)


def _write(path: Path, edits: dict[str, ModelEdits]) -> int:
    if not edits:
        print(f"{path} needs no change.", file=sys.stderr)
        return 0
    try:
        text = path.read_text("utf-8-sig")
        written = [name for name in edits if name in _providers_in(text)]
        left = [name for name in edits if name not in written]
        backup = write_beside(path, edited(text, {name: edits[name] for name in written}, catalog.known()).encode())
    except (OSError, EditError, ConfigError) as error:
        print(f"pointsman models: {path} was not changed: {error}", file=sys.stderr)
        return 1
    print(f"{path} is changed; its former text is in {backup.name}.", *_summary(edits), sep="\n", file=sys.stderr)
    for name in left:
        print(f"{name} is not in the file, and was left alone.", file=sys.stderr)
    return 0


def _providers_in(text: str) -> list[str]:
    return list(document.parse(text, "the configuration").tree.get("providers") or {})


def _matches(label: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(label, pattern) for pattern in patterns)
