"""What each patch of mitmproxy and aiohttp gains: the router with all of them (router) and without one (bare).

The patches that are left out gain no speed and no memory: they make a kill, an early request or a name that does
not resolve behave better.
"""

import os
from collections.abc import Mapping, Sequence
from timeit import timeit

from mitmproxy.http import Headers

from benchmarks.ab_rounds import Rounds, compare
from benchmarks.figures import Figure, Report
from benchmarks.scenarios.streams import Case, config
from benchmarks.testbed import Versions, testbed
from pointsman.transport.mitm_patches.switches import ALL, VARIABLE, switches
from pointsman.transport.mitm_patches.unchecked_messages import new_response

BURSTS, SINGLE = Case(16, name="bursts"), Case(16, burst=1, pause=0.002, name="single")
AT_ONCE, WHOLE = Case(16, burst=64, name="at once"), Case(16, events=0, event_bytes=2000, name="whole")
LARGE = Case(4, request_bytes=5_000_000, name="5 MB")
CASES: Mapping[str, Sequence[Case]] = {
    "eager_hooks": (BURSTS, SINGLE),
    "hook_cache": (BURSTS, SINGLE),
    "direct_write": (BURSTS, SINGLE),
    "watched_reads": (BURSTS, SINGLE),
    "whole_reads": (AT_ONCE, SINGLE),
    "plain_requests": (WHOLE, BURSTS),
    "quick_lookups": (WHOLE, BURSTS),
    "light_objects": (WHOLE, BURSTS),
    "unchecked_request": (WHOLE, BURSTS),
    "unchecked_response": (BURSTS,),
    "request_twin": (BURSTS, LARGE),
    "allocator": (LARGE,),
    "large_uploads": (LARGE,),
    ALL: (BURSTS, SINGLE, LARGE),
}
HEADS = 20_000


async def run(rounds: Rounds, versions: Versions) -> Report:
    figures: list[Figure] = []
    warnings: list[str] = []
    for patch, cases in CASES.items():
        for case in cases:
            async with testbed(versions) as bed:
                upstream = await bed.provider(case.events, case.event_bytes, case.burst, case.pause)
                settings = config(upstream.url)
                proxies = (
                    await bed.router(settings, "with"),
                    await bed.router(settings, "without", patches_off=patch),
                )
                result = await compare(bed, proxies, upstream, case.load(), rounds)
            figures += [Figure(f"{patch}, {case.name}", each.name, each.router, each.bare) for each in result.figures()]
            warnings += result.warnings()
    times = [(head_time(""), head_time("unchecked_response")) for _ in range(rounds.count)]
    figures.append(Figure("unchecked_response", "one head, µs", *zip(*times, strict=True)))
    conditions = (
        "16 connections with bursts of 8 or 64, single events or whole answers, 4 with 5 MB;"
        " `bare` is the router without that patch"
    )
    return Report(f"{conditions}; {rounds}", figures, warnings)


def head_time(off: str) -> float:
    """Microseconds for a response without a body, with these patches off."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = off
    switches.cache_clear()
    headers = Headers([(b"content-type", b"text/event-stream")])
    try:
        return timeit(lambda: new_response(200, b"OK", headers, None), number=HEADS) / HEADS * 1e6
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before
        switches.cache_clear()
