"""A choice among some of the tools: `allowed_tools` of OpenAI, `allowedFunctionNames` of Gemini.

Where a target has no word for it, the other tools are left out of the request.
"""

from typing import NamedTuple

from pointsman.wire.json_access import Document, Members, dicts, mapping, mappings, text

TYPE = "allowed_tools"
GEMINI_PLACES = (("toolConfig", "functionCallingConfig"), ("tool_config", "function_calling_config"))
GEMINI_NAMES = ("allowedFunctionNames", "allowed_function_names")


class AllowedTools(NamedTuple):
    """`must_call`: the model has to call one of them."""

    names: tuple[str, ...]
    must_call: bool = False


def take_allowed_tools(document: Document) -> AllowedTools | None:
    """Takes it out of a client's request, which then leaves the choice among all; None if there is none."""
    choice = mapping(document.get("tool_choice"))
    if choice.get("type") == TYPE:
        said = mapping(choice.get(TYPE)) or choice
        must_call = said.get("mode") == "required"
        document["tool_choice"] = "required" if must_call else "auto"
        return _allowed([_name(tool) for tool in mappings(said.get("tools"))], must_call)
    for outer, inner in GEMINI_PLACES:
        held = document.get(outer)
        config = held.get(inner) if isinstance(held, dict) else None
        if isinstance(config, dict):
            for name in GEMINI_NAMES:
                if isinstance(config.get(name), list):
                    return _allowed(config.pop(name), config.get("mode") == "ANY")
    return None


def _allowed(names: list[object], must_call: bool) -> AllowedTools | None:
    known = tuple(name for name in names if isinstance(name, str) and name)
    return AllowedTools(known, must_call) if known else None


def _name(tool: Members) -> str:
    return text(tool.get("name")) or text(mapping(tool.get("function")).get("name"))


def leave_out_others(allowed: AllowedTools, neutral: Document) -> None:
    """Of the library's neutral request. A single tool that must be called is forced instead."""
    if allowed.must_call and len(allowed.names) == 1:
        neutral["tool_choice"] = {"mode": "tool", "tool_name": allowed.names[0]}
        return
    neutral["tools"] = [tool for tool in dicts(neutral.get("tools")) if tool.get("name") in allowed.names]
