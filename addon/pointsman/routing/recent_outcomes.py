"""The short memory: how each target has done in its last few attempts.

A week of good days says little about a provider that broke a minute ago. So beside the long memory (`figures`) there
is this one: it holds about ten attempts of each target, and fades with time, so that nobody is condemned for good.

Bounded by the configuration: only targets of the inventory in force are kept. Times are on the wall clock.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

KEEP = 0.9
"""What an attempt leaves of the weight of those before it: together they weigh no more than 1 / (1 - KEEP) = 10."""
ENOUGH = 64
"""Attempts that fill it: what was before them weighs a hundredth of one."""
HALF_LIFE = 2400.0
"""Seconds in which what is remembered loses half of its weight."""


class Lately(NamedTuple):
    """Weighted counts as they were at the time `at`."""

    successes: float = 0.0
    failures: float = 0.0
    at: float = 0.0

    @property
    def total(self) -> float:
        return self.successes + self.failures

    def faded(self, wall: float) -> "Lately":
        """As it is at that time; a clock that went back fades nothing."""
        left = 0.5 ** (max(0.0, wall - self.at) / HALF_LIFE)
        return Lately(self.successes * left, self.failures * left, max(wall, self.at))

    def after(self, success: bool, wall: float) -> "Lately":
        """One attempt later."""
        before = self.faded(wall)
        return Lately(before.successes * KEEP + success, before.failures * KEEP + (not success), wall)


NOBODY = Lately()
"""Of a target that has not been tried."""


class Recent:
    """The one owner of what was seen lately."""

    def __init__(self) -> None:
        self._seen: dict[str, Lately] = {}

    def observe(self, label: str, success: bool, wall: float) -> None:
        self._seen[label] = self._seen.get(label, NOBODY).after(success, wall)

    def of(self, label: str, wall: float) -> Lately:
        seen = self._seen.get(label)
        return seen.faded(wall) if seen else NOBODY

    def restore(self, attempts: Mapping[str, Iterable[tuple[float, bool]]], wall: float) -> None:
        """What is remembered of earlier: when each attempt ended, and whether it succeeded, in any order. Of targets
        that have been tried since, it is no news.
        """
        for label, earlier in attempts.items():
            if label not in self._seen:
                for ended, success in sorted(earlier)[-ENOUGH:]:
                    self.observe(label, success, min(ended, wall))

    def keep_only(self, labels: Collection[str]) -> None:
        self._seen = {label: seen for label, seen in self._seen.items() if label in labels}
