"""One kind of shared state, and what it exchanges with the engine."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import sha1
from typing import Any, NamedTuple, Protocol

FARTHEST = 1000 * 86_400.0
"""Seconds from now to a moment that peers may tell."""


class SharedTime(NamedTuple):
    """One moment on three clocks, in seconds: the routing clock, the wall and the engine's own. Times travel as the
    engine's, so the clocks of the machines need not agree.
    """

    now: float
    wall: float
    server: float

    def validated(self, server: float) -> float:
        """A moment that a peer has sent, on the engine's clock. Raises ValueError for one that is out of range."""
        if not 0 <= server <= self.server + FARTHEST:
            raise ValueError("no moment")
        return float(server)

    def to_server(self, now: float) -> float:
        """A moment of the routing clock, on the engine's clock."""
        return now - self.now + self.server

    def to_local(self, server: float) -> float:
        """A moment of the engine's clock, on the routing clock."""
        return server - self.server + self.now


class Delta(NamedTuple):
    """A change for the peers; `body` is JSON as orjson writes it, so without line breaks."""

    part: str
    body: bytes


@dataclass(frozen=True, eq=False)
class Script:
    """Lua that the engine runs as one step."""

    name: str
    text: str

    @cached_property
    def digest(self) -> str:
        return sha1(self.text.encode(), usedforsecurity=False).hexdigest()


def ignore(_: Any, __: SharedTime) -> None:
    """For a reply that contains nothing."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The reply to a call that the engine does not run, and why: a fault of its script, which ends nothing else."""

    reason: str


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a script. All `keys` share a hash tag. `on_reply` gets what it returns, texts as bytes; it is not
    called if the engine does not answer, and the script may have run all the same.
    """

    script: Script
    keys: Sequence[str]
    args: Sequence[str | bytes | int | float] = ()
    on_reply: Callable[[Any, SharedTime], None] = ignore


class Part(Protocol):
    """Registered with the hub. Called on the event loop and never at the same time as itself."""

    name: str
    """Of its deltas. Bounded memory is the part's own concern: it keeps what it has to publish while disconnected."""

    def deltas(self, now: SharedTime) -> Iterable[Delta]:
        """The changes here since the last call. Called only while connected; a delta may reach peers more than once, or
        never.
        """

    def on_delta(self, delta: Delta, now: SharedTime) -> None:
        """A peer's change, in any order, perhaps again. What is malformed may raise ValueError, TypeError or
        LookupError, and is dropped.
        """

    def calls(self, now: SharedTime) -> Iterable[Call]:
        """Scripts to run with this tick."""

    def publish_all(self, now: SharedTime) -> None:
        """A peer has missed changes: the next `deltas` hold all that is known here."""

    def on_connected(self, now: SharedTime, is_new_engine: bool) -> None:
        """The engine answers. `is_new_engine`: for the first time, or after it has lost what it knew; `publish_all`
        is called too then.
        """

    def on_disconnected(self, now: SharedTime) -> None:
        """The engine does not answer any more."""


class SharedState(StrEnum):
    """The state of sharing, as `/internal/health` shows it."""

    OFF = "off"
    CONNECTED = "connected"
    DEGRADED = "degraded"
