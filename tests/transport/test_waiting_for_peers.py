"""Requests that wait for what other instances know before their exchange begins."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Provider, behaviours
from support.h1client import H1Client, chat, h1_to
from support.http_requests import ask
from support.leak_checks import no_leaks, soon
from support.patches import needs_patch
from support.router import Router, running
from support.settings import provider


def waits_for(router: Router, wait: Callable[[], Awaitable[object]]) -> None:
    router.gateway.prepare = lambda *_: wait()  # type: ignore[method-assign]


async def fail_at_once() -> None:
    raise LookupError("no such peer")


async def fail_later() -> None:
    await asyncio.sleep(0)
    raise LookupError("no such peer")


@pytest.mark.parametrize("fail", [fail_at_once, fail_later])
async def test_a_request_goes_on_where_waiting_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fail: Callable[[], Awaitable[object]]
) -> None:
    async with Provider(behaviours.answer()) as one, running(tmp_path, {"one": provider(one.base_url)}) as router:
        waits_for(router, fail)
        assert (await ask(router.base_url)).status == 200
    assert "Waiting for other instances failed" in caplog.text
    assert "no such peer" in caplog.text


@pytest.mark.parametrize("count", [2, 20])
async def test_requests_that_are_sent_ahead_meanwhile_are_answered(tmp_path: Path, count: int) -> None:
    gate = asyncio.Event()
    async with (
        Provider(behaviours.answer()) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
        h1_to(router.host, router.port) as client,
    ):
        waits_for(router, gate.wait)
        await client.ask(chat(stream=False))
        await soon(lambda: bool(router.watcher.flows and router.watcher.flows[0].request.content))
        for _ in range(count - 1):
            await client.ask(chat(stream=False))
        gate.set()
        assert [(await client.answer())[0] for _ in range(count)] == [200] * count
        await no_leaks(router, connections=1)
        assert len(one.seen) == count


@needs_patch("eager_hooks", "a reset that comes during a hook may not reach the flow, which then has no error")
@pytest.mark.parametrize("leave", [H1Client.close, H1Client.finish, H1Client.break_off])
async def test_a_client_that_leaves_meanwhile_is_on_record(tmp_path: Path, leave: Callable[[H1Client], None]) -> None:
    gate, left = asyncio.Event(), list[Any]()
    async with Provider(behaviours.answer()) as one, running(tmp_path, {"one": provider(one.base_url)}) as router:
        waits_for(router, gate.wait)
        router.gateway.on_client_left = lambda flow, _: left.append(flow)  # type: ignore[method-assign]
        async with h1_to(router.host, router.port) as client:
            await client.ask(chat())
            await soon(lambda: bool(router.watcher.flows and router.watcher.flows[0].request.content))
            leave(client)
            await soon(lambda: not any(each.client.connected for each in router.server.connections.values()))
        gate.set()
        await soon(lambda: [kind for kind, _ in router.watcher.ended] == ["error"])
        await no_leaks(router)
        assert (one.seen, router.drivers, left) == ([], [], router.watcher.flows)
