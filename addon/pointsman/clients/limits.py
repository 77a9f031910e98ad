"""What a client may use at a time, of all models together: requests and tokens a minute, and requests at once."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from pointsman.config.clients import ClientLimits
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
    """Of one client. Minutes are counted only where they are limited."""

    running: int = 0
    requests: UsageWindow = field(default_factory=lambda: UsageWindow(MINUTE))
    tokens: UsageWindow = field(default_factory=lambda: UsageWindow(MINUTE))


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
            self.counters.running -= 1
            if self.step is not None:
                self.counters.tokens.correct(used - self.tokens, self.step)


class RequestLimits:
    """The counters of each client. Moments are on a steady clock."""

    def __init__(self) -> None:
        self._counters: dict[str, Counters] = {}
        """Bounded by the clients that are configured, and those whose requests still run."""

    def begin(self, client: str, limits: ClientLimits, tokens: int, now: float) -> Slot | LimitReached:
        """Room for a request of about so many tokens. A refused one counts for nothing."""
        counters = self._counters.get(client)
        if counters is None:
            counters = self._counters[client] = Counters()
        if reached := _reached(counters, limits, tokens, now):
            return reached
        counters.running += 1
        if limits.rpm is not None:
            counters.requests.add(1, now)
        return Slot(counters, tokens, counters.tokens.add(tokens, now) if limits.tpm is not None else None)

    def running(self, client: str) -> int:
        counters = self._counters.get(client)
        return counters.running if counters else 0

    def keep_only(self, clients: Collection[str]) -> None:
        """What counts for a client that is no longer configured is forgotten once its last request has ended."""
        self._counters = {name: each for name, each in self._counters.items() if name in clients or each.running}


def _reached(counters: Counters, limits: ClientLimits, tokens: int, now: float) -> LimitReached | None:
    """The limit that has no room; of several, the one with the longest wait."""
    found = []
    if limits.concurrency is not None and counters.running >= limits.concurrency:
        found.append(LimitReached("concurrency", limits.concurrency, CONCURRENCY_WAIT))
    if limits.rpm is not None and counters.requests.used(now) >= limits.rpm:
        found.append(LimitReached("rpm", limits.rpm, counters.requests.frees_at(1, limits.rpm, now) - now))
    if limits.tpm is not None and counters.tokens.used(now) + min(tokens, limits.tpm) > limits.tpm:
        found.append(LimitReached("tpm", limits.tpm, counters.tokens.frees_at(tokens, limits.tpm, now) - now))
    return max(found, key=lambda each: each.wait) if found else None
