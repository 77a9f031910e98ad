"""Rate limits: how much of each (target, key) is used up, in sliding windows, with requests in flight counted at once.

Only what the configuration limits is counted, so an unlimited target costs nothing and the tables are bounded by it.
"""

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pointsman.config import Limits as Configured

MINUTE, DAY = 60.0, 86_400.0
BUCKETS = 60
"""A window's resolution: so many steps, after each of which the oldest one is forgotten."""

type Place = tuple[str, str | None]
"""A target's label and a key's label."""


@dataclass(slots=True)
class Window:
    """The sum of what was used within the last `span` seconds; never negative."""

    span: float
    limit: int
    _steps: deque[list[float]] = field(default_factory=lambda: deque(maxlen=BUCKETS + 1))
    _used: float = 0.0

    def used(self, now: float) -> float:
        while self._steps and self._steps[0][0] <= now - self.span:
            self._used -= self._steps.popleft()[1]
        return max(0.0, self._used)

    def add(self, amount: float, now: float) -> None:
        """A negative amount corrects an estimate that was too high."""
        self.used(now)
        width = self.span / BUCKETS
        start = now - now % width
        if not self._steps or self._steps[-1][0] < start:
            if len(self._steps) == BUCKETS + 1:
                self._used -= self._steps[0][1]
            self._steps.append([start, 0.0])
        amount = max(amount, -self._used)
        self._steps[-1][1] += amount
        self._used += amount

    def frees_at(self, amount: float, now: float) -> float:
        """When there is room for `amount`; now, if there is already. What exceeds the limit itself fits when empty."""
        excess = self.used(now) + min(amount, self.limit) - self.limit
        if excess <= 0:
            return now
        for start, used in self._steps:
            excess -= used
            if excess <= 0:
                return start + self.span
        return now + self.span

    def headroom(self, now: float) -> float:
        """1: nothing used, 0: used up."""
        return max(0.0, 1 - self.used(now) / self.limit)


class Lease(NamedTuple):
    """Taken at launch, to be settled once."""

    place: Place
    tokens: int


class Limits:
    """Every window in use."""

    def __init__(self) -> None:
        self._windows: dict[Place, dict[str, Window]] = {}

    def __len__(self) -> int:
        return len(self._windows)

    def frees_at(self, place: Place, limits: Configured, tokens: int, now: float) -> float:
        """When the key may take a request of about so many tokens; now, if it may."""
        windows = self._of(place, limits)
        return max((window.frees_at(_amount(name, tokens), now) for name, window in windows), default=now)

    def headroom(self, place: Place, limits: Configured, now: float) -> float:
        return min((window.headroom(now) for _, window in self._of(place, limits)), default=1.0)

    def lease(self, place: Place, limits: Configured, tokens: int, now: float) -> Lease:
        for name, window in self._of(place, limits):
            window.add(_amount(name, tokens), now)
        return Lease(place, tokens)

    def settle(self, lease: Lease, tokens: int | None, reached: bool, now: float) -> None:
        """Correct the estimate by what was reported; a request that never reached its provider used nothing."""
        for name, window in self._windows.get(lease.place, {}).items():
            if not reached:
                window.add(-_amount(name, lease.tokens), now)
            elif tokens is not None:
                window.add(_amount(name, tokens) - _amount(name, lease.tokens), now)

    def learn(self, place: Place, limits: Configured, name: str, stated: int) -> None:
        """A provider states a limit: it counts if it is lower than the configured one."""
        for known, window in self._of(place, limits):
            if known == name and 0 < stated < window.limit:
                window.limit = stated

    def keep_only(self, labels: Collection[str]) -> None:
        self._windows = {place: windows for place, windows in self._windows.items() if place[0] in labels}

    def _of(self, place: Place, limits: Configured) -> Iterator[tuple[str, Window]]:
        configured = {"rpm": limits.rpm, "rpd": limits.rpd, "tpm": limits.tpm, "tpd": limits.tpd}
        windows = self._windows.get(place)
        for name, limit in configured.items():
            if limit is None:
                continue
            if windows is None:
                windows = self._windows[place] = {}
            if name not in windows:
                windows[name] = Window(MINUTE if name.endswith("m") else DAY, limit)
            yield name, windows[name]


def _amount(name: str, tokens: int) -> int:
    """`rpm` and `rpd` count requests, `tpm` and `tpd` tokens."""
    return tokens if name.startswith("t") else 1
