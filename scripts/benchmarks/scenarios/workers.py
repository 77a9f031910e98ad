"""Two workers on one port (router), compared with one router (bare). Provider and load generator need the cores too."""

from benchmarks.ab_rounds import Rounds, compare
from benchmarks.figures import Figure, Report
from benchmarks.scenarios.streams import Case, config
from benchmarks.testbed import Versions, testbed

WORKERS = 2
CASES = (
    Case(16, burst=64, name="16, at once"),
    Case(16, name="16, bursts"),
    Case(64, name="64, bursts"),
    Case(4, request_bytes=800_000, message_bytes=2000, name="4 of 800 KB, a session"),
)


async def run(rounds: Rounds, versions: Versions) -> Report:
    figures: list[Figure] = []
    warnings: list[str] = []
    for case in CASES:
        async with testbed(versions) as bed:
            upstream = await bed.provider(case.events, case.event_bytes, case.burst)
            settings = config(upstream.url)
            alone = await bed.workers(settings, 1)
            proxies = (await bed.workers(settings, WORKERS), alone)
            result = await compare(bed, proxies, upstream, case.load(), rounds)
            figures += result.figures()
            warnings += result.warnings()
    return Report(f"{WORKERS} workers; `bare` is one router; {rounds}", figures, warnings)
