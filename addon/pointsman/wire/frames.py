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
    """Tokens as the provider reports them, or as they are estimated where it does not, in numbers that do not overlap:
    of the prompt, `input` was neither read from a cache nor written to one. Of `output`, `reasoning` were thoughts.

    >>> Usage(input=100, output=20, cache_read=900).prompt
    1000
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    """Written to a cache for five minutes, or for whatever the provider's usual time is."""
    cache_write_1h: int = 0
    reasoning: int = 0
    cost: int | None = None
    """What the provider says it bills, in nano-dollars; None where it says nothing."""
    is_estimated: bool = False

    @property
    def cache_write(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def prompt(self) -> int:
        """The whole prompt, with what was read from a cache or written to one."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h

    @property
    def total(self) -> int:
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h + self.output

    def __add__(self, other: "Usage") -> "Usage":
        """Both together; what they cost is known if both costs are, and estimated what one of them estimates."""
        counts = {name: getattr(self, name) + getattr(other, name) for name in TOKEN_KINDS}
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        return Usage(**counts, cost=cost, is_estimated=self.is_estimated or other.is_estimated)

    def to_dict(self) -> dict[str, object]:
        """The tokens in plain JSON types, with `estimated` where they are."""
        told: dict[str, object] = {name: getattr(self, name) for name in TOKEN_KINDS}
        return {**told, "estimated": True} if self.is_estimated else told


TOKEN_KINDS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
"""The numbers of a usage; `reasoning` is a part of `output`."""


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
