"""Answers that are too much: without end, or far larger than they look."""

from __future__ import annotations

from dataclasses import replace

from pointsman.demo.behaviours.streaming import TEXT, composed, plain
from pointsman.demo.behaviours.wrappers import compressed
from pointsman.demo.compression import Coding
from pointsman.demo.responder import JSON, Responder
from pointsman.demo.script import Behaviour
from pointsman.wire.dialects.demo_base import DemoEvent, EventRole

BLOCK = 1 << 16
"""Bytes written at a time."""

PLACE = "@the-token@"


def endless(pace: float = 0.0) -> Behaviour:
    """A stream of tokens that never ends; a body that is not streamed is blanks without end."""

    async def play(responder: Responder) -> None:
        await responder.head(200, [responder.kind])
        events = responder.dialect.events(plain("again "), responder.request)
        token = next(event for event in events if event.role is EventRole.CONTENT)
        await responder.chunk(responder.encode(events[0]) if responder.request.wants_stream else b" ")
        while True:
            await responder.sleep(pace)
            await responder.chunk(responder.encode(token) if responder.request.wants_stream else b" ")

    return Behaviour("endless", play)


def endless_line(pace: float = 0.0) -> Behaviour:
    """A string that never ends, in one line of one event, or in one JSON body."""

    async def play(responder: Responder) -> None:
        await responder.head(200, [responder.kind])
        await responder.chunk(b'data: {"id":"' if responder.request.wants_stream else b'{"id":"')
        while True:
            await responder.chunk(b"x" * BLOCK)
            await responder.sleep(pace)

    return Behaviour("endless_line", play)


def flood(text: str = TEXT, size: int = 10_000_000) -> Behaviour:
    """A good stream that goes on for `size` bytes after its end marker; a body not streamed has blanks there."""

    async def play(responder: Responder) -> None:
        noise = (
            responder.encode(DemoEvent(EventRole.COMMENT, "x" * (BLOCK - 4)))
            if responder.request.wants_stream
            else b" " * BLOCK
        )
        await responder.head(200, [responder.kind])
        await responder.chunk(composed(responder, plain(text)))
        await _pour(responder, noise, size)
        await responder.end()

    return Behaviour(f"flood:{size}", play)


def big_event(size: int = 5_000_000) -> Behaviour:
    """A good answer with one token of `size` bytes, in one event."""

    async def play(responder: Responder) -> None:
        before, _, after = composed(responder, plain(tokens=[PLACE])).partition(PLACE.encode())
        await responder.head(200, [responder.kind])
        await responder.chunk(before)
        await _pour(responder, b"x" * BLOCK, size)
        await responder.chunk(after)
        await responder.end()

    return Behaviour(f"big_event:{size}", play)


def huge_error(code: int = 500, size: int = 5_000_000) -> Behaviour:
    """An error whose message is `size` bytes long."""

    async def play(responder: Responder) -> None:
        before, after = b'{"error":{"message":"', b'","type":"server_error"}}'
        await responder.head(code, [JSON], length=len(before) + size + len(after))
        await responder.chunk(before)
        await _pour(responder, b"x" * BLOCK, size)
        await responder.chunk(after)
        await responder.end()

    return Behaviour(f"huge_error:{code}", play)


def bomb(size: int = 100_000_000, coding: Coding = "gzip") -> Behaviour:
    """A good answer with one token of `size` bytes, compressed to less than a hundredth of that."""
    return replace(compressed(big_event(size), coding), name=f"bomb:{size}")


async def _pour(responder: Responder, block: bytes, size: int) -> None:
    while size > 0:
        await responder.chunk(block[:size])
        await responder.sleep(0)
        size -= len(block)
