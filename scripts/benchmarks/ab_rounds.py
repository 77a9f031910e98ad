"""Rounds in which several proxies take turns under the same load, so that disturbances affect all of them alike."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.figures import Figure
from benchmarks.load import Outcome, Window
from benchmarks.testbed import Server, Testbed

PAUSE = 0.1
"""Seconds after a window in which a proxy can finish its work on closed connections."""
BUSY = 0.9
"""Share of a core above which the provider or the load generator may be the bottleneck."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often and how long to measure; `seconds` is the length of one window, `warm_up` also seconds."""

    count: int
    seconds: float
    warm_up: float

    def __str__(self) -> str:
        return f"{self.count} rounds of {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class Load:
    """What the clients send and expect: see `load.Window`. `name` labels the figures instead of the number of
    connections.
    """

    connections: int
    requests: tuple[str, ...]
    body: str
    whole: bool = False
    name: str = ""
    streams: int = 0
    exact: bool = True

    @property
    def setting(self) -> str:
        return self.name or f"{self.connections} connection{'s' if self.connections > 1 else ''}"

    def window(self, port: int, seconds: float) -> Window:
        return Window(port, self.connections, seconds, self.requests, self.body, self.whole, self.streams, self.exact)


class Measurements:
    """The figures of one proxy, one value for each round."""

    def __init__(self, proxy: Server, load: Load) -> None:
        self.proxy = proxy
        self.outcomes: list[Outcome] = []
        self._load = load
        self._cpu: list[float | None] = []

    async def warm_up(self, testbed: Testbed, seconds: float) -> None:
        await self.proxy.settled_memory()
        await testbed.load(self.proxy, self._load.window(self.proxy.port, seconds))

    async def measure(self, testbed: Testbed, seconds: float) -> None:
        """One window of load."""
        self.note_cpu()
        self.outcomes.append(await testbed.load(self.proxy, self._load.window(self.proxy.port, seconds)))
        await asyncio.sleep(PAUSE)

    def note_cpu(self) -> None:
        """A round's CPU time lasts until the next call, so that work that is put off counts too."""
        self._cpu.append(self.proxy.cpu())

    def rates(self) -> list[float | None]:
        return [outcome.streams / outcome.seconds for outcome in self.outcomes]

    def first_bytes(self) -> list[float | None]:
        return [outcome.first_byte * 1000 for outcome in self.outcomes]

    def memory(self) -> list[float | None]:
        return [self.proxy.peak_memory()]

    def cpu_per_stream(self) -> list[float | None]:
        spans = zip(pairwise(self._cpu), self.outcomes, strict=True)
        return [
            None if start is None or end is None else (end - start) * 1000 / outcome.streams
            for (start, end), outcome in spans
        ]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The measurements of all proxies under one load; `other` is another version of the router, if one takes part.
    `provider_busy` is the share of a core that the provider used, None where it is not known.
    """

    load: Load
    router: Measurements
    bare: Measurements
    other: Measurements | None
    provider_busy: float | None

    def figures(self) -> Sequence[Figure]:
        what = "answer" if self.load.whole else "stream"
        return (
            self._figure(f"{what}s/s", Measurements.rates),
            self._figure("first byte, ms", Measurements.first_bytes),
            self._figure(f"cpu per {what}, ms", Measurements.cpu_per_stream),
            self._figure("peak memory, MiB", Measurements.memory),
        )

    def warnings(self) -> Sequence[str]:
        sides = [self.router, self.bare, *([self.other] if self.other else [])]
        load_busy = max(outcome.busy for one in sides for outcome in one.outcomes)
        shares = {"load generator": load_busy, "provider": self.provider_busy or 0.0}
        return [
            f"{self.load.setting}: the {name} was busy for {share:.0%} of the time: the proxies may be faster than"
            " these figures"
            for name, share in shares.items()
            if share > BUSY
        ]

    def _figure(self, name: str, values: Callable[[Measurements], list[float | None]]) -> Figure:
        other = values(self.other) if self.other else ()
        return Figure(self.load.setting, name, values(self.router), values(self.bare), other)


async def compare(
    testbed: Testbed,
    proxies: tuple[Server, Server],
    provider: Server,
    load: Load,
    rounds: Rounds,
    bare_load: Load | None = None,
    other: Server | None = None,
) -> Comparison:
    """Measures the router, bare mitmproxy and, if given, another version of the router in each round, starting with a
    different one each time. `proxies` are the first two; `bare_load` is the load of the second where it differs.
    """
    router, bare = Measurements(proxies[0], load), Measurements(proxies[1], bare_load or load)
    compared = Measurements(other, load) if other else None
    sides = [router, bare, *([compared] if compared else [])]
    for one in sides:
        await one.warm_up(testbed, rounds.warm_up)
    provider_cpu = provider.cpu()
    for number in range(rounds.count):
        first = number % len(sides)
        for one in sides[first:] + sides[:first]:
            await one.measure(testbed, rounds.seconds)
    for one in sides:
        one.note_cpu()
    measured = sum(outcome.seconds for one in sides for outcome in one.outcomes)
    busy = None if provider_cpu is None else ((provider.cpu() or provider_cpu) - provider_cpu) / measured
    return Comparison(load, router, bare, compared, busy)
