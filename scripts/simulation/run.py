"""One run: a strategy, a scenario, a mode and a seed, request by request in virtual time.

Requests arrive at random times, independent of the answers before. Each is completed before the next one starts.
"""

from collections.abc import Iterator, Mapping
from random import Random
from typing import NamedTuple

from pointsman import config
from pointsman.config import Settings
from pointsman.config.enums import Mode
from pointsman.routing.router import Router
from pointsman.routing.scoring import RankScale
from pointsman.routing.statistics import HOUR, HourlySums
from simulation.drivers import DRIVERS, WALL, Driver
from simulation.providers import Profile, SimulatedProviders, worth
from simulation.scenarios import Scenario
from simulation.strategies import make_router

MODEL = "m"
WEEK_OF_HOURS, SUMMED = 7 * 24, 24


class Step(NamedTuple):
    """One request. `regret`: how much less the first choice was worth than the best one at that moment; `best`: whether
    it was the best one. `sent`: number of requests to providers; `raced`: whether two of them ran at the same time.
    `waited`: seconds to the first content, None without an answer.
    """

    t: float
    first: str | None
    answered: str | None
    sent: int
    raced: bool
    waited: float | None
    best: bool
    regret: float


def simulate(
    scenario: Scenario, strategy: str, mode: Mode, seed: int, driver: Driver = DRIVERS["routing"], hedge: str = "off"
) -> Iterator[Step]:
    """The steps of one run. The same seed gives every strategy the same providers and arrivals. `hedge` is the setting
    `hedge.after`; the driver "routing" ignores it.
    """
    # The documented figures depend on these seeds.
    profiles = scenario.profiles(Random(f"{seed} natures"))
    settings = configured(profiles, hedge)
    router = make_router(strategy, settings, Random(f"{seed} router"))
    restore_statistics(router, profiles)
    providers, arrivals = SimulatedProviders(profiles, Random(f"{seed} world")), Random(f"{seed} arrivals")
    value = {name: _value(profile, settings, mode) for name, profile in profiles.items()}
    t = 0.0
    for _ in range(scenario.requests):
        t += arrivals.expovariate(1 / scenario.every)
        worths = {name: value[name] * providers.working(name, t) for name in profiles}
        result = driver(router, providers, mode, t)
        best = max(worths.values())
        got = worths[result.first] if result.first else 0.0
        yield Step(t, *result, got >= best - 1e-9, best - got)


def configured(profiles: Mapping[str, Profile], hedge: str) -> Settings:
    providers = {
        name: {
            "base_url": f"https://{name.replace(' ', '-')}.test/v1",
            "models": [
                {
                    "id": MODEL,
                    "pool": profile.pool,
                    "intelligence": profile.intelligence,
                    "speed": profile.speed,
                    "limits": {"rpm": profile.rpm} if profile.declared else {},
                }
            ],
        }
        for name, profile in profiles.items()
    }
    return config.build({"hedge": {"after": hedge}, "providers": providers}, {})


def restore_statistics(router: Router, profiles: Mapping[str, Profile]) -> None:
    """Gives the router the statistics of the week before: `past` answers an hour, as one sum per day."""
    this_hour = int(WALL // HOUR)
    hours = {
        (f"{name}/{MODEL}", this_hour - ago): _hour(profile)
        for name, profile in profiles.items()
        if profile.past
        for ago in range(1, WEEK_OF_HOURS, SUMMED)
    }
    router.statistics.restore(hours, {}, WALL)


def _hour(profile: Profile) -> HourlySums:
    works, count = profile.working(-1.0), profile.past * SUMMED
    return HourlySums(
        successes=count * works,
        failures=count * (1 - works),
        tokens=profile.tokens * count,
        seconds=profile.tokens / profile.pace * count,
        paced=count,
        waited=profile.first * count,
        contents=count,
    )


def _value(profile: Profile, settings: Settings, mode: Mode) -> float:
    ranks = [provider.models[0].intelligence for provider in settings.providers.values()]
    return worth(profile, 1.0, settings.routing.weights[mode], RankScale.from_ranks(ranks).position)
