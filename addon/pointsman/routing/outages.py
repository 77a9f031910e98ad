"""Outages: failures that are not the fault of a conversation, or of a provider.

A failure that several clients see at one target at the same time is an outage of the target: it bans nothing, the
cooldown is enough. What only one conversation sees, while the provider answers others, is about that conversation.
Connections to several providers that all fail at the same time are an outage of the network on this side: it costs no
provider anything.
"""

from collections import deque
from collections.abc import Collection, Iterable
from typing import NamedTuple

OUTAGE_WINDOW = 30.0
"""Seconds within which the failures of two clients are one outage."""
MEMORY = 300.0
"""Seconds for which what a provider did for others is remembered."""
MAX_OUTAGES = 16
"""Outages of the network on this side that are remembered."""
MAX_OUTCOMES = 16
"""Outcomes kept for each target and each provider; the oldest go first."""


class ClientOutcome(NamedTuple):
    """`client` tells one session, or one client without a session, from another."""

    at: float
    client: bytes
    succeeded: bool


class Outage(NamedTuple):
    """From the first to the last failure that belongs to it."""

    start: float
    end: float


class Outages:
    """Bounded by the configured targets. Times are those of the routing clock, in seconds."""

    def __init__(self) -> None:
        self._by_target: dict[str, deque[ClientOutcome]] = {}  # keys: configured labels, see keep_only
        self._by_provider: dict[str, deque[ClientOutcome]] = {}
        self._outages: dict[str, Outage] = {}
        self._last_failures: dict[str, float] = {}

    def on_failure(self, label: str, now: float) -> None:
        """Any failure of the target, or of one of its keys."""
        self._last_failures[label] = now

    def on_outcome(self, provider: str, label: str, client: bytes, succeeded: bool, now: float) -> None:
        """The target has given a client a whole answer, or has failed it."""
        outcome = ClientOutcome(now, client, succeeded)
        if not succeeded:
            self._note_outage(label, outcome)
        self._by_target.setdefault(label, deque(maxlen=MAX_OUTCOMES)).append(outcome)
        self._by_provider.setdefault(provider, deque(maxlen=MAX_OUTCOMES)).append(outcome)

    def fails_others(self, provider: str, client: bytes, now: float) -> bool:
        """The provider's last outcome for other clients, not long ago, was a failure."""
        others = _of_others(self._by_provider.get(provider, ()), client, now - MEMORY)
        last = next(iter(reversed(others)), None)
        return last is not None and not last.succeeded

    def covers(self, label: str, moment: float) -> bool:
        """Whether what happened at this target then belongs to an outage."""
        outage = self._outages.get(label)
        return outage is not None and outage.start <= moment <= outage.end

    def last_failure(self, label: str) -> float | None:
        return self._last_failures.get(label)

    def keep_only(self, labels: Collection[str]) -> None:
        """What is no longer configured is forgotten."""
        providers = {label.partition("/")[0] for label in labels}
        self._by_target = {label: kept for label, kept in self._by_target.items() if label in labels}
        self._by_provider = {name: kept for name, kept in self._by_provider.items() if name in providers}
        self._outages = {label: outage for label, outage in self._outages.items() if label in labels}
        self._last_failures = {label: at for label, at in self._last_failures.items() if label in labels}

    def _note_outage(self, label: str, failure: ClientOutcome) -> None:
        """Others have failed there at about the same time."""
        recent = _of_others(self._by_target.get(label, ()), failure.client, failure.at - OUTAGE_WINDOW)
        failures = [each.at for each in recent if not each.succeeded]
        if not failures:
            return
        before, start = self._outages.get(label), min(failures)
        if before and before.end >= start:
            start = before.start
        self._outages[label] = Outage(start, failure.at)


def _of_others(outcomes: Iterable[ClientOutcome], client: bytes, since: float) -> list[ClientOutcome]:
    return [each for each in outcomes if each.client != client and each.at >= since]


class LocalNetwork:
    """Whether connections fail because of the network on this side. Providers on this machine say nothing about that.

    Bounded by the configured providers. Times are those of the routing clock, in seconds.
    """

    def __init__(self) -> None:
        self._failures: dict[str, float] = {}
        """When each provider's last connection failed, as long as none has been reached since."""
        self._outages: deque[Outage] = deque(maxlen=MAX_OUTAGES)
        """The last ones, in order."""

    def on_connection_failed(self, provider: str, now: float) -> frozenset[str]:
        """Returns the providers concerned if this failure shows that the network is down."""
        was_down = self.is_down(now)
        self._failures[provider] = now
        if not self.is_down(now):
            return frozenset()
        if was_down:
            self._outages.append(Outage(self._outages.pop().start, now))
            return frozenset()
        failing = self._failing(now)
        self._outages.append(Outage(min(self._failures[name] for name in failing), now))
        return failing

    def on_reached(self) -> None:
        """A provider has answered something."""
        self._failures.clear()

    def covers(self, moment: float) -> bool:
        """The network was down then, as far as the last outages tell."""
        return any(outage.start <= moment <= outage.end for outage in self._outages)

    def is_down(self, now: float) -> bool:
        """Whether the last connections to two or more providers have failed, and none has worked since."""
        return len(self._failures) > 1 and len(self._failing(now)) > 1

    def keep_only(self, providers: Collection[str]) -> None:
        """What is no longer configured is forgotten."""
        self._failures = {name: at for name, at in self._failures.items() if name in providers}

    def _failing(self, now: float) -> frozenset[str]:
        return frozenset(name for name, at in self._failures.items() if at > now - OUTAGE_WINDOW)
