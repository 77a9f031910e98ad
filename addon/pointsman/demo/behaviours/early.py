"""What goes wrong before an answer: refused, reset, silent, slow, or with more or less of a head than expected."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Literal

from pointsman.demo.behaviours.streaming import TEXT, Delivery, Interruption, answering, composed, plain, send_answer
from pointsman.demo.responder import Responder, arm_reset
from pointsman.demo.script import Behaviour


def closed_port() -> str:
    """A base URL of loopback where connections are refused. The port is low: no later listener gets it by chance."""
    for port in range(1, 1024):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED:
                return f"http://127.0.0.1:{port}/v1"
    raise OSError("no low port of loopback refuses connections")


def reset(when: Literal["connect", "request", "headers"] = "request") -> Behaviour:
    """A TCP reset: as soon as a connection is accepted, once the request is read, or after the head of a good answer.

    At `connect` a request on a connection that is open already is reset when it is read.
    """
    name = f"reset:{when}"
    if when == "headers":
        return Behaviour(name, _reset_after_head)
    return Behaviour(name, Responder.reset, at_accept=_slam if when == "connect" else None)


def hang_up() -> Behaviour:
    """The connection closes in order, without a byte of answer: what a stale connection looks like."""
    return Behaviour("hang_up", Responder.hang_up)


def silence() -> Behaviour:
    """A new connection is accepted and then ignored, TLS handshake included; an open one never gets its answer."""
    return Behaviour("silence", Responder.hang, at_accept=_ignore)


def hang(where: Literal["before-headers", "after-headers", "after-role"] = "before-headers") -> Behaviour:
    """Sends nothing more from that place on. `after-role` is after the first event of a stream, before any content."""
    name = f"hang:{where}"
    match where:
        case "before-headers":
            return Behaviour(name, Responder.hang)
        case "after-headers":
            return Behaviour(name, _hang_after_head)
        case "after-role":
            return answering(name, plain(), Delivery(interruptions=(Interruption(0, Responder.hang),)))


def slow_headers(text: str = TEXT, pieces: int = 10, every: float = 0.02) -> Behaviour:
    """The head of the answer comes in that many pieces, `every` seconds apart; then a good answer."""

    async def play(responder: Responder) -> None:
        raw = responder.compose_head(200, [responder.kind])
        step = -(-len(raw) // pieces)
        for start in range(0, len(raw), step):
            await responder.sleep(every if start else 0)
            await responder.write(raw[start : start + step])
        await responder.chunk(composed(responder, plain(text)))
        await responder.end()

    return Behaviour("slow_headers", play)


def early_hints(text: str = TEXT, code: int = 103, times: int = 1) -> Behaviour:
    """Informational heads (103, 102, an unasked 100) before a good answer."""

    async def play(responder: Responder) -> None:
        for _ in range(times):
            await responder.write(f"HTTP/1.1 {code} Informational\r\nLink: </style.css>; rel=preload\r\n\r\n".encode())
        await send_answer(responder, plain(text))

    return Behaviour(f"early_hints:{code}", play)


def endless_hints(code: int = 103) -> Behaviour:
    """Informational heads without end, and never an answer."""

    async def play(responder: Responder) -> None:
        while True:
            await responder.write(f"HTTP/1.1 {code} Informational\r\n\r\n".encode())
            await responder.sleep(0)

    return Behaviour(f"endless_hints:{code}", play)


def long_head(size: int = 1_000_000) -> Behaviour:
    """A head with one header of that many bytes; then the connection closes."""

    async def play(responder: Responder) -> None:
        await responder.head(200, [responder.kind, ("X-Demo-Long", "x" * size)])
        await responder.hang_up()

    return Behaviour(f"long_head:{size}", play)


def no_http(greeting: str = "SSH-2.0-OpenSSH_9.6") -> Behaviour:
    """The server speaks another protocol, and hangs up."""

    async def play(responder: Responder) -> None:
        await responder.write(f"{greeting}\r\n".encode())
        await responder.hang_up()

    return Behaviour("no_http", play)


def json_for_stream(text: str = TEXT) -> Behaviour:
    """A whole JSON answer, whether or not the request asked for a stream."""
    return answering("json_for_stream", plain(text), Delivery(streamed=False))


def sse_for_whole(text: str = TEXT) -> Behaviour:
    """A stream, whether or not the request asked for one."""
    return answering("sse_for_whole", plain(text), Delivery(streamed=True))


async def _hang_after_head(responder: Responder) -> None:
    await responder.head(200, [responder.kind])
    await responder.hang()


async def _reset_after_head(responder: Responder) -> None:
    await responder.head(200, [responder.kind])
    await responder.reset()


async def _slam(sock: socket.socket) -> None:
    arm_reset(sock)


async def _ignore(sock: socket.socket) -> None:
    while await asyncio.get_running_loop().sock_recv(sock, 65_536):
        pass
