"""One game: a player, a scenario, a mode and a seed, request by request in virtual time.

Requests come at their own times, whatever becomes of those before. Each is followed to its end before the next one
begins.
"""

from collections.abc import Iterator, Mapping
from random import Random
from typing import NamedTuple

from pointsman import config
from pointsman.config import Settings
from pointsman.config.words import Mode
from pointsman.routing.bandit import Scale
from pointsman.routing.router import Router
from pointsman.routing.statistics import HOUR, Sums
from simulation.drivers import LANES, WALL, Lane
from simulation.providers import Nature, World, worth
from simulation.scenarios import Scenario
from simulation.strategies import PLAYERS

MODEL = "m"
WEEK_OF_HOURS, SUMMED = 7 * 24, 24


class Step(NamedTuple):
    """One request. `regret`: how much less the first choice was worth than the best one at that moment; `best`: it was
    the best one. `sent`: requests to providers; `raced`: two of them beside each other. `waited`: seconds to the first
    content, None without an answer.
    """

    t: float
    first: str | None
    answered: str | None
    sent: int
    raced: bool
    waited: float | None
    best: bool
    regret: float


def play(
    scenario: Scenario, player: str, mode: Mode, seed: int, lane: Lane = LANES["routing"], hedge: str = "off"
) -> Iterator[Step]:
    """The same seed means the same providers and the same arrivals for every player. `hedge` is as `hedge.after` in the
    configuration, and means nothing to routing alone.
    """
    natures = scenario.natures(Random(f"{seed} natures"))
    settings = configured(natures, hedge)
    router = PLAYERS[player](settings, Random(f"{seed} router"))
    remember(router, natures)
    world, arrivals = World(natures, Random(f"{seed} world")), Random(f"{seed} arrivals")
    value = {name: _value(nature, settings, mode) for name, nature in natures.items()}
    t = 0.0
    for _ in range(scenario.requests):
        t += arrivals.expovariate(1 / scenario.every)
        worths = {name: value[name] * world.working(name, t) for name in natures}
        told = lane(router, world, mode, t)
        best = max(worths.values())
        got = worths[told.first] if told.first else 0.0
        yield Step(t, *told, got >= best - 1e-9, best - got)


def configured(natures: Mapping[str, Nature], hedge: str) -> Settings:
    providers = {
        name: {
            "base_url": f"https://{name.replace(' ', '-')}.test/v1",
            "models": [
                {
                    "id": MODEL,
                    "pool": nature.pool,
                    "intelligence": nature.intelligence,
                    "speed": nature.speed,
                    "limits": {"rpm": nature.rpm} if nature.told else {},
                }
            ],
        }
        for name, nature in natures.items()
    }
    return config.build({"hedge": {"after": hedge}, "providers": providers}, {})


def remember(router: Router, natures: Mapping[str, Nature]) -> None:
    """The week before: as many answers an hour as each nature says, some of them bad, in one sum a day."""
    this_hour = int(WALL // HOUR)
    hours = {
        (f"{name}/{MODEL}", this_hour - ago): _hour(nature)
        for name, nature in natures.items()
        if nature.past
        for ago in range(1, WEEK_OF_HOURS, SUMMED)
    }
    router.statistics.restore(hours, {}, WALL)


def _hour(nature: Nature) -> Sums:
    works, count = nature.working(-1.0), nature.past * SUMMED
    return Sums(
        successes=count * works,
        failures=count * (1 - works),
        tokens=nature.tokens * count,
        seconds=nature.tokens / nature.pace * count,
        paced=count,
        waited=nature.first * count,
        contents=count,
    )


def _value(nature: Nature, settings: Settings, mode: Mode) -> float:
    ranks = [provider.models[0].intelligence for provider in settings.providers.values()]
    return worth(nature, 1.0, settings.routing.weights[mode], Scale.of(ranks).place)
