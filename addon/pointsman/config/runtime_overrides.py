"""Changes made at runtime, and how they are applied to a configuration before it is validated.

Overrides refer to things by name. Names that the configuration no longer has are ignored: a target that was disabled
here and has been removed from the file is not an error.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pointsman.config.declared_names import as_list, as_mapping
from pointsman.config.enums import Pool, ProtectionLevel
from pointsman.config.providers import labelled
from pointsman.config.values import Tree

type ConfigKeyId = tuple[str, str]
"""A provider and the label of one of its keys, as the file has it."""


@dataclass(frozen=True, slots=True)
class TargetChange:
    """None: the file's value."""

    enabled: bool | None = None
    pool: Pool | None = None


@dataclass(frozen=True, slots=True)
class KeyChange:
    """Changes to a key of the file. None: the file's value."""

    enabled: bool | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class AddedKey:
    """A key that stands in no file."""

    id: str
    provider: str
    label: str
    value: str = field(repr=False)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class RuntimeOverrides:
    """`settings` is as the file would write it, `targets` is by `provider/model`, and `order` names the targets that
    come first.
    """

    settings: Tree = field(default_factory=dict)
    targets: Mapping[str, TargetChange] = MappingProxyType({})
    order: tuple[str, ...] = ()
    keys: Mapping[ConfigKeyId, KeyChange] = MappingProxyType({})
    added: tuple[AddedKey, ...] = ()

    @property
    def levels(self) -> Mapping[str, ProtectionLevel]:
        """Protection levels, which precede those of the environment. Asked once they have been found good."""
        return {name: ProtectionLevel(level) for name, level in as_mapping(self.settings.get("protection")).items()}


NO_OVERRIDES = RuntimeOverrides()


def add_providers(overrides: RuntimeOverrides, tree: Tree, catalog: Collection[str]) -> None:
    """A key for a provider that only the catalog knows brings that provider in."""
    for key in overrides.added:
        if key.provider in catalog:
            providers = tree.setdefault("providers", {})
            if isinstance(providers, dict):
                providers.setdefault(key.provider, {})


def apply_overrides(overrides: RuntimeOverrides, tree: Tree) -> None:
    """Writes the changes into a tree that has everything else: the environment's and the catalog's word."""
    merge(tree, overrides.settings)
    for name, provider in as_mapping(tree.get("providers")).items():
        if isinstance(provider, dict):
            _apply_to_targets(overrides, name, provider)
            if any(name == each for each, _ in overrides.keys) or any(name == key.provider for key in overrides.added):
                _apply_to_keys(overrides, name, provider)


def merge(tree: Tree, changes: Tree) -> None:
    """Mappings are merged, anything else is replaced."""
    for name, change in changes.items():
        if isinstance(change, dict) and isinstance(tree.get(name), dict):
            merge(tree[name], change)
        else:
            tree[name] = change


def added_keys(overrides: RuntimeOverrides, provider: str, written: Collection[str]) -> Iterator[AddedKey]:
    """The keys that are really added: one whose value the file has got meanwhile is not."""
    return (key for key in overrides.added if key.provider == provider and key.value not in written)


def _apply_to_targets(overrides: RuntimeOverrides, name: str, provider: Tree) -> None:
    for model in map(as_mapping, as_list(provider.get("models"))):
        if change := overrides.targets.get(f"{name}/{model.get('id')}"):
            if change.enabled is not None:
                model["enabled"] = change.enabled
            if change.pool is not None:
                model["pool"] = change.pool.value


def _apply_to_keys(overrides: RuntimeOverrides, name: str, provider: Tree) -> None:
    keys = labelled(provider.get("keys") or [])
    if not isinstance(keys, list):
        return  # which is a fault that the models will find
    values = [str(as_mapping(key).get("value")) for key in keys]
    for key in map(as_mapping, keys):
        if change := overrides.keys.get((name, str(key.get("label")))):
            if change.enabled is not None:
                key["enabled"] = change.enabled
            if change.label is not None:
                key["label"] = change.label
    keys += [
        {"value": key.value, "label": key.label, "enabled": key.enabled} for key in added_keys(overrides, name, values)
    ]
    if keys:
        provider["keys"] = keys
