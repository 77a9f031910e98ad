"""What attempts show of their targets, added up over all instances, so that they rank targets alike.

Each instance publishes its own sums of each target and hour, which only grow: of two, the larger one counts, so it does
not matter if a message is lost, late or doubled. The latest waits and outcomes are sent along, and may be lost.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from math import inf
from typing import Any, NamedTuple

import orjson
from cachetools import LRUCache

from pointsman.routing.attempt_outcomes import Observation, Verdict
from pointsman.routing.recent_outcomes import RecentOutcomes
from pointsman.routing.statistics import HOUR, WEEK, ContentWait, HourlySums, Statistics
from pointsman.shared.part import Call, Delta, SharedTime

INTERVAL = 5.0
"""Seconds between two publications."""
MAX_SAMPLES = 32
"""Waits, and outcomes, of one target in one publication; the newest are kept."""
MAX_PEER_SUMS = 50_000
"""Of peers, targets and hours; those not heard of for longest go first."""
MAX_ROWS = 40
"""Targets and hours in one delta."""


class SumsKey(NamedTuple):
    label: str
    hour: int
    """Since 1970."""


@dataclass(slots=True)
class OwnSums:
    """The sums of one target in one hour."""

    sums: HourlySums = field(default_factory=HourlySums)
    rate_limits: int = 0

    def numbers(self) -> list[float]:
        return [*astuple(self.sums), self.rate_limits]


@dataclass(slots=True)
class Samples:
    """The samples of one target since the last publication."""

    waits: list[tuple[float, float, bool]] = field(default_factory=list)
    outcomes: list[tuple[float, bool]] = field(default_factory=list)


class SharedStatistics:
    """`observe` is told of every observation here. `on_changed` is called with a target of which peers have told."""

    name = "statistics"

    def __init__(
        self,
        statistics: Statistics,
        recent_outcomes: RecentOutcomes,
        instance: str,
        on_changed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._statistics, self._recent_outcomes = statistics, recent_outcomes
        self._instance, self._on_changed = instance, on_changed
        self._own: dict[SumsKey, OwnSums] = {}
        self._changed: set[SumsKey] = set()
        self._samples: dict[str, Samples] = {}
        """By label; those of the configuration, like all of these tables."""
        self._peers: LRUCache[tuple[str, SumsKey], list[float]] = LRUCache(MAX_PEER_SUMS)
        self._number = 0
        self._numbers: LRUCache[str, int] = LRUCache(1000)
        """The last publication of each peer whose samples are known."""
        self._published = -inf

    def observe(self, observation: Observation) -> None:
        if observation.label not in self._statistics.labels:
            return
        key = SumsKey(observation.label, int(observation.wall // HOUR))
        own = self._own.setdefault(key, OwnSums())
        own.sums.observe(observation)
        own.rate_limits += observation.rate_limited
        self._changed.add(key)
        samples, verdict = self._samples.setdefault(observation.label, Samples()), observation.verdict
        if observation.first_content is not None:
            wait = observation.wall, max(0.0, observation.first_content), verdict is Verdict.CENSORED
            samples.waits = [*samples.waits, wait][-MAX_SAMPLES:]
        if verdict in (Verdict.SUCCESS, Verdict.FAILURE):
            samples.outcomes = [*samples.outcomes, (observation.wall, verdict is Verdict.SUCCESS)][-MAX_SAMPLES:]

    def deltas(self, now: SharedTime) -> Iterator[Delta]:
        if not self._changed or now.now < self._published + INTERVAL:
            return
        self._published = now.now
        self._own = {key: own for key, own in self._own.items() if _counts(key, now.wall)}
        rows = [self._row(key) for key in sorted(self._changed) if key in self._own]
        self._changed.clear()
        for place in range(0, len(rows), MAX_ROWS):
            self._number += 1
            body = [self._instance, self._number, rows[place : place + MAX_ROWS]]
            yield Delta(self.name, orjson.dumps(body))

    def _row(self, key: SumsKey) -> list[Any]:
        samples = self._samples.pop(key.label, Samples())
        return [*key, self._own[key].numbers(), samples.waits, samples.outcomes]

    def calls(self, now: SharedTime) -> Iterable[Call]:
        return ()

    def publish_all(self, now: SharedTime) -> None:
        self._changed, self._published = set(self._own), -inf

    def on_connected(self, now: SharedTime, is_new_engine: bool) -> None:
        pass

    def on_disconnected(self, now: SharedTime) -> None:
        pass

    def on_delta(self, delta: Delta, now: SharedTime) -> None:
        instance, number, rows = orjson.loads(delta.body)
        is_latest = number > self._numbers.get(instance, 0)
        for label, hour, numbers, waits, outcomes in rows:
            key = SumsKey(label, hour)
            if label not in self._statistics.labels or not _counts(key, now.wall):
                continue
            self._add(instance, key, numbers, now.wall)
            if is_latest:
                self._add_samples(label, waits, outcomes, now.wall)
            self._on_changed(label)
        if is_latest:
            self._numbers[instance] = number

    def _add(self, instance: str, key: SumsKey, numbers: Sequence[float], wall: float) -> None:
        before = self._peers.get((instance, key)) or [0.0] * len(numbers)
        larger = [max(pair) for pair in zip(before, numbers, strict=True)]
        self._peers[instance, key] = larger
        *more, rate_limits = (new - old for new, old in zip(larger, before, strict=True))
        self._statistics.add(key.label, key.hour, HourlySums(*more), round(rate_limits), wall)

    def _add_samples(
        self, label: str, waits: Collection[Sequence[Any]], outcomes: Collection[Sequence[Any]], wall: float
    ) -> None:
        self._statistics.add_waits(label, [ContentWait(min(at, wall), *rest) for at, *rest in waits])
        for at, success in outcomes:
            self._recent_outcomes.observe(label, bool(success), min(at, wall))


def _counts(key: SumsKey, wall: float) -> bool:
    return -WEEK < key.hour * HOUR - wall < 2 * HOUR
