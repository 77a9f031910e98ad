"""The page that says how many there are of what comes and goes."""

import asyncio
from pathlib import Path

from pointsman.demo import Provider, behaviours
from support.h1client import chat, h1_to
from support.http_requests import get
from support.leak_checks import no_leaks
from support.router import running
from support.settings import provider


async def test_it_counts_current_clients_only(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with (
        Provider(behaviours.answer("one two three", gate_after={1: gate})) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
    ):
        page = f"{router.url}/internal/status/tables"
        async with h1_to(router.host, router.port) as client:
            await client.ask(chat())
            await client.head()
            busy = (await get(page)).json
            gate.set()
            await client.chunks()
        await no_leaks(router)
        quiet = (await get(page)).json
        named = ("exchanges", "attempts", "clients", "records", "sessions")
        assert [busy[name] for name in named] == [1, 1, 2, 0, 1]
        assert [quiet[name] for name in named] == [0, 0, 1, 1, 1]
        assert quiet["tasks"] < busy["tasks"]
