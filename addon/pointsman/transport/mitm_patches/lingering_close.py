"""Closing clients' connections in stages. A socket that is closed with unread data resets its connection, and that
discards what the client has not read yet of its answer. So the router says first that it sends no more, and takes in
what the client still sends until the client closes, too.

Inner parts: `ConnectionHandler.transports` and the class of its writer, which is changed. No switch: without this,
clients may lose the end of an answer.
"""

import asyncio

from mitmproxy.proxy.server import ConnectionHandler

LINGER = 3.0
"""Seconds for which a client may go on sending, once it has been sent everything."""
MAX_STALLED = 20
"""Times so many seconds in which a client reads nothing; then it is cut off."""


class LingeringWriter(asyncio.StreamWriter):
    """The writer to one client."""

    _client: asyncio.StreamReader

    def close(self) -> None:
        if self.transport.is_closing() or self._client.at_eof():
            super().close()
            return
        try:
            self.transport.write_eof()
        except OSError:  # the client has reset the connection, which is not known yet
            super().close()
        else:
            self.transport.set_protocol(Lingering(self))


class Lingering(asyncio.Protocol):
    """Keeps the writer, which would close the connection for good when it is freed. What waits for the client to read
    is told by the protocol of before.
    """

    def __init__(self, writer: LingeringWriter) -> None:
        self._writer, self.transport = writer, writer.transport
        self._before = self.transport.get_protocol()
        self._unsent, self._stalled = self.transport.get_write_buffer_size(), 0
        lingering.add(self)
        self._timer = asyncio.get_running_loop().call_later(LINGER, self._on_timeout)
        self.transport.resume_reading()  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Nothing of it counts."""

    def eof_received(self) -> bool:
        return False  # the transport is closed

    def pause_writing(self) -> None:
        self._before.pause_writing()

    def resume_writing(self) -> None:
        self._before.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        lingering.discard(self)
        self._before.connection_lost(exc)

    def _on_timeout(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        self._stalled = self._stalled + 1 if unsent == self._unsent else 0
        self._unsent = unsent
        if unsent and self._stalled < MAX_STALLED:  # the client reads slowly
            self._timer = asyncio.get_running_loop().call_later(LINGER, self._on_timeout)
        else:
            self.transport.abort()


lingering: set[Lingering] = set()
"""All of this process. Bounded by the connections that were closed of late; each goes in the times above."""


def close_in_stages(handler: ConnectionHandler) -> None:
    """From now on, for the client of this connection."""
    io = handler.transports.get(handler.client)
    if io is None or type(io.writer) is not asyncio.StreamWriter or not isinstance(io.reader, asyncio.StreamReader):
        return
    io.writer.__class__ = LingeringWriter
    assert isinstance(io.writer, LingeringWriter)
    io.writer._client = io.reader
