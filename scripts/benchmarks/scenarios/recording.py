"""The cost of a flow for every attempt: the router with it (router) and without (bare)."""

from benchmarks.ab_rounds import Rounds, compare
from benchmarks.figures import Figure, Report
from benchmarks.scenarios.streams import Case, config
from benchmarks.testbed import Versions, testbed

CONNECTIONS = 16
TOOLS = ("mitmdump", "mitmweb")


async def run(rounds: Rounds, versions: Versions) -> Report:
    figures: list[Figure] = []
    warnings: list[str] = []
    case = Case(CONNECTIONS)
    for tool in TOOLS:
        async with testbed(versions) as bed:
            upstream = await bed.provider(case.events, case.event_bytes, case.burst)
            settings = config(upstream.url)
            proxies = (
                await bed.router(settings, "recording", tool, pointsman_record_attempts="true"),
                await bed.router(settings, "not-recording", tool, pointsman_record_attempts="false"),
            )
            result = await compare(bed, proxies, upstream, case.load(), rounds)
            figures += [Figure(tool, each.name, each.router, each.bare) for each in result.figures()]
            warnings += result.warnings()
    shape = f"{CONNECTIONS} connections, {case.events} events of {case.event_bytes} bytes"
    conditions = f"{shape}; `bare` is the router without recording"
    return Report(f"{conditions}; {rounds}", figures, warnings)
