"""What Gemini refuses although other dialects take it: parts with nothing in them, and a system prompt alone.

Also the spelling of members: the library writes snake case, which only Google's own servers take for camel case.
"""

from pointsman.wire.conversion.valid_requests import NOTHING_SAID, texts_of
from pointsman.wire.dialects.gemini.names import respell
from pointsman.wire.json_access import Document, dicts, mapping


def make_valid(request: Document) -> None:
    """Changes a converted request, which the library wrote in its own spelling."""
    contents = [content for content in dicts(request.get("contents")) if _has_parts(content)]
    system = texts_of(mapping(request.get("system_instruction")).get("parts")).strip()
    if not system:
        request.pop("system_instruction", None)
    if not contents:
        request.pop("system_instruction", None)
        contents = [{"role": "user", "parts": [{"text": system or NOTHING_SAID}]}]
    request["contents"] = contents
    _spell(request)


def _spell(request: Document) -> None:
    """What is the client's own, such as schemas and arguments, stays as it is."""
    respell(request)
    config, choice = request.get("generationConfig"), request.get("toolConfig")
    holders = [*dicts(request.get("tools")), *dicts([config, choice])]
    for holder in holders:
        respell(holder)
    functions = [function for tool in holders for function in dicts(tool.get("functionDeclarations"))]
    inner = [mapping(config).get("thinkingConfig"), mapping(choice).get("functionCallingConfig")]
    for holder in dicts([*functions, *inner]):
        respell(holder)
    for tool in dicts(request.get("tools")):
        if "functionDeclarations" in tool:  # both spellings are Google's; this one has always been sent
            tool["function_declarations"] = tool.pop("functionDeclarations")


def _has_parts(content: Document) -> bool:
    """Without those that say nothing. What a user did not say is still a turn."""
    content["parts"] = [part for part in dicts(content.get("parts")) if part.get("text") != "" or len(part) > 1]
    if not content["parts"] and content.get("role") == "user":
        content["parts"] = [{"text": NOTHING_SAID}]
    return bool(content["parts"])
