"""What is wrong with a configuration: all of it at once, each fault with its path, the rule and what was found."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from pointsman.config import schema
from pointsman.config.messages import Place, Unshown, finding, is_secret, notation, suggestion
from pointsman.config.values import Tree

SENTENCES = {
    "missing": "is required",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "tuple_type": "must be a list",
    "frozen_set_type": "must be a list",
    "string_type": "must be text",
}
"""Our words for pydantic's error types. `enum`, `value_error` and `extra_forbidden` say more, and have code below."""

UNFIT = frozenset(SENTENCES) - {"missing", "string_type"}
"""A value of the wrong shape may be anything, a secret too: only its kind is told."""


class Found(NamedTuple):
    """One fault. `path` is the place in the file's own notation, or the name of a file or a variable."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class ConfigError(Exception):
    """A configuration that cannot be used. Its text is every fault, a line each."""

    def __init__(self, faults: Iterable[Found]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def together(*groups: Iterable[Found]) -> list[Found]:
    """All faults, without those at a path of which an earlier group complains: they follow from the same mistake."""
    faults: list[Found] = []
    for group in groups:
        paths = {fault.path for fault in faults}
        faults += [fault for fault in group if fault.path not in paths]
    return faults


def translated(error: ValidationError, tree: Tree) -> Iterator[Found]:
    """The faults that the models found in `tree`, in our words."""
    for details in error.errors(include_url=False):
        place = [step for step in details["loc"] if step != "[key]"]
        if details["type"] == "extra_forbidden":
            yield _unknown_key(place)
        else:
            yield Found(notation(_as_written(place, tree)), problem_of(dict(details), is_secret(place)))


def problem_of(details: Mapping[str, Any], secret: bool) -> str:
    """One of pydantic's errors in our words."""
    kind, value = details["type"], details["input"]
    got = finding(value, secret=secret or kind in UNFIT)
    match kind:
        case "missing":
            return SENTENCES[kind]
        case "enum":
            words = [word.strip("'") for word in details["ctx"]["expected"].replace(" or ", ", ").split(", ")]
            return f"must be one of {', '.join(words)}, got {got}{suggestion(value, words)}"
        case "value_error":
            reason = details["ctx"]["error"]
            return str(reason) if isinstance(reason, Unshown) else f"{reason}, got {got}"
        case _:
            return f"{SENTENCES[kind]}, got {got}"


def _unknown_key(place: Place) -> Found:
    """Below `keys` an unknown name may be a credential that stands where a label was meant: it is not repeated."""
    *parent, name = place
    known = schema.names(schema.at(parent))
    hint = suggestion(name, known) or f"; known here: {', '.join(known)}"
    if is_secret(parent):
        return Found(notation(parent), f"has a key that is not known{hint}")
    return Found(notation(place), f"is not a known key{hint}")


def _as_written(place: Place, tree: Tree) -> Place:
    """The place as far as the file has it: a credential written as bare text has no `.value` there."""
    node: Any = tree
    for depth, step in enumerate(place):
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and isinstance(step, int):
            node = node[step]
        elif node is not None:
            return place[:depth]
    return place
