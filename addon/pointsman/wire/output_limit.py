"""How long an answer may become, as its request says."""

from collections.abc import Iterable, Mapping
from typing import Any

from pointsman.wire.json_access import mapping
from pointsman.wire.refusals import HOLDERS, LIMITS

COUNTS = ("n", "candidateCount", "candidate_count")
"""Names of the number of answers to one request."""
MAX_COUNT = 128
"""A larger number is a mistake, which the provider will refuse."""


def output_limit(document: Mapping[str, Any]) -> int | None:
    """Tokens of all the answers to a request in any dialect; None where it names no limit.

    >>> output_limit({"max_tokens": 100, "n": 2}), output_limit({"generationConfig": {"maxOutputTokens": 50}})
    (200, 50)
    """
    for members in (document, *(mapping(document[name]) for name in HOLDERS if name in document)):
        if limit := _first_number(members, LIMITS):
            return limit * min(_first_number(members, COUNTS) or 1, MAX_COUNT)
    return None


def _first_number(members: Mapping[str, Any], names: Iterable[str]) -> int:
    """The first positive one; 0 where there is none."""
    for name in names:
        if name in members:
            value = members[name]
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
    return 0
