"""A minimal balancer of TCP connections: each new connection goes to the next router that listens."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count

CHUNK = 65_536


@asynccontextmanager
async def balancer(port: int, routers: Sequence[int]) -> AsyncIterator[None]:
    """Listens on `port` of the loopback address, and passes connections on to the ports of `routers`."""
    turns = count()
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        running.add(task)
        try:
            first = next(turns)
            for at in range(len(routers)):
                with suppress(OSError):
                    others = await asyncio.open_connection("127.0.0.1", routers[(first + at) % len(routers)])
                    await _pass_on((reader, writer), others)
                    return
        finally:
            running.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


type Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _pass_on(one: Stream, other: Stream) -> None:
    """Until both sides have ended, or one has failed: a reset is passed on as one."""
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_copy(one[0], other[1]))
            both.create_task(_copy(other[0], one[1]))
    except* OSError:
        for _, writer in (one, other):
            writer.transport.abort()
    finally:
        other[1].close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()
