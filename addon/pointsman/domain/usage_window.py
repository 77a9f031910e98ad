"""What was used within a sliding window of time."""

from collections import deque
from dataclasses import dataclass, field
from itertools import takewhile
from math import inf
from typing import NamedTuple

STEPS_PER_WINDOW = 60
"""A window's resolution: a step is forgotten when the last moment of it is as old as the window is long."""


class UsageStep(NamedTuple):
    """What was used from its start on; it counts until its end."""

    start: float
    end: float
    used: int


@dataclass(slots=True)
class UsageWindow:
    """The sum of what was used within the last `span` seconds; never negative."""

    span: float
    stated: int | None = None
    """A lower limit than the configured one, as the provider has stated it."""
    stated_at: float = -inf
    """When it has last done so."""
    _steps: deque[list[float]] = field(default_factory=deque)
    _used: int = 0
    _length: float = field(init=False)
    """Seconds of a step."""
    _kept: float = field(init=False)
    """Seconds for which a step is remembered."""

    def __post_init__(self) -> None:
        self._length = self.span / STEPS_PER_WINDOW
        self._kept = self.span + self._length

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
        return [UsageStep(start, start + self._kept, int(used)) for start, used in self._steps]

    def used_since(self, since: float) -> int:
        """What was used in steps that began after that moment."""
        recent = takewhile(lambda step: step[0] > since, reversed(self._steps))
        return sum(int(used) for _, used in recent)

    def first_use(self, now: float) -> float:
        """When the oldest step that counts began; now, if there is none."""
        self.used(now)
        return self._steps[0][0] if self._steps else now

    def add(self, amount: int, now: float) -> float:
        """Returns the step it was added to."""
        step = now - now % self._length
        if not self._steps or self._steps[-1][0] < step:
            self.used(now)  # forgets what is old
            self._steps.append([step, 0])
        self._steps[-1][1] += amount
        self._used += amount
        return self._steps[-1][0]

    def add_at(self, amount: int, moment: float, now: float) -> None:
        """Adds what was used at a moment in the past; a negative amount corrects it."""
        step = min(moment, now)
        step -= step % self._length
        if step + self._kept <= now:
            return
        place = len(self._steps)
        while place and self._steps[place - 1][0] > step:
            place -= 1
        if place and self._steps[place - 1][0] == step:
            self._steps[place - 1][1] += amount
        else:
            self._steps.insert(place, [step, amount])
        self._used += amount

    def correct(self, amount: int, step: float) -> bool:
        """Corrects what was added to that step by this amount. False if the step has expired."""
        for each in reversed(self._steps):  # most often it is one of the last
            if each[0] == step:
                each[1] += amount
                self._used += amount
                return True
        return False

    def frees_at(self, amount: int, configured: int, now: float) -> float:
        """When this much may be used; now, if it may already."""
        return self.room_at(amount, configured, now)

    def room_at(self, amount: int, configured: int, now: float) -> float:
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
