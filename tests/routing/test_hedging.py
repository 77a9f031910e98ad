"""When a race begins."""

from random import Random

import pytest

from pointsman.config import Hedge
from pointsman.routing.hedging import DEFAULT_DELAY, MAX_DELAY, MIN_DELAY, hedge_delay
from pointsman.routing.statistics import ContentWait, WaitPercentiles, percentile

AUTO = Hedge(after="auto")


@pytest.mark.parametrize("usual", [None, WaitPercentiles(0.5, 0.9), WaitPercentiles(5, 30)])
@pytest.mark.parametrize(("after", "seconds"), [("off", None), ("500ms", 0.5), (3, 3.0), ("1m", 60.0)])
def test_what_is_written_is_taken_as_it_is(after: object, seconds: float | None, usual: WaitPercentiles | None) -> None:
    assert hedge_delay(Hedge.model_validate({"after": after}), usual) == seconds


@pytest.mark.parametrize(
    ("usual", "seconds"),
    [
        (None, DEFAULT_DELAY),
        (WaitPercentiles(0.3, 0.5), MIN_DELAY),
        (WaitPercentiles(3.0, 4.0), 4.0),
        (WaitPercentiles(2.0, 6.0), 6.0),
        (WaitPercentiles(15.0, 19.0), 19.0),
        (WaitPercentiles(15.0, 50.0), MAX_DELAY),
        (WaitPercentiles(0.6, 8.6), MIN_DELAY),
        (WaitPercentiles(1.5, 12.0), 4.5),
        (WaitPercentiles(9.0, 50.0), MAX_DELAY),
    ],
)
def test_auto_is_the_p95_unless_that_is_of_another_kind_than_four_in_five(
    usual: WaitPercentiles | None, seconds: float
) -> None:
    assert hedge_delay(AUTO, usual) == seconds


def learnt(draws: list[float], cut_at: float) -> float:
    """What `auto` says once so many answers were waited for, no longer than that."""
    waits = [ContentWait(0.0, min(each, cut_at), each > cut_at) for each in draws]
    told = hedge_delay(AUTO, WaitPercentiles(percentile(waits, 0.8), percentile(waits, 0.95)))
    assert told
    return told


@pytest.mark.parametrize("seed", range(5))
def test_a_race_that_cuts_every_slow_answer_short_does_not_put_off_the_next_one(seed: int) -> None:
    """One in eight never comes: the longest wait that is known is always the last race's, and a little longer."""
    chance = Random(seed)
    waited = DEFAULT_DELAY
    for _ in range(20):
        draws = [1e9 if chance.random() < 0.125 else chance.lognormvariate(-1, 0.3) for _ in range(128)]
        waited = learnt(draws, waited + 0.5)
    assert waited == MIN_DELAY


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("deviation", [0.2, 0.5, 0.9])
def test_a_wide_but_even_spread_is_measured_by_its_p95(deviation: float, seed: int) -> None:
    chance = Random(seed)
    draws = [chance.lognormvariate(1.0, deviation) for _ in range(128)]
    assert learnt(draws, 1e9) == min(MAX_DELAY, sorted(draws)[121])
