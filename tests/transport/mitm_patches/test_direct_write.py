"""What a winning provider says goes on as it comes, however it was packed."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.h1client import chat, h1_to
from support.router import running
from support.settings import provider

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
DONE = b"data: [DONE]\n\n"
LAST_CHUNK = b"0\r\n\r\n"

type Act = Callable[[asyncio.StreamWriter], Awaitable[None]]


def event(content: str | None = None, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": content} if content else {}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


ONE, STOP = event("one"), event(finish="stop")


@asynccontextmanager
async def playing(act: Act) -> AsyncIterator[str]:
    """A provider that takes one request and plays; its base URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = [line for line in head.lower().splitlines() if line.startswith(b"content-length")]
        await reader.readexactly(int(length.partition(b":")[2]))
        try:
            await act(writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


class Play:
    """A first event, and the rest in one burst once the client has it. The connection stays open until the end."""

    def __init__(self, first: bytes, rest: bytes) -> None:
        self.first, self.rest = first, rest
        self.has_begun, self.is_over = asyncio.Event(), asyncio.Event()

    async def act(self, writer: asyncio.StreamWriter) -> None:
        writer.write(self.first)
        await self.has_begun.wait()
        writer.write(self.rest)
        await self.is_over.wait()


def in_tiny_chunks(text: bytes) -> Play:
    tiny = b"".join(chunk(text[at : at + 2]) for at in range(0, len(text), 2))
    return Play(HEAD + b"\r\n" + chunk(ONE), tiny + LAST_CHUNK)


def compressed(text: bytes, ends: bool = True) -> Play:
    """Unpacked, it is far more than is unpacked at once."""
    packer = zlib.compressobj(level=9, wbits=31)

    def packed(data: bytes) -> bytes:
        return chunk(packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))

    first, rest = HEAD + b"Content-Encoding: gzip\r\n\r\n" + packed(ONE), packed(text)
    return Play(first, rest + chunk(packer.flush()) + LAST_CHUNK if ends else rest)


def badly_framed_behind(text: bytes) -> Play:
    return Play(HEAD + b"\r\n" + chunk(ONE), chunk(text) + b"zz\r\n")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (in_tiny_chunks, 1000),
        (compressed, 30_000),
        (lambda text: compressed(text, ends=False), 30_000),
        (badly_framed_behind, 3),
    ],
    ids=["tiny chunks", "compressed", "compressed, the end unsaid", "badly framed behind its end"],
)
async def test_a_burst_comes_whole(make: Callable[[bytes], Play], words: int, tmp_path: Path) -> None:
    text = event("two") * words + STOP + DONE
    play = make(text)
    async with (
        playing(play.act) as url,
        running(tmp_path, {"one": provider(url)}) as router,
        h1_to(router.host, router.port) as client,
    ):
        await client.ask(chat())
        await client.head()
        assert await client.chunk() == ONE
        play.has_begun.set()
        assert await client.chunks() == text
        play.is_over.set()


async def test_a_large_event_is_one_chunk_on_either_way(tmp_path: Path) -> None:
    large = event("x" * (2 << 20))
    play = Play(HEAD + b"\r\n" + chunk(large), chunk(large) + chunk(STOP + DONE) + LAST_CHUNK)
    async with (
        playing(play.act) as url,
        running(tmp_path, {"one": provider(url)}) as router,
        h1_to(router.host, router.port) as client,
    ):
        await client.ask(chat())
        await client.head()
        assert await client.chunk() == large
        play.has_begun.set()
        assert await client.chunks() == large + STOP + DONE
        play.is_over.set()
