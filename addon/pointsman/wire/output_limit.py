"""How long an answer may become, as its request says."""

from collections.abc import Iterable, Mapping
from typing import Any

from pointsman.wire.json_access import mapping
from pointsman.wire.refusals import HOLDERS, LIMITS

COUNTS = ("n", "best_of", "candidateCount", "candidate_count")
"""Names of the number of answers to one request."""
MAX_COUNT = 128
"""A larger number is a mistake, which the provider will refuse."""


def output_limit(document: Mapping[str, Any], usual: int) -> int:
    """Tokens of all the answers to a request in any dialect; `usual` for each answer where it names no limit. Of
    several limits the largest counts: providers differ in which of them they read.

    >>> output_limit({"max_tokens": 100, "n": 2}, 1000), output_limit({"generationConfig": {"candidateCount": 2}}, 1000)
    (200, 2000)
    """
    limit, count = _largest(document, LIMITS), _largest(document, COUNTS)
    for name in HOLDERS:
        if name in document:
            held = mapping(document[name])
            limit, count = max(limit, _largest(held, LIMITS)), max(count, _largest(held, COUNTS))
    return (limit or usual) * min(count or 1, MAX_COUNT)


def _largest(members: Mapping[str, Any], names: Iterable[str]) -> int:
    """The largest number, as a provider may read any of them; 0 where there is none."""
    largest = 0
    for name in names:
        if name in members and type(value := members[name]) is int and value > largest:
            largest = value
    return largest
