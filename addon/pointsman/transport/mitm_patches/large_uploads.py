"""Large request bodies, taken in large pieces that are not copied on the way.

Why: of a client's data, asyncio's `StreamReader` makes one copy when it comes and another one when it is read, in
pieces of 64 KB; h11's buffer copies each piece four times more, and each goes through all layers. What a socket gave in
one call (256 KB) is one piece here, and stays the same object until the body is joined.
Inner parts: `StreamReader`'s `_buffer`, `_waiter`, `_paused`, `_transport`, `_wakeup_waiter` and `_wait_for_data`;
`_remaining` of h11's `ContentLengthReader`; `ConnectionIO.reader`.
Gain: see "Patches" in docs/measurements.md. Switch: `large_uploads`.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from h11._readers import ContentLengthReader
from mitmproxy.connection import Connection
from mitmproxy.proxy.server import ConnectionHandler

from pointsman.transport.mitm_patches.switches import switches

LARGE_UPLOAD = 256 * 1024
"""Bytes of a body that are still to come."""
MAX_UNREAD = 512 * 1024
"""Bytes that wait to be read, from which on nothing more is taken from the socket."""


class PieceReader(asyncio.StreamReader):
    """Gives the pieces as they came. What is read of it must be done with `read`, which all of mitmproxy does."""

    _pieces: deque[bytes]
    _unread: int
    _buffer: bytearray
    _eof: bool
    _exception: Exception | None
    _paused: bool
    _transport: asyncio.ReadTransport | None
    _waiter: asyncio.Future[None] | None
    _wait_for_data: Callable[[str], Awaitable[None]]
    _wakeup_waiter: Callable[[], None]

    @classmethod
    def replace(cls, reader: asyncio.StreamReader) -> None:
        """`reader` becomes one, unless code that expects a stock one is waiting for its data."""
        if vars(reader)["_waiter"] is not None:
            return
        reader.__class__ = cls
        assert isinstance(reader, cls)
        reader._pieces, reader._unread = deque(), 0  # at most MAX_UNREAD bytes and what the socket gave last
        if left := bytes(reader._buffer):
            reader._buffer.clear()
            reader._pieces.append(left)
            reader._unread = len(left)

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]
        if not data:
            return
        self._pieces.append(data)
        self._unread += len(data)
        self._wakeup_waiter()
        if self._transport is not None and not self._paused and self._unread > MAX_UNREAD:
            self._transport.pause_reading()
            self._paused = True

    async def read(self, n: int = -1) -> bytes:
        """The next piece, of any length; empty at the end."""
        if self._exception is not None:
            raise self._exception
        if not self._pieces and not self._eof:
            await self._wait_for_data("read")
        if not self._pieces:
            return b""
        piece = self._pieces.popleft()
        self._unread -= len(piece)
        if self._paused and self._unread <= MAX_UNREAD // 2:
            assert self._transport
            self._paused = False
            self._transport.resume_reading()
        return piece


def read_in_pieces(handler: ConnectionHandler, client: Connection) -> None:
    """From here on, what the client sends is read in pieces as they come."""
    io = handler.transports.get(client)
    reader = io.reader if io else None
    if switches().large_uploads and type(reader) is asyncio.StreamReader:
        PieceReader.replace(reader)


def bytes_left(body_reader: object) -> int:
    """Of a body whose length is known; else 0."""
    return int(body_reader._remaining) if type(body_reader) is ContentLengthReader else 0


def take_piece(body_reader: object, size: int) -> bool:
    """Whether the next `size` bytes are of the body and more of it follows; then they count as read."""
    if bytes_left(body_reader) <= size or not switches().large_uploads:
        return False
    assert isinstance(body_reader, ContentLengthReader)
    body_reader._remaining -= size
    return True
