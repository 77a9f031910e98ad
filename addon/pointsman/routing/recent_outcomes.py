"""The recent outcomes of each target: about its last ten attempts, fading with time.

The statistics of a week say little about a provider that broke a minute ago. These outcomes complement them
(`target_stats`), and fade so that no target is condemned for good.

Bounded by the configuration: only targets of the inventory in force are kept. Times are on the wall clock.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

DECAY = 0.9
"""What an attempt leaves of the weight of those before it: together they weigh no more than 1 / (1 - DECAY) = 10."""
MAX_RESTORED_ATTEMPTS = 64
"""Attempts that fill it: what was before them weighs a hundredth of one."""
HALF_LIFE = 2400.0
"""Seconds in which an outcome loses half of its weight."""


class OutcomeCounts(NamedTuple):
    """Weighted counts as they were at the time `as_of`."""

    successes: float = 0.0
    failures: float = 0.0
    as_of: float = 0.0

    @property
    def total(self) -> float:
        return self.successes + self.failures

    def decayed(self, wall: float) -> "OutcomeCounts":
        """The counts decayed to that Unix time; an earlier time changes nothing."""
        left = 0.5 ** (max(0.0, wall - self.as_of) / HALF_LIFE)
        return OutcomeCounts(self.successes * left, self.failures * left, max(wall, self.as_of))

    def with_outcome(self, success: bool, wall: float) -> "OutcomeCounts":
        """One attempt later."""
        before = self.decayed(wall)
        return OutcomeCounts(before.successes * DECAY + success, before.failures * DECAY + (not success), wall)


NO_OUTCOMES = OutcomeCounts()
"""Of a target that has not been tried."""


class RecentOutcomes:
    """The one owner of recent outcomes."""

    def __init__(self) -> None:
        self._counts: dict[str, OutcomeCounts] = {}

    def observe(self, label: str, success: bool, wall: float) -> None:
        self._counts[label] = self._counts.get(label, NO_OUTCOMES).with_outcome(success, wall)

    def counts_for(self, label: str, wall: float) -> OutcomeCounts:
        seen = self._counts.get(label)
        return seen.decayed(wall) if seen else NO_OUTCOMES

    def restore(self, attempts: Mapping[str, Iterable[tuple[float, bool]]], wall: float) -> None:
        """What the history holds: when each attempt ended, and whether it succeeded, in any order. Targets that have
        been tried since are left as they are.
        """
        for label, earlier in attempts.items():
            if label not in self._counts:
                for ended, success in sorted(earlier)[-MAX_RESTORED_ATTEMPTS:]:
                    self.observe(label, success, min(ended, wall))

    def keep_only(self, labels: Collection[str]) -> None:
        self._counts = {label: seen for label, seen in self._counts.items() if label in labels}
