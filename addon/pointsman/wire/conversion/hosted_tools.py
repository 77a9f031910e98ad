"""Hosted tools of a request, which a provider would have to run."""

from collections.abc import Callable

from pointsman.wire.conversion.base import Conversion
from pointsman.wire.json_access import Members, mapping, mappings, text


def unless_of_type(*own: object) -> Callable[[Members], bool]:
    """For `Conversion.is_hosted`: a tool is hosted unless it is of one of these types, which clients run themselves."""
    return lambda tool: tool.get("type") not in own


def hosted_tools(client: Conversion, document: Members) -> list[str]:
    """Their names."""
    tools = [tool for tool in mappings(document.get("tools")) if client.is_hosted(tool)]
    return [text(tool.get("type")) or next(iter(tool), "") for tool in tools]


def can_do_without(client: Conversion, document: Members) -> bool:
    """Hosted tools are merely on offer: the client has tools of its own, and leaves the choice to the model."""
    tools = mappings(document.get("tools"))
    has_own = any(not client.is_hosted(tool) for tool in tools)
    choice = document.get("tool_choice")
    is_free = choice in (None, "auto") or mapping(choice).get("type") == "auto"
    return has_own and is_free
