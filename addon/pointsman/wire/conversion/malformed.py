"""Members of a request that are not of the form that conversion has to rely on; a provider would refuse them, too."""

from collections.abc import Iterator, Mapping

from pointsman.wire.json_access import Members, dicts

type Form = type | tuple[type, ...]

FORMS: Mapping[str, tuple[Form, str]] = {
    "tools": (list, "a list of objects"),
    "tool_choice": ((str, dict), "a string or an object"),
    "toolConfig": (dict, "an object"),
    "tool_config": (dict, "an object"),
    "generationConfig": (dict, "an object"),
    "generation_config": (dict, "an object"),
    "output_config": (dict, "an object"),
}
"""Members of any dialect, by name."""
DECLARATIONS = ("functionDeclarations", "function_declarations")


def malformed(document: Members) -> Iterator[str]:
    """What is wrong, as `tools must be a list of objects`; null is absence."""
    for name, (form, said) in FORMS.items():
        if document.get(name) is not None and not isinstance(document[name], form):
            yield f"{name} must be {said}"
    yield from _list("tools", document.get("tools"))
    for tool in dicts(document.get("tools")):
        for name in DECLARATIONS:
            yield from _list(name, tool.get(name))
        if "function" in tool and not isinstance(tool["function"], dict):
            yield "function of a tool must be an object"


def _list(name: str, value: object) -> Iterator[str]:
    if value is not None and not (isinstance(value, list) and all(isinstance(each, dict) for each in value)):
        yield f"{name} must be a list of objects"
