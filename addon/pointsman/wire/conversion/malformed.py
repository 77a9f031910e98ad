"""Members of a request that are not of the form that conversion has to rely on; a provider would refuse them, too."""

from collections.abc import Iterator, Mapping
from enum import Enum

from pointsman.wire.json_access import Members, dicts


class Form(Enum):
    """The forms that a member may have to have, in words for people."""

    OBJECT = "an object"
    OBJECTS = "a list of objects"
    CHOICE = "a string or an object"

    def fits(self, value: object) -> bool:
        match self:
            case Form.OBJECT:
                return isinstance(value, dict)
            case Form.OBJECTS:
                return isinstance(value, list) and all(isinstance(each, dict) for each in value)
            case Form.CHOICE:
                return isinstance(value, str | dict)


type Forms = Mapping[str, Form]
"""By the names of the members."""


def malformed(document: Members, of_request: Forms, of_tool: Forms) -> Iterator[str]:
    """What is wrong, as `tools must be a list of objects`; null is absence."""
    for name, form in of_request.items():
        if document.get(name) is not None and not form.fits(document[name]):
            yield f"{name} must be {form.value}"
    for tool in dicts(document.get("tools")):
        for name, form in of_tool.items():
            if tool.get(name) is not None and not form.fits(tool[name]):
                yield f"{name} of a tool must be {form.value}"
