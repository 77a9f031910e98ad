"""Two real routers, each a process, on one server: what one of them finds out reaches the other one."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import behaviours
from support import process
from support.admin import ADMIN, call
from support.http_requests import ask, get, started
from support.process import Process, mitmdump
from support.settings import provider, write
from support.time_limit import LONGEST
from support.valkey import Valkey


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

    async def cooldowns(self) -> dict[str, Any]:
        found: dict[str, Any] = (await call(self.url, "GET", "cooldowns")).json()
        return found

    async def shared(self) -> dict[str, Any]:
        shared: dict[str, Any] = (await self.page("/internal/health"))["shared"]
        return shared


PATIENT = """
from pointsman import shared_routing
from pointsman.shared import task

task.LONGEST_QUESTION = task.PATIENCE = 3.0
shared_routing.LONGEST_ROUND = shared_routing.LONGEST_WAIT = 3.0
shared_routing.LONGEST_START = 60.0
addons = []
"""
"""A script for a busy machine: a router waits for the engine's answer, where it else goes on without it after 10 ms."""


async def two_routers(
    stack: AsyncExitStack,
    folder: Path,
    url: str,
    providers: dict[str, Any],
    is_patient: bool = True,
    **sections: Any,
) -> tuple[RouterProcess, RouterProcess]:
    processes, shared, more = [], {"url": url, "tick": "10ms"}, []
    if is_patient:
        (folder / "patient.py").write_text(PATIENT)
        shared["timeout"], more = "1s", ["-s", str(folder / "patient.py")]
    for name in ("first", "second"):
        (home := folder / name).mkdir()
        write(home, providers, shared=shared, server={"admin_key": ADMIN}, **sections)
        arguments = ("-p", "0", *more, "--set", f"pointsman_data={home / 'data'}")
        processes.append(await stack.enter_async_context(mitmdump(*arguments, folder=home)))
    one, two = [RouterProcess(process, await process.base_url()) for process in processes]

    await until(one_again(one, two))
    return one, two


async def test_state_is_shared_and_clearing_clears_both(stack: AsyncExitStack, tmp_path: Path, engine: Valkey) -> None:
    [bad, good] = await started(stack, behaviours.status(503), behaviours.answer("hello"))
    refusing = [behaviours.status(401), behaviours.answer("hello")]
    good.script = [*refusing]
    providers = {"bad": provider(bad.base_url), "good": provider(good.base_url, keys=["sk-first-key", "sk-second-key"])}
    one, two = await two_routers(stack, tmp_path, engine.url, providers, cooldowns={"transient": "10m"})
    assert (await ask(one.base_url)).status == 200

    async def both_cooldowns_are_known() -> bool:
        found = await two.cooldowns()
        return len(found["targets"]) == 1 and [each["invalid"] for each in found["keys"]] == [True]

    await until(both_cooldowns_are_known)
    before = len(bad.seen)
    answer = await ask(two.base_url)
    assert answer.status == 200
    assert "x-fallback-trail" not in answer.headers
    assert len(bad.seen) == before, "it knows that this one fails"
    assert good.seen[-1].header("authorization") == "Bearer sk-second-key"

    cleared = await call(two.url, "DELETE", "cooldowns")
    assert cleared.json() == {"cleared": 2}

    async def nothing_cools() -> bool:
        return await one.cooldowns() == {"targets": [], "keys": []}

    await until(nothing_cools)


async def test_a_frozen_engine_costs_no_request(stack: AsyncExitStack, tmp_path: Path, engine: Valkey) -> None:
    [good] = await started(stack, behaviours.answer("hello"))
    providers = {"good": provider(good.base_url)}
    one, two = await two_routers(stack, tmp_path, engine.url, providers, is_patient=False)
    engine.freeze()
    assert [(await ask(each.base_url)).status for each in (one, two, one, two)] == [200] * 4

    async def both_go_on_alone() -> bool:
        both = [await each.shared() for each in (one, two)]
        return both == [{"state": "degraded", "instances": 2}] * 2

    await until(both_go_on_alone)
    assert [(await ask(each.base_url)).status for each in (one, two)] == [200] * 2
    assert b"pointsman_shared_up 0" in (await get(f"{one.url}/metrics")).body
    overview = (await call(one.url, "GET", "overview")).json()["shared"]
    assert overview["reason"] == f"{engine.url} does not answer"
    engine.thaw()
    await until(one_again(one, two))
    for each in (one, two):
        assert each.process.text.count("shared state: degraded") == 1
        assert "Traceback" not in each.process.text


def one_again(one: RouterProcess, two: RouterProcess) -> Callable[[], Awaitable[bool]]:
    async def ask_both() -> bool:
        both = [await each.shared() for each in (one, two)]
        return both == [{"state": "connected", "instances": 2}] * 2

    return ask_both


PROGRAM = """
import sys, pointsman.addon
from pointsman import config
from pointsman.gateway import Gateway
print(sorted(name for name in sys.modules if name.partition(".")[0] == "redis" or name in (
    "pointsman.shared.link", "pointsman.shared.task")))
"""


async def test_without_an_address_nothing_of_it_is_imported(tmp_path: Path) -> None:
    async with process.started(sys.executable, "-c", PROGRAM, folder=tmp_path) as running:
        assert await running.ends() == 0
        assert running.text.strip() == "[]"
