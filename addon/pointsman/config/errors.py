"""Configuration errors: all issues at once, each with its path, the rule and what was found."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from pointsman.config import remedies, schema
from pointsman.config.messages import (
    ConfigPath,
    HiddenValueError,
    describe_value,
    format_path,
    is_secret_path,
    suggestion,
)
from pointsman.config.values import Tree

MESSAGES = {
    "missing": "is required",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "tuple_type": "must be a list",
    "frozen_set_type": "must be a list",
    "string_type": "must be text",
}
"""Messages for pydantic's error types. `enum`, `value_error` and `extra_forbidden` say more, and have code below."""

WRONG_SHAPE = frozenset(MESSAGES) - {"missing", "string_type"}
"""A value of the wrong shape may be anything, a secret too: only its kind is shown."""


class ConfigIssue(NamedTuple):
    """One fault. `path` is the place in the file's own notation, or the name of a file or a variable."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class ConfigError(Exception):
    """An invalid configuration. Its text has one line per issue."""

    def __init__(self, faults: Iterable[ConfigIssue]) -> None:
        self.issues = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.issues))


def merge_issues(*groups: Iterable[ConfigIssue]) -> list[ConfigIssue]:
    """All faults, without those at a path of which an earlier group complains: they follow from the same mistake."""
    faults: list[ConfigIssue] = []
    for group in groups:
        paths = {fault.path for fault in faults}
        faults += [fault for fault in group if fault.path not in paths]
    return faults


def issues_from(error: ValidationError, tree: Tree) -> Iterator[ConfigIssue]:
    """The faults that the models found in `tree`, in our words."""
    for details in error.errors(include_url=False):
        place = [step for step in details["loc"] if step != "[key]"]
        if details["type"] == "extra_forbidden":
            yield _unknown_key(place)
        else:
            problem = describe_error(dict(details), is_secret_path(place))
            remedy = remedies.for_shape(place) if details["type"] in WRONG_SHAPE else ""
            yield ConfigIssue(format_path(_as_written(place, tree)), problem + remedy)


def describe_error(details: Mapping[str, Any], secret: bool) -> str:
    """One of pydantic's errors in our words."""
    kind, value = details["type"], details["input"]
    got = describe_value(value, secret=secret or kind in WRONG_SHAPE)
    match kind:
        case "missing":
            return MESSAGES[kind]
        case "enum":
            words = [word.strip("'") for word in details["ctx"]["expected"].replace(" or ", ", ").split(", ")]
            return f"must be one of {', '.join(words)}, got {got}{suggestion(value, words)}"
        case "value_error":
            reason = details["ctx"]["error"]
            return str(reason) if isinstance(reason, HiddenValueError) else f"{reason}, got {got}"
        case _:
            return f"{MESSAGES[kind]}, got {got}"


def _unknown_key(place: ConfigPath) -> ConfigIssue:
    """Below `keys` an unknown name may be a credential that stands where a label was meant: it is not repeated."""
    *parent, name = place
    known = schema.key_names(schema.shape_at(parent))
    hint = (
        remedies.for_name(place)
        or remedies.for_section(place)
        or suggestion(name, known)
        or f"; known here: {', '.join(known)}"
    )
    if is_secret_path(parent):
        return ConfigIssue(format_path(parent), f"has an unknown key{hint}")
    return ConfigIssue(format_path(place), f"is not a known key{hint}")


def _as_written(place: ConfigPath, tree: Tree) -> ConfigPath:
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
