"""Many streams that say nothing: what it costs to hold them, and how late their signs of life come.

Behind the router the provider has fallen silent, so that the router keeps the clients' connections alive; behind bare
mitmdump the provider does so itself, as often.
"""

import json
import resource
from asyncio.subprocess import Process
from dataclasses import dataclass
from typing import Any

from benchmarks import processes
from benchmarks.ab_rounds import Pace
from benchmarks.figures import Figure, Report
from benchmarks.scenarios.streams import config, request
from benchmarks.testbed import Server, Stage, Versions, stage

STREAMS, QUICK_STREAMS = 2000, 200
EVERY = 5.0
"""Seconds between two signs of life."""
BEATS = 4
EVENTS, EVENT_BYTES = 1000, 80
SILENT = 3600.0
FILES = 3 * STREAMS
KIB = 1024


@dataclass(frozen=True, slots=True)
class Holding:
    """What a side needed: KiB for each stream, percent of a core for all, and milliseconds."""

    memory: float
    cpu: float
    late: float
    late_p99: float


FIGURES = {
    "KiB per stream": lambda held: held.memory,
    "cpu, % of a core": lambda held: held.cpu,
    "late, ms": lambda held: held.late,
    "late, p99, ms": lambda held: held.late_p99,
}


async def run(pace: Pace, versions: Versions) -> Report:
    """Shorter windows than those of other scenarios are not enough here: a second or more makes it the whole thing."""
    streams, every = (STREAMS, EVERY) if pace.seconds >= 1 else (QUICK_STREAMS, 1.0)
    _enough_files()
    figures = []
    for name, http2 in (("HTTP/1.1", False), ("HTTP/2", True)):
        async with stage(versions) as on:
            silent = await on.provider(EVENTS, EVENT_BYTES, 1, SILENT)
            patient = {"heartbeat": every, "stall": SILENT, "first_byte": SILENT}
            router = await _hold(on, await on.router({**config(silent.url), "stream": patient}), streams, every, http2)
        async with stage(versions) as on:
            talking = await on.provider(EVENTS, EVENT_BYTES, 1, every)
            bare = await _hold(on, await on.bare(talking), streams, every, http2)
        figures += [Figure(name, figure, [of(router)], [of(bare)]) for figure, of in FIGURES.items()]
    return Report(f"{streams} streams, each with a sign of life every {every:g} s, for {BEATS * every:g} s", figures)


async def _hold(on: Stage, side: Server, streams: int, every: float, http2: bool) -> Holding:
    before = await side.at_rest()
    options = {"port": side.port, "count": streams, "every": every, "seconds": BEATS * every}
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    holder = await on.holder([*arguments, *(["--http2"] if http2 else [])], json.dumps(request(0)))
    await _line(on, holder)
    await _line(on, holder)
    memory, began = side.memory() - before, side.cpu() or 0.0
    outcome: dict[str, Any] = json.loads(await _line(on, holder, BEATS * every))
    cpu = (side.cpu() or 0.0) - began
    if outcome["count"] < streams * (BEATS - 1):
        raise processes.Unfit(f"{side.name}: only {outcome['count']} signs of life\n{on.log_tail(side.name)}")
    late, late_p99 = outcome["median"] * 1000, outcome["p99"] * 1000
    return Holding(memory / streams / KIB, cpu / (BEATS * every) * 100, late, late_p99)


async def _line(on: Stage, holder: Process, more: float = 0.0) -> str:
    return await processes.line("holder", holder, on.folder, 2 * processes.START_TIMEOUT + more)


def _enough_files() -> None:
    """A stream has two sockets in a proxy; what is started from here inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (FILES if hard == resource.RLIM_INFINITY else min(FILES, hard), hard)
        )
