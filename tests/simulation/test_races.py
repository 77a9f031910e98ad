"""What racing a slow provider is to achieve: the formula of `auto` may change, this may not."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from statistics import fmean

import pytest

from pointsman.config.enums import Mode
from pointsman.routing.router import Router

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from simulation.drivers import DRIVERS, WALL, Result, through_an_exchange
from simulation.providers import Profile, Reply, SimulatedProviders
from simulation.report import Row
from simulation.run import Step, configured, simulate
from simulation.scenarios import SCENARIOS
from simulation.strategies import ROUTER, make_router

SEEDS = range(4)
LATE, SOON = Reply(200, first=30.0, whole=31.0, tokens=10), Reply(200, first=0.5, whole=1.0, tokens=10)


@cache
def played(strategy: str, hedge: str) -> Sequence[Step]:
    """A run for each seed, of half the requests in the same span of time."""
    full = SCENARIOS["straggler"]
    half = replace(full, requests=full.requests // 2, every=full.every * 2)
    driver = DRIVERS["exchange"]
    return [step for seed in SEEDS for step in simulate(half, strategy, Mode.BALANCED, seed, driver, hedge)]


def test_who_comes_to_the_straggler_waits_a_third_as_long_at_worst_for_a_tenth_more_requests() -> None:
    """The worst in a hundred of those that the router gives to it; what is sent, of all. How many come to it is up to
    choosing, which leaves it more often where there are no races.
    """
    without, auto = played(ROUTER, "off"), played(ROUTER, "auto")
    before, after = (
        Row.of(ROUTER, [[step for step in steps if step.first == "straggler"]]) for steps in (without, auto)
    )
    assert after.p99 <= before.p99 / 3
    assert sent(auto) <= 1.1 * sent(without)
    assert any(step.raced for step in auto)
    assert not any(step.raced for step in without)


def sent(steps: Sequence[Step]) -> float:
    return fmean(step.sent for step in steps)


class Scripted(SimulatedProviders):
    """Each provider answers as it is told."""

    def __init__(self, replies: dict[str, Reply]) -> None:
        super().__init__({name: Profile() for name in replies}, Random(1))
        self._replies = replies

    def ask(self, name: str, t: float) -> Reply:
        return self._replies[name]


class TestConcurrentAttempts:
    @pytest.mark.parametrize(
        ("replies", "told"),
        [
            ([LATE, SOON], Result("p0", "p1", 2, True, 3.5)),
            ([LATE._replace(first=3.2), SOON], Result("p0", "p0", 2, True, 3.2)),
            ([SOON, LATE], Result("p0", "p0", 1, False, 0.5)),
            ([Reply(503), LATE, SOON], Result("p0", "p2", 3, True, 3.7)),
            ([LATE, Reply(503), SOON], Result("p0", "p2", 3, True, 3.7)),
        ],
        ids=["the second wins", "the first wins after all", "no race", "after a failure", "a failure in the race"],
    )
    def test_attempts_run_beside_each_other(self, replies: Sequence[Reply], told: Result) -> None:
        assert self.play_one(replies)[0] == pytest.approx(told)

    def test_the_loser_is_known_to_be_slower_than_that_and_has_not_failed(self) -> None:
        told, router = self.play_one([LATE, SOON])
        figures = router.statistics.stats_for("p0/m", WALL + 4.0)
        assert (figures.successes, figures.failures, figures.attempts) == (0, 0, 0)
        assert figures.first_content == pytest.approx(told.waited)
        assert router.statistics.stats_for("p1/m", WALL + 4.0).first_content == pytest.approx(0.5)

    def play_one(self, replies: Sequence[Reply]) -> tuple[Result, Router]:
        providers = Scripted({f"p{n}": reply for n, reply in enumerate(replies)})
        router = make_router("configured order", configured(dict(providers.profiles), "3s"), Random(1))
        return through_an_exchange(router, providers, Mode.BALANCED, 0.0), router
