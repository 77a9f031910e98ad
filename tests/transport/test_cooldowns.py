"""Cooldowns over real sockets: which keys and targets cool down, which take over, and what clients see."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.exceptions import CommandError

from pointsman.demo import Provider, behaviours, closed_port
from pointsman.state_commands import StateCommands
from support.http_requests import Asked, ask, get, started
from support.router import Router, running
from support.settings import provider
from support.time_limit import WINDOWS

KEYS = ["sk-first-key", "sk-second-key"]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def turn(router: Router, text: str, **members: Any) -> Asked:
    """A conversation of its own, so that no pin has a say."""
    return await ask(router.base_url, messages=[{"role": "user", "content": text}], **members)


async def page(router: Router, name: str) -> Any:
    return (await get(f"{router.url}/internal/status/{name}")).json


def keys_of(one: Provider) -> list[str]:
    return [(seen.header("authorization") or "").removeprefix("Bearer ") for seen in one.seen]


async def test_a_rate_limited_key_rests_as_long_as_its_provider_asked_for(tmp_path: Path) -> None:
    for asked_for in (round(2 * window) for window in WINDOWS):
        async with AsyncExitStack() as stack:
            (folder := tmp_path / f"{asked_for}").mkdir()
            if await rests_so_long(stack, folder, asked_for):
                return
    raise AssertionError("this machine was too slow")


async def rests_so_long(stack: AsyncExitStack, folder: Path, asked_for: int) -> bool:
    """False if that was over before the test had seen it."""
    [one] = await started(stack, behaviours.answer("hello"))
    one.script = [behaviours.rate_limited(asked_for), behaviours.answer("hello")]
    router = await stack.enter_async_context(running(folder, {"one": provider(one.base_url, keys=KEYS)}))

    before = time.time()
    first = await turn(router, "one")
    assert first.status == 200
    assert first.headers["x-fallback-trail"] == "one/m@429"
    assert first.headers["x-fallback-attempts"] == "1"
    cooldowns, second = await page(router, "cooldowns"), await turn(router, "two")
    if time.time() >= before + asked_for:
        return False
    [resting] = cooldowns["keys"]
    assert (resting["provider"], resting["key"], resting["reason"]) == ("one", "key-1", "rate_limit")
    assert before + asked_for <= resting["until"] <= time.time() + asked_for

    assert "x-fallback-trail" not in second.headers
    assert keys_of(one) == ["sk-first-key", "sk-second-key", "sk-second-key"]
    await asyncio.sleep(resting["until"] - time.time() + 0.01)
    assert "x-fallback-trail" not in (await turn(router, "three")).headers
    assert keys_of(one)[3:] == ["sk-first-key"]
    assert (await page(router, "cooldowns")) == {"targets": [], "keys": []}
    return True


async def test_a_target_does_not_cool_while_another_key_of_it_serves(stack: AsyncExitStack, tmp_path: Path) -> None:
    [one] = await started(stack, behaviours.answer("hello"))
    one.script = [behaviours.status(503), behaviours.answer("hello")]
    router = await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url, keys=KEYS)}))
    answer = await turn(router, "one")
    assert answer.headers["x-routed-via"] == "one/m"
    assert answer.headers["x-fallback-trail"] == "one/m@503"
    assert keys_of(one) == KEYS
    assert (await page(router, "cooldowns")) == {"targets": [], "keys": []}


async def test_a_target_that_failed_with_all_its_keys_is_avoided_by_who_is_already_running(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    gate = asyncio.Event()
    slow, sick, good = await started(
        stack,
        behaviours.gated(behaviours.status(503), gate),
        behaviours.status(503),
        behaviours.answer("from the good one"),
    )
    providers = {
        "slow": provider(slow.base_url),
        "sick": provider(sick.base_url, keys=KEYS),
        "good": provider(good.base_url),
    }
    router = await stack.enter_async_context(running(tmp_path, providers))
    running_already = asyncio.create_task(turn(router, "one"))
    while not slow.seen:
        await asyncio.sleep(0)

    refused = await turn(router, "two", model="sick/m")
    assert (refused.status, refused.headers["x-fallback-trail"]) == (502, "sick/m@503 sick/m@503")
    assert refused.headers["retry-after"] == "5", "a provider on this machine cools for a moment only"
    [reason, _] = refused.json["error"]["reasons"]
    assert (reason["key"], reason["reason"], reason["detail"]) == ("key-1", "skipped_key", "503")
    [cooldown] = (await page(router, "cooldowns"))["targets"]
    assert (cooldown["provider"], cooldown["model"], cooldown["reason"]) == ("sick", "m", "503")

    gate.set()
    answer = await running_already
    assert answer.headers["x-routed-via"] == "good/m"
    assert answer.headers["x-fallback-trail"] == "slow/m@503"
    assert keys_of(sick) == KEYS, "it was left alone"


async def test_the_last_one_left_is_tried_though_it_cools_and_the_record_says_so(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    [one] = await started(stack, behaviours.answer("hello"))
    one.script = [behaviours.status(503), behaviours.answer("hello")]
    router = await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url)}))
    assert (await turn(router, "one")).status == 502
    assert (await turn(router, "two")).status == 200
    newest, older = (await get(f"{router.url}/internal/exchanges")).json["exchanges"]
    assert (older["attempts"][0]["why"], older["attempts"][0]["failure"]) == ("rank 1, score 0.50", "server_error")
    assert newest["attempts"][0]["why"].startswith("last_resort: cooling until 20")
    assert newest["attempts"][0]["failure"] is None
    assert (await page(router, "cooldowns")) == {"targets": [], "keys": []}, "it has shown that it is well"


async def test_when_all_keys_are_limited_the_client_gets_retry_after(stack: AsyncExitStack, tmp_path: Path) -> None:
    [one] = await started(stack, behaviours.answer("hello"))
    one.script = [behaviours.rate_limited(300), behaviours.rate_limited(70)]
    router = await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url, keys=KEYS)}))
    began = time.time()
    for asked in range(2):
        before = time.time()
        answer = await turn(router, f"question {asked}")
        assert answer.status == 429
        error = answer.json["error"]
        assert error["code"] == "rate_limited"
        first, second = error["reasons"]
        assert (first["key"], second["key"]) == ("key-1", "key-2")
        told = int(answer.headers["retry-after"])
        assert second["until"] - time.time() <= told <= second["until"] - before + 2, "rounded up"
        for row, asked_for in ((first, 300), (second, 70)):  # by the wall's clock as the exchange began
            assert began + asked_for / 2 < row["until"] <= time.time() + asked_for
    assert len(one.seen) == 2, "the second exchange asked no target"
    assert [row["status"] for row in (await page(router, "endpoints"))["endpoints"]] == ["busy"]


async def test_a_wrapped_rate_limit_in_a_200_counts_like_an_open_one(stack: AsyncExitStack, tmp_path: Path) -> None:
    error = {"error": {"code": 429, "message": "Rate limit reached. Please try again in 7m12.5s."}}
    one, other = await started(
        stack, behaviours.exact([json.dumps(error).encode()], "application/json"), behaviours.answer("hello")
    )
    providers = {"one": provider(one.base_url), "other": provider(other.base_url)}
    router = await stack.enter_async_context(running(tmp_path, providers))
    assert (await turn(router, "one")).headers["x-fallback-trail"] == "one/m@wrapped_429"
    [resting] = (await page(router, "cooldowns"))["keys"]
    assert resting["until"] - resting["since"] == pytest.approx(432.5)


async def test_a_limit_that_a_provider_states_is_kept(stack: AsyncExitStack, tmp_path: Path) -> None:
    stated = [("x-ratelimit-limit-requests", "1"), ("x-ratelimit-reset-requests", "1s")]
    one, other = await started(
        stack, behaviours.with_headers(behaviours.answer("hello"), stated), behaviours.answer("hello")
    )
    limited = provider(one.base_url) | {"models": [{"id": "m", "limits": {"rpm": 30}}]}
    router = await stack.enter_async_context(running(tmp_path, {"one": limited, "other": provider(other.base_url)}))
    assert [(await turn(router, text)).headers["x-routed-via"] for text in ("one", "two")] == ["one/m", "other/m"]


class TestReading:
    async def test_the_log_has_one_line_per_cooldown(
        self, stack: AsyncExitStack, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        [one] = await started(stack, behaviours.rate_limited(7))
        providers = {"dead": provider(closed_port()), "one": provider(one.base_url, keys=KEYS[:1])}
        router = await stack.enter_async_context(running(tmp_path, providers))
        await turn(router, "one")
        said = [record.message for record in caplog.records if " cools for " in record.message]
        assert said == [
            "Pointsman: dead/m cools for 5.0 s: connect_refused",
            "Pointsman: key key-1 of one for m cools for 7.0 s: rate_limit",
        ]

    async def test_commands_show_the_same_as_pages_and_end_cooldowns(
        self, stack: AsyncExitStack, tmp_path: Path
    ) -> None:
        [one] = await started(stack, behaviours.answer("hello"))
        one.script = [behaviours.rate_limited(30), behaviours.answer("hello")]
        router = await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url)}))
        assert (await turn(router, "one")).status == 429
        call = router.context.master.commands.execute
        told = json.loads(call("pointsman.cooldowns"))
        [resting] = told["keys"]
        assert (resting["provider"], resting["reason"], told["targets"]) == ("one", "rate_limit", [])
        assert json.loads(call("pointsman.status"))["endpoints"] == (await page(router, "endpoints"))["endpoints"]
        assert json.loads(call("pointsman.clear")) == {"cleared": 1}
        assert json.loads(call("pointsman.cooldowns")) == {"targets": [], "keys": []}
        assert (await turn(router, "two")).status == 200

    @pytest.mark.parametrize("name", ["status", "cooldowns", "clear"])
    def test_a_router_that_does_not_run_says_so(self, name: str) -> None:
        with pytest.raises(CommandError, match="is not running"):
            getattr(StateCommands(lambda: None), name)()
