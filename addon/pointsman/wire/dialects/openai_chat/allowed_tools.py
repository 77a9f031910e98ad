"""A choice among some of the tools, as OpenAI's two dialects ask for it: `tool_choice` of the type `allowed_tools`."""

from pointsman.wire.conversion.allowed_tools import AllowedTools, allowed_tools
from pointsman.wire.json_access import Document, Members, mapping, mappings, text

TYPE = "allowed_tools"


def take_allowed(document: Document) -> AllowedTools | None:
    """Takes it out of a request, which then leaves the choice among all; None if there is none. Chat completions put
    it into one more object.
    """
    choice = mapping(document.get("tool_choice"))
    if choice.get("type") != TYPE:
        return None
    said = mapping(choice.get(TYPE)) or choice
    must_call = said.get("mode") == "required"
    document["tool_choice"] = "required" if must_call else "auto"
    return allowed_tools(map(_name, mappings(said.get("tools"))), must_call)


def _name(tool: Members) -> str:
    return text(tool.get("name")) or text(mapping(tool.get("function")).get("name"))
