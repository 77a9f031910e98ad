"""The clients of a trial. Each connection has a way of its own: it asks in turn, ahead, in parallel, reads slowly, or
leaves, in every phase of an exchange.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from support.h1client import H1Client, Headers, h1_through, h1_to, head
from support.h2client import WIDE, H2Client, Stream, h2_through
from trials.faults import SICK, Kind, part
from trials.judge import Heard
from trials.questions import Question

PATIENCE = 40.0
"""Seconds for a whole answer."""
ENOUGH = 30_000
"""Bytes after which a client leaves an answer that may never end."""
HOST = "api.openai.com"
GRANT = 20_000

type Told = Callable[[Question, Heard | None], Any]
"""None: the client left before there was an answer's head."""


class Lost(Exception):
    """What came was no HTTP, or did not come."""


@dataclass(slots=True)
class Place:
    """Where the router is, and whom to trust."""

    host: str
    port: int
    ca: Path

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@dataclass(slots=True)
class Crowd:
    """All clients of a run. `told` is awaited with each answer."""

    place: Place
    seed: int
    told: Told
    numbers: Iterator[int]
    complaints: list[str] = field(default_factory=list)

    async def worker(self) -> None:
        """Connection after connection, until there is nothing left to ask."""
        while (n := next(self.numbers, None)) is not None:
            chance = random.Random(f"{self.seed}/client/{n}")
            way = chance.choices(list(WAYS), list(WAYS.values()))[0]
            question = Question.of(self.seed, n)
            await self.noting(f"{question.id} {way.__name__}", way(self, question, chance))

    async def noting(self, name: str, act: Coroutine[Any, Any, None]) -> None:
        """What goes wrong with one connection, or one stream, is its own affair."""
        try:
            async with asyncio.timeout(PATIENCE * 4):
                await act
        except (OSError, asyncio.IncompleteReadError, TimeoutError, Lost, ValueError, AssertionError) as error:
            self.complaints.append(f"{name}: {type(error).__name__} {error!s:.300}")

    def more(self, first: Question | None, most: int, chance: random.Random) -> Iterator[Question]:
        """What a connection asks: at most so many questions."""
        if first:
            yield first
        for _ in range(chance.randrange(most)):
            if (n := next(self.numbers, None)) is None:
                return
            yield Question.of(self.seed, n)


async def in_turn(crowd: Crowd, first: Question, chance: random.Random) -> None:
    async with h1_to(crowd.place.host, crowd.place.port) as client:
        for question in crowd.more(first, 8, chance):
            if not await _ask(crowd, client, question):
                return
        _nothing_more(client)


async def in_turn_over_tls(crowd: Crowd, first: Question, chance: random.Random) -> None:
    async with h1_through(crowd.place.url, crowd.place.ca, f"{HOST}:443") as client:
        for question in crowd.more(first, 5, chance):
            if not await _ask(crowd, client, question, host=HOST):
                return
        _nothing_more(client)


async def ahead(crowd: Crowd, first: Question, chance: random.Random) -> None:
    """Several requests at once, before any answer."""
    async with h1_to(crowd.place.host, crowd.place.port) as client:
        questions = list(crowd.more(first, 4, chance))
        client.send(b"".join(_raw(question) for question in questions))
        for nth, question in enumerate(questions):
            if not await _hear(crowd, client, question):
                for missed in questions[nth + 1 :]:
                    await crowd.told(missed, None)
                return
        _nothing_more(client)


async def slowly(crowd: Crowd, question: Question, chance: random.Random) -> None:
    async with h1_to(crowd.place.host, crowd.place.port, room=4096) as client:
        client.send(_raw(question))
        await _hear(crowd, client, question, pace=0.002)


async def leaving(crowd: Crowd, question: Question, chance: random.Random) -> None:
    """In some phase, in order or by a reset."""
    raw, part_of_head = _raw(question), chance.randrange(20, 60)
    phase = chance.choice(("head", "body", "asked", "headed", "within"))
    async with h1_to(crowd.place.host, crowd.place.port) as client:
        whole = {"head": part_of_head, "body": len(raw) - 5}.get(phase, len(raw))
        client.send(raw[:whole])
        heard = None
        if phase == "asked":
            await asyncio.sleep(chance.random() * 0.6)
        elif phase in ("headed", "within"):
            async with asyncio.timeout(PATIENCE):
                status, headers = await client.head()
                body = await _some(client, headers, chance.randrange(1, 6)) if phase == "within" else b""
            heard = Heard(status, headers, body, ended=False)
        (client.break_off if chance.random() < 0.5 else client.close)()
        await crowd.told(question, heard)


async def half_closing(crowd: Crowd, question: Question, chance: random.Random) -> None:
    """Says that it will send no more, and hears the answer."""
    async with h1_to(crowd.place.host, crowd.place.port) as client:
        client.send(_raw(question))
        client.finish()
        await client.reader.read(chance.randrange(1, 200_000))
        await crowd.told(question, None)


