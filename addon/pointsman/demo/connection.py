"""One accepted connection: requests are read off it in turn, and a behaviour answers each.

The connection is one task. Nothing reads while a behaviour plays, so the transport reports a peer that closes the
connection; the task is then cancelled, which ends the behaviour wherever it stands. A peer that closes only its sending
side counts as gone too, as it does for most servers.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from pointsman.demo.reading import HEAD_LIMIT, BadRequest, expects_continue, read_body, read_head
from pointsman.demo.received_request import ReceivedRequest
from pointsman.demo.responder import AnswerOver, Responder
from pointsman.demo.script import Behaviour

CLOSING_HANDSHAKE = 1.0
"""Seconds a TLS peer has for its part of the closing handshake."""


class BehaviourChooser(Protocol):
    """Who decides what answers a request. Each request is put to it once, with its body or without."""

    def choose_unread(self, request: ReceivedRequest) -> Behaviour | None:
        """The behaviour that answers before the body is read; None: read the body first."""

    def choose(self, request: ReceivedRequest) -> Behaviour:
        """The behaviour that answers."""


class Connection:
    """An accepted connection. `run` serves it until either side is done, and leaves it closed."""

    def __init__(
        self, chooser: BehaviourChooser, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._chooser = chooser
        self._number = number
        self._reader = reader
        self._writer = writer
        self._task = asyncio.current_task()
        self._playing: ReceivedRequest | None = None

    @classmethod
    async def open(
        cls, chooser: BehaviourChooser, number: int, sock: socket.socket, tls: ssl.SSLContext | None
    ) -> Connection:
        """Takes over an accepted socket, for the current task. Raises OSError if the TLS handshake fails."""
        # asyncio does this itself only for sockets made with an explicit protocol number, which accepted ones lack.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=HEAD_LIMIT)
        line = _ClientProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: line, sock, ssl=tls, ssl_shutdown_timeout=CLOSING_HANDSHAKE if tls else None
        )
        # So that drain() waits until the kernel has everything (but for TLS, whose inner transport buffers on its own):
        # what counts as sent is then truly sent. Not 0: at that limit asyncio's TLS transport never resumes writing.
        transport.set_write_buffer_limits(high=1, low=0)
        connection = cls(chooser, number, reader, asyncio.StreamWriter(transport, line, reader, loop))
        line.peer_left = connection._peer_left
        return connection

    @property
    def idle(self) -> bool:
        """No request is being answered."""
        return self._playing is None

    async def run(self) -> None:
        try:
            while await self._serve_request():
                pass
            self._writer.close()
            await self._writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the peer left, between requests or within one
        finally:
            self._writer.transport.abort()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    def close(self) -> None:
        """Closes the connection in order, whatever it is doing."""
        self._writer.close()

    async def _serve_request(self) -> bool:
        try:
            request = await read_head(self._reader)
            if request is None or self._writer.transport.is_closing():
                return False
            request.connection = self._number
            behaviour = self._chooser.choose_unread(request)
            if behaviour is None:
                await self._receive_body(request)
                behaviour = self._chooser.choose(request)
        except BadRequest as error:
            await self._refuse(error)
            return False
        return await self._play(behaviour, request)

    async def _receive_body(self, request: ReceivedRequest) -> None:
        if expects_continue(request):
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.body = await read_body(self._reader, request)

    async def _play(self, behaviour: Behaviour, request: ReceivedRequest) -> bool:
        responder = Responder(request, self._writer)
        self._playing = request
        try:
            await behaviour.play(responder)
        except AnswerOver:
            pass
        except OSError:
            request.leave()
        finally:
            self._playing = None
            request.end()
        return responder.reusable and (behaviour.reads_body or not _has_body(request))

    async def _refuse(self, error: BadRequest) -> None:
        text = f"{error}\n".encode()
        head = f"HTTP/1.1 {error.status} Bad Request\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        self._writer.write(head.encode() + text)
        await self._writer.drain()

    def _peer_left(self) -> None:
        if self._playing is not None and self._task is not None:
            self._playing.leave()
            self._task.cancel()


class _ClientProtocol(asyncio.StreamReaderProtocol):
    """The usual protocol of a stream, which also reports at once that the peer has closed the connection."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__(reader)
        self.peer_left: Callable[[], None] = lambda: None

    def eof_received(self) -> bool | None:
        self.peer_left()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.peer_left()
        super().connection_lost(exc)


def _has_body(request: ReceivedRequest) -> bool:
    return request.header("transfer-encoding") is not None or (request.header("content-length") or "0") != "0"
