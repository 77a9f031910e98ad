"""Access to JSON documents of unknown shape: a value that is not of the expected kind counts as absent.

mapping({"a": 1}["a"]) == {}
mappings([{"a": 1}, "b"]) == [{"a": 1}]
"""

from collections.abc import Mapping
from typing import Any

type Members = Mapping[str, Any]
type Document = dict[str, Any]
"""A document that is the caller's to change."""

NOTHING: Members = {}
MAX_COUNT = 10**9
"""More than any answer has of anything. What is larger, such as 2**64 - 1 for -1, says nothing, and would be billed."""


def mapping(value: object) -> Members:
    """An object, empty where it is none."""
    return value if isinstance(value, dict) else NOTHING


def mappings(value: object) -> list[Members]:
    """The objects in a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def dicts(value: object) -> list[dict[str, Any]]:
    """The same, of a document that is the caller's to change."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def count(value: object) -> int:
    """A number of tokens, or of anything else in one answer; 0 where it is none, or more than MAX_COUNT."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # some languages write 100.0
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_COUNT else 0
