"""Tools whose arguments must follow their schema to the letter: `strict`."""

from collections.abc import Iterable

from pointsman.wire.json_access import Members, mapping, mappings, text


def strict_tools(tools: object) -> Iterable[str]:
    """The names of those in a client's request."""
    for tool in mappings(tools):
        function: Members = mapping(tool.get("function")) or tool
        if function.get("strict") is True:
            yield text(function.get("name"))
        yield from strict_tools(tool.get("tools"))
