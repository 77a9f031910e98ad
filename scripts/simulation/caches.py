"""What conversations cost whose prompts are cached: the router's choice, other ways with pins, and the best possible.

Two providers have the same model, one of them at a price that is `gap` times the other's. Conversations come at random
and each turn repeats all before it. A cache keeps what its provider has seen of a conversation for its lifetime after
the last use. Turns, pauses, outages and cache misses are the same whatever is chosen, so the best choice can be
computed: the oracle knows them in advance. Like all others, it begins where the strategy begins.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import heapify, heappop, heappush
from math import inf
from random import Random
from typing import NamedTuple

from pointsman import config
from pointsman.config import Settings
from pointsman.config.enums import Mode
from pointsman.domain.targets import Inventory
from pointsman.prices.rates import Rates, cost
from pointsman.routing.router import Router
from pointsman.sessions.key_sources import Caller
from pointsman.wire.frames import Usage
from pointsman.wire.request_facts import RequestFacts
from simulation.drivers import WALL, route
from simulation.providers import HOUR, MINUTE, Profile, Reply, Span
from simulation.run import restore_statistics
from simulation.strategies import SECRET

GAPS = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
CHEAP, DEAR = "cheap", "dear"
MODEL = "m"
COUNTED = 1.25
"""Tokens that a provider counts for one that the router estimates."""
BLOCK = 128
"""A cache holds whole blocks of so many tokens."""
MISSES = 0.05
"""The share of requests that do not find their cache although it lives."""
COLD_FIRST, WARM_FIRST, PACE = 1.6, 0.6, 80.0
"""Seconds to the first content, and tokens a second."""
PAST = Profile(works=0.98, first=1.0, pace=PACE, tokens=300, past=40)
"""Both were used in the week before, so that none is tried only to get to know it."""
FIRST_PROMPT, ADDED, OUTPUT = (8.7, 0.7), (6.3, 0.9), (5.7, 0.6)
"""Estimated tokens, as the parameters of log-normal distributions: of the first prompt, of what each turn adds to it
beside the answer before, and of an answer.
"""
TURNS = 9.0
"""How many come after the first one: the mean of the exponential distribution, which is rounded down and cut."""
MAX_TURNS = 40
OUTAGE = 10 * MINUTE
POLICIES: Mapping[str, Mapping[str, object]] = {
    "router": {"cache": "auto"},
    "always pin": {"cache": "off"},
    "never pin": {"enabled": False},
}
ORACLE = "oracle"


@dataclass(frozen=True, slots=True)
class CacheScenario:
    """`lifetime`: of a cache, after its last use. `pause`: the median between turns, in seconds; a share `long[0]` of
    them has the median `long[1]`. `outages`: each provider is down for ten minutes in two hours. `reports_writes`: a
    write is reported, and costs 1.25 times the input. `caches`: which providers have a cache at all.
    """

    summary: str
    lifetime: float = 5 * MINUTE
    pause: float = 40.0
    long: tuple[float, float] = (0.0, 1.0)
    outages: bool = False
    reports_writes: bool = False
    caches: tuple[str, ...] = (CHEAP, DEAR)
    strategy: str = "score"
    conversations: int = 120


SCENARIOS: Mapping[str, CacheScenario] = {
    "5 min": CacheScenario("caches of five minutes, pauses of 40 s"),
    "5 min, breaks": CacheScenario(
        "caches of five minutes; one pause in four is a break of 15 minutes", long=(0.25, 15 * MINUTE)
    ),
    "5 min, writes": CacheScenario(
        "writes are reported and cost 1.25 times the input; one pause in ten is a break",
        long=(0.1, 15 * MINUTE),
        reports_writes=True,
    ),
    "1 h, breaks": CacheScenario("caches of an hour, with the same breaks", HOUR, long=(0.25, 15 * MINUTE)),
    "5 min, slow": CacheScenario("pauses of eight minutes: most caches have ended", pause=8 * MINUTE),
    "5 min, outages": CacheScenario("each provider is down for ten minutes in two hours", outages=True),
    "1 h, outages": CacheScenario(
        "the same with caches of an hour, and breaks", HOUR, long=(0.25, 15 * MINUTE), outages=True
    ),
    "cheap first, outages": CacheScenario("strategy priority, the cheap one first", outages=True, strategy="priority"),
    "dear one never hits": CacheScenario("the dear provider has no cache", caches=(CHEAP,)),
    "cheap one never hits": CacheScenario("the cheap provider has no cache", caches=(DEAR,)),
}


class Turn(NamedTuple):
    """`prompt` and `output` in estimated tokens; `hits`: a cache that lives is found."""

    t: float
    prompt: int
    output: int
    hits: bool


@dataclass(frozen=True, slots=True)
class World:
    """What no choice changes."""

    scenario: CacheScenario
    gap: float
    conversations: tuple[tuple[Turn, ...], ...]
    down: Mapping[str, tuple[Span, ...]]

    @classmethod
    def of(cls, scenario: CacheScenario, gap: float, seed: int) -> "World":
        chance = Random(f"{seed} conversations")
        starts = [chance.uniform(0, 4 * HOUR) for _ in range(scenario.conversations)]
        talks = tuple(tuple(_turns(scenario, start, chance)) for start in sorted(starts))
        return cls(scenario, gap, talks, _outages(chance) if scenario.outages else {})

    def is_down(self, name: str, t: float) -> bool:
        return any(span.holds(t) for span in self.down.get(name, ()))

    def usage(self, name: str, turn: Turn, seen: tuple[float, int] | None) -> Usage:
        """`seen`: when the provider was last asked, and how many tokens it has seen of the conversation."""
        prompt, read = round(turn.prompt * COUNTED), 0
        if seen and turn.hits and name in self.scenario.caches and turn.t - seen[0] <= self.scenario.lifetime:
            read = min(prompt, round(seen[1] * COUNTED)) // BLOCK * BLOCK
        fresh, output = prompt - read, round(turn.output * COUNTED)
        if not self.scenario.reports_writes:
            return Usage(fresh, output, read)
        written = fresh * 9 // 10
        if self.scenario.lifetime == HOUR:
            return Usage(fresh - written, output, read, cache_write_1h=written)
        return Usage(fresh - written, output, read, cache_write_5m=written)


def _turns(scenario: CacheScenario, t: float, chance: Random) -> Iterator[Turn]:
    prompt, ends = round(chance.lognormvariate(*FIRST_PROMPT)), chance.expovariate(1 / TURNS)
    for _ in range(1 + min(MAX_TURNS - 1, int(ends))):
        output = round(chance.lognormvariate(*OUTPUT))
        yield Turn(t, prompt, output, chance.random() >= MISSES)
        prompt += output + round(chance.lognormvariate(*ADDED))
        is_long = chance.random() < scenario.long[0]
        t += 10 + (scenario.long[1] if is_long else scenario.pause) * chance.lognormvariate(0.0, 0.5)


def _outages(chance: Random) -> Mapping[str, tuple[Span, ...]]:
    """Never both at once."""
    found: dict[str, list[Span]] = {CHEAP: [], DEAR: []}
    for hour in range(0, 12, 2):
        for name, later in ((CHEAP, 0), (DEAR, 1)):
            since = (hour + later) * HOUR + chance.uniform(0, HOUR - OUTAGE)
            found[name].append(Span(since, since + OUTAGE))
    return {name: tuple(spans) for name, spans in found.items()}


def settings_of(world: World, policy: str) -> Settings:
    def provider(name: str, times: float) -> dict[str, object]:
        dollars = {"input": 2, "output": 8, "cache_read": 0.2, "cache_write_5m": 2.5, "cache_write_1h": 4}
        prices = {kind: round(price * times, 6) for kind, price in dollars.items()}
        return {"base_url": f"https://{name}.test/v1", "models": [{"id": MODEL}], "prices": {MODEL: prices}}

    return config.build(
        {
            "providers": {CHEAP: provider(CHEAP, 1.0), DEAR: provider(DEAR, world.gap)},
            "routing": {"strategy": world.scenario.strategy},
            "sticky": {"idle_ttl": "2h", **POLICIES[policy]},
        },
        {},
    )


class Played(NamedTuple):
    """Nano-dollars and the first target, of each conversation."""

    costs: list[int]
    first: list[str]


def play(world: World, policy: str, seed: int) -> Played:
    """All conversations, one turn after another in the order of time."""
    router = Router(settings_of(world, policy), SECRET, Random(f"{seed} router"))
    restore_statistics(router, dict.fromkeys((CHEAP, DEAR), PAST))
    rates = rates_of(world)
    costs, first = [0] * len(world.conversations), [""] * len(world.conversations)
    seen: dict[tuple[int, str], tuple[float, int]] = {}
    due = [(talk[0].t, number, 0) for number, talk in enumerate(world.conversations)]
    heapify(due)
    while due:
        t, number, place = heappop(due)
        talk = world.conversations[number]
        turn = talk[place]

        def ask(name: str, now: float, number: int = number, turn: Turn = turn) -> Reply:
            if world.is_down(name, turn.t):
                return Reply(503)
            usage = world.usage(name, turn, seen.get((number, name)))
            seen[number, name] = turn.t, turn.prompt + turn.output
            costs[number] += cost(usage, rates[name], WALL) or 0
            wait = WARM_FIRST if usage.cache_read else COLD_FIRST
            return Reply(200, wait, wait + usage.output / PACE, usage.output, usage=usage)

        router.state.rng.seed(f"{seed} {number} {place}")
        facts = RequestFacts(MODEL, stream=True, needs=frozenset(), tokens=turn.prompt)
        caller = Caller({"x-session-id": f"conversation-{number}"}, None, "", list, lambda: None)
        result = route(router, facts, caller, ask, Mode.BALANCED, t)
        assert result.answered
        first[number] = first[number] or result.answered
        if place + 1 < len(talk):
            heappush(due, (talk[place + 1].t, number, place + 1))
    return Played(costs, first)


def rates_of(world: World) -> dict[str, Rates]:
    targets = Inventory.from_settings(settings_of(world, "router")).targets
    found = {target.provider.name: target.rates[MODEL] for target in targets}
    return {name: rates for name, rates in found.items() if rates}


def oracle(world: World, first: Sequence[str]) -> list[int]:
    """Nano-dollars of each conversation, which begins with this target, by the best choices after that."""
    rates = rates_of(world)
    return [_best(world, talk, name, rates) for talk, name in zip(world.conversations, first, strict=True)]


def _best(world: World, talk: Sequence[Turn], first: str, rates: Mapping[str, Rates]) -> int:
    """Over the turn at which each provider was last asked, None for never."""
    names = (CHEAP, DEAR)

    def price(name: str, place: int, last: int | None) -> float:
        turn = talk[place]
        if world.is_down(name, turn.t):
            return inf
        seen = None if last is None else (talk[last].t, talk[last].prompt + talk[last].output)
        return cost(world.usage(name, turn, seen), rates[name], WALL) or 0

    costs: dict[tuple[int | None, int | None], float] = {}
    at = names.index(first)
    costs[(0, None) if at == 0 else (None, 0)] = price(first, 0, None)
    for place in range(1, len(talk)):
        after: dict[tuple[int | None, int | None], float] = {}
        for last, so_far in costs.items():
            for which, name in enumerate(names):
                total = so_far + price(name, place, last[which])
                key = (place, last[1]) if which == 0 else (last[0], place)
                if total < after.get(key, inf):
                    after[key] = total
        costs = after
    return int(min(costs.values()))


@dataclass(frozen=True, slots=True)
class CacheRow:
    """Dollars for a conversation on average, by policy."""

    gap: float
    dollars: Mapping[str, float]

    def ratio(self, policy: str, of: str = "router") -> float:
        """What the router's choice, or that of another policy, costs as a part of what this one does."""
        return self.dollars[of] / self.dollars[policy]


