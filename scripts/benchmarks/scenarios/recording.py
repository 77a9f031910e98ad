"""What it costs to make a flow of every attempt: the router with it, and as its opponent the router without."""

from benchmarks.ab_rounds import Pace, duel
from benchmarks.figures import Figure, Report
from benchmarks.scenarios.streams import Case, config
from benchmarks.testbed import Versions, stage

CONNECTIONS = 16
TOOLS = ("mitmdump", "mitmweb")


async def run(pace: Pace, versions: Versions) -> Report:
    figures: list[Figure] = []
    warnings: list[str] = []
    case = Case(CONNECTIONS)
    for tool in TOOLS:
        async with stage(versions) as on:
            upstream = await on.provider(case.events, case.event_bytes, case.burst)
            settings = config(upstream.url)
            sides = (
                await on.router(settings, "recording", tool, pointsman_record_attempts="true"),
                await on.router(settings, "not-recording", tool, pointsman_record_attempts="false"),
            )
            result = await duel(on, sides, upstream, case.load(), pace)
            figures += [Figure(tool, each.name, each.router, each.bare) for each in result.figures()]
            warnings += result.warnings()
    shape = f"{CONNECTIONS} connections, {case.events} events of {case.event_bytes} bytes"
    conditions = f"{shape}; `bare` is the router not recording"
    return Report(f"{conditions}; {pace.rounds} rounds of {pace.seconds:g} s", figures, warnings)
