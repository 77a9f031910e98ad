"""A proxy that stands between a router and the world, as in a company's network."""

import asyncio
import base64
import ssl
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

NEEDS_PASSWORD = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass(frozen=True)
class Passage:
    """A request that came to the proxy."""

    method: str
    target: str
    """An absolute URL, or host:port after CONNECT."""
    headers: dict[str, str] = field(repr=False)
    """Names in lower case."""

    @property
    def credential(self) -> str | None:
        """User and password."""
        scheme, _, value = self.headers.get("proxy-authorization", "").partition(" ")
        return base64.b64decode(value).decode() if scheme == "Basic" else None


def behind_proxy(base_url: str) -> str:
    """The base URL of a provider on this machine by a name that only the proxy can resolve."""
    return base_url.replace("127.0.0.1", "provider.test")


class ForwardProxy:
    """Takes CONNECT and requests for absolute URLs, and passes bytes on; every host below `test` is on this machine.
    With `password` ("user:password"), every head must carry it.
    """

    def __init__(self, password: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.passages: list[Passage] = []
        self.peers: list[str] = []
        """The addresses that its connections came from."""
        self._password = password
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        assert self._server
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server
        self._server.close()
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*self._open)
        await asyncio.sleep(0)  # transports close their sockets one step after they are told to

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._open[task] = writer
        self.peers.append(writer.get_extra_info("peername")[0])
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # either side has left
        finally:
            writer.transport.abort()
            del self._open[task]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request to a connection, so that each of them is seen."""
        raw = await reader.readuntil(b"\r\n\r\n")
        passage = _read(raw)
        self.passages.append(passage)
        if self._password is not None and passage.credential != self._password:
            writer.write(NEEDS_PASSWORD)
            await writer.drain()
            return
        where = urlsplit(f"//{passage.target}" if passage.method == "CONNECT" else passage.target)
        host = "127.0.0.1" if (where.hostname or "").endswith(".test") else where.hostname
        there, back = await asyncio.open_connection(host, where.port or 80)
        try:
            if passage.method == "CONNECT":
                writer.write(CONNECTED)
            else:
                path = where.path + (f"?{where.query}" if where.query else "")
                back.write(raw[:-2].replace(passage.target.encode(), path.encode(), 1) + b"Connection: close\r\n\r\n")
            await _both_ways(reader, writer, there, back)
        finally:
            back.transport.abort()


async def _both_ways(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, there: asyncio.StreamReader, back: asyncio.StreamWriter
) -> None:
    """Until one side has closed."""
    ways = {asyncio.create_task(_pass_on(reader, back)), asyncio.create_task(_pass_on(there, writer))}
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(1 << 16):
        sink.write(data)
        await sink.drain()


def _read(raw: bytes) -> Passage:
    line, *fields = raw.decode("latin-1").strip().split("\r\n")
    method, target, _ = line.split(" ")
    return Passage(method, target, {name.lower(): value for name, value in (each.split(": ", 1) for each in fields)})
