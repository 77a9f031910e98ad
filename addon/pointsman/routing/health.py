"""Health: which providers cannot be reached at all, and when to look whether they are back.

A provider is healthy until several connections in a row fail; then it is unhealthy, until an answer ends well or a
probe finds it alive. While it is unhealthy one probe at a time is due, again and again. That a provider is busy is
nothing to remember: its keys' cooldowns and limits say so.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

PROBE_EVERY = 30.0
SPREAD = 0.2
"""The share of that by which a probe may come earlier or later, so that probes of many routers do not come together."""
FAILURES = 3
"""Connections in a row that fail."""


@dataclass(slots=True)
class Case:
    """A provider to which the last connection failed. `since` is when it became unhealthy, None if it is not."""

    failures: int
    what: str
    since: float | None = None
    probe_due: float = 0.0
    is_probed: bool = False


class Health:
    """Bounded by the providers configured. `probe_every` is in seconds."""

    def __init__(self, probe_every: float = PROBE_EVERY) -> None:
        self.probe_every = probe_every
        self._cases: dict[str, Case] = {}

    # Told.

    def failed(self, provider: str, what: str, now: float) -> bool:
        """No connection. Returns whether this is what made it unhealthy."""
        case = self._cases.setdefault(provider, Case(0, what))
        case.failures, case.what = case.failures + 1, what
        if case.since is not None or case.failures < FAILURES:
            return False
        case.since, case.probe_due = now, now + self.probe_every
        return True

    def reached(self, provider: str) -> None:
        """It has answered something: failures are no longer in a row. That alone makes nobody healthy."""
        case = self._cases.get(provider)
        if case is not None and case.since is None:
            del self._cases[provider]

    def recovered(self, provider: str) -> bool:
        """It works. Returns whether it was unhealthy."""
        case = self._cases.pop(provider, None)
        return case is not None and case.since is not None

    def keep_only(self, providers: Collection[str]) -> None:
        """What is no longer configured, or no longer there, is forgotten."""
        self._cases = {name: case for name, case in self._cases.items() if name in providers}

    # Asked.

    def illness(self, provider: str) -> Case | None:
        """None for one that is not unhealthy."""
        case = self._cases.get(provider) if self._cases else None
        return case if case is not None and case.since is not None else None

    # Probes.

    def due(self, now: float) -> list[str]:
        """Providers to probe now."""
        return [
            name
            for name, case in self._cases.items()
            if case.since is not None and not case.is_probed and case.probe_due <= now
        ]

    def begin_probe(self, provider: str, chance: float, now: float) -> None:
        """`chance` is a random number from 0 to 1: when the next one is due."""
        case = self._cases[provider]
        case.is_probed = True
        case.probe_due = now + self.probe_every * (1 - SPREAD + 2 * SPREAD * chance)

    def probed(self, provider: str, alive: bool) -> bool:
        """The probe has ended. Returns whether the provider is healthy again by it."""
        case = self._cases.get(provider)
        if case is None:
            return False
        case.is_probed = False
        return alive and self.recovered(provider)

    def plain(self, offset: float) -> list[dict[str, Any]]:
        """Every provider that is in trouble, in plain JSON types; `offset` is what the clock on the wall is ahead."""
        return [
            {
                "provider": name,
                "status": "healthy" if case.since is None else "unhealthy",
                "failures": case.failures,
                "reason": case.what,
                "since": None if case.since is None else case.since + offset,
                "next_probe": None if case.since is None else case.probe_due + offset,
            }
            for name, case in self._cases.items()
        ]
