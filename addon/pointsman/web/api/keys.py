"""`/api/keys`: the providers' keys, always masked. Those of the file may be switched and labelled, new ones added."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from secrets import token_hex
from time import monotonic, time
from typing import Any

from pointsman import catalog
from pointsman.config import ConfigIssue, Key, Provider
from pointsman.config.base_model import ConfigModel
from pointsman.config.declared_names import as_mapping
from pointsman.config.loading import with_environment
from pointsman.config.messages import FromEnvironment
from pointsman.config.providers import labelled
from pointsman.config.runtime_overrides import AddedKey, KeyChange, RuntimeOverrides
from pointsman.config.values import Flag, Line, Name, Secret, Tree
from pointsman.masking import masked_credential
from pointsman.overrides import Configuration
from pointsman.overrides.configuration import ActiveConfig
from pointsman.routing.router import Router
from pointsman.routing.tallies import NO_TALLY
from pointsman.web.api.parsing import not_found, parse_body
from pointsman.web.http import PageReply, PageRequest, issues_problem, json_reply
from pointsman.web.slices import in_slices
from pointsman.web.status import cooldown_to_dict, time_text
from pointsman.wire.errors import Code, Problem

MAX_ADDED_KEYS = 1000


class NewKey(ConfigModel):
    provider: Name
    value: Secret
    label: Line | None = None
    enabled: Flag = True


class KeyPatch(ConfigModel):
    label: Line | None = None
    enabled: Flag | None = None


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key in force. `file_label` is its label in the file, None for one that was added here."""

    id: str
    provider: str
    key: Key
    source: str
    file_label: str | None


type KeyTester = Callable[[Provider, Key], Awaitable[dict[str, Any]]]
"""Asks a provider whether it takes a key; gives what the API tells of that."""


class KeyPages:
    def __init__(self, configuration: Configuration, router: Router, tester: KeyTester) -> None:
        self._configuration, self._router, self._tester = configuration, router, tester

    async def all(self, _: PageRequest, __: str) -> PageReply:
        state = self._configuration.current
        known = [*state.settings.providers, *sorted(catalog.known().keys() - state.settings.providers.keys())]
        keys = await in_slices(self._to_dict(each, state.overrides) for each in self._listed(state))
        return json_reply({"keys": keys, "providers": known})

    async def add(self, request: PageRequest, _: str) -> PageReply:
        """Raises Problem (invalid_request)."""
        new = parse_body(NewKey, request, hidden=True)
        key_id = token_hex(6)
        await self._configuration.change(lambda state: _with_new_key(state, new, key_id))
        return self._one(key_id, 201)

    async def change(self, request: PageRequest, key_id: str) -> PageReply:
        """Raises Problem (invalid_request, not_found)."""
        change = parse_body(KeyPatch, request, hidden=True)
        await self._configuration.change(lambda state: self._with_changed_key(state, key_id, change))
        return self._one(key_id, 200)

    async def remove(self, _: PageRequest, key_id: str) -> PageReply:
        """Raises Problem (not_found, conflict)."""
        await self._configuration.change(lambda state: self._without_key(state, key_id))
        return PageReply(204, b"", ())

    async def test(self, _: PageRequest, key_id: str) -> PageReply:
        """Raises Problem (not_found)."""
        found = self._find(self._configuration.current, key_id)
        result = await self._tester(self._configuration.current.settings.providers[found.provider], found.key)
        if result["ok"]:
            self._router.cooldowns.on_key_accepted((found.provider, found.key.id), monotonic())
        return json_reply(result)

    def _one(self, key_id: str, status: int) -> PageReply:
        state = self._configuration.current
        return json_reply(self._to_dict(self._find(state, key_id), state.overrides), status)

    def _find(self, state: ActiveConfig, key_id: str) -> ListedKey:
        found = next((each for each in self._listed(state) if each.id == key_id), None)
        if found is None:
            raise not_found("key")
        return found

    def _listed(self, state: ActiveConfig) -> list[ListedKey]:
        tree, _ = with_environment(state.document.tree, self._configuration.env)
        providers = as_mapping(tree.get("providers"))
        return [
            each
            for name in state.settings.providers
            for each in _of_provider(name, state, as_mapping(providers.get(name)))
        ]

    def _with_changed_key(self, state: ActiveConfig, key_id: str, change: KeyPatch) -> RuntimeOverrides:
        found, overrides = self._find(state, key_id), state.overrides
        if found.file_label is None:
            changes: dict[str, Any] = {name: value for name, value in change if value is not None}
            added = tuple(replace(key, **changes) if key.id == key_id else key for key in overrides.added)
            return replace(overrides, added=added)
        name = (found.provider, found.file_label)
        before = overrides.keys.get(name, KeyChange())
        merged = KeyChange(
            before.enabled if change.enabled is None else change.enabled,
            before.label if change.label is None else change.label,
        )
        of_file = next(
            key for key in state.base_settings.providers[found.provider].keys if key.label == found.file_label
        )
        merged = KeyChange(
            None if merged.enabled == of_file.enabled else merged.enabled,
            None if merged.label == of_file.label else merged.label,
        )
        others = {each: held for each, held in overrides.keys.items() if each != name}
        return replace(overrides, keys=others if merged == KeyChange() else {**others, name: merged})

    def _without_key(self, state: ActiveConfig, key_id: str) -> RuntimeOverrides:
        found = self._find(state, key_id)
        if found.file_label is not None:
            message = "This key is set in the configuration file or the environment: remove it there, or disable it."
            raise Problem(Code.CONFLICT, message)
        return replace(state.overrides, added=tuple(key for key in state.overrides.added if key.id != key_id))

    def _to_dict(self, listed: ListedKey, overrides: RuntimeOverrides) -> dict[str, Any]:
        now, wall = monotonic(), time()
        key, name = listed.key, (listed.provider, listed.key.id)
        change = overrides.keys.get((listed.provider, listed.file_label or ""), KeyChange())
        changed = {"enabled": change.enabled, "label": change.label}
        return {
            "id": listed.id,
            "provider": listed.provider,
            "label": key.label,
            "masked": masked_credential(key.value.get_secret_value()),
            "enabled": key.enabled,
            "source": listed.source,
            "invalid": name in self._router.cooldowns.invalid_keys,
            "cooldown": cooldown_to_dict(self._router.cooldowns.key_cooldown(name, now), wall - now),
            "quotas": self._router.quotas_to_list(now, wall, *name),
            "condition": self._router.conditions(now, wall).of_key(name, key.enabled).to_dict(time_text(wall)),
            "totals": self._router.state.tallies.keys.get(name, NO_TALLY).to_dict(wall),
            "models": list(self._models(listed, now, wall)),
            "overridden": [name for name, value in changed.items() if value is not None],
        }

    def _models(self, listed: ListedKey, now: float, wall: float) -> Iterator[dict[str, Any]]:
        """How each model of the key stands, if it was tried or has limits."""
        router, conditions = self._router, self._router.conditions(now, wall)
        for target in (each for each in router.inventory.targets if each.provider.name == listed.provider):
            for each in router.inventory.keys[target]:
                if each.key_id != (listed.provider, listed.key.id):
                    continue
                tally = router.state.tallies.pairs.get(each.pair_id)
                limits = router.limits.left(each.pair_id, target.model.limits, now)
                if tally or limits:
                    yield {
                        "model": target.model.id,
                        "condition": conditions.of_pair(each).to_dict(time_text(wall)),
                        "totals": (tally or NO_TALLY).to_dict(wall),
                        "limits": {name: {"limit": left.limit, "left": left.left} for name, left in limits.items()},
                    }


