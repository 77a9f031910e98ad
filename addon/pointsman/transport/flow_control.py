"""Back-pressure: what a client has not taken yet of its answer, and waiting until it has."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from mitmproxy.proxy.server import ConnectionHandler

from pointsman.exchange.client_response import HIGH_WATER


class ClientWindow(Protocol):
    """The client's stream, as far as it holds bytes back."""

    def buffered_bytes(self) -> int:
        """Bytes that HTTP/2 holds back because the client's window is closed."""

    def notifying(self, on_activity: Callable[[], None]) -> AbstractContextManager[None]:
        """While this lasts, `on_activity` is called whenever the client sends something."""


class FlowControl:
    """Of one exchange. All sizes are bytes of the answer."""

    def __init__(self, stream: ClientWindow, handler: ConnectionHandler) -> None:
        self._stream, self._handler = stream, handler
        self._unprocessed = 0
        """Posted to the layers, not processed by them."""
        self._undrained = 0
        """Sent since the last drain, where the writer does not say what it holds."""
        self._progress = asyncio.Event()

    def on_posted(self, size: int) -> None:
        self._unprocessed += size

    def on_processed(self, size: int) -> None:
        """The layers have processed so many posted bytes."""
        self._unprocessed -= size
        self._progress.set()

    def on_sent(self, size: int) -> None:
        self._undrained += size

    def backlog(self) -> int:
        """Bytes on their way to the client that it has not taken."""
        io = self._handler.transports.get(self._handler.client)
        transport = getattr(io and io.writer, "transport", None)
        written = transport.get_write_buffer_size() if transport else self._undrained
        return self._unprocessed + self._stream.buffered_bytes() + int(written)

    @property
    def is_above_high_water(self) -> bool:
        return self.backlog() > HIGH_WATER

    async def wait(self, on_backlog: Callable[[int], None]) -> None:
        """Returns once the backlog is no longer above HIGH_WATER. `on_backlog` is called before each wait and after the
        last one, with the bytes that were waited for.
        """
        while (waiting := self.backlog()) > HIGH_WATER:
            on_backlog(waiting)
            self._progress.clear()
            await self._handler.drain_writers()
            self._undrained = 0
            if self.is_above_high_water and (self._unprocessed or self._stream.buffered_bytes()):
                # What the socket alone holds, another stream's perhaps, causes no activity.
                with self._stream.notifying(self._progress.set):
                    await self._progress.wait()
        on_backlog(waiting)
