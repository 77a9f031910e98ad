"""The cost of keeping requests on record: the router with a history (router) and without (bare)."""

from benchmarks.ab_rounds import Rounds, compare
from benchmarks.figures import Report
from benchmarks.scenarios.streams import Case, config
from benchmarks.testbed import Versions, testbed

CONNECTIONS = 16


async def run(rounds: Rounds, versions: Versions) -> Report:
    case = Case(CONNECTIONS)
    async with testbed(versions) as bed:
        upstream = await bed.provider(case.events, case.event_bytes, case.burst)
        settings = config(upstream.url)
        on_record = {**settings, "history": {"path": str(bed.folder / "history" / "history.db")}}
        proxies = (
            await bed.router(on_record, "on-record"),
            await bed.router({**settings, "history": {"path": "off"}}, "not-on-record"),
        )
        result = await compare(bed, proxies, upstream, case.load(), rounds)
    shape = f"{CONNECTIONS} connections, {case.events} events of {case.event_bytes} bytes"
    return Report(
        f"{shape}; `bare` is the router without a history; {rounds}", list(result.figures()), result.warnings()
    )
