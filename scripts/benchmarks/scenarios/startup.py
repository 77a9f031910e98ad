"""From the start of a process to its first answer, for the router's own command, for a mitmdump that loads it, and for
bare mitmdump.

The router's command opens its port when it can answer; a mitmdump with a listen host opens it before it loads scripts.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

from benchmarks.ab_rounds import Rounds
from benchmarks.figures import Figure, Report
from benchmarks.processes import START_TIMEOUT, ProcessFailed
from benchmarks.scenarios.streams import Case, config
from benchmarks.testbed import Server, Versions, testbed

EVERY = 0.002
"""Seconds between two attempts to connect."""
MIB = 2**20

type Launch = Callable[[], Awaitable[Server]]


@dataclass(frozen=True, slots=True)
class Start:
    """Milliseconds until the port was open and until the first answer was there, both since the process was started;
    CPU time until then, and memory in MiB when nothing else happens.
    """

    opened: float
    answered: float
    cpu: float | None
    memory: float

    @property
    def waited(self) -> float:
        """How long the first client waited for its answer."""
        return self.answered - self.opened


async def run(rounds: Rounds, versions: Versions) -> Report:
    """Each proxy is started anew in each round, one at a time, in turns. The first round is not counted: it fills the
    caches of the system.
    """
    starts: dict[str, list[Start]] = {"command": [], "mitmdump": [], "bare": []}
    for number in range(rounds.count + 1):
        for name, into in starts.items():
            one = await _start(name, versions)
            into.extend([one] if number else [])
    figures = [
        Figure(name, figure, [of(each) for each in starts[name]], [of(each) for each in starts["bare"]])
        for name in ("command", "mitmdump")
        for figure, of in FIGURES.items()
    ]
    return Report(f"a process that is started and asked for one stream; {rounds.count} rounds", figures)


FIGURES: dict[str, Callable[[Start], float | None]] = {
    "port open, ms": lambda start: start.opened,
    "first answer, ms": lambda start: start.answered,
    "between them, ms": lambda start: start.waited,
    "cpu until then, ms": lambda start: start.cpu,
    "memory at rest, MiB": lambda start: start.memory,
}


async def _start(name: str, versions: Versions) -> Start:
    case = Case(1)
    load = case.load()
    async with testbed(versions) as bed:
        upstream = await bed.provider(case.events, case.event_bytes, case.burst)
        settings = config(upstream.url)
        launch: dict[str, Launch] = {
            "command": lambda: bed.command(settings),
            "mitmdump": lambda: bed.router(settings, waits=False),
            "bare": lambda: bed.bare(upstream, waits=False),
        }
        began = perf_counter()
        server = await launch[name]()
        opened, answered = await _first_answer(server, load.requests[0].encode(), load.body.encode())
        cpu = server.cpu()
        memory = await server.settled_memory()
    spent = None if cpu is None else cpu * 1000
    return Start((opened - began) * 1000, (answered - began) * 1000, spent, memory / MIB)


async def _first_answer(server: Server, request: bytes, body: bytes) -> tuple[float, float]:
    """When the port was open, and when the answer was whole. Raises ProcessFailed if it is another one, or late."""
    answer = bytearray()
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while True:
                with suppress(ConnectionRefusedError):
                    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                    break
                await asyncio.sleep(EVERY)
            opened = perf_counter()
            writer.write(request)
            while not answer.endswith(b"0\r\n\r\n") and (piece := await reader.read(65536)):
                answer += piece
    except TimeoutError:
        raise ProcessFailed(f"{server.name}: no answer within {START_TIMEOUT:g} s") from None
    answered = perf_counter()
    writer.close()
    if not answer.startswith(b"HTTP/1.1 200") or answer.count(b'"choices"') != body.count(b'"choices"'):
        raise ProcessFailed(f"{server.name}: {bytes(answer[:300])!r}")
    return opened, answered
