"""Two real routers, each a process, on one server: limits, budgets and locks hold for both together."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from pointsman.demo import behaviours
from shared.test_two_routers import RouterProcess, one_again, two_routers, until
from support.admin import call
from support.http_requests import ask, started
from support.settings import provider
from support.valkey import Valkey

COST = 9
"""Tokens of a question and its answer."""
CLIENTS = {
    "free": {"key": "sk-client-free"},
    "few": {"key": "sk-client-few", "limits": {"rpm": 6}},
    "poor": {"key": "sk-client-poor", "budgets": [{"tokens": 1000, "per": "month"}]},
}


def key_of(client: str) -> dict[str, str]:
    return {"authorization": f"Bearer {CLIENTS[client]['key']}"}


def question() -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Which track leads to {token_hex(4)}?"}]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def asked(routers: tuple[RouterProcess, RouterProcess], times: int, client: str, **members: Any) -> Counter[int]:
    """The statuses of so many requests at each, all at once, each of a conversation of its own."""
    questions = (
        ask(each.base_url, headers=key_of(client), messages=question(), **members)
        for _ in range(times)
        for each in routers
    )
    return Counter(answer.status for answer in await asyncio.gather(*questions))


async def budget(router: RouterProcess) -> dict[str, Any]:
    found = (await call(router.url, "GET", "clients")).json()["clients"]
    of_client: dict[str, Any] = next(each for each in found if each["name"] == "poor")["budgets"][0]
    return of_client


async def test_limits_and_locks_hold_for_both(stack: AsyncExitStack, tmp_path: Path, engine: Valkey) -> None:
    gate, hello = asyncio.Event(), behaviours.answer("hello")
    minute, at_once, guarded, other = await started(
        stack, hello, behaviours.gated(hello, gate), behaviours.gated(hello, gate), hello
    )
    providers = {
        "minute": provider(minute.base_url) | {"models": [{"id": "m", "limits": {"rpm": 30}}, {"id": "m2"}]},
        "at_once": provider(at_once.base_url, "n") | {"limits": {"concurrency": 3}},
        "guarded": provider(guarded.base_url, "g") | {"protection": "provider-ban", "priority": 1},
        "other": provider(other.base_url, "g") | {"priority": 2},
    }
    one, two = routers = await two_routers(stack, tmp_path, engine.url, providers, clients=CLIENTS)

    began = time.monotonic()
    statuses = await asked(routers, 50, "free")
    assert statuses[200] + statuses[429] == 100

    async def everything_is_used() -> bool:
        await asked(routers, 1, "free")
        return len(minute.seen) >= 30

    await until(everything_is_used)  # nothing is lost
    await asked(routers, 10, "free")
    minutes = 1 + (time.monotonic() - began) // 60
    assert len(minute.seen) <= 30 * minutes

    statuses = await asked(routers, 10, "few", model="m2")
    assert statuses[200] <= 6
    talks = []

    async def begin(router: RouterProcess, model: str) -> None:
        messages = question()
        talks.append(
            asyncio.ensure_future(ask(router.base_url, headers=key_of("free"), model=model, messages=messages))
        )
        await asyncio.sleep(0.05)

    async def three_run() -> bool:
        await begin(one, "n")
        return len(at_once.seen) >= 3

    async def guarded_runs() -> bool:
        await begin(one, "g")
        return bool(guarded.seen)

    await until(three_run)
    await until(guarded_runs)
    assert await asked(routers, 3, "free", model="n") == {429: 6}
    assert (await ask(two.base_url, headers=key_of("free"), model="g", messages=question())).status == 200
    assert (len(at_once.seen), len(guarded.seen)) == (3, 1)
    gate.set()
    await asyncio.gather(*talks)
    stored = ""

    async def is_published() -> bool:
        nonlocal stored
        stored = repr([each async for each in content(engine)])
        return "clients" in stored

    await until(is_published)
    assert not [client for client in CLIENTS if f":{client}:" in stored or f'"{client}"' in stored]


async def content(engine: Valkey) -> AsyncIterator[object]:
    """Keys of the engine, and what all instances have been told."""
    async with engine.client() as client:
        async for key in client.scan_iter(count=1000):
            yield key
            if await client.type(key) == b"stream":
                yield await client.xrange(key)


async def test_what_is_spent_stays_spent_whatever_the_engine_loses(
    stack: AsyncExitStack, tmp_path: Path, engine: Valkey
) -> None:
    [good] = await started(stack, behaviours.answer("hello"))
    one, two = routers = await two_routers(
        stack, tmp_path, engine.url, {"good": provider(good.base_url)}, clients=CLIENTS
    )

    async def shown(spent: int) -> bool:
        both = [await budget(each) for each in routers]
        return all((each["spent"], each["reserved"]) == (spent, 0) for each in both)

    async def spend(times: int) -> int:
        """What both show in the end: that of all answers, each of which costs the same."""
        await asked(routers, times, "poor", max_tokens=20)
        spent = COST * len(good.seen)
        await until(lambda: shown(spent))
        return spent

    async def restart() -> None:
        await engine.kill()
        await until(lambda: alone(one, two))
        await engine.start()
        await until(one_again(one, two))

    first = await spend(2)
    async with engine.client() as client:
        await client.save()
    second = await spend(3)
    await restart()  # from an old snapshot
    third = await spend(3)
    (engine.folder / "dump.rdb").unlink()
    await restart()  # empty
    assert 0 < first < second < third
    assert await shown(third)
    statuses = await asked(routers, 60, "poor", max_tokens=20)
    assert statuses[429] > 0
    assert (await budget(one))["spent"] <= 1000


async def alone(one: RouterProcess, two: RouterProcess) -> bool:
    return all([(await each.shared())["state"] == "degraded" for each in (one, two)])
