"""Streams that are held open, a process of its own: it asks for them all, and notes when each says something.

Prints one line once all are open, and one more, an `Outcome`, when the time is up. Ends with the process that started
it.
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
"""Over HTTP/2: bare mitmproxy makes no more connections than that to a server, for one client's connection, and lets
further streams wait."""
AT_ONCE = 50
"""Streams that are being opened at the same time."""
PATIENCE = 45.0
"""Seconds for all of them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How late signs of life came, in seconds, and how many there were."""

    median: float
    p99: float
    count: int


class Watch:
    """What all connections share: when each stream was last heard of."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._last: dict[object, float] = {}
        self._lateness: list[float] = []
        self._opened: dict[object, asyncio.Future[None]] = {}

    async def opened(self, stream: object) -> None:
        """Waits for its first byte."""
        self._opened[stream] = asyncio.get_running_loop().create_future()
        await self._opened[stream]

    def hear(self, stream: object) -> None:
        now = time.perf_counter()
        if stream in self._last:
            self._lateness.append(now - self._last[stream] - self._every)
        elif not self._opened[stream].done():
            self._opened[stream].set_result(None)
        self._last[stream] = now

    def begin(self) -> None:
        """What came before does not count."""
        self._lateness.clear()

    def outcome(self) -> Outcome:
        late = self._lateness
        return Outcome(statistics.median(late), statistics.quantiles(late, n=100)[98], len(late))


class PlainLine(asyncio.Protocol):
    """One stream over HTTP/1.1."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def data_received(self, data: bytes) -> None:
        self._watch.hear(self)


class SharedLine(http2.Line):
    """Many streams over HTTP/2."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def ask(self, body: bytes) -> tuple["SharedLine", int]:
        """The stream, by the name that the watch knows it by."""
        return self, self.request(body)

    def take(self, event: Event) -> None:
        if isinstance(event, DataReceived):
            self._watch.hear((self, event.stream_id))


async def open_plain(watch: Watch, port: int, count: int, request: bytes) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with room:
            make = asyncio.get_running_loop().create_connection
            transport, line = await make(lambda: PlainLine(watch), "127.0.0.1", port)
            transport.write(request)
            await watch.opened(line)

    await asyncio.gather(*(one() for _ in range(count)))


async def open_shared(watch: Watch, port: int, count: int, body: bytes) -> None:
    for start in range(0, count, STREAMS_PER_CONNECTION):
        line = await http2.connect(lambda: SharedLine(watch), port)
        streams = [line.ask(body) for _ in range(min(STREAMS_PER_CONNECTION, count - start))]
        await asyncio.gather(*map(watch.opened, streams))


async def hold(given: argparse.Namespace, request: str) -> Outcome:
    watch = Watch(given.every)
    async with asyncio.timeout(PATIENCE):
        if given.http2:
            await open_shared(watch, given.port, given.count, request.partition("\r\n\r\n")[2].encode())
        else:
            await open_plain(watch, given.port, given.count, request.encode())
    print("open", flush=True)
    await asyncio.sleep(given.every)
    watch.begin()
    print("measuring", flush=True)
    await asyncio.sleep(given.seconds)
    return watch.outcome()


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--every", type=float, required=True, help="seconds between two signs of life")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--http2", action="store_true")
    given = parser.parse_args(arguments)
    request = json.loads(sys.stdin.readline())
    parent_watch.hold()
    print(json.dumps(asdict(asyncio.run(hold(given, request)))), flush=True)
    sys.stdout.close()


if __name__ == "__main__":
    main(sys.argv[1:])
