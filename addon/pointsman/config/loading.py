"""From a file and the environment to `Settings`, or to every fault at once."""

import copy
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from pointsman import catalog
from pointsman.config import document, environment, protection_env, runtime_overrides
from pointsman.config.clients import client_table
from pointsman.config.declared_names import as_mapping
from pointsman.config.enums import ProtectionLevel
from pointsman.config.errors import ConfigError, ConfigIssue, issues_from, merge_issues
from pointsman.config.faulty_providers import (
    ProviderFault,
    has_usable_provider,
    provider_faults,
    without_providers,
)
from pointsman.config.inheritance import apply_catalog, complete_provider
from pointsman.config.key_trimming import trim_keys
from pointsman.config.messages import format_path
from pointsman.config.rules import no_providers, rule_violations
from pointsman.config.runtime_overrides import RuntimeOverrides
from pointsman.config.settings import ConfigSections, Settings
from pointsman.config.values import Tree
from pointsman.config.warnings import config_warnings, exposed_keys

OPTION = "pointsman_config"
VARIABLE = "POINTSMAN_CONFIG"


def find_file(option: str | None, env: Mapping[str, str], cwd: Path, home: Path) -> Path | None:
    """The file to load: what the option or POINTSMAN_CONFIG names, else the first usual one that exists, else None.

    Raises ConfigError when the one that is named does not exist.
    """
    for source, named in ((OPTION, option), (VARIABLE, env.get(VARIABLE))):
        if named:
            path = cwd / (home / named[2:] if named.startswith("~/") else named)
            if not os.path.exists(path):
                problem = f"names {path}, which does not exist or cannot be reached; create it, or name another file"
                raise ConfigError([ConfigIssue(source, problem)])
            return path
    usual = (cwd / "pointsman.yaml", home / ".pointsman" / "pointsman.yaml")
    return next((path for path in usual if os.path.exists(path)), None)


def load(path: Path | None, env: Mapping[str, str]) -> Settings:
    """The configuration in `path`; without one the defaults, with no providers. The environment counts either way.

    Raises ConfigError with all faults.
    """
    if path is None:
        return build({}, env)
    written = read_file(path)
    return build(written.tree, env, written.issues, warnings=written.warnings)


def read_file(path: Path) -> document.Document:
    """The file as plain data, for `build`. Raises ConfigError when there is nothing to go on with."""
    tree, issues = document.read(path)[:2]
    return document.Document(tree, (*issues, *no_providers(tree)), tuple(exposed_keys(path, tree)))


def build(
    tree: Tree,
    env: Mapping[str, str],
    faults: Iterable[ConfigIssue] = (),
    over: RuntimeOverrides = runtime_overrides.NO_OVERRIDES,
    warnings: Iterable[str] = (),
    provider_issues: Iterable[ProviderFault] = (),
) -> Settings:
    """`Settings` from what a file would hold and what was changed since. `faults`, `warnings` and `provider_issues` are
    those known before.

    A provider whose entry is at fault is left out, as `Settings.faults` says. Raises ConfigError with all faults if one
    lies elsewhere, or if no usable provider is left.
    """
    known = catalog.known()
    misnamed = list(_written_names(tree))
    tree, misplaced = with_environment(tree, env)
    runtime_overrides.add_providers(over, tree, known)
    apply_catalog(tree, known)
    references = environment.References(env)
    tree = references.fill_in(tree)
    trimmed = list(trim_keys(tree))
    runtime_overrides.apply_overrides(over, tree)
    so_far = merge_issues(faults, misnamed, misplaced, references.issues, rule_violations(tree, known))
    sections, left_out = _validated(tree, so_far)
    return _settings(sections, env, over, [*trimmed, *warnings], [*provider_issues, *left_out])


def _validated(tree: Tree, so_far: list[ConfigIssue]) -> tuple[ConfigSections, list[ProviderFault]]:
    """The sections without the providers at fault, and these faults. Raises ConfigError as `build` does."""
    try:
        sections = ConfigSections.model_validate(_named(tree))
        issues = so_far
    except ValidationError as error:
        issues = merge_issues(so_far, issues_from(error, tree))
    if not issues:
        return sections, []
    faults = provider_faults(issues, tree)
    if faults is None:
        raise ConfigError(issues)
    rest = without_providers(tree, {fault.provider for fault in faults})
    if not has_usable_provider(rest):
        raise ConfigError(issues)
    return ConfigSections.model_validate(_named(rest)), faults


def with_environment(tree: Tree, env: Mapping[str, str]) -> tuple[Tree, list[ConfigIssue]]:
    """A copy of the tree that says what the environment says where that has a word, and what is wrong with it."""
    tree = copy.deepcopy(tree)
    return tree, environment.apply_variables(tree, env, _all_names(tree))


def _written_names(tree: Tree) -> Iterator[ConfigIssue]:
    """A provider's name is the key that it stands under; a `name` inside it would be a second one."""
    for name, provider in as_mapping(tree.get("providers")).items():
        if "name" in as_mapping(provider):
            yield ConfigIssue(
                format_path(("providers", name, "name")), f"is not a known key: the provider's name is {name}"
            )


def _all_names(tree: Tree) -> list[str]:
    return [*as_mapping(tree.get("providers")), *catalog.known()]


def _named(tree: Tree) -> Tree:
    """The tree with each provider knowing its name."""
    providers = tree.get("providers")
    if not isinstance(providers, dict):
        return tree
    named = {name: {} if provider is None else provider for name, provider in providers.items()}
    return {**tree, "providers": {name: {**p, "name": name} if isinstance(p, dict) else p for name, p in named.items()}}


def _settings(
    sections: ConfigSections,
    env: Mapping[str, str],
    over: RuntimeOverrides,
    known: Iterable[str],
    faults: Iterable[ProviderFault],
) -> Settings:
    """What the models and rules have found good, with everything that depends on several sections worked out."""
    providers = {name: complete_provider(provider, sections) for name, provider in sections.providers.items()}
    levels, warnings = _levels_from_environment(env.get(protection_env.ENV_VARIABLE, ""), sections)
    return Settings.model_construct(
        **{
            **dict(sections),
            "providers": MappingProxyType(providers),
            "clients": MappingProxyType(client_table(sections.clients, _client_key(sections))),
            "protection": MappingProxyType(
                {**_levels_of_models(sections), **sections.protection, **levels, **over.levels}
            ),
            "order": over.order,
            "faults": tuple(faults),
            "warnings": (*known, *config_warnings(sections, catalog.known()), *warnings),
        }
    )


def _client_key(sections: ConfigSections) -> str | None:
    key = sections.server.client_key
    return key.get_secret_value() if key else None


def _levels_of_models(sections: ConfigSections) -> dict[str, ProtectionLevel]:
    return {
        f"{provider.name}/{model.id}": model.protection
        for provider in sections.providers.values()
        for model in provider.models
        if model.protection is not None
    }


def _levels_from_environment(text: str, sections: ConfigSections) -> tuple[dict[str, ProtectionLevel], list[str]]:
    models: dict[str, frozenset[str]] = dict.fromkeys(catalog.known(), frozenset())
    for provider in sections.providers.values():
        models[provider.name] = frozenset(model.id for model in provider.models)
    entries = list(protection_env.parse_entries(text, models))
    levels = {entry.key: entry.level for entry in entries if entry.level is not None}
    return levels, [f"{protection_env.ENV_VARIABLE}: {entry.warning}" for entry in entries if entry.warning is not None]
