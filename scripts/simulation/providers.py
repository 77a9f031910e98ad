"""Simulated providers: how reliable and how fast they are, and how that changes over time."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from pointsman.config.settings import Weights
from pointsman.routing.scoring import Qualities, latency, speed, weighted_sum
from pointsman.wire.frames import Usage

MINUTE, HOUR = 60.0, 3600.0
REFUSAL = 0.2
"""Seconds that a failure takes."""

type Curve = float | Sequence[tuple[float, float]]
"""A constant, or points (seconds, value) with linear interpolation between them."""


class Span(NamedTuple):
    """From, until: in seconds."""

    since: float
    until: float

    def holds(self, t: float) -> bool:
        return self.since <= t < self.until


@dataclass(frozen=True, slots=True)
class Profile:
    """One provider with one model. `first` is the median of the seconds to the first content, which is log-normal with
    the deviation `spread`; a share `slow[0]` of the answers takes `slow[1]` times as long. `rpm`: what it answers in a
    minute; `declared`: the configuration contains this limit. `past`: good answers an hour in the week before.
    """

    works: Curve = 0.98
    first: float = 0.6
    spread: float = 0.35
    slow: tuple[float, float] = (0.0, 1.0)
    pace: float = 60.0
    tokens: int = 150
    rpm: int | None = None
    declared: bool = False
    down: tuple[Span, ...] = ()
    intelligence: int | None = None
    speed: int | None = None
    pool: str = "balanced"
    past: float = 0.0

    def working(self, t: float) -> float:
        """The probability that an attempt at `t` succeeds, regardless of the rate limit."""
        return 0.0 if any(span.holds(t) for span in self.down) else at(self.works, t)

    @property
    def qualities(self) -> tuple[float, float]:
        """Speed and latency as in the score, averaged over all answers."""
        share, times = self.slow
        mean = (1 - share) * latency(self.first) + share * latency(self.first * times)
        return speed(self.pace), mean


class Reply(NamedTuple):
    """The result of an attempt: `first` and `whole` are seconds after its start; a 429 has a `retry_after`."""

    status: int
    first: float = 0.0
    whole: float = REFUSAL
    tokens: int = 0
    retry_after: float | None = None
    usage: Usage | None = None
    """None: 500 tokens of prompt and the `tokens`."""

    @property
    def is_good(self) -> bool:
        return self.status == 200


class SimulatedProviders:
    """All providers, with the requests of the last minute that count against their limits."""

    def __init__(self, profiles: Mapping[str, Profile], chance: Random) -> None:
        self.profiles, self._chance = profiles, chance
        self._asked: dict[str, deque[float]] = {name: deque() for name in profiles}

    def ask(self, name: str, t: float) -> Reply:
        profile, chance = self.profiles[name], self._chance
        if (wait := self._full(name, t)) is not None:
            return Reply(429, retry_after=wait)
        self._asked[name].append(t)
        if chance.random() >= profile.working(t):
            return Reply(503)
        first = profile.first * chance.lognormvariate(0.0, profile.spread)
        if chance.random() < profile.slow[0]:
            first *= profile.slow[1]
        return Reply(200, first, first + profile.tokens / profile.pace, profile.tokens)

    def working(self, name: str, t: float) -> float:
        """The probability that an attempt at `t` succeeds: 0 while the rate limit is reached."""
        return 0.0 if self._full(name, t) is not None else self.profiles[name].working(t)

    def _full(self, name: str, t: float) -> float | None:
        """Seconds until the rate limit allows a request, None if it does now."""
        rpm, asked = self.profiles[name].rpm, self._asked[name]
        while asked and asked[0] <= t - MINUTE:
            asked.popleft()
        return None if rpm is None or len(asked) < rpm else asked[0] + MINUTE - t


def worth(profile: Profile, working: float, weights: Weights, intelligence: Callable[[int | None], float]) -> float:
    """What an attempt is worth to the client: nothing if it fails, else the weighted mean of its qualities."""
    own = Qualities(*profile.qualities, intelligence(profile.intelligence))
    return working * weighted_sum(own, weights, reliability=1.0)


def at(curve: Curve, t: float) -> float:
    if isinstance(curve, int | float):
        return curve
    before = curve[0]
    for point in curve:
        if t < point[0]:
            share = (t - before[0]) / (point[0] - before[0]) if point[0] > before[0] else 1.0
            return before[1] + share * (point[1] - before[1])
        before = point
    return before[1]
