"""The scenarios: which providers there are, how many requests come, and how often."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from simulation.providers import HOUR, MINUTE, Nature, Span

EVERY = 6.0
"""Seconds between requests, on average."""
DEATH, RETURN = 1.0 * HOUR, 1.0 * HOUR + 10 * MINUTE


@dataclass(frozen=True, slots=True)
class Scenario:
    """`natures` makes the providers, in configured order, of one seed's generator. `learning_matters`: whoever does not
    learn cannot do well.
    """

    summary: str
    natures: Callable[[Random], Mapping[str, Nature]]
    requests: int = 2000
    every: float = EVERY
    learning_matters: bool = True


def shuffled(natures: Mapping[str, Nature], chance: Random) -> dict[str, Nature]:
    """The configured order tells nothing."""
    names = list(natures)
    chance.shuffle(names)
    return {name: natures[name] for name in names}


def stable(chance: Random) -> Mapping[str, Nature]:
    return shuffled(
        {
            "best": Nature(0.99, first=0.4, pace=90, intelligence=2, speed=2),
            "clever": Nature(0.93, first=1.5, pace=40, intelligence=1, speed=5),
            "quick": Nature(0.95, first=0.3, pace=150, intelligence=5, speed=1),
            "middling": Nature(0.95, first=0.9, pace=60, intelligence=4, speed=3),
            "slow": Nature(0.97, first=3.0, pace=25, intelligence=3, speed=6),
            "poor": Nature(0.70, first=1.0, pace=50, intelligence=5, speed=4),
        },
        chance,
    )


def outage(chance: Random) -> Mapping[str, Nature]:
    return shuffled(dying((Span(DEATH, RETURN),)), chance)


def dying(down: tuple[Span, ...]) -> dict[str, Nature]:
    """The favourite of a week is down at times."""
    return {
        "favourite": Nature(0.98, first=0.4, pace=100, intelligence=1, speed=1, down=down, past=40),
        "second": Nature(0.96, first=0.8, pace=60, intelligence=2, speed=2, past=8),
        "third": Nature(0.95, first=1.0, pace=60, intelligence=3, speed=2, past=4),
        "fourth": Nature(0.93, first=1.2, pace=50, intelligence=3, speed=3, past=4),
        "fifth": Nature(0.85, first=1.5, pace=40, intelligence=4, speed=4, past=4),
    }


def drift(chance: Random) -> Mapping[str, Nature]:
    end = 2000 * EVERY
    return shuffled(
        {
            "falling": Nature(((0, 0.98), (0.2 * end, 0.98), (0.7 * end, 0.40)), first=0.5, pace=90),
            "rising": Nature(((0, 0.40), (0.3 * end, 0.40), (0.8 * end, 0.99)), first=0.5, pace=90),
            "steady": Nature(0.80, first=0.7, pace=70),
            "tired": Nature(0.70, first=0.9, pace=60),
        },
        chance,
    )


def haystack(chance: Random) -> Mapping[str, Nature]:
    """Nothing is known beforehand, and the speed ranks mislead."""
    ranks = [number % 5 + 1 for number in range(20)]
    chance.shuffle(ranks)
    good = {f"good-{n}": Nature(0.97, first=0.5, pace=80, speed=ranks[n]) for n in range(3)}
    bad = {
        f"bad-{n}": Nature(chance.uniform(0.3, 0.75), first=chance.uniform(0.8, 2.5), pace=50, speed=ranks[n])
        for n in range(3, 20)
    }
    return shuffled({**good, **bad}, chance)


def free_tiers(chance: Random) -> Mapping[str, Nature]:
    return shuffled(
        {
            "generous": Nature(0.95, first=0.6, pace=80, rpm=6, told=True, intelligence=1),
            "stingy": Nature(0.98, first=0.4, pace=120, rpm=2, told=True, intelligence=1),
            "secretive": Nature(0.97, first=0.5, pace=90, rpm=3, intelligence=2),
            "crowded": Nature(0.80, first=1.5, pace=40, rpm=10, told=True, intelligence=2),
            "fallback": Nature(0.90, first=2.0, pace=30, intelligence=3),
            "broken": Nature(0.30, first=2.0, pace=30, intelligence=3),
        },
        chance,
    )


def straggler(chance: Random) -> Mapping[str, Nature]:
    """Its median is the best of all; one answer in eight takes so long that its p99 is twenty times what it would be
    without them.
    """
    return shuffled(
        {
            "straggler": Nature(0.98, first=0.4, slow=(0.12, 28.0), pace=80),
            "even": Nature(0.98, first=0.5, pace=80),
            "even-too": Nature(0.97, first=0.7, pace=70),
            "lame": Nature(0.90, first=1.5, pace=50),
        },
        chance,
    )


SCENARIOS: Mapping[str, Scenario] = {
    "stable": Scenario("six providers that stay as they are, and as their ranks say", stable, learning_matters=False),
    "outage": Scenario("the favourite of a week dies for ten minutes and recovers", outage),
    "drift": Scenario("a good one slowly turns bad while a bad one turns good", drift),
    "haystack": Scenario("twenty targets, of which three are good", haystack),
    "free-tiers": Scenario("rate-limited free tiers, some of which do not say so", free_tiers),
    "straggler": Scenario("the quickest one is very slow at times", straggler),
}
