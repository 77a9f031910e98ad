"""Changes made at runtime, and how they are applied to a configuration before it is validated.

Overrides refer to things by name. Names that the configuration no longer has are ignored: a target that was disabled
here and has been removed from the file is not an error.
"""

import copy
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pointsman.config.clients import DEFAULT_CLIENT, REFUSE, KeyHash, hash_key
from pointsman.config.declared_names import DeclaredNames, as_list, as_mapping
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
class AddedProvider:
    """A provider that stands in no file. `entry` is as the file would write it, without keys and models."""

    name: str
    entry: Tree


@dataclass(frozen=True, slots=True)
class AddedModel:
    """A model that stands neither in the file nor in the catalog's row. `entry` is as the file would write it."""

    provider: str
    entry: Tree

    @property
    def id(self) -> str:
        return str(self.entry.get("id"))


@dataclass(frozen=True, slots=True)
class AddedClient:
    """A client that stands in no file. `entry` is as the file would write it, without the key; `key_hash` is as
    `clients.hash_key` makes it.
    """

    name: str
    key_hash: str = field(repr=False)
    entry: Tree


@dataclass(frozen=True, slots=True)
class RuntimeOverrides:
    """`settings` is as the file would write it, `targets` is by `provider/model`, `order` names the targets that come
    first, and `disabled_clients` says of clients of the file whether they are disabled.
    """

    settings: Tree = field(default_factory=dict)
    targets: Mapping[str, TargetChange] = MappingProxyType({})
    order: tuple[str, ...] = ()
    keys: Mapping[ConfigKeyId, KeyChange] = MappingProxyType({})
    added: tuple[AddedKey, ...] = ()
    providers: tuple[AddedProvider, ...] = ()
    models: tuple[AddedModel, ...] = ()
    entries: Mapping[str, Tree] = MappingProxyType({})
    """Changes within the entry of a provider, by its name, or of a model, by `provider/model`."""
    clients: tuple[AddedClient, ...] = ()
    disabled_clients: Mapping[str, bool] = MappingProxyType({})

    @property
    def levels(self) -> Mapping[str, ProtectionLevel]:
        """Protection levels, which precede those of the environment. Asked once they have been found good."""
        return {name: ProtectionLevel(level) for name, level in as_mapping(self.settings.get("protection")).items()}


NO_OVERRIDES = RuntimeOverrides()


def add_providers(overrides: RuntimeOverrides, tree: Tree, catalog: Collection[str]) -> None:
    """Brings in the added providers, unless the file has one of that name meanwhile, and those of the catalog that have
    an added key.
    """
    entries = {each.name: each.entry for each in overrides.providers}
    entries |= {key.provider: {} for key in overrides.added if key.provider in catalog and key.provider not in entries}
    if not entries:
        return
    providers = tree.get("providers")
    if providers is None:
        providers = tree["providers"] = {}
    if not isinstance(providers, dict):
        return
    taken = {str(name).lower() for name in providers}
    providers |= {name: copy.deepcopy(entry) for name, entry in entries.items() if name.lower() not in taken}


def apply_overrides(overrides: RuntimeOverrides, tree: Tree) -> None:
    """Writes the changes into a tree that has everything else: the environment's and the catalog's word."""
    merge(tree, overrides.settings)
    _apply_to_clients(overrides, tree)
    for name, provider in as_mapping(tree.get("providers")).items():
        if isinstance(provider, dict):
            _add_models(overrides, name, provider)
            _apply_to_entries(overrides, name, provider)
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


def _apply_to_clients(overrides: RuntimeOverrides, tree: Tree) -> None:
    """One whose name or key the file has got meanwhile is not added. What it asks instead, and nothing has any longer,
    is refused.
    """
    clients = tree.get("clients") or {}
    if not (overrides.clients or overrides.disabled_clients) or not isinstance(clients, dict):
        return
    server = as_mapping(tree.get("server"))
    keys = [server.get("client_key"), *(as_mapping(client).get("key") for client in clients.values())]
    hashes = {hash_key(key) for key in keys if isinstance(key, str)}
    names = {str(name).lower() for name in clients}
    changed = {name: as_mapping(client) or client for name, client in clients.items()}
    for name, disabled in overrides.disabled_clients.items():
        if name in clients or (name == DEFAULT_CLIENT and server.get("client_key")):
            changed[name] = {**as_mapping(clients.get(name)), "disabled": disabled}
    for each in overrides.clients:
        if each.name.lower() not in names and each.key_hash not in hashes:
            fallback = each.entry.get("on_exhausted", REFUSE)
            is_known = isinstance(fallback, str) and DeclaredNames.from_tree(tree).is_known(fallback)
            kept = each.entry if is_known else {**each.entry, "on_exhausted": REFUSE}
            changed[each.name] = {**kept, "key": KeyHash(each.key_hash)}
    tree["clients"] = changed


def _add_models(overrides: RuntimeOverrides, name: str, provider: Tree) -> None:
    """Behind those that are written; one that is written meanwhile is not added."""
    models = provider.get("models") or []
    if not isinstance(models, list | tuple):
        return  # which is a fault that the models will find
    written = {as_mapping(model).get("id") for model in models}
    more = [dict(each.entry) for each in overrides.models if each.provider == name and each.id not in written]
    if more:
        provider["models"] = [*models, *more]


def _apply_to_entries(overrides: RuntimeOverrides, name: str, provider: Tree) -> None:
    merge(provider, copy.deepcopy(overrides.entries.get(name, {})))
    for model in map(as_mapping, as_list(provider.get("models"))):
        merge(model, copy.deepcopy(overrides.entries.get(f"{name}/{model.get('id')}", {})))


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
