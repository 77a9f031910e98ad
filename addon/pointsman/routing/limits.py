"""Rate limits: how much of each (target, key) is used up, in sliding windows, with requests in flight counted at once.

Only what the configuration limits is counted, so an unlimited target costs nothing and the table is bounded by it.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

from pointsman.config import LimitSettings as Configured
from pointsman.domain.targets import PairId

MINUTE, DAY = 60.0, 86_400.0
STEPS_PER_WINDOW = 60
"""A window's resolution: a step is forgotten when the last moment of it is as old as the window is long."""

WINDOW_SECONDS: Mapping[str, float] = {"rpm": MINUTE, "rpd": DAY, "tpm": MINUTE, "tpd": DAY}
"""`r`: requests, `t`: tokens."""


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

    def __len__(self) -> int:
        return len(self._steps)

    def limit(self, configured: int) -> int:
        return configured if self.stated is None else min(configured, self.stated)

    def used(self, now: float) -> int:
        while self._steps and self._end(self._steps[0][0]) <= now:
            self._used -= int(self._steps.popleft()[1])
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
        self.used(now)
        step = now - now % (self.span / STEPS_PER_WINDOW)
        if not self._steps or self._steps[-1][0] < step:
            self._steps.append([step, 0])
        self._steps[-1][1] += amount
        self._used += amount
        return self._steps[-1][0]

    def correct(self, amount: int, step: float) -> None:
        """What was added to that step was so much more, or less; nothing when it is forgotten already."""
        for each in self._steps:
            if each[0] == step:
                each[1] += amount
                self._used += amount

    def frees_at(self, amount: int, configured: int, now: float) -> float:
        """When there is room for `amount`; now, if there is already. What exceeds the limit itself fits when empty."""
        limit = self.limit(configured)
        excess = self.used(now) + min(amount, limit) - limit
        if excess <= 0:
            return now
        for step, used in self._steps:
            excess -= int(used)
            if excess <= 0:
                return self._end(step)
        return now + self.span

    def headroom(self, configured: int, now: float) -> float:
        """1: nothing used, 0: used up."""
        return max(0.0, 1 - self.used(now) / self.limit(configured))

    def _end(self, step: float) -> float:
        return step + self.span + self.span / STEPS_PER_WINDOW


class WindowShare(NamedTuple):
    """What a request took of one window."""

    name: str
    window: UsageWindow
    step: float
    amount: int


type Lease = tuple[WindowShare, ...]
"""Taken at launch, to be settled once."""


class RateLimits:
    """Every window in use."""

    def __init__(self) -> None:
        self._windows: dict[PairId, dict[str, UsageWindow]] = {}

    def __len__(self) -> int:
        return len(self._windows)

    def frees_at(self, place: PairId, limits: Configured, tokens: int, now: float) -> float:
        """When the key may take a request of about so many tokens; now, if it may."""
        windows = self._windows.get(place)
        if not windows:
            return now
        known = ((name, limit, windows[name]) for name, limit in _limited(limits) if name in windows)
        return max((window.frees_at(_amount(name, tokens), limit, now) for name, limit, window in known), default=now)

    def headroom(self, place: PairId, limits: Configured, now: float) -> float:
        windows = self._windows.get(place)
        if not windows:
            return 1.0
        known = (windows[name].headroom(limit, now) for name, limit in _limited(limits) if name in windows)
        return min(known, default=1.0)

    def daily_windows(self, place: PairId, limits: Configured) -> Iterator[tuple[str, UsageWindow, int]]:
        """The windows of a day that are in use, each with its name and its configured limit."""
        windows = self._windows.get(place, {})
        for name, limit in _limited(limits):
            if name in windows and WINDOW_SECONDS[name] == DAY:
                yield name, windows[name], limit

    def lease(self, place: PairId, limits: Configured, tokens: int, now: float) -> Lease:
        shares = []
        for name, _ in _limited(limits):
            window, amount = self._window(place, name), _amount(name, tokens)
            shares.append(WindowShare(name, window, window.add(amount, now), amount))
        return tuple(shares)

    def settle(self, lease: Lease, tokens: int | None, reached: bool) -> None:
        """Correct the estimate by what was reported; a request that never reached its provider used nothing."""
        for share in lease:
            if not reached:
                share.window.correct(-share.amount, share.step)
            elif tokens is not None:
                share.window.correct(_amount(share.name, tokens) - share.amount, share.step)

    def lower_limit(self, place: PairId, limits: Configured, name: str, stated: int) -> bool:
        """A provider states a limit: it counts if it is lower than the one in force. Returns whether it was."""
        configured = dict(_limited(limits)).get(name)
        if configured is None:
            return False
        window = self._window(place, name)
        if not 0 < stated < window.limit(configured):
            return False
        window.stated = stated
        return True

    def keep_only(self, places: Collection[PairId]) -> None:
        """What is no longer configured is forgotten."""
        self._windows = {place: windows for place, windows in self._windows.items() if place in places}

    def _window(self, place: PairId, name: str) -> UsageWindow:
        windows = self._windows.setdefault(place, {})
        if name not in windows:
            windows[name] = UsageWindow(WINDOW_SECONDS[name])
        return windows[name]


def _limited(limits: Configured) -> Iterator[tuple[str, int]]:
    for name in WINDOW_SECONDS:
        limit: int | None = getattr(limits, name)
        if limit is not None:
            yield name, limit


def _amount(name: str, tokens: int) -> int:
    return tokens if name.startswith("t") else 1
