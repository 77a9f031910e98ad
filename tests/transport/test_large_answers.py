"""Large events that come at once: few of them are held, the others wait, and none is lost."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from pointsman.transport.large_answers import FREE_BYTES, LargeAnswers
from support.h1client import chat, h1_to
from support.leak_checks import soon
from support.router import running
from support.settings import provider

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
SIZE = 16 << 20
SLACK = 1 << 20
"""Bytes that one read may bring beyond what is free."""
CLIENTS = 4


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def delta(finish: str | None = None, **members: object) -> bytes:
    return (
        b"data: "
        + json.dumps({"choices": [{"index": 0, "delta": members, "finish_reason": finish}]}).encode()
        + b"\n\n"
    )


IMAGE = delta(images=[{"type": "image_url", "image_url": {"url": "A" * SIZE}}])
FIRST, LAST = delta(content="Here:"), delta("stop") + b"data: [DONE]\n\n"


class Painter:
    """A provider that sends most of an image to each client, and the rest only when it may."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            try:
                yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            finally:
                self.may_end.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            [length] = [line for line in head.lower().splitlines() if line.startswith(b"content-length")]
            begins = b"words" in await reader.readexactly(int(length.partition(b":")[2]))
            writer.write(HEAD + (chunk(FIRST) if begins else b"") + chunk(IMAGE[:-9]))
            await self.may_end.wait()
            writer.write(chunk(IMAGE[-9:]) + chunk(LAST) + b"0\r\n\r\n")
            await writer.drain()
        finally:
            writer.close()


@pytest.mark.parametrize("begins", [False, True], ids=["before the first content", "behind it"])
async def test_several_large_events_are_not_held_at_once(begins: bool, tmp_path: Path) -> None:
    painter = Painter()
    async with (
        painter.serving() as url,
        running(tmp_path, {"p": provider(url)}) as router,
        AsyncExitStack() as stack,
    ):
        router.addon._upstream_client.large_answers = large = LargeAnswers(places=1)
        clients = [await stack.enter_async_context(h1_to(router.host, router.port)) for _ in range(CLIENTS)]
        for client in clients:
            await client.ask(chat("words" if begins else "Draw."))

        def held() -> list[int]:
            return sorted(driver.exchange.held_bytes(1) for driver in router.drivers)

        await soon(lambda: large.waiting == CLIENTS - 1 and held()[-1] > len(IMAGE) - SLACK, lambda: str(held()))
        assert all(FREE_BYTES < each <= FREE_BYTES + SLACK for each in held()[:-1])
        painter.may_end.set()
        answers = await asyncio.gather(*(client.answer() for client in clients))
        assert [body == (FIRST if begins else b"") + IMAGE + LAST for _, _, body in answers] == [True] * CLIENTS
        assert large.waiting == 0
        assert large.place().has_room(0)


async def test_a_client_that_leaves_gives_its_place_back(tmp_path: Path) -> None:
    painter = Painter()
    async with painter.serving() as url, running(tmp_path, {"p": provider(url)}) as router:
        router.addon._upstream_client.large_answers = large = LargeAnswers(places=1)
        async with h1_to(router.host, router.port) as waiting:
            async with h1_to(router.host, router.port) as leaving:
                await leaving.ask(chat("Draw."))
                await soon(lambda: bool(router.drivers) and router.drivers[0].exchange.held_bytes(1) > FREE_BYTES)
                await waiting.ask(chat("Draw."))
                await soon(lambda: large.waiting == 1)
                leaving.break_off()
            await soon(lambda: large.waiting == 0)
            painter.may_end.set()
            assert (await waiting.answer())[2] == IMAGE + LAST
