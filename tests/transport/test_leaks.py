"""Five thousand requests, good and bad: what the router holds afterwards is what it held before."""

import asyncio
import gc
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from mitmproxy.http import HTTPFlow

from pointsman.demo import Provider, behaviours, closed_port
from pointsman.exchange.engine import Exchange
from pointsman.recent_exchanges import MAX_RECORDS
from pointsman.transport import upstream_client as pools
from pointsman.transport.exchange_driver import ExchangeDriver
from pointsman.transport.http_layer import RoutedHttpLayer
from pointsman.transport.stream import RoutedStream
from support.audit_records import exchange_record
from support.h1client import H1Client, chat, h1_to, head
from support.h2client import h2_through
from support.leak_checks import leaks, no_leaks, soon
from support.router import Router, running
from support.settings import provider

REQUESTS = 5_000
CONCURRENCY = 50
WARM_UP = 1_500
CONVERSATIONS = 100
"""At most, in memory."""
ROOM = 8 * 2**20
"""Bytes of memory that may have come and stayed: less than two KiB for each request."""
CHAT = "/v1/chat/completions"
KEY = "a-client-key-0123456789"
AUTHORIZED = (("Authorization", f"Bearer {KEY}"),)
PROVIDERS = {
    "good": behaviours.answer("one two three four"),
    "busy": behaviours.status(503),
    "limited": behaviours.rate_limited(1),
    "wrapped": behaviours.wrapped(),
    "empty": behaviours.empty("done"),
    "reset": behaviours.reset(),
    "slammed": behaviours.reset("connect"),
    "html": behaviours.html(),
    "cut": behaviours.cut("one two three", after_tokens=2),
    "truncated": behaviours.truncated("one two three", after_tokens=2),
    "stalled": behaviours.stall("one two three", after_tokens=2),
    "strict": behaviours.status(400),
}

PASSING = (HTTPFlow, RoutedStream, RoutedHttpLayer, Exchange, ExchangeDriver, ClientResponse)
"""Nothing of these outlives its request, or its connection."""

type Ask = Callable[[H1Client, int], Any]


async def whole_answer(client: H1Client) -> int:
    status, headers = await client.head()
    if "content-length" in headers:
        await client.reader.readexactly(int(headers["content-length"]))
    else:
        await client.chunks()
    if headers.get("connection") == "close":
        client.close()
    return status


def asks(model: str, stream: bool = True) -> Ask:
    """A request for that model, heard to its end. Each has a text of its own, as conversations have."""

    async def ask(client: H1Client, n: int) -> int:
        await client.ask(chat(f"{n} {'x' * 2000}", stream=stream, model=model), headers=AUTHORIZED)
        return await whole_answer(client)

    return ask


def posts(body: bytes, path: str = CHAT, headers: Any = AUTHORIZED) -> Ask:
    async def ask(client: H1Client, _: int) -> int:
        await client.ask(body, path, headers)
        return await whole_answer(client)

    return ask


async def leaves_within_the_answer(client: H1Client, n: int) -> int:
    await client.ask(chat(f"{n}", model="stalled/m"), headers=AUTHORIZED)
    status, _ = await client.head()
    await client.chunk()
    client.break_off()
    return status


async def leaves_before_it(client: H1Client, n: int) -> int:
    await client.ask(chat(f"{n}", model="stalled/m", stream=False), headers=AUTHORIZED)
    client.close()
    return 0


async def leaves_within_the_request(client: H1Client, n: int) -> int:
    client.send(head(CHAT, 1000, AUTHORIZED) + chat())
    client.close()
    return 0


MENU: tuple[tuple[Ask, int], ...] = (
    *((asks("good/m", stream), 200) for stream in (True, False)),
    (asks("good/m"), 200),
    (asks("auto"), 200),
    *((asks(f"{name}/m"), 502) for name in ("wrapped", "empty", "reset", "slammed", "html")),
    *((asks(f"{name}/m", stream=False), 502) for name in ("wrapped", "empty", "reset", "slammed", "html")),
    (asks("refused/m"), 502),
    *((asks(f"{name}/m"), 200) for name in ("cut", "truncated")),
    (asks("strict/m"), 400),
    (asks("nobody/has-it"), 404),
    (posts(b'{"model": "good/m", "messages": ['), 400),
    (posts(b"[" * 5000), 400),
    (posts(chat(), headers=()), 401),
    (posts(chat(), "/no/such/page"), 404),
    (leaves_within_the_answer, 200),
    (leaves_before_it, 0),
    (leaves_within_the_request, 0),
)


class Level:
    """What the process holds at one moment."""

    def __init__(self, router: Router) -> None:
        gc.collect()
        self.memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        self.files = len(os.listdir("/proc/self/fd"))
        self.tasks = len(asyncio.all_tasks())
        self.tables = tables(router)
        scheduled: list[Any] = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
        self.timers = sum(not handle.cancelled() for handle in scheduled)
        self.objects = Counter(type(each).__name__ for each in gc.get_objects() if type(each) in PASSING)


