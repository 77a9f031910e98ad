"""Ways to give any behaviour: later, compressed, in small pieces, with other headers, before the connection closes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from pointsman.demo.compression import Coding
from pointsman.demo.responder import Headers, Responder, WriteOptions
from pointsman.demo.script import Behaviour


class Gate(Protocol):
    """What lets a behaviour go on, such as an `asyncio.Event`."""

    async def wait(self) -> object: ...


def gated(behaviour: Behaviour, gate: Gate) -> Behaviour:
    """Waits for the gate, then plays."""

    async def play(responder: Responder) -> None:
        await gate.wait()
        await behaviour.play(responder)

    return Behaviour(f"{behaviour.name}|gated", play)


def delayed(behaviour: Behaviour, seconds: float = 1.0) -> Behaviour:
    """Waits that long before the head of the answer."""

    async def play(responder: Responder) -> None:
        await responder.sleep(seconds)
        await behaviour.play(responder)

    return Behaviour(f"{behaviour.name}|delayed:{seconds:g}", play)


def compressed(behaviour: Behaviour, coding: Coding = "gzip") -> Behaviour:
    """Compresses the body, whether or not the request accepts that; each event can be read as it arrives."""
    return _with_options(behaviour, f"compressed:{coding}", coding=coding)


def drip(behaviour: Behaviour, piece: int = 1, every: float = 0.0) -> Behaviour:
    """Writes the body in pieces of that many bytes, each a chunk of its own, `every` seconds apart."""
    return _with_options(behaviour, f"drip:{piece}", piece=piece, every=every)


def with_headers(behaviour: Behaviour, headers: Headers) -> Behaviour:
    """Adds headers to the head, in place of any of the same name."""
    return _with_options(behaviour, "with_headers", headers=tuple(headers))


def with_trailers(behaviour: Behaviour, trailers: Headers = (("X-Demo-Checksum", "1"),)) -> Behaviour:
    """Sends the body in chunks, with trailers after the last."""
    return _with_options(behaviour, "with_trailers", trailers=tuple(trailers))


def until_close(behaviour: Behaviour) -> Behaviour:
    """Sends no body length: the body ends when the connection closes."""
    return _with_options(behaviour, "until_close", until_close=True)


def closing(behaviour: Behaviour, announced: bool = True) -> Behaviour:
    """Closes the connection after the answer; not `announced`, a peer may have put it in its pool by then."""
    return _with_options(behaviour, "closing", announces_close=announced, reuse=False)


def unread(behaviour: Behaviour) -> Behaviour:
    """Plays as soon as the head of the request is there, and closes the connection on the body."""
    return replace(behaviour, name=f"{behaviour.name}|unread", reads_body=False)


def _with_options(behaviour: Behaviour, name: str, **changes: Any) -> Behaviour:
    def change(options: WriteOptions) -> WriteOptions:
        return replace(options, **changes)

    async def play(responder: Responder) -> None:
        responder.options = change(responder.options)
        await behaviour.play(responder)

    return replace(behaviour, name=f"{behaviour.name}|{name}", play=play)
