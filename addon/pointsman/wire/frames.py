"""Frames: what a provider's bytes mean, whatever the dialect.

Every attempt has one `Reader`, made for a client dialect, a provider dialect and a streamed or whole answer. It turns
bytes into frames; the commit gate, races, early headers and conversion all work on frames and so share one path. When a
reader passes bytes through, the concatenated `data` of its frames is what the provider sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple, Protocol

from pointsman.wire.errors import Fault


class FrameKind(Enum):
    CONTENT = auto()
    """Text, reasoning, a tool call, a refusal: the first one commits the attempt."""
    NEUTRAL = auto()
    """Part of an answer, but no content yet: roles, openings, usage, a finish reason."""
    PING = auto()
    """A comment or ping: dropped before commit, passed on after it."""
    ERROR = auto()
    """The provider reports a failure; `fault` says which."""
    MALFORMED = auto()
    """Not an answer in this dialect; `fault` says why."""
    END = auto()
    """The end marker, or the whole of an answer that was not streamed."""


class Frame(NamedTuple):
    """`data` is what the client gets for it, possibly nothing."""

    kind: FrameKind
    data: bytes
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider reports them, or as they are estimated where it does not. Of the prompt, `cached` came out
    of a cache and `cache_written` went into one; of the completion, `reasoning` were thoughts.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    cache_written: int = 0
    reasoning: int = 0
    is_estimated: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """How an answer began, for an error event that has to end it.

    `answer` is what its opening said, `number` the one that its next event gets in dialects that number events.
    """

    answer: Mapping[str, Any] = field(default_factory=dict, repr=False)
    number: int = 0


class Reader(Protocol):
    """Reads one attempt's answer. A reader never raises on what a provider sends."""

    @property
    def finish_reason(self) -> str | None:
        """The last finish reason seen, whatever the dialect as `stop`, `length`, `content_filter` or `tool_calls`; any
        other in the provider's own word.
        """
        ...

    @property
    def finished(self) -> bool:
        """A finish reason or the end marker was seen: the answer is whole."""
        ...

    @property
    def usage(self) -> Usage | None: ...

    @property
    def opening(self) -> Opening | None:
        """None before it was seen, and in dialects that can end an answer without."""
        ...

    def read(self, data: bytes) -> Sequence[Frame]:
        """The frames that these bytes complete, in order; an incomplete tail is kept."""
        ...

    def close(self) -> Sequence[Frame]:
        """The provider's body has ended: what the tail makes."""
        ...