def _with_new_key(state: ActiveConfig, new: NewKey, key_id: str) -> RuntimeOverrides:
    """Raises Problem (invalid_request)."""
    names = {**dict.fromkeys(state.settings.providers), **dict.fromkeys(catalog.known())}
    if new.provider not in names:
        raise issues_problem([ConfigIssue("provider", f"must be one of {', '.join(names)}; got {new.provider!r}")])
    if len(state.overrides.added) >= MAX_ADDED_KEYS:
        raise Problem(Code.INVALID_REQUEST, f"{MAX_ADDED_KEYS} keys have been added already; delete one.")
    provider = state.settings.providers.get(new.provider)
    keys = provider.keys if provider else ()
    faults = []
    if any(key.value == new.value for key in keys):
        faults.append(ConfigIssue("value", "is already a key of this provider"))
    if any(key.label == new.label for key in keys):
        faults.append(ConfigIssue("label", "is the label of another key of this provider; choose another one"))
    if faults:
        raise issues_problem(faults)
    label = new.label or _free_label({key.label for key in keys})
    added = AddedKey(key_id, new.provider, label, new.value.get_secret_value(), new.enabled)
    return replace(state.overrides, added=(*state.overrides.added, added))


def _free_label(taken: set[str]) -> str:
    number = len(taken) + 1
    while (label := f"key-{number}") in taken:
        number += 1
    return label


def _of_provider(name: str, state: ActiveConfig, written: Tree) -> Iterator[ListedKey]:
    """Those of the file stand first, in its order; those added here follow."""
    keys = state.settings.providers[name].keys
    base = state.base_settings.providers.get(name)
    of_file = base.keys if base else ()
    entries = labelled(written.get("keys") or [])
    for key, known, entry in zip(keys, of_file, entries, strict=False):
        yield ListedKey(_id_of(name, known.label), name, key, _source(as_mapping(entry).get("value")), known.label)
    ids = {added.value: added.id for added in state.overrides.added if added.provider == name}
    for key in keys[len(of_file) :]:
        yield ListedKey(ids[key.value.get_secret_value()], name, key, "override", None)


def _source(value: object) -> str:
    return "environment" if isinstance(value, FromEnvironment) or "${" in str(value) else "file"


def _id_of(provider: str, label: str) -> str:
    return blake2b(f"{provider}\0{label}".encode(), digest_size=6).hexdigest()
