"""Tools of OpenAI's Responses that other dialects do not have: those that take any text, and namespaces."""

from collections import Counter
from collections.abc import Iterable

from pointsman.wire.json_access import Members, mappings, text

CLIENT_TYPES = ("function", "custom", "namespace")
"""Types of tools that the client itself runs."""
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
"""Items that are calls of such tools, each with the member that holds what the call says."""
ADDED = "additional_tools"
"""An item with tools."""


def all_tools(document: Members) -> list[Members]:
    """Those that Codex adds within its items too."""
    added = (item for item in mappings(document.get("input")) if item.get("type") == ADDED)
    return [*mappings(document.get("tools")), *(tool for item in added for tool in mappings(item.get("tools")))]


def free_tools(document: Members) -> frozenset[str]:
    """Names of tools that take any text instead of an object."""
    return frozenset(text(tool.get("name")) for tool in _flat(document) if tool.get("type") == "custom")


def namespaces(document: Members) -> dict[str, tuple[str, str]]:
    """The tools that stand in a namespace, as (namespace, name), by the names that other dialects know them by: their
    own, or where others have the same, that with the namespace before it.
    """
    names = Counter(text(tool.get("name")) for tool in _flat(document))
    found: dict[str, tuple[str, str]] = {}
    for space in all_tools(document):
        if space.get("type") == "namespace":
            for tool in mappings(space.get("tools")):
                where = text(space.get("name")), text(tool.get("name"))
                found[where[1] if names[where[1]] == 1 else "_".join(where)] = where
    return found


def _flat(document: Members) -> Iterable[Members]:
    for tool in all_tools(document):
        yield from mappings(tool.get("tools")) if tool.get("type") == "namespace" else [tool]
