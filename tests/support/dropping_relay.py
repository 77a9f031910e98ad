"""A TCP relay between a router and its provider that silently drops connections, as firewalls and load balancers do."""

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from pointsman.demo.responder import arm_reset


class DroppingRelay:
    """Passes bytes both ways. A connection it has forgotten looks alive until something is sent on it."""

    def __init__(self, base_url: str, *, resets: bool = False) -> None:
        """`resets`: a forgotten connection is reset, not closed in order."""
        self._target = urlsplit(base_url)
        self._resets = resets
        self._known: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.accepted = 0

    @property
    def base_url(self) -> str:
        assert self._server
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{self._target.path}"

    def forget(self) -> None:
        """From now on no byte passes on the connections there are."""
        self._known.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._known.add(writer)
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
        answers = asyncio.create_task(self._pass_on(there, writer, writer))
        try:
            await self._pass_on(reader, back, writer)
        finally:
            if self._resets:
                arm_reset(writer.get_extra_info("socket"))
            answers.cancel()
            back.transport.abort()
            writer.transport.abort()
            self._tasks.discard(task)

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        while (data := await source.read(1 << 16)) and client in self._known:
            sink.write(data)
            await sink.drain()
