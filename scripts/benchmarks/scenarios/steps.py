"""How many bytecode instructions an answer takes: nearly as exact on a machine that is busy with other work.

Instructions do not all take equally long. Those of a loop, such as bare mitmproxy's over its addons, are quicker than
as many different ones. So the figure is for comparing two versions, not the router with bare mitmproxy.
"""

import asyncio
import signal

from benchmarks.ab_rounds import Rounds
from benchmarks.figures import Figure, Report
from benchmarks.processes import END_TIMEOUT, ProcessFailed
from benchmarks.scenarios.streams import Case, config
from benchmarks.testbed import HERE, Server, Testbed, Versions, testbed

CASES = (
    Case(1, events=0, event_bytes=2000, name="whole"),
    Case(1, burst=64, name="at once"),
    Case(1, burst=1, pause=0.005, name="one at a time"),
)
SECONDS = 4
"""Of counting, for each second of a round: to count slows the process down twentyfold."""


async def run(rounds: Rounds, versions: Versions) -> Report:
    figures = []
    for case in CASES:
        async with testbed(versions) as bed:
            bed.scripts.append(HERE / "step_counter.py")
            upstream = await bed.provider(case.events, case.event_bytes, case.burst, case.pause)
            settings = config(upstream.url)
            servers = [await bed.router(settings), await bed.bare(upstream)]
            servers += [other] if (other := await bed.other(settings)) else []
            counts = [[await _steps(bed, server, case, rounds)] for server in servers]
            figures.append(Figure(case.name, "steps per answer", *counts))
    return Report(f"instructions of the event loop's thread, 1 connection, {SECONDS * rounds.seconds:g} s", figures)


async def _steps(bed: Testbed, server: Server, case: Case, rounds: Rounds) -> float:
    load = case.load()
    await bed.load(server, load.window(server.port, rounds.warm_up))
    server.process.send_signal(signal.SIGUSR1)
    outcome = await bed.load(server, load.window(server.port, SECONDS * rounds.seconds))
    server.process.send_signal(signal.SIGUSR2)
    found = bed.folder / server.name / "steps"
    for _ in range(int(END_TIMEOUT / 0.05)):
        if found.exists():
            return int(found.read_text()) / outcome.streams
        await asyncio.sleep(0.05)
    raise ProcessFailed(f"{server.name}: does not tell its steps\n{bed.log_tail(server.name)}")
