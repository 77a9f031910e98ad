"""Back-pressure: what a client has not taken yet of its answer, and waiting until it has."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from mitmproxy.proxy.layers.http import Http2Server
from mitmproxy.proxy.server import ConnectionHandler

from pointsman.exchange.client_response import HIGH_WATER
from pointsman.transport.client_stream import ClientStream
from pointsman.transport.stream_events import ExchangeInput, ExchangeInputEvent


class FlowControl:
    """The flow control of one exchange. All sizes are bytes of the answer."""

    def __init__(self, stream: ClientStream, handler: ConnectionHandler) -> None:
        self._stream, self._handler = stream, handler
        self._unprocessed = 0
        """Posted to the layers, not processed by them."""
        self._undrained = 0
        """Sent since the last drain, where the writer does not say what it holds."""
        self._progress = asyncio.Event()

    async def post(self, given: ExchangeInput, size: int = 0) -> None:
        """Hand an input to the stream, through the layers. `size`: what it adds to the answer."""
        on_processed = partial(self._on_processed, size)
        self._unprocessed += size
        try:
            await self._handler.server_event(ExchangeInputEvent(self._stream, given, on_processed))
        except asyncio.CancelledError:  # while it was queued: it will not be processed
            on_processed()
            raise

    def _on_processed(self, size: int) -> None:
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
        return self._unprocessed + self._held_by_window() + int(written)

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
            if self.is_above_high_water and (self._unprocessed or self._held_by_window()):
                # What the socket alone holds, another stream's perhaps, causes no activity.
                with self._noticing_client():
                    await self._progress.wait()
        on_backlog(waiting)

    def _held_by_window(self) -> int:
        """Bytes that HTTP/2 holds back because the client's window is closed."""
        connection = self._stream.http_layer.connections.get(self._stream.context.client)
        if not isinstance(connection, Http2Server):
            return 0
        return sum(len(piece.data) for piece in connection.h2_conn.stream_buffers.get(self._stream.stream_id, ()))

    @contextmanager
    def _noticing_client(self) -> Iterator[None]:
        """While this lasts, whatever the client sends is progress: it may open its window."""
        notified = self._stream.http_layer.on_client_activity
        notified.add(self._progress.set)
        try:
            yield
        finally:
            notified.discard(self._progress.set)
