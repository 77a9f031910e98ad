"""Rate limits: how much of each (target, key) is used up, in sliding windows, with requests in flight counted at once.

Only what the configuration limits is counted, so an unlimited target costs nothing and the table is bounded by it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from pointsman.config import LimitSettings as Configured
from pointsman.domain.targets import PairId
from pointsman.domain.usage_window import UsageWindow

MINUTE, DAY = 60.0, 86_400.0

WINDOW_SECONDS: Mapping[str, float] = {"rpm": MINUTE, "rpd": DAY, "tpm": MINUTE, "tpd": DAY}
"""`r`: requests, `t`: tokens."""


class WindowState(NamedTuple):
    """How much of a window's limit is left."""

    limit: int
    left: int


class WindowShare(NamedTuple):
    """What a request took of one window."""

    name: str
    window: UsageWindow
    step: float
    amount: int


type Lease = tuple[WindowShare, ...]
"""Taken at launch, to be settled once."""


class RateLimits:
    """Every window in use, as `make` makes those of a place and a name."""

    def __init__(self, make: Callable[[PairId, str], UsageWindow] = lambda _, name: _own_window(name)) -> None:
        self.make = make
        self._windows: dict[PairId, dict[str, UsageWindow]] = {}

    def __len__(self) -> int:
        return len(self._windows)

    def frees_at(self, place: PairId, limits: Configured, tokens: int, now: float) -> float:
        """When the key may take a request of about so many tokens; now, if it may."""
        windows = self._windows.get(place)
        if not windows:
            return now
        known = ((name, limit, windows[name]) for name, limit in configured_limits(limits) if name in windows)
        return max((window.frees_at(_amount(name, tokens), limit, now) for name, limit, window in known), default=now)

    def has_room(self, place: PairId, limits: Configured, now: float) -> bool:
        """Whether there is room for the smallest request."""
        return self.room_at(place, limits, now) <= now

    def room_at(self, place: PairId, limits: Configured, now: float) -> float:
        """When there is room for the smallest request, wherever it comes in; now, if there is."""
        windows = self._windows.get(place, {})
        known = ((limit, windows[name]) for name, limit in configured_limits(limits) if name in windows)
        return max((window.room_at(1, limit, now) for limit, window in known), default=now)

    def headroom(self, place: PairId, limits: Configured, now: float) -> float:
        windows = self._windows.get(place)
        if not windows:
            return 1.0
        known = (windows[name].headroom(limit, now) for name, limit in configured_limits(limits) if name in windows)
        return min(known, default=1.0)

    def left(self, place: PairId, limits: Configured, now: float) -> dict[str, WindowState]:
        """What is left of each configured limit, by its name."""
        windows, found = self._windows.get(place, {}), {}
        for name, configured in configured_limits(limits):
            window = windows.get(name)
            limit = window.limit(configured) if window else configured
            found[name] = WindowState(limit, max(0, limit - window.used(now)) if window else limit)
        return found

    def remaining(self, place: PairId, limits: Configured, now: float) -> Iterator[tuple[str, int, int]]:
        """Of each window in use its name, what is left of it, and its limit."""
        for name, window in self._windows.get(place, {}).items():
            configured: int | None = getattr(limits, name)
            if configured is not None:
                limit = window.limit(configured)
                yield name, max(0, limit - window.used(now)), limit

    def daily_windows(self, place: PairId, limits: Configured) -> Iterator[tuple[str, UsageWindow, int]]:
        """The windows of a day that are in use, each with its name and its configured limit."""
        windows = self._windows.get(place, {})
        for name, limit in configured_limits(limits):
            if name in windows and WINDOW_SECONDS[name] == DAY:
                yield name, windows[name], limit

    def lease(self, place: PairId, limits: Configured, tokens: int, now: float) -> Lease:
        shares = []
        for name, _ in configured_limits(limits):
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

    def lower_limit(self, place: PairId, limits: Configured, name: str, stated: int, now: float) -> bool:
        """A provider states a limit: it counts if it is lower than the one in force. Returns whether it was."""
        configured = dict(configured_limits(limits)).get(name)
        if configured is None:
            return False
        window = self._window(place, name)
        if stated == window.stated:
            window.stated_at = now
        if not 0 < stated < window.limit(configured):
            return False
        window.stated, window.stated_at = stated, now
        return True

    def open(self, place: PairId, limits: Configured) -> None:
        """Begins every window for which there is a limit: peers may have used something of it."""
        for name, _ in configured_limits(limits):
            self._window(place, name)

    def keep_only(self, places: Collection[PairId]) -> None:
        """Removes what is no longer configured."""
        self._windows = {place: windows for place, windows in self._windows.items() if place in places}

    def _window(self, place: PairId, name: str) -> UsageWindow:
        windows = self._windows.setdefault(place, {})
        if name not in windows:
            windows[name] = self.make(place, name)
        return windows[name]


def _own_window(name: str) -> UsageWindow:
    """Of this instance alone."""
    return UsageWindow(WINDOW_SECONDS[name])


def configured_limits(limits: Configured) -> Iterator[tuple[str, int]]:
    """The limits that are configured, by name."""
    for name in WINDOW_SECONDS:
        limit: int | None = getattr(limits, name)
        if limit is not None:
            yield name, limit


def _amount(name: str, tokens: int) -> int:
    return tokens if name.startswith("t") else 1
