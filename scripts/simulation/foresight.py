"""What not knowing the future costs: the best way to choose between a cheap provider without a cache and a dear one
with one, for a policy that knows all distributions, but not how long this conversation goes on, nor its texts.

The scenario is "cheap one never hits" of `caches`. By dynamic programming (Bellman 1957, "Dynamic programming") over
the prompt and the part of it that the dear one has seen, on a grid, with a cache that does not expire: pauses here are
too short for that. On average, no policy that has to learn or to guess does better.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from math import exp
from statistics import NormalDist
from typing import NamedTuple

from pointsman.prices.rates import cost
from simulation.caches import (
    ADDED,
    CHEAP,
    COUNTED,
    DEAR,
    MAX_TURNS,
    MISSES,
    OUTPUT,
    SCENARIOS,
    TURNS,
    Turn,
    World,
    oracle,
    rates_of,
)
from simulation.drivers import WALL

SCENARIO = SCENARIOS["cheap one never hits"]
FOUND_GAPS = (1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
WORLDS = 6
INPUT, READ, ANSWER = 2.0, 0.2, 8.0
"""Microdollars of a token at the cheap provider."""
LEAST, STEP, POINTS = 300.0, 1.18, 40
"""The grid of prompts is geometric: estimated tokens, the ratio of neighbours, and how many there are."""
SEEN = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.96, 0.98, 1.0)
"""The grid of the parts of a prompt that the dear one has seen."""
PROMPTS = tuple(LEAST * STEP**n for n in range(POINTS))

type Costs = Sequence[Sequence[float]]
"""By prompt and by part seen, of all turns from one on, in microdollars."""


class TurnCosts(NamedTuple):
    """What all turns from one on cost, if that one goes to this provider and the later ones to the best."""

    cheap: Costs
    dear: Costs


def no_foresight() -> Iterator[str]:
    """As Markdown."""
    yield "| gap | best without foresight | oracle | best without foresight ÷ oracle |"
    yield "| ---: | ---: | ---: | ---: |"
    for gap in FOUND_GAPS:
        blind, best = without_foresight(gap, WORLDS)
        yield f"| {gap:g} | {blind:.4f} | {best:.4f} | {blind / best:.2f} |"


def without_foresight(gap: float, seeds: int) -> tuple[float, float]:
    """Dollars for a conversation: by the best without foresight and by the oracle. Half begin at each provider."""
    blind = best = count = 0
    for seed in range(seeds):
        world = World.of(SCENARIO, gap, seed)
        for first in (CHEAP, DEAR):
            best += sum(oracle(world, [first] * len(world.conversations)))
            blind += sum(_played(world, talk, first) for talk in world.conversations)
            count += len(world.conversations)
    return blind / count / 10**9, best / count / 10**9


def _played(world: World, talk: Sequence[Turn], first: str) -> int:
    """Nano-dollars of a conversation that begins with this provider and goes on by what is best on average."""
    rates, seen, total = rates_of(world), None, 0
    for costs, turn in zip(expected_costs(world.gap), talk, strict=False):
        part = min(1.0, seen[1] / turn.prompt) if seen else 0.0
        name = CHEAP if _at(costs.cheap, turn.prompt, part) < _at(costs.dear, turn.prompt, part) else DEAR
        if turn is talk[0]:
            name = first
        total += cost(world.usage(name, turn, seen if name == DEAR else None), rates[name], WALL) or 0
        if name == DEAR:
            seen = turn.t, turn.prompt + turn.output
    return total


@cache
def expected_costs(gap: float) -> Sequence[TurnCosts]:
    """For each turn of a conversation, in order."""
    found: list[TurnCosts] = []
    later: Costs | None = None
    for _ in range(MAX_TURNS):
        found.append(_turn(gap, later))
        later = [[min(pair) for pair in zip(*rows, strict=True)] for rows in zip(*found[-1], strict=True)]
    return found[::-1]


def _turn(gap: float, later: Costs | None) -> TurnCosts:
    """`later`: of the next turn on; None: there is none."""
    cheap, dear = [], []
    answer = ANSWER * exp(OUTPUT[0] + OUTPUT[1] ** 2 / 2)
    for prompt in PROMPTS:
        cheap.append([COUNTED * (INPUT * prompt + answer) + _rest(later, prompt, part * prompt) for part in SEEN])
        after = _rest(later, prompt, None)
        saved = ((INPUT - READ) * (1 - MISSES) * part * prompt for part in SEEN)
        dear.append([gap * COUNTED * (INPUT * prompt - each + answer) + after for each in saved])
    return TurnCosts(cheap, dear)


def _rest(later: Costs | None, prompt: float, seen: float | None) -> float:
    """What the turns after this one cost on average. `seen`: tokens that the dear one has seen; None: this turn too."""
    if later is None:
        return 0.0
    total = 0.0
    for output in OUTPUTS:
        known = prompt + output if seen is None else seen
        for added in ADDITIONS:
            following = prompt + output + added
            total += _at(later, following, known / following)
    return exp(-1 / TURNS) * total / (len(OUTPUTS) * len(ADDITIONS))


def _at(costs: Costs, prompt: float, part: float) -> float:
    """Between the points of the grid, and beyond its ends, by straight lines."""
    row = next((n for n in range(1, POINTS - 1) if PROMPTS[n] > prompt), POINTS - 1)
    column = next((n for n in range(1, len(SEEN) - 1) if SEEN[n] > part), len(SEEN) - 1)
    right = (part - SEEN[column - 1]) / (SEEN[column] - SEEN[column - 1])
    below = (prompt - PROMPTS[row - 1]) / (PROMPTS[row] - PROMPTS[row - 1])
    upper, lower = ((1 - right) * costs[n][column - 1] + right * costs[n][column] for n in (row - 1, row))
    return (1 - below) * upper + below * lower


def _strata(log_mean: float, log_deviation: float, count: int) -> Sequence[float]:
    """The means of equally likely parts of a log-normal distribution."""
    normal = NormalDist()
    bounds = [-9.0, *(normal.inv_cdf(n / count) for n in range(1, count)), 9.0]
    mean = exp(log_mean + log_deviation**2 / 2)
    below = [normal.cdf(bound - log_deviation) for bound in bounds]
    return [count * mean * (high - low) for low, high in pairwise(below)]


OUTPUTS, ADDITIONS = _strata(*OUTPUT, 4), _strata(*ADDED, 6)
