"""The balancer before several routers loses nothing."""

import asyncio
import sys
from pathlib import Path

from support.h1client import h1_to
from support.ports import free_port

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from robustness.balancer import balancer

from support.time_limit import LONGEST

ANSWER = b"x" * 300_000


async def test_what_a_router_has_sent_arrives_while_its_client_still_sends() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as router:
        port = free_port()
        async with balancer(port, [router.sockets[0].getsockname()[1]]), h1_to("127.0.0.1", port, room=4096) as client:
            client.send(b"ask\n")
            await client.reader.readexactly(1000)
            for _ in range(5):
                client.send(b"more\n")
                await asyncio.sleep(0.01)
            assert await client.reader.readexactly(len(ANSWER) - 1000) == ANSWER[1000:]
            assert await client.at_end()


async def test_a_router_that_does_not_listen_is_passed_over() -> None:
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as router:
        port = free_port()
        async with balancer(port, [free_port(), router.sockets[0].getsockname()[1]]):
            for _ in range(3):
                async with h1_to("127.0.0.1", port) as client:
                    assert await client.at_end()


async def test_a_client_that_leaves_is_gone_for_its_router_too() -> None:
    is_asked, left = asyncio.Event(), asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        is_asked.set()
        try:
            await reader.read()
        except ConnectionResetError:
            left.set()
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as router:
        port = free_port()
        async with balancer(port, [router.sockets[0].getsockname()[1]]), h1_to("127.0.0.1", port) as client:
            client.send(b"ask\n")
            await is_asked.wait()
            client.break_off()
            await asyncio.wait_for(left.wait(), LONGEST)
