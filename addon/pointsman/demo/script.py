"""Behaviours, and scripts that select one for each request."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from pointsman.demo.received_request import ReceivedRequest
from pointsman.demo.responder import Responder

type Action = Callable[[Responder], Awaitable[None]]
type AcceptAction = Callable[[socket.socket], Awaitable[None]]
type Script = Behaviour | Sequence[Behaviour] | Callable[[ReceivedRequest], Behaviour]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A way to treat one request, or one connection."""

    name: str
    play: Action = field(repr=False)
    at_accept: AcceptAction | None = field(default=None, repr=False)
    """Instead of `play`, when it is this behaviour's turn as a new connection is accepted: nothing of the request has
    been read, nor the TLS handshake begun. The connection is closed when it returns."""
    reads_body: bool = True
    """False: it is played as soon as the head of the request is there."""


class ScriptRunner:
    """Hands out a script's behaviours: the only one, or one per request (the last repeats), or a function's choice."""

    def __init__(self, script: Script) -> None:
        self._choose = script if callable(script) else None
        self._rows: Sequence[Behaviour] = ()
        if not callable(script):
            self._rows = (script,) if isinstance(script, Behaviour) else tuple(script)
            if not self._rows:
                raise ValueError("a script needs at least one behaviour")

    @property
    def next(self) -> Behaviour | None:
        """Whose turn it is; None if that depends on the request."""
        return self._rows[0] if self._rows else None

    def take(self, request: ReceivedRequest) -> Behaviour:
        """The behaviour for this request, which uses it up."""
        return self._choose(request) if self._choose else self.advance()

    def advance(self) -> Behaviour:
        """Uses up the behaviour whose turn it is."""
        first, *rest = self._rows
        self._rows = rest or self._rows
        return first


def rotation(*behaviours: Behaviour) -> Callable[[ReceivedRequest], Behaviour]:
    """A script that starts over after its last behaviour."""
    turn = 0

    def choose(_: ReceivedRequest) -> Behaviour:
        nonlocal turn
        turn += 1
        return behaviours[(turn - 1) % len(behaviours)]

    return choose
