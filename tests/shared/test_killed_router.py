"""Two real routers behind a balancer: one that is killed loses its own open streams, and nothing else."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from pointsman.demo import behaviours
from shared.test_two_routers import two_routers, until
from support.http_requests import QUESTION, ask, http_client, started
from support.ports import free_port
from support.settings import provider
from support.valkey import Valkey

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from robustness.balancer import balancer

STREAMS = 8
TEXT = "The late train leaves from track nine."


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def test_a_killed_router_loses_its_own_streams_alone(
    stack: AsyncExitStack, tmp_path: Path, engine: Valkey
) -> None:
    gate = asyncio.Event()
    good, quick = await started(stack, behaviours.answer(TEXT, gate_after={1: gate}), behaviours.answer(TEXT))
    providers = {"good": provider(good.base_url), "quick": provider(quick.base_url, "q")}
    killed, left = await two_routers(stack, tmp_path, engine.url, providers)
    port = free_port()
    await stack.enter_async_context(balancer(port, [httpx.URL(each.url).port or 0 for each in (killed, left)]))
    base_url = f"http://127.0.0.1:{port}/v1"

    for n in range(STREAMS):
        assert (await ask(killed.base_url, model="q", headers=session(n))).headers["x-sticky-session"] == "miss"

    async def conversations_are_known() -> bool:
        async with engine.client() as client:
            return len([name async for name in client.scan_iter(b"*:sessions:*", count=1000)]) >= STREAMS

    await until(conversations_are_known)

    streams = [await Stream.begun(stack, base_url, about=n) for n in range(STREAMS)]
    killed.process.tell(signal.SIGKILL)
    await killed.process.ends()
    gate.set()
    ends = await asyncio.gather(*(each.end() for each in streams))
    assert ends == [False, True] * (STREAMS // 2), "each has got every other one"

    for n in range(STREAMS):
        answer = await ask(base_url, messages=question(n))
        assert answer.status == 200
        assert answer.events[-1] == b"data: [DONE]"

    answers = [await ask(base_url, model="q", headers=session(n)) for n in range(STREAMS)]
    assert {answer.status for answer in answers} == {200}
    found = [answer.headers["x-sticky-session"] for answer in answers]
    assert "hit" in found, "a request waits for the engine for 10 ms at most, which a busy machine may need"


class Stream:
    """A streamed answer that has begun."""

    def __init__(self, answer: httpx.Response) -> None:
        self._pieces = answer.aiter_bytes()
        self._body = b""

    @classmethod
    async def begun(cls, stack: AsyncExitStack, base_url: str, about: int) -> "Stream":
        """Its first word is there. Each has a connection of its own."""
        client = await stack.enter_async_context(http_client())
        body = {"model": "m", "stream": True, "messages": question(about)}
        asking = client.stream("POST", f"{base_url}/chat/completions", content=json.dumps(body))
        stream = cls(await stack.enter_async_context(asking))
        while b"The" not in stream._body:
            stream._body += await anext(stream._pieces)
        return stream

    async def end(self) -> bool:
        """Whether it has come to its own end."""
        try:
            async for piece in self._pieces:
                self._body += piece
        except httpx.TransportError:
            assert b"[DONE]" not in self._body
            return False
        return self._body.endswith(b"data: [DONE]\n\n")


def session(n: int) -> dict[str, str]:
    return {"x-session-id": f"conversation-{n}"}


def question(about: int) -> list[dict[str, Any]]:
    return [*QUESTION, {"role": "user", "content": f"{about}?"}]
