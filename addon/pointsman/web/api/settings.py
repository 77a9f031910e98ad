"""`/api/settings`: every setting with the place its value comes from, and changes to some of them; `/api/reload`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from enum import StrEnum
from typing import Any

from pydantic import SecretStr

from pointsman.config import ConfigIssue, Settings, schema
from pointsman.config.base_model import ConfigModel
from pointsman.config.declared_names import as_mapping
from pointsman.config.loading import with_environment
from pointsman.config.messages import FromEnvironment, format_path
from pointsman.config.runtime_overrides import RuntimeOverrides, merge
from pointsman.config.settings import ConfigSections
from pointsman.config.values import Tree
from pointsman.config_watcher import ConfigWatcher
from pointsman.masking import MASK
from pointsman.overrides import Configuration
from pointsman.overrides.configuration import ActiveConfig
from pointsman.web.api.parsing import json_body
from pointsman.web.http import PageReply, PageRequest, issues_problem, json_reply
from pointsman.wire.errors import Code, Problem

type SettingPath = tuple[str, ...]

CHANGEABLE: tuple[SettingPath, ...] = (
    ("routing", "default_mode"),
    ("hedge",),
    ("sticky",),
    ("protection",),
    ("cooldowns",),
)
"""What may be changed while the router runs: these, and everything below them."""
OTHER_SECTIONS = frozenset({"providers", "clients"})
"""Sections that have pages of their own."""


class SettingsPages:
    """`reloader` is asked at each request: there is none without a file."""

    def __init__(self, configuration: Configuration, reloader: Callable[[], ConfigWatcher | None]) -> None:
        self._configuration, self._watcher = configuration, reloader

    def all(self, _: PageRequest, __: str) -> PageReply:
        state, configuration = self._configuration.current, self._configuration
        store = configuration.store
        return json_reply(
            {
                "settings": list(setting_rows(state, configuration.env)),
                "file": str(configuration.path) if configuration.path else None,
                "kept": str(store.path) if store else None,
                "warnings": list(state.settings.warnings),
                "faults": [fault.to_dict() for fault in state.settings.faults],
            }
        )

    async def change(self, request: PageRequest, rest: str) -> PageReply:
        """Raises Problem (invalid_request)."""
        leaves = list(_leaves(json_body(request), ()))
        faults = [_unchangeable(place) for place, _ in leaves if not is_changeable(place)]
        changes = [(place, value) for place, value in leaves if is_changeable(place)]
        await self._configuration.change(lambda state: with_changes(state, changes), faults)
        return self.all(request, rest)

    async def reload(self, request: PageRequest, rest: str) -> PageReply:
        """Raises Problem (invalid_request, conflict)."""
        reloader = self._watcher()
        if reloader is None:
            raise Problem(Code.CONFLICT, "There is no configuration file to reload; start with one.")
        if faults := await reloader.reload():
            raise issues_problem(faults)
        return self.all(request, rest)


def with_changes(state: ActiveConfig, changes: Iterable[tuple[SettingPath, Any]]) -> RuntimeOverrides:
    """The overrides with these changes, not validated."""
    settings = deepcopy(state.overrides.settings)
    for place, value in changes:
        if value is None:
            _remove(settings, place)
        else:
            merge(settings, _nested(place, value))
    return replace(state.overrides, settings=settings)


def is_changeable(place: SettingPath) -> bool:
    return any(place[: len(each)] == each for each in CHANGEABLE)


def _unchangeable(place: SettingPath) -> ConfigIssue:
    known = ", ".join(format_path(each) for each in CHANGEABLE)
    return ConfigIssue(format_path(place), f"can only be changed in the file; what can be changed here: {known}")


def _leaves(tree: Tree, place: SettingPath) -> Iterator[tuple[SettingPath, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*place, name))
        else:
            yield (*place, name), value


def _nested(place: SettingPath, value: Any) -> Tree:
    for name in reversed(place):
        value = {name: value}
    nested: Tree = value
    return nested


def _remove(tree: Tree, place: SettingPath) -> None:
    """Removes the value at `place`, and mappings that become empty."""
    first, *rest = place
    inner = tree.get(first)
    if rest and isinstance(inner, dict):
        _remove(inner, tuple(rest))
    if not rest or inner == {}:
        tree.pop(first, None)


def setting_rows(state: ActiveConfig, env: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """One for each setting, in the file's order; tables have one for each entry."""
    written, _ = with_environment(state.document.tree, env)
    beneath = {place: value for place, value, _ in _values(state.base_settings, ())}
    for place, value, shape in _values(state.settings, ()):
        source = _source(place, state.overrides.settings, written)
        row = {
            "name": format_path(place),
            "path": list(place),
            "value": _to_json(value),
            "source": source,
            "changeable": is_changeable(place),
            "choices": _choices(shape),
        }
        if source == "override":
            below = {"value": _to_json(beneath.get(place)), "source": _source(place, {}, written)}
            row["beneath"] = below
        yield row


def _values(section: ConfigModel, place: SettingPath) -> Iterator[tuple[SettingPath, Any, Any]]:
    """Each value with its place and its shape."""
    fields = ConfigSections.model_fields if isinstance(section, Settings) else type(section).model_fields
    for name in fields:
        value, here = getattr(section, name), (*place, name)
        if here[0] in OTHER_SECTIONS:
            continue
        if isinstance(value, ConfigModel):
            yield from _values(value, here)
        elif isinstance(value, Mapping):
            shape = schema.child_shape(schema.shape_at(here), "")
            yield from (((*here, str(key)), entry, shape) for key, entry in value.items())
        else:
            yield here, value, schema.shape_at(here)


def _source(place: SettingPath, overrides: Tree, written: Tree) -> str:
    if _at(overrides, place) is not None:
        return "override"
    found = _at(written, place)
    if found is None:
        return "environment" if place[0] == "protection" else "default"
    parts = found if isinstance(found, list) else [found]
    is_from_environment = any(isinstance(part, FromEnvironment) or "${" in str(part) for part in parts)
    return "environment" if is_from_environment else "file"


def _at(tree: Tree, place: SettingPath) -> Any:
    """None where there is nothing."""
    found: Any = tree
    for name in place:
        found = as_mapping(found).get(name)
    return found


def _to_json(value: Any) -> Any:
    match value:
        case SecretStr():
            return MASK
        case StrEnum():
            return value.value
        case tuple() | frozenset():
            return [_to_json(each) for each in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def _choices(shape: Any) -> list[str] | None:
    kind = schema.child_shape(shape, 0) if schema.is_list(shape) else shape
    return [word.value for word in kind] if isinstance(kind, type) and issubclass(kind, StrEnum) else None
