"""A small HTTP/2 client, through a proxy's CONNECT, whose every frame and window a test decides."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RemoteSettingsChanged, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes

from pointsman.demo.responder import arm_reset
from support.h1client import Headers

WIDE = 2**31 - 1
"""The largest window there is."""
DEFAULT_WINDOW = 2**16 - 1


@dataclass(eq=False)
class Stream:
    """One request and what has come of its answer."""

    number: int
    status: int = 0
    """0 until the head is there."""
    headers: dict[str, str] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)
    ended: bool = False
    reset: int | None = None
    """The error code, once the peer has reset it."""


class H2Client:
    """One connection. Windows: `window` is each stream's at its start, and nothing is granted but by `grant`; the
    connection's own window is always wide open.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, authority: str, window: int) -> None:
        self._reader, self._writer, self._authority = reader, writer, authority
        self._connection = H2Connection(H2Configuration(header_encoding="utf-8", validate_outbound_headers=False))
        self._connection.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = window
        self._connection.local_settings.acknowledge()  # or h2 announces the old ones
        self._streams: dict[int, Stream] = {}
        self._moved = asyncio.Condition()
        self._greeted = False
        self._is_over = False

    async def ask(
        self,
        body: bytes,
        path: str = "/v1/chat/completions",
        headers: Headers = (),
        length: int | None = None,
        method: str = "POST",
        ends: bool = True,
    ) -> Stream:
        """Sends a request, whole unless it is not to end; `length` is a Content-Length that does not hold."""
        number = self._connection.get_next_available_stream_id()
        stream = self._streams[number] = Stream(number)
        fields = [
            (":method", method),
            (":scheme", "https"),
            *([(":authority", self._authority)] if self._authority else []),
            (":path", path),
            ("content-type", "application/json"),
            ("content-length", str(len(body) if length is None else length)),
            *headers,
        ]
        self._connection.send_headers(number, fields)
        size = self._connection.max_outbound_frame_size
        for start in range(0, len(body), size):
            self._connection.send_data(number, body[start : start + size])
        if ends:
            self._connection.end_stream(number)
        await self.flush()
        return stream

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until that is so, looking whenever something has come. Raises ConnectionError if nothing more can."""
        async with self._moved:
            await self._moved.wait_for(lambda: holds() or self._is_over)
        if not holds():
            raise ConnectionError("the connection is over")

    async def whole(self, stream: Stream) -> bytes:
        """The body of an answer, once it has ended."""
        await self.until(lambda: stream.ended)
        return bytes(stream.data)

    async def grant(self, stream: Stream, size: int = WIDE - DEFAULT_WINDOW) -> None:
        """Lets the peer send that many more bytes."""
        self._connection.increment_flow_control_window(size, stream.number)
        await self.flush()

    async def reset(self, stream: Stream) -> None:
        self._connection.reset_stream(stream.number, ErrorCodes.CANCEL)
        await self.flush()

    async def say_goodbye(self) -> None:
        """GOAWAY, with the connection left open."""
        self._connection.close_connection()
        await self.flush()

    def pause(self) -> None:
        """Reads nothing off the socket, whatever the windows say."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def resume(self) -> None:
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def break_off(self) -> None:
        """A TCP reset."""
        arm_reset(self._writer.get_extra_info("socket"))
        self._writer.transport.abort()

    async def close(self) -> None:
        """Closes the connection in order."""
        self._writer.close()

    async def flush(self) -> None:
        self._writer.write(self._connection.data_to_send())
        await self._writer.drain()

    async def greet(self) -> None:
        """Exchanges settings."""
        self._connection.initiate_connection()
        self._connection.increment_flow_control_window(WIDE - DEFAULT_WINDOW)
        await self.flush()

    async def listen(self) -> None:
        """Takes in what comes, until the peer closes the connection."""
        try:
            while raw := await self._reader.read(1 << 20):
                for event in self._connection.receive_data(raw):
                    self._take(event)
                self._writer.write(self._connection.data_to_send())  # a task that waits here for the peer reads nothing
                async with self._moved:
                    self._moved.notify_all()
        finally:
            self._is_over = True
            async with self._moved:
                self._moved.notify_all()

    @property
    def greeted(self) -> bool:
        """The peer's settings, which say how much it takes at once, are known."""
        return self._greeted

    def _take(self, event: Event) -> None:
        match event:
            case RemoteSettingsChanged():
                self._greeted = True
            case ResponseReceived(stream_id=int(number), headers=list(headers)):
                stream = self._streams[number]
                stream.headers = {str(name): str(value) for name, value in headers}
                stream.status = int(stream.headers.pop(":status"))
            case DataReceived(stream_id=int(number), data=bytes(data)):
                self._streams[number].data += data
            case StreamEnded(stream_id=int(number)):
                self._streams[number].ended = True
            case StreamReset(stream_id=int(number)):
                self._streams[number].reset = int(event.error_code or 0)


@asynccontextmanager
async def h2_through(
    proxy: str, ca: Path, host: str = "api.openai.com", window: int = WIDE, connect: Headers = ()
) -> AsyncIterator[H2Client]:
    """A connection to `host` (port 443, or the one in it) through the proxy at that URL, whose certificate authority is
    in the file `ca`. `connect` are headers of the CONNECT.
    """
    reader, writer = await _tunnel(proxy, host, connect)
    async with _over_tls(reader, writer, ca, host.partition(":")[0], host, window) as client:
        yield client


@asynccontextmanager
async def h2_to(address: tuple[str, int], ca: Path, authority: str) -> AsyncIterator[H2Client]:
    """A connection by TLS to a server at that address, under the name in `authority`. An empty one is not sent."""
    reader, writer = await asyncio.open_connection(*address)
    name = authority.partition(":")[0] or "localhost"
    async with _over_tls(reader, writer, ca, name, authority, WIDE) as client:
        yield client


@asynccontextmanager
async def _over_tls(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ca: Path, name: str, authority: str, window: int
) -> AsyncIterator[H2Client]:
    try:
        context = ssl.create_default_context(cafile=ca)
        context.set_alpn_protocols(["h2"])
        await writer.start_tls(context, server_hostname=name)
        negotiated = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        assert negotiated == "h2", negotiated
        client = H2Client(reader, writer, authority, window)
        await client.greet()
        listening = asyncio.create_task(client.listen())
        try:
            await client.until(lambda: client.greeted)
            yield client
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    finally:
        writer.transport.abort()


async def _tunnel(proxy: str, host: str, headers: Headers) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    where = urlsplit(proxy)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    target = host if ":" in host else f"{host}:443"
    fields = "".join(f"{name}: {value}\r\n" for name, value in (("Host", target), *headers))
    writer.write(f"CONNECT {target} HTTP/1.1\r\n{fields}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    return reader, writer
