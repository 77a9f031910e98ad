"""A bare HTTP/1.1 client on one connection, for what no library does: leave in the middle, or not read."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pointsman.demo.responder import arm_reset

type Headers = tuple[tuple[str, str], ...]


def chat(text: str = "Which track?", stream: bool = True, **members: Any) -> bytes:
    """The body of a chat request."""
    request = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}], **members}
    return json.dumps(request).encode()


class H1Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self._writer = reader, writer

    async def ask(self, body: bytes, path: str = "/v1/chat/completions", headers: Headers = ()) -> None:
        """Posts a whole request; a `Host` among the headers takes the place of the usual one."""
        self.send(head(path, len(body), headers) + body)
        await self._writer.drain()

    def send(self, raw: bytes) -> None:
        self._writer.write(raw)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers, names in lower case."""
        raw = await self.reader.readuntil(b"\r\n\r\n")
        line, *fields = raw.decode().strip().split("\r\n")
        pairs = (field.split(": ", 1) for field in fields)
        return int(line.split()[1]), {name.lower(): value for name, value in pairs}

    async def chunk(self) -> bytes:
        """The next chunk of a chunked body; empty at its end."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def chunks(self) -> bytes:
        """The rest of a chunked body."""
        body = bytearray()
        while piece := await self.chunk():
            body += piece
        return bytes(body)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """A whole answer: status, headers with names in lower case, and the body, however it is framed."""
        status, headers = await self.head()
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, await self.chunks()
        if (length := headers.get("content-length")) is not None:
            return status, headers, await self.reader.readexactly(int(length))
        return status, headers, await self.reader.read()

    async def at_end(self) -> bool:
        """Waits for the next byte, or for the end of the connection: is it the end?"""
        return await self.reader.read(1) == b""

    @property
    def is_closed(self) -> bool:
        """From this end."""
        return self._writer.is_closing()

    def close(self) -> None:
        """Closes the connection in order."""
        self._writer.close()

    def finish(self) -> None:
        """Sends FIN, and goes on reading."""
        self._writer.write_eof()

    def break_off(self) -> None:
        """A TCP reset."""
        arm_reset(self._writer.get_extra_info("socket"))
        self._writer.transport.abort()


def head(path: str, length: int, headers: Headers = ()) -> bytes:
    """The head of a POST."""
    usual = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(length)}
    given = {name.lower() for name, _ in headers}
    fields = [*((name, value) for name, value in usual.items() if name.lower() not in given), *headers]
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1")


@asynccontextmanager
async def h1_to(host: str, port: int, room: int | None = None) -> AsyncIterator[H1Client]:
    """A connection. `room`: about so many bytes fit in at this end while the test does not read."""
    sock = socket.socket()
    if room is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=room or 1 << 16)
    try:
        yield H1Client(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def h1_through(proxy: str, ca: Path, there: str) -> AsyncIterator[H1Client]:
    """A connection to host:port `there` over TLS, through the proxy at that URL. `ca` is whom to trust."""
    where = urlsplit(proxy)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        writer.write(f"CONNECT {there} HTTP/1.1\r\nHost: {there}\r\n\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        context = ssl.create_default_context(cafile=ca)
        await writer.start_tls(context, server_hostname=there.rpartition(":")[0])
        yield H1Client(reader, writer)
    finally:
        writer.transport.abort()
