"""Races over real sockets: a quick provider beside slow ones."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Behaviour, Provider, behaviours
from support.h1client import chat, h1_to
from support.http_requests import Asked, ask, get, started
from support.leak_checks import no_leaks, soon
from support.router import Router, running
from support.settings import provider

HEDGE = 0.1
"""Seconds."""
SESSION = {"X-Session-ID": "a-conversation"}
TO_A = {"match": "exact", "source": "m", "target": "m-of-p0"}


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def race(stack: AsyncExitStack, folder: Path, *scripts: Behaviour, **more: Any) -> tuple[Router, list[Provider]]:
    """Providers p0, p1, … with these manners; the first one has a redirect."""
    serving = await started(stack, *scripts)
    own = {each.name: provider(each.base_url) for each in serving}
    own["p0"]["redirects"] = [TO_A]
    hedge = {"after": f"{int(HEDGE * 1000)}ms", "max_parallel": 3, **more}
    return await stack.enter_async_context(running(folder, own, hedge=hedge)), serving


async def attempts(router: Router) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = (await get(f"{router.url}/internal/exchanges?limit=1")).json["exchanges"][0][
        "attempts"
    ]
    return told


def outcomes(told: Sequence[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    """Who, how it ended, and the name it was asked for in place of its own."""
    return [(a["provider"], a["outcome"], a["redirect"] and a["redirect"]["redirected_model"]) for a in told]


async def test_the_quick_one_answers_and_takes_the_conversation(stack: AsyncExitStack, tmp_path: Path) -> None:
    gate = asyncio.Event()
    slow = behaviours.gated(behaviours.answer("too late"), gate)
    router, (silent, late, _) = await race(stack, tmp_path, behaviours.hang(), slow, behaviours.answer("in time"))
    began = time.monotonic()
    answer = await ask(router.base_url, headers=SESSION)
    took = time.monotonic() - began
    assert answer.headers["x-routed-via"] == "p2/m"
    assert answer.headers["x-fallback-attempts"] == "2"
    assert took >= 2 * HEDGE
    told = await attempts(router)
    assert outcomes(told) == [
        ("p0", "hedge_triggered", "m-of-p0"),
        ("p1", "hedge_triggered", None),
        ("p0", "hedge_loser_cancelled", "m-of-p0"),
        ("p1", "hedge_loser_cancelled", None),
        ("p2", "hedge_winner", None),
    ]
    assert told[-1]["first_content_ms"] < 1000 * (took - 2 * HEDGE) + 50
    for loser in (silent, late):
        assert await loser.seen[0].closed_by_peer()
    assert silent.seen[0].json["model"] == "m-of-p0"
    again = await ask(router.base_url, headers=SESSION)
    assert (again.headers["x-routed-via"], again.headers["x-sticky-session"]) == ("p2/m", "hit")
    assert (await get(f"{router.url}/internal/status/cooldowns")).json == {"targets": [], "keys": []}
    await no_leaks(router)


async def test_the_first_one_wins_after_the_race_has_begun_and_loses_the_conversation(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    gate = asyncio.Event()
    slow = behaviours.gated(behaviours.answer("after all"), gate)
    router, (_, second) = await race(stack, tmp_path, slow, behaviours.hang())
    asking = asyncio.create_task(ask(router.base_url, headers=SESSION))
    await soon(lambda: bool(second.seen))
    gate.set()
    answer: Asked = await asking
    assert answer.headers["x-routed-via"] == "p0/m"
    assert [outcome for _, outcome, _ in outcomes(await attempts(router))] == [
        "hedge_triggered", "hedge_loser_cancelled", "hedge_winner",
    ]  # fmt: skip
    assert await second.seen[0].closed_by_peer()
    again = await ask(router.base_url, headers=SESSION)
    assert again.headers["x-sticky-session"] == "miss"


@pytest.mark.parametrize("way", ["close", "break_off"])
async def test_a_client_that_leaves_a_race_leaves_no_attempt_running(
    stack: AsyncExitStack, tmp_path: Path, way: str
) -> None:
    router, (first, second) = await race(stack, tmp_path, behaviours.hang(), behaviours.hang("after-role"))
    async with h1_to(router.host, router.port) as client:
        await client.ask(chat(model="auto"), headers=tuple(SESSION.items()))
        await soon(lambda: bool(second.seen and second.seen[0].sent))
        getattr(client, way)()
        for each in (first, second):
            assert await each.seen[0].closed_by_peer()
    await no_leaks(router)
    assert outcomes(await attempts(router)) == [
        ("p0", "hedge_triggered", "m-of-p0"),
        ("p0", "client_abort", "m-of-p0"),
        ("p1", "client_abort", None),
    ]
    [session] = router.gateway.router.sessions._store
    assert (session.pin, session.penalties) == (None, None)
    assert (await get(f"{router.url}/internal/status/cooldowns")).json == {"targets": [], "keys": []}


async def test_late_data_of_a_loser_does_not_reach_the_client(stack: AsyncExitStack, tmp_path: Path) -> None:
    gate = asyncio.Event()
    late = behaviours.gated(behaviours.answer("late late late"), gate)
    router, (first, second) = await race(stack, tmp_path, late, behaviours.pause("mine own words", 2, 3 * HEDGE))
    asking = asyncio.create_task(ask(router.base_url))
    await soon(lambda: bool(second.seen and second.seen[0].sent))
    await soon(lambda: first.seen[0].abandoned)  # the router has chosen; until then either may win
    gate.set()
    answer: Asked = await asking
    assert b"late" not in answer.body
    assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_a_loser_is_cancelled_while_it_connects(stack: AsyncExitStack, tmp_path: Path) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:  # one that comes now is not let in, and not turned away
            stack.callback(each.close)
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        [quick] = await started(stack, behaviours.answer("in time"))
        own = {"p0": provider(f"http://127.0.0.1:{full.getsockname()[1]}/v1"), "p1": provider(quick.base_url)}
        router = await stack.enter_async_context(running(tmp_path, own, hedge={"after": f"{int(HEDGE * 1000)}ms"}))
        answer = await ask(router.base_url)
        assert answer.headers["x-routed-via"] == "p1/m"
        told = await attempts(router)
        assert [a["outcome"] for a in told] == ["hedge_triggered", "hedge_loser_cancelled", "hedge_winner"]
        assert told[1]["connected_ms"] is None
        await no_leaks(router)


async def test_a_failure_inside_a_race_is_replaced_at_once(stack: AsyncExitStack, tmp_path: Path) -> None:
    router, _ = await race(
        stack, tmp_path, behaviours.hang(), behaviours.status(503), behaviours.answer("third"), max_parallel=2
    )
    answer = await ask(router.base_url)
    assert answer.headers["x-routed-via"] == "p2/m"
    assert answer.headers["x-fallback-trail"] == "p1/m@503 p0/m@hedge_loser"


RACES = 300


async def test_hundreds_of_races_leave_nothing_behind(stack: AsyncExitStack, tmp_path: Path) -> None:
    router, (silent, _) = await race(stack, tmp_path, behaviours.hang(), behaviours.answer("in time"), after="5ms")
    numbers = iter(range(RACES))

    async def one_after_the_other() -> None:
        async with h1_to(router.host, router.port) as client:
            for _ in numbers:
                await client.ask(chat())
                status, _ = await client.head()
                assert status == 200
                await client.chunks()

    async with asyncio.TaskGroup() as clients:
        for _ in range(50):
            clients.create_task(one_after_the_other())
    raced = Counter(
        tuple(a.outcome.value for a in each.attempts) for each in router.gateway.recent_exchanges.newest(RACES)
    )
    assert raced == {("hedge_triggered", "hedge_loser_cancelled", "hedge_winner"): RACES}
    await no_leaks(router)
    await soon(lambda: all(seen.is_over for seen in silent.seen))
    [session] = router.gateway.upstream_client._sessions.values()
    connector: Any = session.stock.connector
    assert not connector._acquired
    assert all(each.abandoned for each in silent.seen)
