"""How long another client's stream stands still while a large request comes, is read and is answered.

One client hears a steady stream; meanwhile another one sends a conversation. What counts is the longest gap between two
pieces of that stream: no other stream is served as long. Beside it stands the time that one parse of the same
request takes, which no router that reads a request in one piece can do without.
"""

import asyncio
import json
import socket
import time

import orjson

from benchmarks.ab_rounds import Rounds
from benchmarks.figures import Figure, Report
from benchmarks.load import WrongAnswer
from benchmarks.scenarios.streams import MODEL, REQUEST, config, request
from benchmarks.testbed import Server, Versions, testbed

MEGABYTES = (1, 5, 20)
EVENTS, EVENT_BYTES, PAUSE = 20_000, 80, 0.002
"""Of the stream: more than any round needs."""
TIMEOUT = 30.0
MESSAGE = "Which track, left or right? Take the left one, {then} turn: [1, 2]. " * 15


async def run(rounds: Rounds, versions: Versions) -> Report:
    figures: list[Figure] = []
    async with testbed(versions) as bed:
        upstream = await bed.provider(EVENTS, EVENT_BYTES, 1, PAUSE)
        sides = (await bed.router(config(upstream.url)), await bed.bare(upstream))
        for megabytes in MEGABYTES:
            raw, parse = conversation(megabytes * 2**20)
            gaps: tuple[list[float | None], list[float | None]] = ([], [])
            for _ in range(rounds.count + 1):
                for side, into in zip(sides, gaps, strict=True):
                    into.append(1000 * await longest_gap(side, raw))
            setting = f"{megabytes} MB"
            router, bare = (each[1:] for each in gaps)  # the first one warms up
            figures.append(Figure(setting, "longest gap, ms", router, bare))
            figures.append(Figure(setting, "one parse, ms", [1000 * parse]))
    conditions = f"a stream of {1 / PAUSE:.0f} events a second, while another client sends a large request"
    return Report(f"{conditions}; {rounds.count} rounds", figures)


def conversation(size: int) -> tuple[bytes, float]:
    """A request of many messages, about so many bytes, and the seconds that one parse of it takes at best."""
    message = {"role": "user", "content": [{"type": "text", "text": MESSAGE}]}
    answer = {"role": "assistant", "content": MESSAGE}
    pairs = size // len(json.dumps([message, answer]))
    body = json.dumps({"model": MODEL, "stream": True, "messages": [message, answer] * pairs})
    raw = body.encode()
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        orjson.loads(raw)
        best = min(best, time.perf_counter() - began)
    return REQUEST.format(length=len(raw), body=body).encode(), best


async def longest_gap(side: Server, raw: bytes) -> float:
    """Seconds, from when the large request's first byte is sent until its answer begins."""
    async with asyncio.timeout(TIMEOUT):
        reader, writer = await asyncio.open_connection("127.0.0.1", side.port)
        try:
            writer.write(request(0).encode())
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(10):
                await event(reader)
            asking = asyncio.ensure_future(asyncio.to_thread(ask, side.port, raw))
            longest, before = 0.0, time.perf_counter()
            while not asking.done():
                await event(reader)
                now = time.perf_counter()
                longest, before = max(longest, now - before), now
            await asking
            return longest
        finally:
            writer.transport.abort()


async def event(reader: asyncio.StreamReader) -> None:
    size = int(await reader.readuntil(b"\r\n"), 16)
    await reader.readexactly(size + 2)


def ask(port: int, raw: bytes) -> None:
    """Returns when the answer begins. Raises WrongAnswer for an answer that is none."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
        connection.sendall(raw)
        if not (begun := connection.recv(64)).startswith(b"HTTP/1.1 200"):
            raise WrongAnswer(f"a large request was answered by {begun!r}")
