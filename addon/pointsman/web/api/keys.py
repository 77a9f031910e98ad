"""`/api/keys`: the providers' keys, always masked. Those of the file may be switched and labelled, new ones added."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from secrets import token_hex
from time import monotonic, time
from typing import Any

from pointsman import catalog
from pointsman.config import Found, Key, Provider
from pointsman.config.base_model import Section
from pointsman.config.declared_names import mapping
from pointsman.config.loading import with_environment
from pointsman.config.messages import FromEnvironment
from pointsman.config.providers import labelled
from pointsman.config.runtime_overrides import AddedKey, KeyChange, Overlay
from pointsman.config.values import Flag, Line, Name, Secret, Tree
from pointsman.masking import masked_credential
from pointsman.overrides import Configuration
from pointsman.overrides.configuration import InForce
from pointsman.routing.router import Router
from pointsman.web.api.parsing import missing, read
from pointsman.web.api.state import cooldown_of
from pointsman.web.http import Reply, Request, refused, reply_json
from pointsman.wire.errors import Code, Problem

MOST_ADDED = 1000


class NewKey(Section):
    provider: Name
    value: Secret
    label: Line | None = None
    enabled: Flag = True


class Change(Section):
    label: Line | None = None
    enabled: Flag | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A key in force. `written` is its label in the file, None for one that was added here."""

    id: str
    provider: str
    key: Key
    source: str
    written: str | None


type Tester = Callable[[Provider, Key], Awaitable[dict[str, Any]]]
"""Asks a provider whether it takes a key; gives what the API tells of that."""


class Keys:
    def __init__(self, configuration: Configuration, router: Router, tester: Tester) -> None:
        self._configuration, self._router, self._tester = configuration, router, tester

    def all(self, _: Request, __: str) -> Reply:
        state = self._configuration.now
        known = [*state.settings.providers, *sorted(catalog.known().keys() - state.settings.providers.keys())]
        listed = self._listed(state)
        return reply_json({"keys": [self._plain(each, state.overlay) for each in listed], "providers": known})

    async def add(self, request: Request, _: str) -> Reply:
        """Raises Problem (invalid_request)."""
        new = read(NewKey, request, hidden=True)
        key_id = token_hex(6)
        await self._configuration.change(lambda state: _with(state, new, key_id))
        return self._one(key_id, 201)

    async def change(self, request: Request, key_id: str) -> Reply:
        """Raises Problem (invalid_request, not_found)."""
        change = read(Change, request, hidden=True)
        await self._configuration.change(lambda state: self._changed(state, key_id, change))
        return self._one(key_id, 200)

    async def remove(self, _: Request, key_id: str) -> Reply:
        """Raises Problem (not_found, conflict)."""
        await self._configuration.change(lambda state: self._without(state, key_id))
        return Reply(204, b"", ())

    async def test(self, _: Request, key_id: str) -> Reply:
        """Raises Problem (not_found)."""
        found = self._find(self._configuration.now, key_id)
        return reply_json(await self._tester(self._configuration.now.settings.providers[found.provider], found.key))

    def _one(self, key_id: str, status: int) -> Reply:
        state = self._configuration.now
        return reply_json(self._plain(self._find(state, key_id), state.overlay), status)

    def _find(self, state: InForce, key_id: str) -> Listed:
        found = next((each for each in self._listed(state) if each.id == key_id), None)
        if found is None:
            raise missing("key")
        return found

    def _listed(self, state: InForce) -> list[Listed]:
        tree, _ = with_environment(state.written.tree, self._configuration.env)
        providers = mapping(tree.get("providers"))
        return [
            each
            for name in state.settings.providers
            for each in _of_provider(name, state, mapping(providers.get(name)))
        ]

    def _changed(self, state: InForce, key_id: str, change: Change) -> Overlay:
        found, overlay = self._find(state, key_id), state.overlay
        if found.written is None:
            changes: dict[str, Any] = {name: value for name, value in change if value is not None}
            added = tuple(replace(key, **changes) if key.id == key_id else key for key in overlay.added)
            return replace(overlay, added=added)
        name = (found.provider, found.written)
        before = overlay.keys.get(name, KeyChange())
        merged = KeyChange(
            before.enabled if change.enabled is None else change.enabled,
            before.label if change.label is None else change.label,
        )
        of_file = next(key for key in state.base.providers[found.provider].keys if key.label == found.written)
        merged = KeyChange(
            None if merged.enabled == of_file.enabled else merged.enabled,
            None if merged.label == of_file.label else merged.label,
        )
        others = {each: held for each, held in overlay.keys.items() if each != name}
        return replace(overlay, keys=others if merged == KeyChange() else {**others, name: merged})

    def _without(self, state: InForce, key_id: str) -> Overlay:
        found = self._find(state, key_id)
        if found.written is not None:
            message = "This key stands in the configuration file or the environment: remove it there, or disable it."
            raise Problem(Code.CONFLICT, message)
        return replace(state.overlay, added=tuple(key for key in state.overlay.added if key.id != key_id))

    def _plain(self, listed: Listed, overlay: Overlay) -> dict[str, Any]:
        now, wall = monotonic(), time()
        key, name = listed.key, (listed.provider, listed.key.label)
        change = overlay.keys.get((listed.provider, listed.written or ""), KeyChange())
        changed = {"enabled": change.enabled, "label": change.label}
        return {
            "id": listed.id,
            "provider": listed.provider,
            "label": key.label,
            "masked": masked_credential(key.value.get_secret_value()),
            "enabled": key.enabled,
            "source": listed.source,
            "invalid": name in self._router.cooldowns.invalid,
            "cooldown": cooldown_of(self._router.cooldowns.key(name, now), wall - now),
            "overridden": [name for name, value in changed.items() if value is not None],
        }


