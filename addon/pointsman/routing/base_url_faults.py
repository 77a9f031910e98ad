"""Base URLs below which a provider answers 404 to every path: most often they lack `/v1`."""

from collections.abc import Collection, Iterator

from pointsman.domain.records import ExchangeRecord
from pointsman.wire.unknown_path import lacks_version

PATH_EXISTS = frozenset({400, 402, 408, 409, 413, 422, 429})
"""Statuses beside success that only a path that exists answers with."""

type Place = tuple[str, str]
"""A provider and its base URL."""


class BaseUrlFaults:
    """Bounded by the providers configured: `keep_only` forgets the others."""

    def __init__(self) -> None:
        self._answered: set[Place] = set()
        self._noticed: set[Place] = set()

    def observe(self, record: ExchangeRecord) -> Iterator[str]:
        """Yields a notice for each wrong base URL, once."""
        for attempt in record.attempts:
            place = attempt.provider, attempt.base_url
            if attempt.first_content_ms is not None or attempt.status in PATH_EXISTS:
                self._answered.add(place)
            elif attempt.is_unknown_path and place not in self._answered | self._noticed:
                self._noticed.add(place)
                yield f"provider {attempt.provider}: {description(attempt.base_url)}"

    def keep_only(self, places: Collection[Place]) -> None:
        self._answered.intersection_update(places)
        self._noticed.intersection_update(places)


def description(base_url: str) -> str:
    """The fault and its remedy."""
    remedy = "it probably lacks /v1" if lacks_version(base_url) else "correct it"
    return f"base_url {base_url} answers 404 to every path; {remedy}"
