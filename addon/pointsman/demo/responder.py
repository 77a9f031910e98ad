"""What a behaviour can do with one request: write a head and a body, wait, break off."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from http import HTTPStatus
from typing import NoReturn

from pointsman.demo.compression import Coding, Compressor, compressor
from pointsman.demo.dialects import DEFAULT
from pointsman.demo.received_request import ReceivedRequest
from pointsman.wire.dialects.demo_base import DemoDialect, DemoEvent, EventRole

type Headers = Iterable[tuple[str, str]]

JSON = ("Content-Type", "application/json")
EVENT_STREAM = ("Content-Type", "text/event-stream; charset=utf-8")
BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class AnswerOver(Exception):
    """The performance is over: whatever was still to come is not played."""


class Framing(Enum):
    """How the peer learns where the body ends."""

    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How heads and bodies are written, whatever is being said; wrapping behaviours change it."""

    headers: tuple[tuple[str, str], ...] = ()
    """Added to the head, in place of headers of the same name."""
    trailers: tuple[tuple[str, str], ...] = ()
    coding: Coding | None = None
    piece: int = 0
    """Bytes of body per write, 0: as they come."""
    every: float = 0.0
    """Seconds between such pieces."""
    until_close: bool = False
    """The end of the connection is the end of the body."""
    announces_close: bool = False
    """The head says that the connection ends with this answer."""
    reuse: bool = True
    """Whether the connection may carry another request."""


class Responder:
    """The connection, for as long as one behaviour answers one request on it."""

    def __init__(self, request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self.options = WriteOptions()
        self._writer = writer
        self._framing = Framing.CLOSE
        self._compressor: Compressor | None = None
        self.dialect: DemoDialect = (request.dialect or DEFAULT).demo()
        self._streams_list = self.dialect.streams_list(request)
        self._listed = 0  # elements

    @property
    def kind(self) -> tuple[str, str]:
        """The content type that the request expects."""
        return self.stream_kind if self.request.wants_stream else JSON

    @property
    def stream_kind(self) -> tuple[str, str]:
        return JSON if self._streams_list else EVENT_STREAM

    def encode(self, event: DemoEvent, newline: str = "\n", space: bool = True) -> bytes:
        """The bytes of the next event of the stream that the request asks for: SSE, or one JSON list."""
        if not self._streams_list:
            return event.encode(newline, space)
        if event.role in (EventRole.COMMENT, EventRole.PAUSE):
            return newline.encode()
        if event.role is EventRole.END:
            return b"]" if self._listed else b"[]"
        before = "," if self._listed else "["
        self._listed += 1
        return f"{before}{event.data}{newline}".encode("utf-8", "surrogatepass")

    @property
    def reusable(self) -> bool:
        """Is the connection in a state to take another request?"""
        answered = self.request.finished and self._framing is not Framing.CLOSE
        may_be_reused = self.options.reuse and not self.options.announces_close and self.request.keeps_alive
        return answered and may_be_reused

    async def write(self, raw: bytes) -> None:
        """Writes bytes as they are, and waits until the kernel has taken them all."""
        self._writer.write(raw)
        await self._writer.drain()

    async def head(self, status: int = 200, headers: Headers = (), length: int | None = None) -> None:
        """Writes the head of the answer; its body follows in chunks, or has the `length` given."""
        await self.write(self.compose_head(status, headers, length))

    def compose_head(self, status: int = 200, headers: Headers = (), length: int | None = None) -> bytes:
        """Settles how the body is framed and gives the head to write before it."""
        self._framing = self._choose_framing(status, length)
        self._compressor = compressor(self.options.coding) if self.options.coding else None
        ours = {name.lower() for name, _ in self.options.headers}
        fields = [(name, value) for name, value in headers if name.lower() not in ours] + [*self.options.headers]
        if not any(name.lower() == "x-request-id" for name, _ in fields):
            fields.append(("X-Request-ID", f"demo-{self.request.number}"))
        fields += self._framing_headers(length)
        lines = [f"HTTP/1.1 {status} {_reason(status)}", *(f"{name}: {value}" for name, value in fields), "", ""]
        return "\r\n".join(lines).encode("latin-1")

    async def chunk(self, data: bytes) -> None:
        """Writes a part of the body, framed as the head promised."""
        if data:
            await self._body(self._compressor.feed(data) if self._compressor else data)

    async def end(self) -> None:
        """Ends the body."""
        if self._compressor:
            await self._body(self._compressor.end())
        if self._framing is Framing.CHUNKED:
            trailers = "".join(f"{name}: {value}\r\n" for name, value in self.options.trailers)
            await self.write(f"0\r\n{trailers}\r\n".encode("latin-1"))
        self.request.finished = True

    async def reply(self, status: int, data: bytes, headers: Headers = (JSON,)) -> None:
        """A whole answer with its length, in one go; statuses that have no body get none."""
        if status in BODILESS:
            await self.head(status, headers)
        else:
            await self.head(status, headers, length=len(data))
            await self.chunk(data)
        await self.end()

    async def sleep(self, seconds: float) -> None:
        """Waits; with 0 it only lets others run."""
        await asyncio.sleep(seconds)

    async def hang(self) -> NoReturn:
        """Does nothing until the peer closes the connection, or the provider is closed."""
        await asyncio.get_running_loop().create_future()
        raise AnswerOver

    async def reset(self) -> NoReturn:
        """Breaks the connection with a TCP reset."""
        arm_reset(self._writer.get_extra_info("socket"))
        self._writer.transport.abort()
        raise AnswerOver

    async def hang_up(self) -> NoReturn:
        """Closes the connection in order (FIN), however much of the answer is missing."""
        self.options = replace(self.options, reuse=False)
        raise AnswerOver

    async def end_early(self) -> NoReturn:
        """Ends the body in order, however much of the answer is missing."""
        await self.end()
        raise AnswerOver

    async def _body(self, data: bytes) -> None:
        for nth, piece in enumerate(_pieces(data, self.options.piece)):
            if nth or self.options.every:
                await self.sleep(self.options.every)
            self.request.sent += len(piece)
            is_chunk = self._framing is Framing.CHUNKED
            await self.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunk else piece)

    def _choose_framing(self, status: int, length: int | None) -> Framing:
        if status in BODILESS:
            return Framing.LENGTH
        if self.options.until_close or self.request.version != "HTTP/1.1":
            return Framing.CLOSE
        length_will_hold = length is not None and self.options.coding is None and not self.options.trailers
        return Framing.LENGTH if length_will_hold else Framing.CHUNKED

    def _framing_headers(self, length: int | None) -> Iterator[tuple[str, str]]:
        if self.options.coding:
            yield "Content-Encoding", self.options.coding
        if self._framing is Framing.CHUNKED:
            yield "Transfer-Encoding", "chunked"
            if self.options.trailers:
                yield "Trailer", ", ".join(name for name, _ in self.options.trailers)
        elif self._framing is Framing.LENGTH and length is not None:
            yield "Content-Length", str(length)
        if self._framing is Framing.CLOSE or not self.request.keeps_alive or self.options.announces_close:
            yield "Connection", "close"


def arm_reset(sock: socket.socket) -> None:
    """Makes closing the socket a reset: a linger time of zero throws away what is unsent and sends RST."""
    layout = "hh" if os.name == "nt" else "ii"
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(layout, 1, 0))


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    if not data:
        return
    step = size or len(data)
    for start in range(0, len(data), step):
        yield data[start : start + step]


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
