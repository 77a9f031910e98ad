"""Answers that are too much: without end, or far larger than they look."""

from __future__ import annotations

from dataclasses import replace

from pointsman.demo.menu.manners import compressed
from pointsman.demo.menu.telling import TEXT, composed, plain
from pointsman.demo.script import Behaviour
from pointsman.demo.squeeze import Coding
from pointsman.demo.stage import JSON, Stage
from pointsman.demo.voices import Event, Part

BLOCK = 1 << 16
"""Bytes written at a time."""

PLACE = "@the-token@"


def endless(pace: float = 0.0) -> Behaviour:
    """A stream of tokens that never ends; a body that is not streamed is blanks without end."""

    async def play(stage: Stage) -> None:
        await stage.head(200, [stage.kind])
        events = stage.voice.events(plain("again "), stage.seen)
        token = next(event for event in events if event.part is Part.CONTENT)
        await stage.chunk(stage.encode(events[0]) if stage.seen.wants_stream else b" ")
        while True:
            await stage.sleep(pace)
            await stage.chunk(stage.encode(token) if stage.seen.wants_stream else b" ")

    return Behaviour("endless", play)


def endless_line(pace: float = 0.0) -> Behaviour:
    """A string that never ends, in one line of one event, or in one JSON body."""

    async def play(stage: Stage) -> None:
        await stage.head(200, [stage.kind])
        await stage.chunk(b'data: {"id":"' if stage.seen.wants_stream else b'{"id":"')
        while True:
            await stage.chunk(b"x" * BLOCK)
            await stage.sleep(pace)

    return Behaviour("endless_line", play)


def flood(text: str = TEXT, size: int = 10_000_000) -> Behaviour:
    """A good stream that goes on for `size` bytes after its end marker; a body not streamed has blanks there."""

    async def play(stage: Stage) -> None:
        noise = stage.encode(Event(Part.COMMENT, "x" * (BLOCK - 4))) if stage.seen.wants_stream else b" " * BLOCK
        await stage.head(200, [stage.kind])
        await stage.chunk(composed(stage, plain(text)))
        await _pour(stage, noise, size)
        await stage.end()

    return Behaviour(f"flood:{size}", play)


def big_event(size: int = 5_000_000) -> Behaviour:
    """A good answer with one token of `size` bytes, in one event."""

    async def play(stage: Stage) -> None:
        before, _, after = composed(stage, plain(tokens=[PLACE])).partition(PLACE.encode())
        await stage.head(200, [stage.kind])
        await stage.chunk(before)
        await _pour(stage, b"x" * BLOCK, size)
        await stage.chunk(after)
        await stage.end()

    return Behaviour(f"big_event:{size}", play)


def huge_error(code: int = 500, size: int = 5_000_000) -> Behaviour:
    """An error whose message is `size` bytes long."""

    async def play(stage: Stage) -> None:
        before, after = b'{"error":{"message":"', b'","type":"server_error"}}'
        await stage.head(code, [JSON], length=len(before) + size + len(after))
        await stage.chunk(before)
        await _pour(stage, b"x" * BLOCK, size)
        await stage.chunk(after)
        await stage.end()

    return Behaviour(f"huge_error:{code}", play)


def bomb(size: int = 100_000_000, coding: Coding = "gzip") -> Behaviour:
    """A good answer with one token of `size` bytes, compressed to less than a hundredth of that."""
    return replace(compressed(big_event(size), coding), name=f"bomb:{size}")


async def _pour(stage: Stage, block: bytes, size: int) -> None:
    while size > 0:
        await stage.chunk(block[:size])
        await stage.sleep(0)
        size -= len(block)
