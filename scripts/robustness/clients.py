"""The clients. Each connection is of a random kind: sequential, pipelined, multiplexed, slow, or it disconnects in some
phase of an exchange.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from robustness.answer_check import ReceivedAnswer
from robustness.faults import FAULTY, Kind, assignment
from robustness.options import options_of
from robustness.requests import ChatRequest, Dialect, key_of
from support.h1client import H1Client, Headers, h1_through, h1_to, head
from support.h2client import WIDE, H2Client, Stream, h2_through

PATIENCE = 40.0
"""Seconds for a whole answer; a client that reads slowly or has a small window waits so long for each piece of it."""
ROOM = 16_384
"""Bytes that fit in before a slow reader. Where there is room for less, the kernel drops small pieces and repeats them
after a while.
"""
ENOUGH = 30_000
"""Bytes after which a client leaves an endless answer."""
HOST = "api.openai.com"
GRANT = 20_000

type OnAnswer = Callable[[ChatRequest, ReceivedAnswer | None], Any]
"""Called with None if the client left before the head of an answer."""
type OnOther = Callable[[str], Awaitable[None]]
"""Awaited with what came of a request that `OnAnswer` is not for."""
type ClientKind = Callable[["ClientPool", ChatRequest, random.Random], Coroutine[Any, Any, None]]


class ProtocolViolation(Exception):
    """The answer is not valid HTTP, or is missing."""


FAILURES = (OSError, asyncio.IncompleteReadError, TimeoutError, ProtocolViolation, ValueError, AssertionError)
"""What may go wrong with a connection, or with what the checks expect of it."""


@dataclass(slots=True)
class RouterAddress:
    """Address of the router and the file with its CA certificate."""

    host: str
    port: int
    ca: Path

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@dataclass(slots=True)
class ClientPool:
    """All clients of a run. `told` is awaited with each answer; `complaints` are the connections that failed."""

    router: RouterAddress
    seed: int
    told: OnAnswer
    numbers: Iterator[int]
    complaints: list[str] = field(default_factory=list)
    kinds: Mapping[ClientKind, int] = field(default_factory=dict)
    """The kinds of connections with their weights."""
    others: OnOther | None = None

    async def worker(self) -> None:
        """One connection after the other, until no number is left."""
        while (n := next(self.numbers, None)) is not None:
            chance = random.Random(f"{self.seed}/client/{n}")
            way = chance.choices(list(self.kinds), list(self.kinds.values()))[0]
            request = ChatRequest.of(self.seed, n)
            await self.record_failures(f"{request.id} {way.__name__}", way(self, request, chance))

    async def record_failures(self, name: str, act: Coroutine[Any, Any, None]) -> None:
        """Runs one connection or stream; notes its failure, which does not end the others."""
        try:
            async with asyncio.timeout(PATIENCE * 4):
                await act
        except FAILURES as error:
            self.complaints.append(f"{name}: {type(error).__name__} {error!s:.300}")

    def more(self, first: ChatRequest | None, most: int, chance: random.Random) -> Iterator[ChatRequest]:
        """What a connection asks: at most so many requests."""
        if first:
            yield first
        for _ in range(chance.randrange(most)):
            if (n := next(self.numbers, None)) is None:
                return
            yield ChatRequest.of(self.seed, n)


async def sequential(pool: ClientPool, first: ChatRequest, chance: random.Random) -> None:
    async with h1_to(pool.router.host, pool.router.port) as client:
        for request in pool.more(first, 8, chance):
            if not await _ask(pool, client, request):
                return
        _check_no_more_data(client)


async def ask_alone(pool: ClientPool, request: ChatRequest) -> None:
    """One request on a connection of its own."""
    async with h1_to(pool.router.host, pool.router.port) as client:
        await _ask(pool, client, request)


async def sequential_over_tls(pool: ClientPool, first: ChatRequest, chance: random.Random) -> None:
    async with h1_through(pool.router.url, pool.router.ca, f"{HOST}:443") as client:
        for request in pool.more(first, 5, chance):
            if not await _ask(pool, client, request, host=HOST):
                return
        _check_no_more_data(client)


async def pipelined(pool: ClientPool, first: ChatRequest, chance: random.Random) -> None:
    """Several requests at once, before any answer."""
    async with h1_to(pool.router.host, pool.router.port) as client:
        requests = list(pool.more(first, 4, chance))
        client.send(b"".join(_raw(request) for request in requests))
        for nth, request in enumerate(requests):
            if not await _hear(pool, client, request):
                for missed in requests[nth + 1 :]:
                    await pool.told(missed, None)
                return
        _check_no_more_data(client)


async def slow_reader(pool: ClientPool, request: ChatRequest, chance: random.Random) -> None:
    async with h1_to(pool.router.host, pool.router.port, ROOM) as client:
        client.send(_raw(request))
        await _hear(pool, client, request, pace=0.002)


async def disconnecting(pool: ClientPool, request: ChatRequest, chance: random.Random) -> None:
    """Closes or resets the connection in a random phase."""
    raw, part_of_head = _raw(request), chance.randrange(20, 60)
    phase = chance.choice(("head", "body", "asked", "headed", "within"))
    async with h1_to(pool.router.host, pool.router.port) as client:
        whole = {"head": part_of_head, "body": len(raw) - 5}.get(phase, len(raw))
        client.send(raw[:whole])
        answer = None
        if phase == "asked":
            await asyncio.sleep(chance.random() * 0.6)
        elif phase in ("headed", "within"):
            async with asyncio.timeout(PATIENCE):
                status, headers = await client.head()
                body = await _some(client, headers, chance.randrange(1, 6)) if phase == "within" else b""
            answer = ReceivedAnswer(status, headers, body, ended=False)
        (client.break_off if chance.random() < 0.5 else client.close)()
        await pool.told(request, answer)


async def half_closing(pool: ClientPool, request: ChatRequest, chance: random.Random) -> None:
    """Shuts down its sending side, then reads a part of the answer."""
    async with h1_to(pool.router.host, pool.router.port) as client:
        client.send(_raw(request))
        client.finish()
        await client.reader.read(chance.randrange(1, 200_000))
        await pool.told(request, None)


async def multiplexed(pool: ClientPool, first: ChatRequest, chance: random.Random) -> None:
    """HTTP/2 with several concurrent streams; some are reset, some have a very small window."""
    window = chance.choice((WIDE, 65_535, 1_000))
    async with h2_through(pool.router.url, pool.router.ca, HOST, window) as client:
        for turn in range(chance.randrange(1, 4)):
            requests = list(pool.more(None if turn else first, 5, chance))
            async with asyncio.TaskGroup() as streams:
                for request in requests:
                    leaves = chance.random() if chance.random() < 0.2 else None
                    asking = _over_http2(pool, client, request, window < WIDE, leaves)
                    streams.create_task(pool.record_failures(f"{request.id}, window {window}", asking))
        if chance.random() < 0.2:
            await client.break_off()


CLIENT_KINDS = {
    sequential: 8,
    sequential_over_tls: 3,
    pipelined: 4,
    slow_reader: 3,
    disconnecting: 5,
    half_closing: 1,
    multiplexed: 5,
}
"""The kinds of connections with their weights."""


async def _over_http2(
    pool: ClientPool, client: H2Client, request: ChatRequest, is_narrow: bool, leaves: float | None
) -> None:
    stream = await client.ask(_body(request), request.path, _headers(request))
    limit, feeding = _limit(request), None
    try:
        async with asyncio.timeout(PATIENCE if leaves is None else leaves) as patience:
            if is_narrow:
                feeding = asyncio.create_task(_grants(client, stream, patience if leaves is None else None))
            await client.until(lambda: stream.ended or stream.reset is not None or len(stream.data) > limit)
    except TimeoutError:
        if leaves is None:
            raise ProtocolViolation(f"{request.id}: no end after {PATIENCE:g} s and {len(stream.data)} bytes") from None
    finally:
        if feeding:
            feeding.cancel()
    if stream.reset is not None and not stream.ended:
        raise ProtocolViolation(f"{request.id}: the stream was reset with {stream.reset}")
    ended = stream.ended
    if not ended:
        await client.reset(stream)
    answer = ReceivedAnswer(stream.status, stream.headers, bytes(stream.data), ended)
    length = stream.headers.get("content-length")
    if ended and length is not None and int(length) != len(stream.data):
        raise ProtocolViolation(f"{request.id}: {len(stream.data)} bytes, but {length} were announced")
    await pool.told(request, answer if stream.status else None)


async def _grants(client: H2Client, stream: Stream, patience: asyncio.Timeout | None) -> None:
    """Enlarges the window each time that data has arrived."""
    for granted in count(0, GRANT):
        await client.until(partial(_has_come, stream, granted))
        if stream.ended:
            return
        if patience:
            wait_on(patience)
        await client.grant(stream, GRANT)


def wait_on(patience: asyncio.Timeout) -> None:
    """Something has come."""
    if not patience.expired():
        patience.reschedule(asyncio.get_running_loop().time() + PATIENCE)


def _has_come(stream: Stream, size: int) -> bool:
    return stream.ended or len(stream.data) >= size


async def _ask(pool: ClientPool, client: H1Client, request: ChatRequest, host: str = "localhost") -> bool:
    client.send(_raw(request, host))
    return await _hear(pool, client, request)


async def _hear(pool: ClientPool, client: H1Client, request: ChatRequest, pace: float = 0.0) -> bool:
    """Takes an answer in. May the connection be used again?"""
    limit, body, ended = _limit(request), bytearray(), False
    try:
        async with asyncio.timeout(PATIENCE) as patience:
            status, headers = await client.head()
            if "content-length" in headers:
                body += await client.reader.readexactly(int(headers["content-length"]))
                ended = True
            elif headers.get("transfer-encoding") != "chunked":
                raise ProtocolViolation(f"{request.id}: neither a length nor chunked: {headers}")
            while not ended and len(body) <= limit:
                piece = await client.chunk()
                ended = not piece
                body += piece
                if pace:
                    await asyncio.sleep(pace)
                    wait_on(patience)
    except (TimeoutError, asyncio.IncompleteReadError) as error:
        raise ProtocolViolation(
            f"{request.id}: {type(error).__name__} after {len(body)} bytes: …{bytes(body[-200:])!r}"
        ) from None
    if not ended:  # the router records an exchange once it has ended: the client must have left before its check
        client.break_off()
    is_last = headers.get("connection") == "close"
    if ended and is_last and not await client.at_end():
        raise ProtocolViolation(f"{request.id}: data after the end")
    await pool.told(request, ReceivedAnswer(status, headers, bytes(body), ended))
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


def _check_no_more_data(client: H1Client) -> None:
    """Checks that no data has arrived without a request."""
    left = bytes(client.reader._buffer)  # type: ignore[attr-defined]
    if left:
        raise ProtocolViolation(f"bytes without a request: {left[:200]!r}")


def _raw(request: ChatRequest, host: str = "localhost") -> bytes:
    body = _body(request)
    return head(request.path, len(body), (("Host", host), *_headers(request))) + body


def _headers(request: ChatRequest) -> Headers:
    """Its key, and the session and sub-agent, where the client names them."""
    given = (("x-session-id", request.talk), ("x-claude-code-agent-id", request.agent))
    options = options_of(request)
    wishes = () if options.in_body else options.members().items()
    return (("x-request-id", request.id), _key(request), *((name, value) for name, value in given if value), *wishes)


def _body(request: ChatRequest) -> bytes:
    """With its options, where it names them there."""
    options = options_of(request)
    if not options.in_body or not options.members():
        return request.body
    return json.dumps({**json.loads(request.body), "metadata": options.members()}).encode()


def _key(request: ChatRequest) -> tuple[str, str]:
    """Where requests of its dialect have it."""
    key = key_of(request.client)
    match request.dialect:
        case Dialect.CHAT | Dialect.RESPONSES:
            return "Authorization", f"Bearer {key}"
        case Dialect.MESSAGES:
            return "x-api-key", key
        case Dialect.GEMINI:
            return "x-goog-api-key", key


def _limit(request: ChatRequest) -> int:
    """Bytes after which the client leaves."""
    is_endless = any(assignment(request, name).kind is Kind.ENDLESS for name in FAULTY)
    return ENOUGH if is_endless else 1 << 23
