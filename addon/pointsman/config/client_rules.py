"""What must hold between the clients, and between them and the rest of the configuration. See `rules`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pointsman.config.clients import DEFAULT_CLIENT, MAX_CLIENTS, REFUSE, KeyHash, hash_key
from pointsman.config.declared_names import DeclaredNames, as_mapping
from pointsman.config.errors import ConfigIssue
from pointsman.config.messages import describe_value, format_path, suggestion
from pointsman.config.values import Tree

CLIENT_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def violations(tree: Tree, declared: DeclaredNames) -> Iterator[ConfigIssue]:
    clients = as_mapping(tree.get("clients"))
    if len(clients) > MAX_CLIENTS:
        yield ConfigIssue("clients", f"must have at most {MAX_CLIENTS} entries")
    has_client_key = as_mapping(tree.get("server")).get("client_key") is not None
    yield from _names(list(clients))
    yield from _keys_present(clients, has_client_key)
    yield from _keys_differ(clients, as_mapping(tree.get("server")))
    yield from _fallbacks(clients, declared)


def _names(names: list[Any]) -> Iterator[ConfigIssue]:
    seen: dict[str, str] = {}
    for name in map(str, names):
        place = format_path(("clients", name))
        if not CLIENT_NAME.fullmatch(name):
            yield ConfigIssue(place, "must consist of 1 to 64 letters, digits, dots, dashes and underscores; rename it")
        elif (twin := seen.setdefault(name.lower(), name)) != name:
            yield ConfigIssue(place, f"differs from {twin} only in case; rename one")


def _keys_present(clients: Mapping[str, Any], has_client_key: bool) -> Iterator[ConfigIssue]:
    for name, client in clients.items():
        place = format_path(("clients", name, "key"))
        has_key = as_mapping(client).get("key") is not None
        if name != DEFAULT_CLIENT:
            if not has_key and (client is None or isinstance(client, dict)) and "key" not in as_mapping(client):
                variable = re.sub(r"\W", "_", str(name), flags=re.ASCII).upper()
                yield ConfigIssue(place, f"is required; write key: ${{{variable}_KEY}}")
        elif has_key:
            yield ConfigIssue(
                place, f"must not be written: {name} is the client of server.client_key; remove the key or rename it"
            )
        elif not has_client_key:
            yield ConfigIssue(
                format_path(("clients", name)),
                f"is the client of server.client_key, which is not set; set it, or rename {name}",
            )


def _keys_differ(clients: Mapping[str, Any], server: Tree) -> Iterator[ConfigIssue]:
    """Keys are compared by their hashes: of those that were added at runtime, nothing else is known."""
    holders: dict[str, str] = {}
    for name in ("client_key", "admin_key"):
        if isinstance(server.get(name), str):
            holders.setdefault(hash_key(server[name]), f"server.{name}")
    for name, client in clients.items():
        key = as_mapping(client).get("key")
        if isinstance(key, str) and key:
            place = format_path(("clients", name, "key"))
            hashed = key if isinstance(key, KeyHash) else hash_key(key)
            if (holder := holders.setdefault(hashed, place)) != place:
                yield ConfigIssue(place, f"is the same key as {holder}; each client needs a key of its own")


def _fallbacks(clients: Mapping[str, Any], declared: DeclaredNames) -> Iterator[ConfigIssue]:
    for name, client in clients.items():
        target = as_mapping(client).get("on_exhausted", REFUSE)
        if target != REFUSE and not (isinstance(target, str) and declared.is_known(target)):
            hint = suggestion(target, [REFUSE, *declared.names()])
            wanted = f"must be {REFUSE}, a model, provider/model, an alias, or a mode such as auto-fast"
            yield ConfigIssue(
                format_path(("clients", name, "on_exhausted")), f"{wanted}, got {describe_value(target)}{hint}"
            )