@cache
def compare(scenario: CacheScenario, gap: float, seeds: range, policies: Sequence[str] = tuple(POLICIES)) -> CacheRow:
    """Over these runs, which are the same for all."""
    costs: dict[str, list[int]] = {policy: [] for policy in (*policies, ORACLE)}
    for seed in seeds:
        world = World.of(scenario, gap, seed)
        played = {policy: play(world, policy, seed) for policy in policies}
        for policy, each in played.items():
            costs[policy] += each.costs
        costs[ORACLE] += oracle(world, played["router"].first)
    return CacheRow(gap, {policy: sum(each) / len(each) / 10**9 for policy, each in costs.items()})


def table(seeds: range) -> Iterator[str]:
    """As Markdown."""
    columns = ("router ÷ always pin", "oracle ÷ always pin", "router ÷ oracle")
    yield f"| scenario | gap | always pin | never pin | the router | oracle | {' | '.join(columns)} |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, scenario in SCENARIOS.items():
        for gap in GAPS:
            row = compare(scenario, gap, seeds)
            amounts = (f"{row.dollars[policy]:.4f}" for policy in ("always pin", "never pin", "router", ORACLE))
            pinned, best = row.ratio("always pin"), row.ratio("always pin", of=ORACLE)
            ratios = (f"{each:.2f}" for each in (pinned, best, row.ratio(ORACLE)))
            yield f"| {' | '.join((name, f'{gap:g}', *amounts, *ratios))} |"
