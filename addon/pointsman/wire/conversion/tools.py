"""Tools of a request: those of the client, and hosted ones, which a provider would have to run."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pointsman.config.words import Dialect
from pointsman.wire.dialects.gemini.names import member
from pointsman.wire.json_access import Members, mapping, mappings, text

CLIENT_TOOLS: Mapping[Dialect, tuple[object, ...]] = {
    Dialect.OPENAI_CHAT: ("function", "custom"),
    Dialect.OPENAI_RESPONSES: ("function", "custom", "namespace"),
    Dialect.ANTHROPIC: (None, "custom"),
}
"""Types of tools that the client itself runs. Gemini's have no type, but functions."""

FUNCTIONS = "functionDeclarations"


def is_hosted(dialect: Dialect, tool: object) -> bool:
    members = mapping(tool)
    if dialect is Dialect.GEMINI:
        return not member(members, FUNCTIONS)
    return members.get("type") not in CLIENT_TOOLS[dialect]


def hosted_tools(dialect: Dialect, document: Members) -> list[str]:
    """Their names."""
    tools = [tool for tool in mappings(document.get("tools")) if is_hosted(dialect, tool)]
    return [text(tool.get("type")) or next(iter(tool), "") for tool in tools]


def can_do_without(dialect: Dialect, document: Members) -> bool:
    """Hosted tools are merely on offer: the client has tools of its own, and leaves the choice to the model."""
    tools = mappings(document.get("tools"))
    has_own = any(not is_hosted(dialect, tool) for tool in tools)
    choice = document.get("tool_choice")
    is_free = choice in (None, "auto") or mapping(choice).get("type") == "auto"
    return has_own and is_free


def free_tools(dialect: Dialect, document: Members) -> frozenset[str]:
    """Names of tools that take any text instead of an object."""
    if dialect is not Dialect.OPENAI_RESPONSES:
        return frozenset()
    return frozenset(text(tool.get("name")) for tool in _flat(document) if tool.get("type") == "custom")


def spaces(document: Members) -> dict[str, tuple[str, str]]:
    """The tools that stand in a namespace, as (namespace, name), by the names that other dialects know them by: their
    own, or where others have the same, that with the namespace before it.
    """
    names = Counter(text(tool.get("name")) for tool in _flat(document))
    found: dict[str, tuple[str, str]] = {}
    for space in mappings(document.get("tools")):
        if space.get("type") == "namespace":
            for tool in mappings(space.get("tools")):
                where = text(space.get("name")), text(tool.get("name"))
                found[where[1] if names[where[1]] == 1 else "_".join(where)] = where
    return found


def _flat(document: Members) -> Iterable[Mapping[str, Any]]:
    for tool in mappings(document.get("tools")):
        yield from mappings(tool.get("tools")) if tool.get("type") == "namespace" else [tool]
