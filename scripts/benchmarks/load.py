"""The load generator, a process of its own: clients that do little more than count, so that the proxy is what is slow.

A line on stdin is a `Window` to run, a line on stdout is its `Outcome`, or what went wrong; the end of stdin ends it.
Each connection, over HTTP/2 each of its streams, sends one request after the other. When the time is up no further one
begins, and those under way are waited for: nothing is torn down under the proxy, and the work that is paid for is all
counted.
"""

import asyncio
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from itertools import cycle

from benchmarks import chunked, http2
from benchmarks.http2_load import SharedClient

PATIENCE = 10.0
"""Seconds for which the answers under way at the end of a window are waited for."""
STATUS = b"HTTP/1.1 200"
LAST = b"\r\n" + chunked.END


class WrongAnswer(Exception):
    """An answer that is not what the provider sent."""


@dataclass(frozen=True, slots=True)
class Window:
    """`connections` clients, which take turns with `requests`, for `seconds`; `body` is the answer they expect, in
    chunks unless it is `whole`. With `streams`, each client is one connection over HTTP/2 and TLS with so many streams
    at a time, of which the requests' bodies alone are used; without, it speaks plain HTTP/1.1.
    """

    port: int
    connections: int
    seconds: float
    requests: tuple[str, ...]
    body: str
    whole: bool = False
    streams: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """`first_byte`: the median time from a request's last byte written to its answer's first byte, in seconds.
    `busy`: the share of its time that this process was computing.
    """

    streams: int
    seconds: float
    first_byte: float
    busy: float


class Run:
    """What the connections of one window share."""

    def __init__(self, window: Window) -> None:
        self.body = window.body.encode()
        self.whole = window.whole
        self.last = self.body[-64:] if window.whole else LAST
        self.first_bytes: list[float] = []
        self.streams = 0
        self.over = asyncio.get_running_loop().create_future()
        self._under_way = window.connections * (window.streams or 1)
        self._seconds = window.seconds
        self._began = 0.0

    def begin(self) -> None:
        self._began = time.perf_counter()

    def elapsed(self) -> float:
        return time.perf_counter() - self._began

    def goes_on(self) -> bool:
        """Whether a client whose answer is complete sends another request; asked once for each answer."""
        self.streams += 1
        if self.elapsed() < self._seconds:
            return True
        self._under_way -= 1
        if not self._under_way and not self.over.done():
            self.over.set_result(None)
        return False

    def fail(self, message: str) -> None:
        if not self.over.done():
            self.over.set_exception(WrongAnswer(message))


class Client(asyncio.BufferedProtocol):
    """One connection. It reads into a buffer that all share, because only an answer's end and size matter; its first
    answer alone is kept and compared.
    """

    buffer = memoryview(bytearray(256 * 1024))

    def __init__(self, run: Run, request: bytes) -> None:
        self._run = run
        self._request = request
        self._kept: bytearray | None = bytearray()
        self._received = 0
        self._tail = b""
        self._asked = 0.0
        self._finished = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self) -> None:
        self._received = 0
        self._tail = b""
        self._transport.write(self._request)
        self._asked = time.perf_counter()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self._received:
            self._run.first_bytes.append(time.perf_counter() - self._asked)
            if self.buffer[: len(STATUS)] != STATUS:
                self._run.fail(f"an answer that begins with {bytes(self.buffer[: min(nbytes, 600)])!r}")
        self._received += nbytes
        if self._kept is not None:
            self._kept += self.buffer[:nbytes]
        size = len(self._run.last)
        self._tail = (self._tail + self.buffer[max(0, nbytes - size) : nbytes])[-size:]
        if self._tail == self._run.last:
            self._take_end()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._finished:
            self._run.fail(f"a connection was closed after {self._received} bytes of an answer")

    def _take_end(self) -> None:
        if self._kept is not None:
            self._compare(bytes(self._kept))
            self._kept = None
        elif self._received < len(self._run.body):
            self._run.fail(f"an answer of only {self._received} bytes")
        if self._run.goes_on():
            self.ask()
        else:
            self._finished = True

    def _compare(self, message: bytes) -> None:
        try:
            body = message.partition(b"\r\n\r\n")[2] if self._run.whole else chunked.decode(message)
            is_right = body == self._run.body
        except ValueError:
            is_right = False
        if not is_right:
            self._run.fail(f"not what the provider sent: {message[:2000]!r}")

    def close(self) -> None:
        self._finished = True
        self._transport.close()


async def run(window: Window) -> Outcome:
    """Raises WrongAnswer, OSError where a connection fails, TimeoutError where answers do not come or do not end."""
    shared = Run(window)
    clients: list[Client | SharedClient] = []
    try:
        async with asyncio.timeout(window.seconds + PATIENCE):
            for _, request in zip(range(window.connections), cycle(window.requests)):
                clients.append(await connect(window, shared, request.encode()))
            computing = time.process_time()
            shared.begin()
            for client in clients:
                client.ask()
            await shared.over
            seconds = shared.elapsed()
            computing = time.process_time() - computing
        return Outcome(shared.streams, seconds, statistics.median(shared.first_bytes), computing / seconds)
    finally:
        for client in clients:
            client.close()


async def connect(window: Window, shared: Run, request: bytes) -> Client | SharedClient:
    if window.streams:
        body = request.partition(b"\r\n\r\n")[2]
        return await http2.connect(lambda: SharedClient(shared, body, window.streams), window.port)
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: Client(shared, request), "127.0.0.1", window.port)
    return client


def main() -> None:
    for line in sys.stdin:
        try:
            answer = asdict(asyncio.run(run(Window(**json.loads(line)))))
        except (WrongAnswer, OSError, TimeoutError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
