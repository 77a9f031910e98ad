"""Health: which providers cannot be reached at all, and when to look whether they are back.

A provider is healthy until several connections in a row fail; then it is unhealthy, until an answer ends well or a
probe finds it alive. While it is unhealthy one probe at a time is due, again and again. That a provider is busy is
nothing to remember: its keys' cooldowns and limits say so.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

PROBE_INTERVAL = 30.0
PROBE_JITTER = 0.2
"""The share of that by which a probe may come earlier or later, so that probes of many routers do not come together."""
FAILURES_TO_UNHEALTHY = 3
"""Connections in a row that fail."""


@dataclass(slots=True)
class Outage:
    """A provider to which the last connection failed. `since` is when it became unhealthy, None if it is not."""

    failures: int
    reason: str
    since: float | None = None
    probe_due: float = 0.0
    is_probe_running: bool = False


class Health:
    """Bounded by the providers configured. `probe_interval` is in seconds."""

    def __init__(self, probe_every: float = PROBE_INTERVAL) -> None:
        self.probe_interval = probe_every
        self._outages: dict[str, Outage] = {}
        self._changed: set[str] | None = None
        """Providers that became unhealthy, or recovered, since the last delta to peers; None: state is not shared."""

    # Told.

    def on_connection_failed(self, provider: str, what: str, now: float) -> bool:
        """A connection failed. Returns whether this made the provider unhealthy."""
        case = self._outages.setdefault(provider, Outage(0, what))
        case.failures, case.reason = case.failures + 1, what
        if case.since is not None or case.failures < FAILURES_TO_UNHEALTHY:
            return False
        case.since, case.probe_due = now, now + self.probe_interval
        self._note(provider)
        return True

    def on_reached(self, provider: str) -> None:
        """The provider has answered something, which ends the row of failures. That alone does not make it healthy."""
        case = self._outages.get(provider)
        if case is not None and case.since is None:
            del self._outages[provider]

    def on_recovered(self, provider: str) -> bool:
        """The provider works. Returns whether it was unhealthy."""
        case = self._outages.pop(provider, None)
        was_unhealthy = case is not None and case.since is not None
        if was_unhealthy:
            self._note(provider)
        return was_unhealthy

    def forget(self, provider: str) -> None:
        """Removes failed connections that were not the provider's fault."""
        self.on_recovered(provider)

    def keep_only(self, providers: Collection[str]) -> None:
        """Removes what is no longer configured or has another address."""
        self._outages = {name: case for name, case in self._outages.items() if name in providers}

    # What is shared with peers.

    def take_changes(self) -> Collection[str]:
        """The providers that became unhealthy or healthy. They are recorded from the first call on."""
        taken, self._changed = self._changed or set(), set()
        return taken

    def put(self, provider: str, reason: str, since: float) -> bool:
        """A peer reports the provider as unhealthy. Returns whether that is new here."""
        if self.outage(provider):
            return False
        self._outages[provider] = Outage(FAILURES_TO_UNHEALTHY, reason, since, since + self.probe_interval)
        return True

    def discard(self, provider: str) -> None:
        """A peer reports the provider as healthy."""
        self._outages.pop(provider, None)

    def _note(self, provider: str) -> None:
        if self._changed is not None:
            self._changed.add(provider)

    # Asked.

    def outage(self, provider: str) -> Outage | None:
        """The outage of a provider; None if it is not unhealthy."""
        case = self._outages.get(provider) if self._outages else None
        return case if case is not None and case.since is not None else None

    # Probes.

    def due_probes(self, now: float) -> list[str]:
        """Providers to probe now."""
        return [
            name
            for name, case in self._outages.items()
            if case.since is not None and not case.is_probe_running and case.probe_due <= now
        ]

    def begin_probe(self, provider: str, chance: float, now: float) -> None:
        """`chance` is a random number from 0 to 1 that decides when the next probe is due."""
        case = self._outages[provider]
        case.is_probe_running = True
        case.probe_due = now + self.probe_interval * (1 - PROBE_JITTER + 2 * PROBE_JITTER * chance)

    def on_probe_result(self, provider: str, alive: bool) -> bool:
        """The probe has ended. Returns whether the provider is healthy again by it."""
        case = self._outages.get(provider)
        if case is None:
            return False
        case.is_probe_running = False
        return alive and self.on_recovered(provider)

    def to_list(self, offset: float) -> list[dict[str, Any]]:
        """Every provider that is in trouble, in plain JSON types; `offset` is what the clock on the wall is ahead."""
        return [
            {
                "provider": name,
                "status": "healthy" if case.since is None else "unhealthy",
                "failures": case.failures,
                "reason": case.reason,
                "since": None if case.since is None else case.since + offset,
                "next_probe": None if case.since is None else case.probe_due + offset,
            }
            for name, case in self._outages.items()
        ]
