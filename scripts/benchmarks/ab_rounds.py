"""Rounds in which the contestants take turns under the same load, so that disturbances of the machine meet them all."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.figures import Figure
from benchmarks.load import Outcome, Window
from benchmarks.testbed import Server, Stage

SETTLE = 0.1
"""Seconds after a window, for what a contestant still has to do with connections that are gone."""
BUSY = 0.9
"""Share of a core above which the provider or the load generator may be what was measured."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how long to measure."""

    rounds: int
    seconds: float
    warm_up: float


@dataclass(frozen=True, slots=True)
class Load:
    """What the clients of a duel do: see `load.Window`."""

    connections: int
    requests: tuple[str, ...]
    body: str
    whole: bool = False
    name: str = ""
    """What the figures are told apart by, where it is not the number of connections."""
    streams: int = 0

    @property
    def setting(self) -> str:
        return self.name or f"{self.connections} connection{'s' if self.connections > 1 else ''}"

    def window(self, port: int, seconds: float) -> Window:
        return Window(port, self.connections, seconds, self.requests, self.body, self.whole, self.streams)


class Turns:
    """What one contestant achieved, turn by turn."""

    def __init__(self, contestant: Server, load: Load) -> None:
        self.contestant = contestant
        self.load = load
        self.outcomes: list[Outcome] = []
        self._cpu: list[float | None] = []

    async def take(self, stage: Stage, seconds: float) -> None:
        self.mark()
        self.outcomes.append(await stage.load(self.contestant, self.load.window(self.contestant.port, seconds)))
        await asyncio.sleep(SETTLE)

    def mark(self) -> None:
        """From one mark to the next, and so between turns too: work put off is work."""
        self._cpu.append(self.contestant.cpu())

    def rates(self) -> list[float | None]:
        return [outcome.streams / outcome.seconds for outcome in self.outcomes]

    def first_bytes(self) -> list[float | None]:
        return [outcome.first_byte * 1000 for outcome in self.outcomes]

    def memory(self) -> list[float | None]:
        return [self.contestant.peak_memory()]

    def cpu_per_stream(self) -> list[float | None]:
        spans = zip(pairwise(self._cpu), self.outcomes, strict=True)
        return [
            None if start is None or end is None else (end - start) * 1000 / outcome.streams
            for (start, end), outcome in spans
        ]


@dataclass(frozen=True, slots=True)
class Duel:
    """The turns of all sides under one load; `other` is another version of the router, if it takes part."""

    load: Load
    router: Turns
    bare: Turns
    other: Turns | None
    provider_busy: float | None

    def figures(self) -> Sequence[Figure]:
        what = "answer" if self.load.whole else "stream"
        return (
            self._figure(f"{what}s/s", Turns.rates),
            self._figure("first byte, ms", Turns.first_bytes),
            self._figure(f"cpu per {what}, ms", Turns.cpu_per_stream),
            self._figure("peak memory, MiB", Turns.memory),
        )

    def _figure(self, name: str, values: Callable[[Turns], list[float | None]]) -> Figure:
        other = values(self.other) if self.other else ()
        return Figure(self.load.setting, name, values(self.router), values(self.bare), other)

    def warnings(self) -> Sequence[str]:
        sides = [self.router, self.bare, *([self.other] if self.other else [])]
        outcomes = [outcome for side in sides for outcome in side.outcomes]
        shares = {"load generator": max(outcome.busy for outcome in outcomes), "provider": self.provider_busy or 0.0}
        return [
            f"{self.load.setting}: the load kept the {name} busy for {share:.0%} of the time: the proxies"
            " may be faster than the figures say"
            for name, share in shares.items()
            if share > BUSY
        ]


async def duel(
    stage: Stage,
    sides: tuple[Server, Server],
    provider: Server,
    load: Load,
    pace: Pace,
    bare_load: Load | None = None,
    other: Server | None = None,
) -> Duel:
    """The router, bare mitmproxy and, if given, another version of the router: `pace.rounds` times each, the first of a
    round being another one each time. `bare_load` is the load of bare mitmproxy where that differs.
    """
    router, bare = Turns(sides[0], load), Turns(sides[1], bare_load or load)
    compared = Turns(other, load) if other else None
    turns = [router, bare, *([compared] if compared else [])]
    for turn in turns:
        await turn.contestant.at_rest()
        await stage.load(turn.contestant, turn.load.window(turn.contestant.port, pace.warm_up))
    computed = provider.cpu()
    for number in range(pace.rounds):
        first = number % len(turns)
        for turn in turns[first:] + turns[:first]:
            await turn.take(stage, pace.seconds)
    for turn in turns:
        turn.mark()
    measured = sum(outcome.seconds for turn in turns for outcome in turn.outcomes)
    busy = None if computed is None else ((provider.cpu() or computed) - computed) / measured
    return Duel(load, router, bare, compared, busy)
