"""What the demo provider needs of a dialect (`demo.py` in its folder): scripted answers, their stream events, errors.

Nothing in here does I/O; the demo itself, with its sockets, is `pointsman.demo`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol


class EventRole(Enum):
    """What a stream event is for; behaviours aim at parts and never look into a dialect."""

    OPENING = "opening"
    FRAME = "frame"
    """What holds content together: where blocks and items begin and end."""
    CONTENT = "content"
    FINISH = "finish"
    USAGE = "usage"
    END = "end"
    ERROR = "error"
    COMMENT = "comment"
    PAUSE = "pause"
    """A blank line: nothing is said."""


@dataclass(frozen=True, slots=True)
class DemoEvent:
    """One event of a stream: its data, which may span lines, and its type where the dialect names types."""

    role: EventRole
    data: str
    type: str | None = None

    def encode(self, newline: str = "\n", space: bool = True) -> bytes:
        """The event as SSE, blank line included; `newline` is LF, CRLF or CR, `space` the one after each colon."""
        if self.role is EventRole.PAUSE:
            return newline.encode()
        gap = " " if space else ""
        lines = [] if self.type is None else [f"event:{gap}{self.type}"]
        field = "" if self.role is EventRole.COMMENT else "data"
        lines += [f"{field}:{gap}{line}" for line in self.data.split("\n")]
        return (newline.join(lines) + newline * 2).encode("utf-8", "surrogatepass")


class ReportsUsage(Enum):
    """When a streamed answer reports its token usage."""

    NEVER = "never"
    ASKED = "asked"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of one tool; `arguments` is the JSON text the model wrote."""

    name: str
    arguments: str

    @property
    def parsed(self) -> Any:
        return json.loads(self.arguments)

    @property
    def pieces(self) -> list[str]:
        """The arguments as they are streamed."""
        return [self.arguments[start : start + 12] for start in range(0, len(self.arguments), 12)]


@dataclass(frozen=True, slots=True)
class DemoAnswer:
    """An answer before any dialect: its tokens, and how it ends. `finish` is in OpenAI's words, "" is none."""

    tokens: tuple[str, ...]
    finish: str = "stop"
    usage: ReportsUsage = ReportsUsage.ASKED
    done: bool = True
    model: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return "".join(self.tokens)


@dataclass(frozen=True, slots=True)
class DemoError:
    """An error before any dialect."""

    message: str
    type: str
    code: str | None = None
    status: int = 500


class DemoRequest(Protocol):
    """A request as the demo provider received it: `pointsman.demo.ReceivedRequest`."""

    body: bytes
    path: str
    """The request target as received, query included."""
    number: int
    """Its place among all requests of the provider, from 1."""
    received: float
    """Unix time in seconds."""

    @property
    def fields(self) -> dict[str, Any]:
        """The body's JSON object; empty if the body is anything else."""

    @property
    def route(self) -> str:
        """The path without its query."""


class DemoDialect(Protocol):
    """What a dialect's module `demo` has: functions that write scripted answers."""

    def claims(self, route: str) -> bool:
        """Is this path (without its query) one of the dialect's chat paths?"""

    def asks_count(self, route: str) -> bool:
        """Does this path ask for a number of tokens?"""

    def question(self, body: dict[str, Any]) -> str:
        """The last thing the user said, or ""."""

    def wants_stream(self, request: DemoRequest) -> bool:
        """Does the request ask for a streamed answer?"""

    def streams_list(self, request: DemoRequest) -> bool:
        """Is the stream asked for one JSON list, not SSE?"""

    def events(self, answer: DemoAnswer, request: DemoRequest) -> list[DemoEvent]:
        """The events of a streamed answer, in order."""

    def whole(self, answer: DemoAnswer, request: DemoRequest) -> bytes:
        """The body of an answer that is not streamed."""

    def error_body(self, error: DemoError) -> bytes:
        """The body of an error status."""

    def error_event(self, error: DemoError, request: DemoRequest) -> DemoEvent:
        """The event that reports an error within a stream."""

    def ping(self) -> DemoEvent:
        """What a provider says to keep a stream alive."""

    def models_body(self, models: Sequence[str]) -> bytes:
        """The body that lists the models on offer."""
