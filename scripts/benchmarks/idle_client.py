"""Opens many streams and keeps them open, in a process of its own; measures how late keep-alives arrive.

Prints a line when all streams are open, one when it begins to measure, and an `Outcome` when the time is up. Ends with
the process that started it.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from h2.events import DataReceived, Event

from benchmarks import http2, parent_watch

STREAMS_PER_CONNECTION = 5
"""Over HTTP/2: for one client's connection, bare mitmproxy opens no more connections to a server than this; further
streams wait."""
AT_ONCE = 50
"""Streams that are opened at the same time."""
OPEN_TIMEOUT = 45.0
"""Seconds until all are open."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How late keep-alives came, in seconds, and how many there were."""

    median: float
    p99: float
    count: int


class LatenessMonitor:
    """Shared by all connections: when each stream last received something."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._last: dict[object, float] = {}
        self._lateness: list[float] = []
        self._opened: dict[object, asyncio.Future[None]] = {}

    async def opened(self, stream: object) -> None:
        """Waits for the first byte of a stream."""
        self._opened[stream] = asyncio.get_running_loop().create_future()
        await self._opened[stream]

    def received(self, stream: object) -> None:
        now = time.perf_counter()
        if stream in self._last:
            self._lateness.append(now - self._last[stream] - self._every)
        elif not self._opened[stream].done():
            self._opened[stream].set_result(None)
        self._last[stream] = now

    def begin(self) -> None:
        """Forgets what was measured so far."""
        self._lateness.clear()

    def outcome(self) -> Outcome:
        late = self._lateness
        return Outcome(statistics.median(late), statistics.quantiles(late, n=100)[98], len(late))


class Http1Stream(asyncio.Protocol):
    """One stream over HTTP/1.1."""

    def __init__(self, monitor: LatenessMonitor) -> None:
        self._monitor = monitor

    def data_received(self, data: bytes) -> None:
        self._monitor.received(self)


class Http2Streams(http2.Connection):
    """Many streams over HTTP/2."""

    def __init__(self, monitor: LatenessMonitor) -> None:
        super().__init__()
        self._monitor = monitor

    def ask(self, body: bytes) -> tuple["Http2Streams", int]:
        """The stream, as the key that the monitor uses for it."""
        return self, self.request(body)

    def on_event(self, event: Event) -> None:
        if isinstance(event, DataReceived):
            self._monitor.received((self, event.stream_id))


async def open_http1(monitor: LatenessMonitor, port: int, count: int, request: bytes) -> None:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with slots:
            make = asyncio.get_running_loop().create_connection
            transport, stream = await make(lambda: Http1Stream(monitor), "127.0.0.1", port)
            transport.write(request)
            await monitor.opened(stream)

    await asyncio.gather(*(one() for _ in range(count)))


async def open_http2(monitor: LatenessMonitor, port: int, count: int, body: bytes) -> None:
    for start in range(0, count, STREAMS_PER_CONNECTION):
        connection = await http2.connect(lambda: Http2Streams(monitor), port)
        streams = [connection.ask(body) for _ in range(min(STREAMS_PER_CONNECTION, count - start))]
        await asyncio.gather(*map(monitor.opened, streams))


async def measure(given: argparse.Namespace, request: str) -> Outcome:
    monitor = LatenessMonitor(given.every)
    async with asyncio.timeout(OPEN_TIMEOUT):
        if given.http2:
            await open_http2(monitor, given.port, given.count, request.partition("\r\n\r\n")[2].encode())
        else:
            await open_http1(monitor, given.port, given.count, request.encode())
    print("open", flush=True)
    await asyncio.sleep(given.every)
    monitor.begin()
    print("measuring", flush=True)
    await asyncio.sleep(given.seconds)
    return monitor.outcome()


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--every", type=float, required=True, help="seconds between two keep-alives")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--http2", action="store_true")
    given = parser.parse_args(arguments)
    request = json.loads(sys.stdin.readline())
    parent_watch.exit_with_parent()
    print(json.dumps(asdict(asyncio.run(measure(given, request)))), flush=True)
    sys.stdout.close()


if __name__ == "__main__":
    main(sys.argv[1:])