def _with(state: InForce, new: NewKey, key_id: str) -> Overlay:
    """Raises Problem (invalid_request)."""
    names = {**dict.fromkeys(state.settings.providers), **dict.fromkeys(catalog.known())}
    if new.provider not in names:
        raise refused([Found("provider", f"must be one of {', '.join(names)}; got {new.provider!r}")])
    if len(state.overlay.added) >= MOST_ADDED:
        raise Problem(Code.INVALID_REQUEST, f"{MOST_ADDED} keys were added already; remove one.")
    provider = state.settings.providers.get(new.provider)
    keys = provider.keys if provider else ()
    faults = []
    if any(key.value == new.value for key in keys):
        faults.append(Found("value", "is a key that this provider has already"))
    if any(key.label == new.label for key in keys):
        faults.append(Found("label", "is the label of another key of this provider; choose another one"))
    if faults:
        raise refused(faults)
    label = new.label or _free_label({key.label for key in keys})
    added = AddedKey(key_id, new.provider, label, new.value.get_secret_value(), new.enabled)
    return replace(state.overlay, added=(*state.overlay.added, added))


def _free_label(taken: set[str]) -> str:
    number = len(taken) + 1
    while (label := f"key-{number}") in taken:
        number += 1
    return label


def _of_provider(name: str, state: InForce, written: Tree) -> Iterator[Listed]:
    """Those of the file stand first, in its order; those added here follow."""
    keys = state.settings.providers[name].keys
    base = state.base.providers.get(name)
    of_file = base.keys if base else ()
    entries = labelled(written.get("keys") or [])
    for key, known, entry in zip(keys, of_file, entries, strict=False):
        yield Listed(_id_of(name, known.label), name, key, _source(mapping(entry).get("value")), known.label)
    ids = {added.value: added.id for added in state.overlay.added if added.provider == name}
    for key in keys[len(of_file) :]:
        yield Listed(ids[key.value.get_secret_value()], name, key, "override", None)


def _source(value: object) -> str:
    return "environment" if isinstance(value, FromEnvironment) or "${" in str(value) else "file"


def _id_of(provider: str, label: str) -> str:
    return blake2b(f"{provider}\0{label}".encode(), digest_size=6).hexdigest()
