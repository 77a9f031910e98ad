"""What must hold between several values. Each rule yields its faults; all of them run, whatever the models have found.

Rules read the tree as it is written, with references filled in and the catalog's knowledge added, so that a mistake in
one place does not hide one in another.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from importlib.util import find_spec
from typing import Any

from pointsman.config import client_rules
from pointsman.config.declared_names import AUTO, DeclaredNames, as_list, as_mapping
from pointsman.config.enums import Forward
from pointsman.config.errors import ConfigIssue
from pointsman.config.messages import describe_value, format_path, quoted, suggestion
from pointsman.config.providers import labelled
from pointsman.config.values import MAX_LINE, Tree, is_line

PROVIDER_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
TRACE_EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
EXTRA = "add the extra {}, as docs/install.md says, or remove it"
EXAMPLE = "groq: {keys: [${GROQ_API_KEY}]}"


def rule_violations(tree: Tree, catalog: Collection[str]) -> Iterator[ConfigIssue]:
    declared = DeclaredNames.from_tree(tree)
    yield from _server_keys_differ(tree)
    yield from client_rules.violations(tree, declared)
    yield from _forward_has_a_key(tree)
    yield from _traces_can_be_sent(tree)
    yield from _state_can_be_shared(tree)
    yield from _provider_names(tree)
    yield from _provider_addresses(tree, catalog)
    yield from _keys_differ(tree)
    yield from _models_differ(tree)
    yield from _alias_names(declared)
    yield from _alias_targets(declared)
    yield from _protected_providers(tree, {*declared.models, *catalog})


def no_providers(tree: Tree) -> Iterator[ConfigIssue]:
    """Asked of a file only: without a file there are the demo providers."""
    if tree.get("providers") in (None, {}):
        remedy = f"add one, such as {EXAMPLE}, or start without a file to see the demo providers"
        yield ConfigIssue("providers", f"has no providers; {remedy}")


def _server_keys_differ(tree: Tree) -> Iterator[ConfigIssue]:
    server = as_mapping(tree.get("server"))
    if server.get("client_key") is not None and server.get("client_key") == server.get("admin_key"):
        yield ConfigIssue(
            "server.admin_key", "must differ from client_key, so that clients have no admin access; choose another one"
        )


def _forward_has_a_key(tree: Tree) -> Iterator[ConfigIssue]:
    server = as_mapping(tree.get("server"))
    has_key = server.get("client_key") is not None or bool(as_mapping(tree.get("clients")))
    if server.get("forward") == Forward.KEY and not has_key:
        yield ConfigIssue(
            "server.forward",
            "is key, but there is no client key: set server.client_key, add to clients, or use local or open",
        )


def _traces_can_be_sent(tree: Tree) -> Iterator[ConfigIssue]:
    if as_mapping(tree.get("telemetry")).get("otlp") is not None and not _is_installed(TRACE_EXPORTER):
        yield ConfigIssue("telemetry.otlp", f"needs packages that are not installed: {EXTRA.format('otel')}")


def _state_can_be_shared(tree: Tree) -> Iterator[ConfigIssue]:
    if as_mapping(tree.get("shared")).get("url") is not None and not _is_installed("redis.asyncio"):
        yield ConfigIssue("shared.url", f"needs a package that is not installed: {EXTRA.format('shared')}")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # what it is part of
        return False


def _provider_names(tree: Tree) -> Iterator[ConfigIssue]:
    names = list(as_mapping(tree.get("providers")))
    for index, name in enumerate(names):
        place = format_path(("providers", name))
        if not PROVIDER_NAME.fullmatch(name):
            yield ConfigIssue(place, "must consist of 1 to 64 letters, digits, dots, dashes and underscores; rename it")
        elif _is_reserved(name):
            yield ConfigIssue(place, f"must not be called {AUTO} or {AUTO}-…, which select a mode; rename it")
        elif twin := next((other for other in names[:index] if other.lower() == name.lower()), None):
            yield ConfigIssue(place, f"differs from {twin} only in case; rename one")


def _is_reserved(name: str) -> bool:
    return name.lower() == AUTO or name.lower().startswith(f"{AUTO}-")


def _provider_addresses(tree: Tree, catalog: Collection[str]) -> Iterator[ConfigIssue]:
    for name, provider in as_mapping(tree.get("providers")).items():
        if (provider is None or isinstance(provider, dict)) and "base_url" not in as_mapping(provider):
            hint = suggestion(name, catalog)
            yield ConfigIssue(
                format_path(("providers", name, "base_url")),
                f"is required: the catalog has no provider {quoted(name)}{hint}",
            )


def _keys_differ(tree: Tree) -> Iterator[ConfigIssue]:
    for name, provider in as_mapping(tree.get("providers")).items():
        keys = [as_mapping(key) for key in as_list(labelled(as_mapping(provider).get("keys")))]
        for index, first in _repeats(key.get("value") for key in keys):
            yield ConfigIssue(
                format_path(("providers", name, "keys", index)), f"is the same key as keys[{first}]; remove one"
            )
        for index, first in _repeats(key.get("label") for key in keys):
            path = format_path(("providers", name, "keys", index, "label"))
            yield ConfigIssue(path, f"is the same label as that of keys[{first}]; choose another one")


def _models_differ(tree: Tree) -> Iterator[ConfigIssue]:
    for name, provider in as_mapping(tree.get("providers")).items():
        ids = (as_mapping(model).get("id") for model in as_list(as_mapping(provider).get("models")))
        for index, first in _repeats(ids):
            path = format_path(("providers", name, "models", index, "id"))
            yield ConfigIssue(path, f"is the same id as that of models[{first}]; remove one")


def _repeats(values: Iterable[Any]) -> Iterator[tuple[int, int]]:
    """The position of each text that stood before, and where it stood first."""
    seen: dict[str, int] = {}
    for index, value in enumerate(values):
        if isinstance(value, str) and seen.setdefault(value, index) != index:
            yield index, seen[value]


def _alias_names(declared: DeclaredNames) -> Iterator[ConfigIssue]:
    for alias in declared.aliases:
        path = format_path(("routing", "aliases", alias))
        if not is_line(alias):
            problem = (
                f"must be a name that clients ask for, one line of 1 to {MAX_LINE} characters; rename or remove it"
            )
            yield ConfigIssue(path, problem)
        elif _is_reserved(alias):
            yield ConfigIssue(path, f"must not be called {AUTO} or {AUTO}-…, which select a mode; rename it")


def _alias_targets(declared: DeclaredNames) -> Iterator[ConfigIssue]:
    circles: set[frozenset[str]] = set()
    for alias, meaning in declared.aliases.items():
        path = format_path(("routing", "aliases", alias))
        circle = _circle(alias, declared)
        if circle and frozenset(circle) not in circles:
            circles.add(frozenset(circle))
            way = " -> ".join([*circle, alias])
            yield ConfigIssue(path, f"is circular ({way}); it must end at a model or a mode")
        elif unknown := next((name for name in meaning if not declared.is_known(name)), None):
            hint = suggestion(unknown, declared.names())
            wanted = "must name a model, provider/model, a mode such as auto-smart, or another alias"
            yield ConfigIssue(path, f"{wanted}, got {describe_value(unknown)}{hint}")


def _circle(alias: str, declared: DeclaredNames) -> list[str]:
    """The aliases on a way from `alias` back to itself; none if no way leads there."""
    ways, seen = [[alias]], {alias}
    while ways:
        way = ways.pop()
        for name in declared.aliases.get(way[-1], ()):
            if name == alias:
                return way
            if name in declared.aliases and name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


def _protected_providers(tree: Tree, known: Collection[str]) -> Iterator[ConfigIssue]:
    for name in as_mapping(tree.get("protection")):
        provider = name.partition("/")[0]
        if provider not in known:
            hint = suggestion(provider, known)
            path = format_path(("protection", name))
            yield ConfigIssue(
                path, f"must name a provider or provider/model; there is no provider {quoted(provider)}{hint}"
            )
