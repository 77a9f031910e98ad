"""Cooldowns over real sockets: of one model of a key, across reloads, and who tries what has cooled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import behaviours
from support.http_requests import ask
from support.leak_checks import soon
from transport.chat_client import ANSWER, RouterFixture, session

OLD, NEW = "sk-old-secret", "sk-new-secret"


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[RouterFixture]:
    async with AsyncExitStack() as stack:
        yield RouterFixture(tmp_path, stack)


async def keys_in_cooldown(yard: RouterFixture) -> list[tuple[str, str | None, str]]:
    rows: list[dict[str, Any]] = (await yard.page("status/cooldowns"))["keys"]
    return [(row["key"], row["model"], row["reason"]) for row in rows]


async def test_a_limit_of_one_model_leaves_the_other_models_of_the_key_alone(yard: RouterFixture) -> None:
    await yard.open("a", keys={"a": [OLD]})
    yard.a.script = [behaviours.rate_limited(500), behaviours.answer(ANSWER)]
    assert (await ask(yard.router.base_url, model="m")).status == 429
    assert (await ask(yard.router.base_url, model="n")).status == 200
    assert (await ask(yard.router.base_url, model="m")).status == 429
    assert len(yard.a.seen) == 2
    assert await keys_in_cooldown(yard) == [("key-1", "m", "rate_limit")]


async def test_where_limits_apply_to_the_key_the_other_models_wait_too(yard: RouterFixture) -> None:
    await yard.open("a", keys={"a": [OLD]})
    await yard.reload("a", a={"limits_scope": "key"})
    yard.a.script = [behaviours.rate_limited(500), behaviours.answer(ANSWER)]
    assert (await ask(yard.router.base_url, model="m")).status == 429
    assert (await ask(yard.router.base_url, model="n")).status == 429
    assert await keys_in_cooldown(yard) == [("key-1", None, "rate_limit")]


async def test_a_key_put_in_front_takes_over_no_pin_and_no_cooldown(yard: RouterFixture) -> None:
    await yard.open("a", keys={"a": [OLD]})
    assert (await yard.ask(model="m", headers=session("seven"))).outcome == "miss"
    yard.a.script = [behaviours.rate_limited(500), behaviours.answer(ANSWER)]
    assert (await ask(yard.router.base_url, model="n")).status == 429
    await yard.reload("a", a={"keys": [NEW, OLD]})
    assert (await yard.ask(model="m", headers=session("seven"))).outcome == "hit"
    assert yard.a.seen[-1].header("authorization") == f"Bearer {OLD}"
    assert await keys_in_cooldown(yard) == [("key-2", "n", "rate_limit")]
    assert (await ask(yard.router.base_url, model="n")).status == 200
    assert yard.a.seen[-1].header("authorization") == f"Bearer {NEW}"


async def test_one_of_ten_pinned_sessions_tries_a_dead_target_and_the_others_are_served_at_once(
    yard: RouterFixture,
) -> None:
    await yard.open("a", "b", cooldowns={"transient": "100ms"}, protection={"a": "off"}, hedge={"after": "off"})
    names = [f"session {n}" for n in range(10)]
    for name in names:
        await yard.ask(model="a/m", headers=session(name))
    gate = asyncio.Event()
    yard.a.script = [behaviours.status(503), behaviours.gated(behaviours.answer(ANSWER), gate)]
    assert (await ask(yard.router.base_url, model="a/m")).status == 502
    await asyncio.sleep(0.15)

    before = len(yard.a.seen)
    asked = [asyncio.create_task(yard.ask(model="m", headers=session(name))) for name in names]
    await soon(lambda: sum(each.done() for each in asked) == 9)
    assert len(yard.a.seen) == before + 1
    assert {each.result().endpoint for each in asked if each.done()} == {"b"}
    gate.set()
    assert sorted(each.endpoint or "" for each in await asyncio.gather(*asked)) == ["a", *["b"] * 9]
