"""`/api/settings`: every setting with the place its value comes from, and changes to some of them; `/api/reload`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from pointsman.config import ConfigIssue
from pointsman.config.loading import with_environment
from pointsman.config.messages import format_path
from pointsman.config.runtime_overrides import RuntimeOverrides, merge
from pointsman.config.values import Tree
from pointsman.config_watcher import ConfigWatcher
from pointsman.overrides import Configuration
from pointsman.overrides.configuration import ActiveConfig
from pointsman.web.api.parsing import json_body
from pointsman.web.api.setting_rows import SettingPath, beneath, row_of, settings_of, source_of
from pointsman.web.http import PageReply, PageRequest, issues_problem, json_reply
from pointsman.wire.errors import Code, Problem

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
        leaves = list(leaves_of(json_body(request), ()))
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
    return replace(state.overrides, settings=changed_tree(state.overrides.settings, changes))


def changed_tree(tree: Tree, changes: Iterable[tuple[SettingPath, Any]]) -> Tree:
    """A copy with these changes; None removes what is at its place."""
    tree = deepcopy(tree)
    for place, value in changes:
        if value is None:
            _remove(tree, place)
        else:
            merge(tree, _nested(place, value))
    return tree


def is_changeable(place: SettingPath) -> bool:
    return any(place[: len(each)] == each for each in CHANGEABLE)


def _unchangeable(place: SettingPath) -> ConfigIssue:
    known = ", ".join(format_path(each) for each in CHANGEABLE)
    return ConfigIssue(format_path(place), f"can only be changed in the file; what can be changed here: {known}")


def leaves_of(tree: Tree, place: SettingPath) -> Iterator[tuple[SettingPath, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from leaves_of(value, (*place, name))
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
    below = {each.place: each.value for each in settings_of(state.base_settings, (), OTHER_SECTIONS)}
    for setting in settings_of(state.settings, (), OTHER_SECTIONS):
        source = source_of(setting.place, state.overrides.settings, written, _default_source)
        row = row_of(setting, (), source, is_changeable(setting.place))
        if source == "override":
            without = source_of(setting.place, {}, written, _default_source)
            row["beneath"] = beneath(below.get(setting.place), setting.unit, without)
        yield row


def _default_source(place: SettingPath) -> str:
    return "environment" if place[0] == "protection" else "default"
