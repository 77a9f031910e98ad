"""Messages of a conversation in a form that is the same whenever a client sends them again.

Texts are joined, calls of tools and their results stand by their content, images and the like by their digest. Ids,
cache markers and reasoning are dropped: clients change or drop them between turns.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from pointsman.wire import jsontext
from pointsman.wire.conversion.arguments import UNREADABLE

SEPARATOR = b"\x1f"
INNER_SEPARATOR = b"\x1e"
ASSISTANT, TOOL, USER = "assistant", "tool", "user"
PREAMBLE_ROLES = ("system", "developer")

UNSTABLE_MEMBERS = frozenset({"id", "call_id", "tool_use_id", "cache_control", "status", "thoughtSignature"})


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` begins with its text; it is canonical, and of any length."""

    role: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Conversation:
    """`preamble` is the system prompt and the tools."""

    preamble: bytes = field(repr=False)
    messages: tuple[Message, ...]


class ToolCalls(NamedTuple):
    """Of one answer: how many there are, and how many of them have arguments that are no JSON object."""

    total: int = 0
    malformed: int = 0

    def with_call(self, is_malformed: bool) -> "ToolCalls":
        return ToolCalls(self.total + 1, self.malformed + is_malformed)


NO_CALLS = ToolCalls()


@dataclass(slots=True)
class MessageDraft:
    """A message in the making: its texts, and pieces of other kinds, each in order. `thoughts` are the bytes of what
    was thought in plain sight, which is no part of it. `calls` counts those among the pieces.
    """

    role: str
    texts: list[bytes] = field(default_factory=list, repr=False)
    pieces: list[bytes] = field(default_factory=list, repr=False)
    thoughts: int = 0
    calls: ToolCalls = NO_CALLS

    def add_text(self, text: object) -> None:
        if isinstance(text, str) and text:
            self.texts.append(text.encode("utf-8", "surrogatepass"))

    def add_thought(self, text: object) -> None:
        self.thoughts += len(encoded(text))

    def add_call(self, name: object, arguments: object, is_free: bool = False) -> None:
        """`arguments` is an object, or its JSON text; with `is_free` any text."""
        if isinstance(arguments, str):
            arguments = _parsed(arguments)
        self.calls = self.calls.with_call(not is_free and _is_malformed(arguments))
        self.pieces.append(_piece(b"call", encoded(name), sorted_json(arguments)))

    def add_result(self, text: bytes, others: Iterable[bytes] = ()) -> None:
        """What a tool gave back."""
        self.pieces.append(_piece(b"result", text, *others))

    def add_other(self, thing: Mapping[str, Any]) -> None:
        """An image, a file, or anything else that is identified by its digest."""
        self.pieces.append(digest(thing))

    def extend(self, other: "MessageDraft") -> None:
        """What `other` says follows."""
        self.texts += other.texts
        self.pieces += other.pieces
        self.calls = ToolCalls(self.calls.total + other.calls.total, self.calls.malformed + other.calls.malformed)

    def is_empty(self) -> bool:
        return not self.texts and not self.pieces

    def message(self) -> Message:
        texts = self.texts[0] if len(self.texts) == 1 else b"".join(self.texts)
        return Message(self.role, SEPARATOR.join((texts, *self.pieces)) if self.pieces else texts)


def messages_of(turns: Iterable[MessageDraft]) -> tuple[Message, ...]:
    """What an assistant says in one go is one message, in however many turns its client keeps it."""
    merged: list[MessageDraft] = []
    for turn in turns:
        if merged and turn.role == merged[-1].role == ASSISTANT:
            merged[-1].extend(turn)
        else:
            merged.append(turn)
    return tuple(turn.message() for turn in merged)


def preamble_of(system: Iterable[MessageDraft], tools: object) -> bytes:
    """Markers of caches wander about among tools."""
    stable = [_stable(tool) for tool in tools] if isinstance(tools, list) else tools
    return SEPARATOR.join((*(turn.message().content for turn in system), sorted_json(stable)))


def split_preamble(turns: list[MessageDraft]) -> tuple[list[MessageDraft], list[MessageDraft]]:
    """The turns before the conversation itself, and those of it."""
    start = next((n for n, turn in enumerate(turns) if turn.role not in PREAMBLE_ROLES), len(turns))
    return turns[:start], turns[start:]


def encoded(text: object) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else b""


def sorted_json(value: object) -> bytes:
    """JSON with its members in order."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (TypeError, orjson.JSONEncodeError):
        return repr(value).encode("utf-8", "surrogatepass")


def digest(thing: Mapping[str, Any]) -> bytes:
    return sha256(sorted_json(_stable(thing))).digest()[:16]


def _piece(kind: bytes, *parts: bytes) -> bytes:
    return INNER_SEPARATOR.join((kind, *parts))


def _stable(thing: object) -> object:
    if not isinstance(thing, Mapping) or UNSTABLE_MEMBERS.isdisjoint(thing):
        return thing
    return {name: value for name, value in thing.items() if name not in UNSTABLE_MEMBERS}


def _is_malformed(arguments: object) -> bool:
    """Missing and empty arguments are not malformed. An object that a conversion has made of unreadable text is."""
    if isinstance(arguments, Mapping):
        return len(arguments) == 1 and UNREADABLE in arguments
    return arguments is not None and arguments != ""


def _parsed(arguments: str) -> object:
    """Clients serialise the arguments of a call again; a model may write what is not JSON."""
    return jsontext.parsed(encoded(arguments), arguments)
