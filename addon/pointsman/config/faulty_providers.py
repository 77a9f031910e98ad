"""Errors within one provider: that provider is left out, and the others are used."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from pointsman.config.declared_names import as_list, as_mapping
from pointsman.config.messages import format_path
from pointsman.config.values import Tree


class ProviderFault(NamedTuple):
    """One fault of a provider's entry. `in_force`: the entry that it had before the reload is used instead."""

    provider: str
    path: str
    problem: str
    in_force: bool = False

    def __str__(self) -> str:
        effect = "its previous entry stays in force" if self.in_force else "it is left out until this is corrected"
        return f"{self.path}: {self.problem} (provider {self.provider}: {effect})"

    def to_dict(self) -> dict[str, Any]:
        return self._asdict()


def provider_faults(issues: Iterable[tuple[str, str]], tree: Tree) -> list[ProviderFault] | None:
    """The issues, each a path and a problem, by provider; None if one is not within a provider."""
    places = {format_path(("providers", name)): name for name in as_mapping(tree.get("providers"))}
    faults = [ProviderFault(_owner(path, places), path, problem) for path, problem in issues]
    return faults if all(fault.provider for fault in faults) else None


def without_providers(tree: Tree, names: Collection[str]) -> Tree:
    """The tree without these providers, and without the protection levels that name them."""
    kept = {name: each for name, each in as_mapping(tree.get("providers")).items() if name not in names}
    pruned = {**tree, "providers": kept}
    if isinstance(levels := tree.get("protection"), dict):
        pruned["protection"] = {key: level for key, level in levels.items() if key.partition("/")[0] not in names}
    return pruned


def has_usable_provider(tree: Tree) -> bool:
    """Whether some provider is enabled and has models, as far as the tree shows."""
    providers = map(as_mapping, as_mapping(tree.get("providers")).values())
    return any(each.get("enabled") is not False and as_list(each.get("models")) for each in providers)


def _owner(path: str, places: Mapping[str, str]) -> str:
    """The provider whose entry this path lies in, the longest name that fits; empty where there is none."""
    fits = [place for place in places if path == place or path.startswith((f"{place}.", f"{place}["))]
    return places[max(fits, key=len)] if fits else ""
