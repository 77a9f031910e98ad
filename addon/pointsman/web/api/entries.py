"""`/api/providers/<name>/settings`: what is set of a provider, or of one of its models, and changes to it.

A provider's address can be changed in the file only: a changed address would get the provider's keys.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pointsman import catalog
from pointsman.config import ConfigIssue, Model, Provider
from pointsman.config.base_model import ConfigModel
from pointsman.config.declared_names import as_list, as_mapping
from pointsman.config.loading import with_environment
from pointsman.config.messages import format_path
from pointsman.config.runtime_overrides import RuntimeOverrides
from pointsman.config.values import Tree
from pointsman.overrides import Configuration
from pointsman.overrides.configuration import ActiveConfig
from pointsman.web.api.parsing import json_body, not_found, path_param, query_params
from pointsman.web.api.setting_rows import SettingPath, beneath, row_of, settings_of, source_of
from pointsman.web.api.settings import changed_tree, leaves_of
from pointsman.web.http import PageReply, PageRequest, json_reply

ELSEWHERE = frozenset({"name", "keys", "models", "redirects"})
"""Members of a provider that have a place of their own."""
FIXED = frozenset({"base_url", "dialect", "dialects", "proxy", "keyless"})
OF_TARGETS = frozenset({"id", "enabled", "pool"})
"""Members of a model that the page Models changes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A provider's entry, or one model's."""

    provider: Provider
    model: Model | None

    @property
    def name(self) -> str:
        return self.provider.name if self.model is None else f"{self.provider.name}/{self.model.id}"

    @property
    def section(self) -> ConfigModel:
        return self.provider if self.model is None else self.model

    @property
    def place(self) -> SettingPath:
        """Where the reference speaks of it."""
        own = ("providers", self.provider.name)
        return own if self.model is None else (*own, "models", self.model.id)

    @property
    def left_out(self) -> frozenset[str]:
        return ELSEWHERE if self.model is None else OF_TARGETS

    def is_changeable(self, place: SettingPath) -> bool:
        fixed = FIXED | ELSEWHERE if self.model is None else OF_TARGETS
        return place[0] in type(self.section).model_fields and place[0] not in fixed


class EntryPages:
    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    def all(self, request: PageRequest, rest: str) -> PageReply:
        """Raises Problem (invalid_request, not_found)."""
        state = self._configuration.current
        entry = _find(state, path_param(rest), query_params(request, "model").get("model"))
        return json_reply({"settings": list(self._rows(state, entry))})

    async def change(self, request: PageRequest, rest: str) -> PageReply:
        """Raises Problem (invalid_request, not_found), ConfigError."""
        name, model = path_param(rest), query_params(request, "model").get("model")
        entry = _find(self._configuration.current, name, model)
        changes = list(leaves_of(json_body(request), ()))
        faults = [_fixed(place, entry) for place, _ in changes if not entry.is_changeable(place)]
        allowed = [change for change in changes if entry.is_changeable(change[0])]
        await self._configuration.change(lambda state: _with_changes(state, entry.name, allowed), faults)
        return self.all(request, rest)

    def _rows(self, state: ActiveConfig, entry: Entry) -> Iterator[dict[str, Any]]:
        written, _ = with_environment(state.document.tree, self._configuration.env)
        file = _entry_at(as_mapping(as_mapping(written.get("providers")).get(entry.provider.name)), entry)
        known = _entry_at(as_mapping(catalog.known().get(entry.provider.name)), entry)
        overrides = state.overrides.entries.get(entry.name, {})
        below = dict(_base_values(state, entry))

        def default(place: SettingPath) -> str:
            return "catalog" if source_of(place, {}, known) == "file" else "default"

        for setting in settings_of(entry.section, entry.place, entry.left_out):
            source = source_of(setting.place, overrides, file, default)
            row = row_of(setting, entry.place, source, entry.is_changeable(setting.place))
            if source == "override":
                without = source_of(setting.place, {}, file, default)
                row["beneath"] = beneath(below.get(setting.place), setting.unit, without)
            yield row


def _find(state: ActiveConfig, name: str, model: str | None) -> Entry:
    provider = state.settings.providers.get(name)
    if provider is None:
        raise not_found("provider")
    if model is None:
        return Entry(provider, None)
    found = next((each for each in provider.models if each.id == model), None)
    if found is None:
        raise not_found("model")
    return Entry(provider, found)


def _entry_at(provider: Mapping[str, Any], entry: Entry) -> Tree:
    """The entry as a tree, empty where it has none."""
    if entry.model is None:
        return dict(provider)
    models = map(as_mapping, as_list(provider.get("models")))
    return dict(next((each for each in models if each.get("id") == entry.model.id), {}))


def _base_values(state: ActiveConfig, entry: Entry) -> Iterator[tuple[SettingPath, Any]]:
    base = state.base_settings.providers.get(entry.provider.name)
    models = base.models if base else ()
    of_model = next((each for each in models if entry.model and each.id == entry.model.id), None)
    section: ConfigModel | None = base if entry.model is None else of_model
    if section is not None:
        yield from ((each.place, each.value) for each in settings_of(section, entry.place, entry.left_out))


def _with_changes(state: ActiveConfig, name: str, changes: list[tuple[SettingPath, Any]]) -> RuntimeOverrides:
    entries = dict(state.overrides.entries)
    tree = changed_tree(entries.pop(name, {}), changes)
    if tree:
        entries[name] = tree
    return replace(state.overrides, entries=entries)


def _fixed(place: SettingPath, entry: Entry) -> ConfigIssue:
    if place[0] in type(entry.section).model_fields:
        return ConfigIssue(format_path(place), "can only be changed in the file, or has a page of its own")
    known = ", ".join(name for name in type(entry.section).model_fields if entry.is_changeable((name,)))
    return ConfigIssue(format_path(place), f"is not a setting of it; there are {known}")