def tables(router: Router) -> dict[str, int]:
    gateway = router.gateway
    connectors: list[Any] = [session.stock.connector for session in gateway.upstream_client._sessions.values()]
    return {
        "running": len(gateway.running),
        "vouched": len(gateway.admission.trusted_connections),
        "connections": len(router.server.connections),
        "outlets": len(gateway._upstream_options),
        "in use": sum(len(connector._acquired) for connector in connectors),
        "kept": sum(len(kept) for connector in connectors for kept in connector._conns.values()),
        "conversations": len(gateway.router.sessions._store),
        "limits": len(gateway.router.limits),
    }


@pytest.fixture(autouse=True)
def _kept_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "KEEPALIVE_TIMEOUT", 0.5)


@asynccontextmanager
async def everything(folder: Path, keyed: bool = True) -> AsyncIterator[tuple[Router, Sequence[Provider]]]:
    """A router with a provider for each kind of failure, and nothing that keeps flows."""
    async with AsyncExitStack() as stack:
        serving = [Provider(script, name=name, keep=10) for name, script in PROVIDERS.items()]
        for each in serving:
            await stack.enter_async_context(each)
        entries = {each.name: provider(each.base_url) for each in serving}
        entries["refused"] = provider(closed_port())
        cooldowns = {"transient": "1ms", "rate_limit": "1ms", "key_invalid": "1ms"}
        router = await stack.enter_async_context(
            running(
                folder,
                entries,
                server={"client_key": KEY} if keyed else {},
                cooldowns=cooldowns,
                sticky={"max_sessions": CONVERSATIONS},
            )
        )
        router.context.master.addons.remove(router.watcher)
        del router.gateway.start_driver  # which keeps all that ever were
        yield router, serving


async def ask_them(router: Router, numbers: Iterator[int], until: int) -> None:
    """One client, who opens a new connection when one has ended. Each outcome is the one that was expected."""
    while True:
        async with h1_to(router.host, router.port) as client:
            while not client.is_closed:
                n = next(numbers)
                if n >= until:
                    return
                ask, expected = MENU[n % len(MENU)]
                status = await ask(client, n)
                assert status == expected, (n % len(MENU), status, expected)


async def level_after(router: Router, serving: Sequence[Provider], requests: int) -> Level:
    """Once they have been asked, and every connection has gone."""
    numbers = count()
    async with asyncio.TaskGroup() as clients:
        for _ in range(CONCURRENCY):
            clients.create_task(ask_them(router, numbers, requests), name="asking")
    await no_leaks(router)
    await soon(lambda: not any(each.connections for each in serving))
    return Level(router)


async def test_nothing_grows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR")
    async with everything(tmp_path) as (router, serving):
        for n in range(MAX_RECORDS):  # as large as it gets, whatever comes
            router.gateway.recent_exchanges.add(exchange_record(f"before-{n}"))
        before = await level_after(router, serving, WARM_UP)
        after = await level_after(router, serving, REQUESTS)
        assert len(router.gateway.upstream_client._sessions) <= 2  # one keeps connections, one does not
        assert (after.tables, after.tasks, after.files) == (before.tables, before.tasks, before.files)
        assert after.timers <= before.timers + CONCURRENCY  # of connections that were closed within the last seconds
        assert len(router.gateway.recent_exchanges) == MAX_RECORDS
        assert after.tables["conversations"] == CONVERSATIONS
        assert len(router.gateway.router.cooldowns._targets) <= len(PROVIDERS) + 1
        assert after.memory - before.memory < ROOM, f"{(after.memory - before.memory) / 2**20:.1f} MiB"
        assert not after.objects - before.objects
        assert not leaks(router)
        assert not caplog.records


async def test_nothing_grows_on_one_http2_connection(tmp_path: Path) -> None:
    async with everything(tmp_path, keyed=False) as (router, serving), h2_through(router.url, router.ca) as client:
        await client.whole(await client.ask(chat(model="good/m")))
        await no_leaks(router, connections=1)
        before = Level(router)
        for n in range(400):
            model, leaves = HTTP2_MENU[n % len(HTTP2_MENU)]
            stream = await client.ask(chat(f"{n}", model=f"{model}/m"))
            if leaves:
                await client.until(partial(bool, stream.data))
                await client.reset(stream)
            else:
                await client.whole(stream)
        await no_leaks(router, connections=1)
        await soon(lambda: not any(each.connections for each in serving))
        after = Level(router)
        assert not after.objects - before.objects
        assert (after.tables["running"], after.tables["in use"]) == (0, 0)


HTTP2_MENU = (("good", False), ("wrapped", False), ("stalled", True), ("cut", False), ("nobody", False))
