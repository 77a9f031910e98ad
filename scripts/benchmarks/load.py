"""The load generator, in a process of its own. Its clients do little more than count, so that the proxy is the
bottleneck.

A line on stdin is a `Window` to run, a line on stdout its `Outcome` or an error; the process ends with stdin. Each
connection (over HTTP/2: each stream) sends one request after the other. When the time is up, no new request starts and
the running ones are awaited, so no answer is cut off and all work is counted.
"""

import asyncio
import json
import re
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from itertools import cycle

from benchmarks import chunked, http2
from benchmarks.http2_load import Http2Client

ANSWER_TIMEOUT = 60.0
"""Seconds to wait for the running answers at the end of a window."""
STATUS = b"HTTP/1.1 200"
LAST = b"\r\n" + chunked.END
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class WrongAnswer(Exception):
    """An answer differs from what the provider sent."""


@dataclass(frozen=True, slots=True)
class Window:
    """`connections` clients run for `seconds`; each sends one of `requests`, in turn. `body` is the expected
    answer, chunked unless `whole`. With `streams`, a client is one HTTP/2 connection over TLS with that many concurrent
    streams and uses only the body of its request; otherwise it speaks plain HTTP/1.1. An answer that is not `exact` has
    the same text as `body` in a form of its own.
    """

    port: int
    connections: int
    seconds: float
    requests: tuple[str, ...]
    body: str
    whole: bool = False
    streams: int = 0
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """`first_byte`: the median time from a request's last byte written to its answer's first byte, in seconds.
    `busy`: the share of the time in which this process used the CPU.
    """

    streams: int
    seconds: float
    first_byte: float
    busy: float


class Run:
    """Shared by the connections of one window."""

    def __init__(self, window: Window) -> None:
        self.body = window.body.encode()
        self.whole = window.whole
        self.text = "" if window.exact else text(window.body)
        self.shortest = len(self.body) if window.exact else len(self.text)
        self.last = self.body[-64:] if window.whole and window.exact else LAST
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

    def should_continue(self) -> bool:
        """Whether a client sends another request. To be called once for each complete answer, which it counts."""
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


class Http1Client(asyncio.BufferedProtocol):
    """One connection. All connections read into the same buffer, because only the size and the end of an answer matter;
    the first answer is kept and compared byte by byte.
    """

    buffer = memoryview(bytearray(256 * 1024))

    def __init__(self, run: Run, request: bytes) -> None:
        self._run = run
        self._request = request
        self._kept: bytearray | None = bytearray()
        self._received = 0
        self._tail = b""
        self._sent_at = 0.0
        self._finished = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self) -> None:
        self._received = 0
        self._tail = b""
        self._transport.write(self._request)
        self._sent_at = time.perf_counter()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self._received:
            self._run.first_bytes.append(time.perf_counter() - self._sent_at)
            if self.buffer[: len(STATUS)] != STATUS:
                self._run.fail(f"the answer begins with {bytes(self.buffer[: min(nbytes, 600)])!r}")
        self._received += nbytes
        if self._kept is not None:
            self._kept += self.buffer[:nbytes]
        if self._is_whole(nbytes):
            self._on_end()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._finished:
            self._run.fail(f"the connection was closed after {self._received} bytes of an answer")

    def _is_whole(self, nbytes: int) -> bool:
        """Whether the answer ends with the last `nbytes` that have come."""
        size = len(self._run.last)
        self._tail = (self._tail + self.buffer[max(0, nbytes - size) : nbytes])[-size:]
        return self._tail == self._run.last

    def _on_end(self) -> None:
        if self._kept is not None:
            self._compare(bytes(self._kept))
            self._kept = None
        elif self._received < self._run.shortest:
            self._run.fail(f"the answer has only {self._received} bytes")
        if self._run.should_continue():
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
            self._run.fail(f"differs from what the provider sent: {message[:2000]!r}")

    def close(self) -> None:
        self._finished = True
        self._transport.close()


class TextClient(Http1Client):
    """One connection to a proxy that writes answers in a form of its own: the first one's text is compared."""

    def ask(self) -> None:
        self._head = bytearray()
        self._length: int | None = None
        super().ask()

    def _is_whole(self, nbytes: int) -> bool:
        if b"\r\n\r\n" not in self._head:
            self._head += self.buffer[:nbytes]
            head, _, _ = self._head.partition(b"\r\n\r\n")
            length = LENGTH.search(head)
            self._length = len(head) + 4 + int(length[1]) if length else None
        if self._length is None:
            return super()._is_whole(nbytes)
        return self._received >= self._length

    def _compare(self, message: bytes) -> None:
        try:
            is_right = text(content(message)) == self._run.text
        except ValueError:
            is_right = False
        if not is_right:
            self._run.fail(f"has another text than the provider sent: {message[:2000]!r}")


def content(message: bytes) -> str:
    """The body of a complete response. Raises ValueError if it is neither chunked nor has a length."""
    head, _, body = message.partition(b"\r\n\r\n")
    return (body if LENGTH.search(head) else chunked.decode(message)).decode()


def text(body: str) -> str:
    """What a chat completion says, whether it is streamed or not. Raises ValueError if it is neither."""
    lines = [line.removeprefix("data:").strip() for line in body.splitlines() if line.startswith("data:")]
    documents = [json.loads(line) for line in lines or [body] if line != "[DONE]"]
    choices = [choice for document in documents for choice in document.get("choices", ())]
    return "".join((choice.get("delta") or choice.get("message") or {}).get("content") or "" for choice in choices)


async def run(window: Window) -> Outcome:
    """Raises WrongAnswer, OSError if a connection fails, TimeoutError if answers do not arrive or do not end."""
    shared = Run(window)
    clients: list[Http1Client | Http2Client] = []
    try:
        async with asyncio.timeout(window.seconds + ANSWER_TIMEOUT):
            for _, request in zip(range(window.connections), cycle(window.requests)):
                clients.append(await connect(window, shared, request.encode()))
            cpu = time.process_time()
            shared.begin()
            for client in clients:
                client.ask()
            await shared.over
            seconds = shared.elapsed()
            cpu = time.process_time() - cpu
        return Outcome(shared.streams, seconds, statistics.median(shared.first_bytes), cpu / seconds)
    finally:
        for client in clients:
            client.close()


async def connect(window: Window, shared: Run, request: bytes) -> Http1Client | Http2Client:
    if window.streams:
        body = request.partition(b"\r\n\r\n")[2]
        return await http2.connect(lambda: Http2Client(shared, body, window.streams), window.port)
    loop = asyncio.get_running_loop()
    kind = Http1Client if window.exact else TextClient
    _, client = await loop.create_connection(lambda: kind(shared, request), "127.0.0.1", window.port)
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
