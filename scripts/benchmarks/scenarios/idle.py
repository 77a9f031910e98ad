"""Many idle streams: what it costs to keep them open, and how late their keep-alives come.

Behind the router the provider stays silent, so that the router sends the keep-alives; behind bare mitmdump the provider
sends an event at the same interval.
"""

import json
import resource
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import processes
from benchmarks.ab_rounds import Rounds
from benchmarks.figures import Figure, Report
from benchmarks.scenarios.streams import config, request
from benchmarks.testbed import Server, Testbed, Versions, testbed

STREAMS, QUICK_STREAMS = 2000, 200
EVERY = 5.0
"""Seconds between two keep-alives."""
INTERVALS = 4
EVENTS, EVENT_BYTES = 1000, 80
SILENT = 3600.0
FILES = 3 * STREAMS
KIB = 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one proxy: KiB per stream, percent of a core for all streams, lateness in milliseconds."""

    memory: float
    cpu: float
    late: float
    late_p99: float


FIGURES: Mapping[str, Callable[[Cost], float]] = {
    "KiB per stream": lambda cost: cost.memory,
    "cpu, % of a core": lambda cost: cost.cpu,
    "late, ms": lambda cost: cost.late,
    "late, p99, ms": lambda cost: cost.late_p99,
}


async def run(rounds: Rounds, versions: Versions) -> Report:
    """The full number of streams if windows are at least a second long, else a quick version."""
    streams, every = (STREAMS, EVERY) if rounds.seconds >= 1 else (QUICK_STREAMS, 1.0)
    _enough_files()
    figures = []
    for name, http2 in (("HTTP/1.1", False), ("HTTP/2", True)):
        async with testbed(versions) as bed:
            silent = await bed.provider(EVENTS, EVENT_BYTES, 1, SILENT)
            patient = {"heartbeat": every, "stall": SILENT, "first_byte": SILENT}
            proxy = await bed.router({**config(silent.url), "stream": patient})
            router = await _measure(bed, proxy, streams, every, http2)
        async with testbed(versions) as bed:
            talking = await bed.provider(EVENTS, EVENT_BYTES, 1, every)
            bare = await _measure(bed, await bed.bare(talking), streams, every, http2)
        figures += [Figure(name, figure, [of(router)], [of(bare)]) for figure, of in FIGURES.items()]
    return Report(f"{streams} streams, each with a keep-alive every {every:g} s, for {INTERVALS * every:g} s", figures)


async def _measure(bed: Testbed, proxy: Server, streams: int, every: float, http2: bool) -> Cost:
    before = await proxy.settled_memory()
    options = {"port": proxy.port, "count": streams, "every": every, "seconds": INTERVALS * every}
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    client = await bed.idle_client([*arguments, *(["--http2"] if http2 else [])], json.dumps(request(0)))
    await _line(bed, client)
    await _line(bed, client)
    memory, began = proxy.memory() - before, proxy.cpu() or 0.0
    outcome: dict[str, Any] = json.loads(await _line(bed, client, INTERVALS * every))
    cpu = (proxy.cpu() or 0.0) - began
    if outcome["count"] < streams * (INTERVALS - 1):
        raise processes.ProcessFailed(f"{proxy.name}: only {outcome['count']} keep-alives\n{bed.log_tail(proxy.name)}")
    late, late_p99 = outcome["median"] * 1000, outcome["p99"] * 1000
    return Cost(memory / streams / KIB, cpu / (INTERVALS * every) * 100, late, late_p99)


async def _line(bed: Testbed, client: Process, more: float = 0.0) -> str:
    return await processes.read_line("idle_client", client, bed.folder, 2 * processes.START_TIMEOUT + more)


def _enough_files() -> None:
    """Raises the limit of open files: a proxy needs two for each stream. Child processes inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (FILES if hard == resource.RLIM_INFINITY else min(FILES, hard), hard)
        )
