"""Shared state: what it costs a router, and how long it takes until a peer knows.

The router with shared state (router) and alone (bare), under the same load; then two routers, one of which cools its
provider down: how long until the other one lists that, and until a cooldown that was cleared there is gone here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from benchmarks.ab_rounds import Rounds, compare
from benchmarks.figures import Figure, Report
from benchmarks.scenarios.streams import MODEL, Case, config
from benchmarks.testbed import Server, Testbed, Versions, testbed

CONNECTIONS = 16
TIMES = 200
"""How often each way is measured."""
LONGEST = 10.0
"""Seconds until a peer must know."""
POLL = 0.002
ADMIN = {"authorization": "Bearer the-admin-key-of-benchmarks"}
LONG_COOLDOWN = {"transient": "10m"}


async def run(rounds: Rounds, versions: Versions) -> Report:
    case = Case(CONNECTIONS)
    async with testbed(versions) as bed:
        engine = {"shared": {"url": await bed.valkey()}, "server": {"admin_key": ADMIN["authorization"][7:]}}
        upstream = await bed.provider(case.events, case.event_bytes, case.burst)
        settings = config(upstream.url)
        proxies = (await bed.router({**settings, **engine}, "shared"), await bed.router(settings, "alone"))
        result = await compare(bed, proxies, upstream, case.load(), rounds)
        known, cleared = await propagation(bed, engine)
    figures = [*result.figures(), *quantiles("cooldown known, ms", known), *quantiles("clearing known, ms", cleared)]
    shape = f"{CONNECTIONS} connections, {case.events} events of {case.event_bytes} bytes"
    return Report(
        f"{shape}; `bare` is the router without shared state; {rounds}; {TIMES} cooldowns", figures, result.warnings()
    )


async def propagation(bed: Testbed, engine: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Milliseconds from an answer until the peer knows what it has shown."""
    busy = await bed.provider(0, 80, 1, busy=True)
    settings = {**config(busy.url), "cooldowns": LONG_COOLDOWN, **engine}
    one, two = await bed.router(settings, "one"), await bed.router(settings, "two")
    known, cleared = [], []
    async with aiohttp.ClientSession() as client:
        await until(lambda: is_connected(client, one, two))
        for number in range(TIMES):
            async with client.post(f"{one.url}/v1/chat/completions", json=question(number)) as answer:
                await answer.read()
            known.append(await until(lambda: cools(client, two)))
            async with client.delete(f"{two.url}/api/cooldowns", headers=ADMIN) as answer:
                await answer.read()
            cleared.append(await until(lambda: does_not_cool(client, one)))
    return known, cleared


def question(number: int) -> dict[str, Any]:
    """A conversation of its own: one that repeats itself is held up."""
    return {"model": MODEL, "messages": [{"role": "user", "content": f"Question {number}: which track?"}]}


async def until(condition: Callable[[], Awaitable[bool]]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    async with asyncio.timeout(LONGEST):
        while not await condition():
            await asyncio.sleep(POLL)
    return 1000 * (time.perf_counter() - began)


async def is_connected(client: aiohttp.ClientSession, *servers: Server) -> bool:
    states = []
    for server in servers:
        async with client.get(f"{server.url}/internal/health") as answer:
            states.append((await answer.json())["shared"]["state"])
    return set(states) == {"connected"}


async def cools(client: aiohttp.ClientSession, server: Server) -> bool:
    async with client.get(f"{server.url}/api/cooldowns", headers=ADMIN) as answer:
        return bool((await answer.json())["targets"])


async def does_not_cool(client: aiohttp.ClientSession, server: Server) -> bool:
    return not await cools(client, server)


def quantiles(name: str, values: list[float]) -> list[Figure]:
    ordered = sorted(values)
    return [
        Figure("two routers", f"{name.replace(',', f' {label},')}", [ordered[int(share * (len(ordered) - 1))]])
        for label, share in (("p50", 0.5), ("p99", 0.99))
    ]
