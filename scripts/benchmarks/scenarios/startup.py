"""From the start of a process to its first answer, for the router's own command, for a mitmdump that loads it, and for
bare mitmdump.

The router's command opens its port when it can answer; a mitmdump with a listen host opens it before it loads scripts.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

from benchmarks import chunked
from benchmarks.ab_rounds import Load, Rounds
from benchmarks.figures import Figure, Report
from benchmarks.load import content, text
from benchmarks.processes import START_TIMEOUT, ProcessFailed
from benchmarks.scenarios.streams import Case, config
from benchmarks.testbed import Contender, Server, Versions, testbed

COMMAND = Contender("command", lambda bed, provider: bed.command(config(provider.url)))
MITMDUMP = Contender("mitmdump", lambda bed, provider: bed.router(config(provider.url), waits=False))
BARE = Contender("bare", lambda bed, provider: bed.bare(provider, waits=False))
CASE = Case(1)
EVERY = 0.002
"""Seconds between two attempts to connect."""
MIB = 2**20


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
    """Starts a new process of each proxy in each round, one after the other. The first round is not counted: it fills
    the caches of the system.
    """
    contenders = (COMMAND, MITMDUMP, BARE)
    starts = await in_turns([(each, lambda _: CASE.load()) for each in contenders], rounds.count, versions)
    figures = [
        Figure(each.name, figure, [of(one) for one in starts[each.name]], [of(one) for one in starts[BARE.name]])
        for each in contenders[:2]
        for figure, of in FIGURES.items()
    ]
    return Report(f"a process that is started and asked for one stream; {rounds.count} rounds", figures)


async def in_turns(
    contenders: Sequence[tuple[Contender, Callable[[Server], Load]]], count: int, versions: Versions
) -> dict[str, list[Start]]:
    """`count` starts of each, after one that is not counted. Each is sent the first request of its load, which may
    depend on the provider.
    """
    starts: dict[str, list[Start]] = {contender.name: [] for contender, _ in contenders}
    for number in range(count + 1):
        for contender, load_of in contenders:
            one = await _start(contender, load_of, versions)
            starts[contender.name].extend([one] if number else [])
    return starts


FIGURES: dict[str, Callable[[Start], float | None]] = {
    "port open, ms": lambda start: start.opened,
    "first answer, ms": lambda start: start.answered,
    "between them, ms": lambda start: start.waited,
    "cpu until then, ms": lambda start: start.cpu,
    "memory at rest, MiB": lambda start: start.memory,
}


async def _start(contender: Contender, load_of: Callable[[Server], Load], versions: Versions) -> Start:
    async with testbed(versions) as bed:
        upstream = await bed.provider(CASE.events, CASE.event_bytes, CASE.burst)
        load = load_of(upstream)
        began = perf_counter()
        server = await contender.start(bed, upstream)
        opened, answered = await _first_answer(server, load)
        cpu = server.cpu()
        memory = await server.settled_memory()
    spent = None if cpu is None else cpu * 1000
    return Start((opened - began) * 1000, (answered - began) * 1000, spent, memory / MIB)


async def _first_answer(server: Server, load: Load) -> tuple[float, float]:
    """When the port was open, and when the first answer with status 200 was whole. Raises ProcessFailed if it says
    something else than the provider, or is late.
    """
    answer, answered, opened = b"", 0.0, 0.0
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while not answer.startswith(b"HTTP/1.1 200"):
                with suppress(ConnectionError):
                    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                    opened = opened or perf_counter()
                    writer.write(load.requests[0].encode())
                    answer, answered = await _answer(reader), perf_counter()
                    writer.close()
                await asyncio.sleep(EVERY)
    except TimeoutError:
        raise ProcessFailed(
            f"{server.name}: no answer within {START_TIMEOUT:g} s; the last: {answer[:300]!r}"
        ) from None
    if text(content(answer)) != text(load.body):
        raise ProcessFailed(f"{server.name}: {answer[:300]!r}")
    return opened, answered


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """A stream, or the beginning of any other answer."""
    answer = await reader.read(65536)
    while (
        answer.startswith(b"HTTP/1.1 200") and not answer.endswith(chunked.END) and (piece := await reader.read(65536))
    ):
        answer += piece
    return answer
