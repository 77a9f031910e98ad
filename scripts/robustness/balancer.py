"""A minimal balancer of TCP connections: each new connection goes to the next router that listens.

Both ways of a connection are independent, as they are without a balancer: a side that takes no more data may still have
sent an answer, which reaches the other side.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count

from pointsman.demo.responder import arm_reset

CHUNK = 65_536


@asynccontextmanager
async def balancer(port: int, routers: Sequence[int]) -> AsyncIterator[None]:
    """Listens on `port` of the loopback address, and passes connections on to the ports of `routers`."""
    with socket.create_server(("127.0.0.1", port), backlog=256) as listening:
        listening.setblocking(False)
        accepting = asyncio.create_task(_accept(listening, routers))
        try:
            yield
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)


async def _accept(listening: socket.socket, routers: Sequence[int]) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as connections:
        for turn in count():
            client, _ = await loop.sock_accept(listening)
            connections.create_task(_serve(client, [*routers[turn % len(routers) :], *routers[: turn % len(routers)]]))


async def _serve(client: socket.socket, routers: Sequence[int]) -> None:
    loop = asyncio.get_running_loop()
    with client:
        for port in routers:
            with socket.socket() as router:
                router.setblocking(False)
                try:
                    await loop.sock_connect(router, ("127.0.0.1", port))
                except OSError:
                    continue
                return await _pass_on(client, router)


async def _pass_on(client: socket.socket, router: socket.socket) -> None:
    """Until the router has ended, or the client has left: its reset is passed on as one."""
    for each in (client, router):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        async with asyncio.TaskGroup() as ways:
            ways.create_task(_send_on(client, router))
            ways.create_task(_answer(router, client))
    except* OSError:
        arm_reset(router)


async def _send_on(client: socket.socket, router: socket.socket) -> None:
    """Raises OSError if the client has left. A router that takes no more of it may still be answering."""
    loop, is_taken = asyncio.get_running_loop(), True
    while data := await loop.sock_recv(client, CHUNK):
        try:
            if is_taken:
                await loop.sock_sendall(router, data)
        except OSError:
            is_taken = False
    with suppress(OSError):
        router.shutdown(socket.SHUT_WR)


async def _answer(router: socket.socket, client: socket.socket) -> None:
    """Raises OSError if the client has left. That the router has left shows by an answer that is not whole."""
    loop = asyncio.get_running_loop()
    while data := await _received(router):
        await loop.sock_sendall(client, data)
    client.shutdown(socket.SHUT_WR)


async def _received(router: socket.socket) -> bytes:
    """Empty at the end, in whichever way it came."""
    try:
        return await asyncio.get_running_loop().sock_recv(router, CHUNK)
    except OSError:
        return b""
