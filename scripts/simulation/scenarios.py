"""The scenarios: which providers there are, how many requests come, and how often."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from simulation.providers import HOUR, MINUTE, Profile, Span

EVERY = 6.0
"""Seconds between requests, on average."""
DEATH, RETURN = 1.0 * HOUR, 1.0 * HOUR + 10 * MINUTE


@dataclass(frozen=True, slots=True)
class Scenario:
    """`profiles` makes the providers, in configured order, from a random generator. `every`: mean seconds between two
    requests. `learning_matters`: a strategy that does not learn cannot do well.
    """

    summary: str
    profiles: Callable[[Random], Mapping[str, Profile]]
    requests: int = 2000
    every: float = EVERY
    learning_matters: bool = True


def shuffled(profiles: Mapping[str, Profile], chance: Random) -> dict[str, Profile]:
    """In random order, so that the configured order says nothing."""
    names = list(profiles)
    chance.shuffle(names)
    return {name: profiles[name] for name in names}


def stable(chance: Random) -> Mapping[str, Profile]:
    return shuffled(
        {
            "best": Profile(0.99, first=0.4, pace=90, intelligence=2, speed=2),
            "clever": Profile(0.93, first=1.5, pace=40, intelligence=1, speed=5),
            "quick": Profile(0.95, first=0.3, pace=150, intelligence=5, speed=1),
            "middling": Profile(0.95, first=0.9, pace=60, intelligence=4, speed=3),
            "slow": Profile(0.97, first=3.0, pace=25, intelligence=3, speed=6),
            "poor": Profile(0.70, first=1.0, pace=50, intelligence=5, speed=4),
        },
        chance,
    )


def outage(chance: Random) -> Mapping[str, Profile]:
    return shuffled(dying((Span(DEATH, RETURN),)), chance)


def dying(down: tuple[Span, ...]) -> dict[str, Profile]:
    """The best provider of the week before is down during `down`."""
    return {
        "favourite": Profile(0.98, first=0.4, pace=100, intelligence=1, speed=1, down=down, past=40),
        "second": Profile(0.96, first=0.8, pace=60, intelligence=2, speed=2, past=8),
        "third": Profile(0.95, first=1.0, pace=60, intelligence=3, speed=2, past=4),
        "fourth": Profile(0.93, first=1.2, pace=50, intelligence=3, speed=3, past=4),
        "fifth": Profile(0.85, first=1.5, pace=40, intelligence=4, speed=4, past=4),
    }


def drift(chance: Random) -> Mapping[str, Profile]:
    end = 2000 * EVERY
    return shuffled(
        {
            "falling": Profile(((0, 0.98), (0.2 * end, 0.98), (0.7 * end, 0.40)), first=0.5, pace=90),
            "rising": Profile(((0, 0.40), (0.3 * end, 0.40), (0.8 * end, 0.99)), first=0.5, pace=90),
            "steady": Profile(0.80, first=0.7, pace=70),
            "tired": Profile(0.70, first=0.9, pace=60),
        },
        chance,
    )


def haystack(chance: Random) -> Mapping[str, Profile]:
    """Nothing is known in advance, and the speed ranks are misleading."""
    ranks = [number % 5 + 1 for number in range(20)]
    chance.shuffle(ranks)
    good = {f"good-{n}": Profile(0.97, first=0.5, pace=80, speed=ranks[n]) for n in range(3)}
    bad = {
        f"bad-{n}": Profile(chance.uniform(0.3, 0.75), first=chance.uniform(0.8, 2.5), pace=50, speed=ranks[n])
        for n in range(3, 20)
    }
    return shuffled({**good, **bad}, chance)


def free_tiers(chance: Random) -> Mapping[str, Profile]:
    return shuffled(
        {
            "generous": Profile(0.95, first=0.6, pace=80, rpm=6, declared=True, intelligence=1),
            "stingy": Profile(0.98, first=0.4, pace=120, rpm=2, declared=True, intelligence=1),
            "secretive": Profile(0.97, first=0.5, pace=90, rpm=3, intelligence=2),
            "crowded": Profile(0.80, first=1.5, pace=40, rpm=10, declared=True, intelligence=2),
            "fallback": Profile(0.90, first=2.0, pace=30, intelligence=3),
            "broken": Profile(0.30, first=2.0, pace=30, intelligence=3),
        },
        chance,
    )


def straggler(chance: Random) -> Mapping[str, Profile]:
    """The straggler has the best median, but one answer in eight takes 28 times as long."""
    return shuffled(
        {
            "straggler": Profile(0.98, first=0.4, slow=(0.12, 28.0), pace=80),
            "even": Profile(0.98, first=0.5, pace=80),
            "even-too": Profile(0.97, first=0.7, pace=70),
            "lame": Profile(0.90, first=1.5, pace=50),
        },
        chance,
    )


SCENARIOS: Mapping[str, Scenario] = {
    "stable": Scenario("six providers that do not change and match their ranks", stable, learning_matters=False),
    "outage": Scenario("the best provider of the week before is down for ten minutes", outage),
    "drift": Scenario("a good provider slowly gets bad while a bad one gets good", drift),
    "haystack": Scenario("twenty targets, of which three are good", haystack),
    "free-tiers": Scenario("rate-limited free tiers, some with a limit that is not configured", free_tiers),
    "straggler": Scenario("the fastest provider is sometimes very slow", straggler),
}