async def in_parallel(crowd: Crowd, first: Question, chance: random.Random) -> None:
    """HTTP/2, several streams at once, some of them reset, some with a window that is always too small."""
    window = chance.choice((WIDE, 65_535, 1_000))
    async with h2_through(crowd.place.url, crowd.place.ca, HOST, window) as client:
        for turn in range(chance.randrange(1, 4)):
            questions = list(crowd.more(None if turn else first, 5, chance))
            async with asyncio.TaskGroup() as streams:
                for question in questions:
                    leaves = chance.random() if chance.random() < 0.2 else None
                    asking = _over_http2(crowd, client, question, window < WIDE, leaves)
                    streams.create_task(crowd.noting(f"{question.id}, window {window}", asking))
        if chance.random() < 0.2:
            await client.break_off()


WAYS = {in_turn: 8, in_turn_over_tls: 3, ahead: 4, slowly: 3, leaving: 5, half_closing: 1, in_parallel: 5}
"""What a connection may be like, and how often."""


async def _over_http2(
    crowd: Crowd, client: H2Client, question: Question, is_narrow: bool, leaves: float | None
) -> None:
    stream = await client.ask(question.body, question.path, _headers(question))
    feeding = asyncio.create_task(_grants(client, stream)) if is_narrow else None
    limit = _limit(question)
    try:
        async with asyncio.timeout(PATIENCE if leaves is None else leaves):
            await client.until(lambda: stream.ended or stream.reset is not None or len(stream.data) > limit)
    except TimeoutError:
        if leaves is None:
            raise Lost(f"{question.id}: no end after {PATIENCE:g} s and {len(stream.data)} bytes") from None
    finally:
        if feeding:
            feeding.cancel()
    if stream.reset is not None and not stream.ended:
        raise Lost(f"{question.id}: the stream was reset with {stream.reset}")
    ended = stream.ended
    if not ended:
        await client.reset(stream)
    heard = Heard(stream.status, stream.headers, bytes(stream.data), ended)
    length = stream.headers.get("content-length")
    if ended and length is not None and int(length) != len(stream.data):
        raise Lost(f"{question.id}: {len(stream.data)} bytes, and {length} were announced")
    await crowd.told(question, heard if stream.status else None)


async def _grants(client: H2Client, stream: Stream) -> None:
    """A little room each time that some has been used."""
    for granted in count(0, GRANT):
        await client.until(partial(_has_come, stream, granted))
        if stream.ended:
            return
        await client.grant(stream, GRANT)


def _has_come(stream: Stream, size: int) -> bool:
    return stream.ended or len(stream.data) >= size


async def _ask(crowd: Crowd, client: H1Client, question: Question, host: str = "localhost") -> bool:
    client.send(_raw(question, host))
    return await _hear(crowd, client, question)


async def _hear(crowd: Crowd, client: H1Client, question: Question, pace: float = 0.0) -> bool:
    """Takes an answer in. May the connection be used again?"""
    limit, body, ended = _limit(question), bytearray(), False
    try:
        async with asyncio.timeout(PATIENCE):
            status, headers = await client.head()
            if "content-length" in headers:
                body += await client.reader.readexactly(int(headers["content-length"]))
                ended = True
            elif headers.get("transfer-encoding") != "chunked":
                raise Lost(f"{question.id}: neither length nor chunks: {headers}")
            while not ended and len(body) <= limit:
                piece = await client.chunk()
                ended = not piece
                body += piece
                if pace:
                    await asyncio.sleep(pace)
    except (TimeoutError, asyncio.IncompleteReadError) as error:
        raise Lost(f"{question.id}: {type(error).__name__} after {len(body)} bytes: …{bytes(body[-200:])!r}") from None
    is_last = headers.get("connection") == "close"
    if ended and is_last and not await client.at_end():
        raise Lost(f"{question.id}: more after the end")
    await crowd.told(question, Heard(status, headers, bytes(body), ended))
    return ended and not is_last


async def _some(client: H1Client, headers: dict[str, str], chunks: int) -> bytes:
    if "content-length" in headers:
        return await client.reader.read(100)
    body = bytearray()
    for _ in range(chunks):
        piece = await client.chunk()
        if not piece:
            break
        body += piece
    return bytes(body)


def _nothing_more(client: H1Client) -> None:
    """Nobody has asked, so nobody may answer."""
    left = bytes(client.reader._buffer)  # type: ignore[attr-defined]
    if left:
        raise Lost(f"bytes that nobody asked for: {left[:200]!r}")


def _raw(question: Question, host: str = "localhost") -> bytes:
    body = question.body
    return head(question.path, len(body), (("Host", host), *_headers(question))) + body


def _headers(question: Question) -> Headers:
    return (("x-request-id", question.id),)


def _limit(question: Question) -> int:
    """Bytes after which the client has enough."""
    is_endless = any(part(question, name).kind is Kind.ENDLESS for name in SICK)
    return ENOUGH if is_endless else 1 << 23
