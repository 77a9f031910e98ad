"""What was used within a sliding window of time."""

from collections import deque
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

STEPS_PER_WINDOW = 60
"""A window's resolution: a step is forgotten when the last moment of it is as old as the window is long."""


class UsageStep(NamedTuple):
    """What was used from its start on, which counts until its end."""

    start: float
    end: float
    used: int


@dataclass(slots=True)
class UsageWindow:
    """The sum of what was used within the last `span` seconds; never negative."""

    span: float
    stated: int | None = None
    """A lower limit than the configured one, as the provider has stated it."""
    _steps: deque[list[float]] = field(default_factory=deque)
    _used: int = 0
    _kept: float = field(init=False)
    """Seconds for which a step is remembered."""

    def __post_init__(self) -> None:
        self._kept = self.span + self.span / STEPS_PER_WINDOW

    def __len__(self) -> int:
        return len(self._steps)

    def limit(self, configured: int) -> int:
        return configured if self.stated is None else min(configured, self.stated)

    def used(self, now: float) -> int:
        steps = self._steps
        while steps and steps[0][0] + self._kept <= now:
            self._used -= int(steps.popleft()[1])
        return self._used

    def steps(self, now: float) -> list[UsageStep]:
        """What counts now, the oldest first."""
        self.used(now)
        return [UsageStep(start, self._end(start), int(used)) for start, used in self._steps]

    def used_since(self, since: float) -> int:
        """In steps that began after that."""
        recent = takewhile(lambda step: step[0] > since, reversed(self._steps))
        return sum(int(used) for _, used in recent)

    def first_use(self, now: float) -> float:
        """When the oldest step that counts began; now, if there is none."""
        self.used(now)
        return self._steps[0][0] if self._steps else now

    def add(self, amount: int, now: float) -> float:
        """Returns the step it was added to."""
        step = now - now % (self.span / STEPS_PER_WINDOW)
        if not self._steps or self._steps[-1][0] < step:
            self.used(now)  # forgets what is old
            self._steps.append([step, 0])
        self._steps[-1][1] += amount
        self._used += amount
        return self._steps[-1][0]

    def correct(self, amount: int, step: float) -> None:
        """What was added to that step was so much more, or less; nothing when it is forgotten already."""
        for each in reversed(self._steps):  # most often it is one of the last
            if each[0] == step:
                each[1] += amount
                self._used += amount
                return

    def frees_at(self, amount: int, configured: int, now: float) -> float:
        """When there is room for `amount`; now, if there is already. What exceeds the limit itself fits when empty."""
        limit = configured if self.stated is None else self.limit(configured)
        excess = self.used(now) + min(amount, limit) - limit
        if excess <= 0:
            return now
        for step, used in self._steps:
            excess -= int(used)
            if excess <= 0:
                return step + self._kept
        return now + self.span

    def headroom(self, configured: int, now: float) -> float:
        """1: nothing used, 0: used up."""
        return max(0.0, 1 - self.used(now) / self.limit(configured))
