"""Two real routers, each a process, on one server: what one of them learns, the other one knows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import behaviours
from support.http_requests import ask, get, started
from support.process import Process, mitmdump
from support.settings import provider, write
from support.valkey import Valkey

LONGEST = 30.0


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(LONGEST):
        while not await condition():
            await asyncio.sleep(0.02)


class RouterProcess:
    def __init__(self, process: Process, base_url: str) -> None:
        self.process, self.base_url = process, base_url
        self.url = base_url.removesuffix("/v1")

    async def page(self, path: str) -> Any:
        return (await get(f"{self.url}{path}")).json

    async def shared(self) -> dict[str, Any]:
        shared: dict[str, Any] = (await self.page("/internal/health"))["shared"]
        return shared


async def two_routers(
    stack: AsyncExitStack, folder: Path, url: str, providers: dict[str, Any], **sections: Any
) -> tuple[RouterProcess, RouterProcess]:
    processes = []
    for name in ("first", "second"):
        (home := folder / name).mkdir()
        write(home, providers, shared={"url": url, "tick": "10ms"}, **sections)
        arguments = ("-p", "0", "--set", f"pointsman_data={home / 'data'}")
        processes.append(await stack.enter_async_context(mitmdump(*arguments, folder=home)))
    one, two = [RouterProcess(process, await process.base_url()) for process in processes]

    async def know_each_other() -> bool:
        both = [await each.shared() for each in (one, two)]
        return both == [{"state": "connected", "instances": 2}] * 2

    await until(know_each_other)
    return one, two


async def test_both_serve_and_know_of_each_other(stack: AsyncExitStack, tmp_path: Path, engine: Valkey) -> None:
    [one] = await started(stack, behaviours.answer("hello"))
    for router in await two_routers(stack, tmp_path, engine.url, {"one": provider(one.base_url)}):
        assert (await ask(router.base_url)).status == 200
