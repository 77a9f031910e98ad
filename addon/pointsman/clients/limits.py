"""What a client may use at a time, of all models together: requests and tokens a minute, and requests at once."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from pointsman.config.clients import ClientLimits
from pointsman.domain.shared_limits import SharedSlots
from pointsman.domain.usage_window import UsageWindow

MINUTE = 60.0
CONCURRENCY_WAIT = 2.0
"""Seconds that a client is told to wait: when a running request ends is not known."""


class LimitReached(NamedTuple):
    """Why a request is refused: the name of the limit, its value, and the seconds until there is room."""

    name: str
    limit: int
    wait: float


@dataclass(slots=True, eq=False)
class Counters:
    """The counters of one client. Minutes are counted only where they are limited."""

    requests: UsageWindow
    tokens: UsageWindow
    running: int = 0
    shared: SharedSlots | None = None
    """The requests at once, where other instances count too."""

    @classmethod
    def alone(cls) -> "Counters":
        """Counters of this instance only."""
        return cls(UsageWindow(MINUTE), UsageWindow(MINUTE))

    def count_running(self, change: int) -> None:
        self.running += change
        if self.shared:
            self.shared.on_running(self.running)


@dataclass(slots=True, eq=False)
class Slot:
    """What one running request takes, to be given back once. `step` is where its tokens were counted, if they were."""

    counters: Counters
    tokens: int
    step: float | None = None
    is_open: bool = True

    def end(self, used: int) -> None:
        """The request has ended, and has used so many tokens. What comes later changes nothing."""
        if self.is_open:
            self.is_open = False
            self.counters.count_running(-1)
            if self.step is not None:
                self.counters.tokens.correct(used - self.tokens, self.step)


class RequestLimits:
    """The counters of each client, as `make` makes them. Moments are on a steady clock."""

    def __init__(self, make: Callable[[str], Counters] = lambda _: Counters.alone()) -> None:
        self.make = make
        self._counters: dict[str, Counters] = {}
        """Bounded by the clients that are configured, and those whose requests still run."""

    def begin(self, client: str, limits: ClientLimits, tokens: int, now: float) -> Slot | LimitReached:
        """Room for a request of about so many tokens. A refused one counts for nothing."""
        counters = self.counters(client)
        if reached := _reached(counters, limits, tokens, now):
            return reached
        counters.count_running(1)
        if limits.rpm is not None:
            counters.requests.add(1, now)
        return Slot(counters, tokens, counters.tokens.add(tokens, now) if limits.tpm is not None else None)

    def counters(self, client: str) -> Counters:
        found = self._counters.get(client)
        if found is None:
            found = self._counters[client] = self.make(client)
        return found

    def reached(self, client: str, limits: ClientLimits, tokens: int, now: float) -> LimitReached | None:
        """The limit that a request of this size would exceed, or None."""
        return _reached(self.counters(client), limits, tokens, now)

    def running(self, client: str) -> int:
        counters = self._counters.get(client)
        return counters.running if counters else 0

    def keep_only(self, clients: Collection[str]) -> None:
        """Removes the counters of clients that are no longer configured, once their last request has ended."""
        self._counters = {name: each for name, each in self._counters.items() if name in clients or each.running}


def _reached(counters: Counters, limits: ClientLimits, tokens: int, now: float) -> LimitReached | None:
    """The limit that has no room; of several, the one with the longest wait."""
    found = []
    if limits.concurrency is not None and counters.running >= _allowed(counters, limits.concurrency, now):
        found.append(LimitReached("concurrency", limits.concurrency, CONCURRENCY_WAIT))
    if limits.rpm is not None and (free := counters.requests.frees_at(1, limits.rpm, now)) > now:
        found.append(LimitReached("rpm", limits.rpm, free - now))
    if limits.tpm is not None and (free := counters.tokens.frees_at(tokens, limits.tpm, now)) > now:
        found.append(LimitReached("tpm", limits.tpm, free - now))
    return max(found, key=lambda each: each.wait) if found else None


def _allowed(counters: Counters, limit: int, now: float) -> int:
    """Of the requests at once, those that this instance may run."""
    return limit if counters.shared is None else counters.shared.allowed(limit, now)
