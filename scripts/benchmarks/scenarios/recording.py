"""What it costs to make a flow of every attempt: the router with it, and as its opponent the router without."""

from pathlib import Path

from benchmarks import provider
from benchmarks.duel import Load, Pace, duel
from benchmarks.figures import Figure, Report
from benchmarks.scenarios.streams import BURST, EVENT_BYTES, EVENTS, config, request
from benchmarks.stage import stage

CONNECTIONS = 16
TOOLS = ("mitmdump", "mitmweb")


async def run(pace: Pace, addon: Path) -> Report:
    answer = b"".join(provider.events(EVENTS, EVENT_BYTES)).decode()
    figures: list[Figure] = []
    warnings: list[str] = []
    load = Load(CONNECTIONS, tuple(request(n) for n in range(CONNECTIONS)), answer)
    for tool in TOOLS:
        async with stage(addon) as on:
            upstream = await on.provider(EVENTS, EVENT_BYTES, BURST)
            settings = config(upstream.url)
            sides = (
                await on.router(settings, "recording", tool, pointsman_record_attempts="true"),
                await on.router(settings, "not-recording", tool, pointsman_record_attempts="false"),
            )
            result = await duel(on, sides, upstream, load, pace)
            figures += [Figure(tool, each.name, each.router, each.bare) for each in result.figures()]
            warnings += result.warnings()
    conditions = (
        f"{CONNECTIONS} connections, {EVENTS} events of {EVENT_BYTES} bytes; `bare` is the router not recording"
    )
    return Report(f"{conditions}; {pace.rounds} rounds of {pace.seconds:g} s", figures, warnings)
