"""Addons are asked at once, and waited for where one of them waits, wherever in the layers a stream lies."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.exceptions import OptionsError
from mitmproxy.http import HTTPFlow

from pointsman.demo import Provider, behaviours
from support.h1client import chat, h1_through, h1_to, head
from support.h2client import h2_through
from support.leak_checks import no_leaks
from support.router import Router, running
from support.settings import provider

TEXT = "one two"
AHEAD = 200


class Waiting:
    """Takes its time at every hook."""

    async def requestheaders(self, flow: HTTPFlow) -> None:
        await asyncio.sleep(0.01)

    request = responseheaders = response = requestheaders


class Intercepting:
    def request(self, flow: HTTPFlow) -> None:
        flow.intercept()
        asyncio.get_running_loop().call_later(0.01, flow.resume)


class Failing:
    """Raises what goes through mitmproxy's own net."""

    def response(self, flow: HTTPFlow) -> None:
        raise OptionsError("this is not wanted")


async def answered(router: Router, way: str) -> bytes:
    """One streamed answer, through a tunnel or at our own door."""
    if way == "HTTP/2 through a tunnel":
        async with h2_through(router.url, router.ca) as two:
            return await two.whole(await two.ask(chat()))
    tunnel = h1_through(router.url, router.ca, "api.openai.com:443")
    async with h1_to(router.host, router.port) if way == "at our door" else tunnel as client:
        await client.ask(chat())
        _, _, body = await client.answer()
    return body


@pytest.mark.parametrize("addon", [Waiting, Intercepting, Failing])
@pytest.mark.parametrize("way", ["at our door", "through a tunnel", "HTTP/2 through a tunnel"])
async def test_the_answer_comes_whatever_an_addon_does_at_a_hook(
    addon: type[Any], way: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        Provider(behaviours.answer(TEXT)) as one,
        running(tmp_path, {"one": provider(one.base_url)}, addons=[addon()]) as router,
    ):
        with caplog.at_level(logging.ERROR):
            body = await answered(router, way)
        assert b"one" in body
        assert body.endswith(b"data: [DONE]\n\n")
        await no_leaks(router)
    assert ("this is not wanted" in caplog.text) is (addon is Failing)
    assert "crashed" not in caplog.text


async def test_requests_sent_ahead_leave_room_for_others(tmp_path: Path) -> None:
    async with (
        Provider(behaviours.answer(TEXT)) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
        h1_to(router.host, router.port) as client,
    ):
        turns, receive = Turns(), router.gateway.admit
        seen: list[int] = []

        def watched(*given: Any) -> Any:
            seen.append(turns.count)
            return receive(*given)

        router.gateway.admit = watched  # type: ignore[method-assign]
        body = chat(model="nobody/has-this")
        client.send((head("/v1/chat/completions", len(body)) + body) * AHEAD)
        for _ in range(AHEAD):
            assert (await client.answer())[0] == 404
        turns.stop()
    assert len(seen) == AHEAD
    assert len(set(seen)) > AHEAD / 8


class Turns:
    """Counts those of the event loop."""

    def __init__(self) -> None:
        self.count = -1
        self._turn()

    def _turn(self) -> None:
        self.count += 1
        self._next = asyncio.get_running_loop().call_soon(self._turn)

    def stop(self) -> None:
        self._next.cancel()
