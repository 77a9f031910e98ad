"""How long an answer may become, as its request says."""

from collections.abc import Mapping
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
    places = (document, *(mapping(document.get(name)) for name in HOLDERS))
    limits = [each for place in places for name in LIMITS if (each := _positive(place.get(name)))]
    counts = [each for place in places for name in COUNTS if (each := _positive(place.get(name)))]
    count = min(max(counts, default=1), MAX_COUNT)
    return limits[0] * count if limits else None


def _positive(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
