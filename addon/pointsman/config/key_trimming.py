"""Keys as they are copied: with white space, quotes or `Bearer` around them. What does not belong is removed."""

import re
from collections.abc import Iterator
from typing import Any

from pointsman.config.declared_names import as_mapping
from pointsman.config.messages import ConfigPath, FromEnvironment, format_path
from pointsman.config.values import Tree

AROUND = re.compile(r"""\s+|["'`]|(?:authorization:\s*)?bearer\s+""", re.IGNORECASE)
"""What may stand before a key. Behind it, only white space and quotes do."""
BEHIND = re.compile(r"""(?:\s+|["'`])\Z""")


def trim_keys(tree: Tree) -> Iterator[str]:
    """Writes the keys alone into the tree. Yields a warning for each that was changed, with its place and no value."""
    for holder, step, place in _keys(tree):
        text = holder[step]
        trimmed = _trimmed(text) if isinstance(text, str) else text
        if trimmed == text or not trimmed:
            continue
        origin = ""
        if isinstance(text, FromEnvironment):
            origin = f" (from {text.variable})"
            trimmed = FromEnvironment(trimmed, text.variable, hidden=text.hidden)
        holder[step] = trimmed
        yield (
            f'{format_path(place)}: white space, quotes or "Bearer" around the key{origin} were removed;'
            " write the key alone"
        )


def _trimmed(text: str) -> str:
    while found := AROUND.match(text) or BEHIND.search(text):
        text = text[found.end() :] if found.start() == 0 else text[: found.start()]
    return text


def _keys(tree: Tree) -> Iterator[tuple[Any, Any, ConfigPath]]:
    """What holds each key, under which step, and its place."""
    server = as_mapping(tree.get("server"))
    for name in ("client_key", "admin_key"):
        if name in server:
            yield server, name, ("server", name)
    for name, client in as_mapping(tree.get("clients")).items():
        if "key" in as_mapping(client):
            yield client, "key", ("clients", name, "key")
    for name, provider in as_mapping(tree.get("providers")).items():
        keys = as_mapping(provider).get("keys")
        for place, key in enumerate(keys if isinstance(keys, list) else ()):
            if isinstance(key, dict):
                if "value" in key:
                    yield key, "value", ("providers", name, "keys", place, "value")
            else:
                yield keys, place, ("providers", name, "keys", place)
