"""Made-up providers: how often they work, how fast they are, and how that changes in the course of time."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from pointsman.config.settings import Weights
from pointsman.routing.bandit import Qualities, latency, speed, weighted

MINUTE, HOUR = 60.0, 3600.0
REFUSAL = 0.2
"""Seconds that a failure takes."""

type Course = float | Sequence[tuple[float, float]]
"""A value that stays, or points (seconds, value) with straight lines between them."""


class Span(NamedTuple):
    """From, until: in seconds."""

    since: float
    until: float

    def holds(self, t: float) -> bool:
        return self.since <= t < self.until


@dataclass(frozen=True, slots=True)
class Nature:
    """One provider with one model. `first` is the median of the seconds to the first content, which is log-normal with
    the deviation `spread`; a share `slow[0]` of the answers takes `slow[1]` times as long. `rpm`: what it answers in a
    minute; `told`: the configuration says so too. `past`: good answers an hour in the week before.
    """

    works: Course = 0.98
    first: float = 0.6
    spread: float = 0.35
    slow: tuple[float, float] = (0.0, 1.0)
    pace: float = 60.0
    tokens: int = 150
    rpm: int | None = None
    told: bool = False
    down: tuple[Span, ...] = ()
    intelligence: int | None = None
    speed: int | None = None
    pool: str = "balanced"
    past: float = 0.0

    def working(self, t: float) -> float:
        """The chance that an attempt succeeds then, its limit aside."""
        return 0.0 if any(span.holds(t) for span in self.down) else at(self.works, t)

    @property
    def qualities(self) -> tuple[float, float]:
        """Speed and latency as the score counts them, over all its answers."""
        share, times = self.slow
        mean = (1 - share) * latency(self.first) + share * latency(self.first * times)
        return speed(self.pace), mean


class Reply(NamedTuple):
    """What an attempt comes to: `first` and `whole` are seconds after its start. `retry_after` comes with a 429."""

    status: int
    first: float = 0.0
    whole: float = REFUSAL
    tokens: int = 0
    retry_after: float | None = None

    @property
    def is_good(self) -> bool:
        return self.status == 200


class World:
    """The providers, in the state that the attempts so far have left them in."""

    def __init__(self, natures: Mapping[str, Nature], chance: Random) -> None:
        self.natures, self._chance = natures, chance
        self._asked: dict[str, deque[float]] = {name: deque() for name in natures}

    def ask(self, name: str, t: float) -> Reply:
        nature, chance = self.natures[name], self._chance
        if (wait := self._full(name, t)) is not None:
            return Reply(429, retry_after=wait)
        self._asked[name].append(t)
        if chance.random() >= nature.working(t):
            return Reply(503)
        first = nature.first * chance.lognormvariate(0.0, nature.spread)
        if chance.random() < nature.slow[0]:
            first *= nature.slow[1]
        return Reply(200, first, first + nature.tokens / nature.pace, nature.tokens)

    def working(self, name: str, t: float) -> float:
        """The chance that an attempt succeeds then, given what it has been asked so far."""
        return 0.0 if self._full(name, t) is not None else self.natures[name].working(t)

    def _full(self, name: str, t: float) -> float | None:
        """Seconds until there is room again, None where there is."""
        rpm, asked = self.natures[name].rpm, self._asked[name]
        while asked and asked[0] <= t - MINUTE:
            asked.popleft()
        return None if rpm is None or len(asked) < rpm else asked[0] + MINUTE - t


def worth(nature: Nature, working: float, weights: Weights, intelligence: Callable[[int | None], float]) -> float:
    """What an attempt is worth to the client: nothing if it fails, else the weighted mean of its qualities."""
    own = Qualities(*nature.qualities, intelligence(nature.intelligence))
    return working * weighted(own, weights, reliability=1.0)


def at(course: Course, t: float) -> float:
    if isinstance(course, int | float):
        return course
    before = course[0]
    for point in course:
        if t < point[0]:
            share = (t - before[0]) / (point[0] - before[0]) if point[0] > before[0] else 1.0
            return before[1] + share * (point[1] - before[1])
        before = point
    return before[1]
