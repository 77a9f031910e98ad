"""The neutral form of an answer: parts (a text, a call), and the pieces that a stream brings them in.

[Piece(Kind.TEXT, "Hel"), Piece(Kind.TEXT, "lo"), Piece(Kind.CALL, "{}", id="call_1", name="read")]
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple

import orjson

from pointsman.wire import jsontext
from pointsman.wire.conversion.arguments import UNREADABLE, Arguments, Extent, normalized, parsed

STEMS = ("chatcmpl-", "resp_", "msg_")
"""How dialects begin the ids of their answers."""


class Inconvertible(ValueError):
    """Something that the other dialect has no words for; the message names it."""


class Kind(Enum):
    TEXT = auto()
    THOUGHT = auto()
    REFUSAL = auto()
    CALL = auto()
    """A tool call; its text is the arguments as JSON."""
    IMAGE = auto()
    """One that the model has made; its text is a URL, `data:` as a rule. It comes in one piece."""


class Piece(NamedTuple):
    """More of a part. One of the pieces of a call has its `name`; all of them have its `id`. `is_last`: no more of this
    call will come.
    """

    kind: Kind
    text: str
    id: str = ""
    name: str = ""
    is_last: bool = False


@dataclass(slots=True, eq=False)
class Part:
    """`text` of a call is its arguments, as far as they may be passed on. `is_free`: the tool takes a text of any form,
    not an object; `text` is that text. `is_cut`: the answer ended within it.
    """

    kind: Kind
    text: str = ""
    id: str = ""
    name: str = ""
    is_free: bool = False
    is_cut: bool = False
    is_announced: bool = False
    """The client knows of it."""
    said: Arguments = field(default_factory=Arguments)

    def arguments(self) -> dict[str, Any]:
        """Of a call, where a dialect takes only an object. Of arguments that are none, nothing is left if they were
        cut; else the object holds what the model wrote.
        """
        arguments = parsed(self.text) if self.text.strip() else {}
        if isinstance(arguments, dict):
            return arguments
        return {} if self.is_cut else {UNREADABLE: self.text}

    def goes_on_with(self, piece: Piece) -> bool:
        """Of parts that are no calls: the piece is more of it, not the next part."""
        return self.kind is piece.kind and self.kind is not Kind.IMAGE

    def is_readable(self) -> bool:
        """The arguments of a call are an object."""
        return isinstance(parsed(self.text), dict)


@dataclass(slots=True)
class Identity:
    """What an answer says of itself. `stem` is its id without what its dialect puts before ids."""

    stem: str
    model: str
    created: int


@dataclass(slots=True, eq=False)
class CallState:
    """What was read of a call. `given_id` is what its provider calls it, perhaps nothing."""

    id: str
    given_id: str
    name: str
    text: str = ""
    extent: Extent = field(default_factory=Extent)

    def is_complete(self) -> bool:
        """It has arguments, and they need no more."""
        return self.extent.is_closed or (bool(self.text.strip()) and isinstance(parsed(normalized(self.text)), dict))

    def add(self, more: object, name: str = "") -> Piece:
        """The piece that more arguments make, which may be an object instead of a text."""
        said = "" if more is None else json_text(more)
        self.name = self.name or name
        self.text += said
        if not self.extent.is_closed:
            self.extent.feed(said)
        return Piece(Kind.CALL, said, self.id, self.name)


@dataclass(slots=True, eq=False)
class AnswerState:
    """What is known so far of an answer that is being read. `identity` is as the router would have it, until the
    provider says more.
    """

    identity: Identity
    size_of: Callable[[str], int] = len
    """Gives the length of a text, which may be shortened."""
    signatures: dict[str, str] = field(default_factory=dict)
    """Google's, by the ids of the calls that they sign."""
    calls: dict[object, "CallState"] = field(default_factory=dict)
    """By the provider's index of the call, or whatever else tells it from others."""
    spoken_ids: set[str] = field(default_factory=set)
    """Ids of calls whose arguments were seen; with an empty one, anything was."""
    spoken_kinds: set[Kind] = field(default_factory=set)
    images: dict[str, str] = field(default_factory=dict)
    """Images whose place in the text is held by marks: their URLs by these."""
    left_out: set[str] = field(default_factory=set)
    """What was not passed on, for people."""
    _all_calls: list["CallState"] = field(default_factory=list)

    def add_call(self, key: object, given_id: object, name: object) -> "CallState":
        """One more call. Its id is the provider's, unless that is empty or another call has it."""
        said = given_id if isinstance(given_id, str) else ""
        taken = {call.id for call in self._all_calls}
        made_up = f"call_{self.identity.stem}_{len(self._all_calls)}"
        call = CallState(said if said and said not in taken else made_up, said, name if isinstance(name, str) else "")
        self._all_calls.append(call)
        self.calls[key] = call
        return call

    def mark_image(self, url: str) -> str:
        """The text that is to stand where an image stood, so that the library keeps its place."""
        mark = f"\0image {len(self.images)} of {self.identity.stem}\0"
        self.images[mark] = url
        return mark

    def said(self, words: str) -> "Piece":
        """A text, or the image that it holds the place of."""
        return Piece(Kind.IMAGE, self.images[words]) if words in self.images else Piece(Kind.TEXT, words)

    def arguments_of(self, call_id: str) -> str | None:
        """What was read of the arguments of a call; None if the library is to read them."""
        return next((call.text for call in self._all_calls if call.id == call_id and call.text), None)


def distinct_ids(answer_id: object, given: Iterable[object]) -> Iterator[str]:
    """Ids for the calls of an answer: those of its provider, unless one is missing or another call has it."""
    state = AnswerState(Identity(stem_of(answer_id) if isinstance(answer_id, str) else "", "", 0))
    for place, given_id in enumerate(given):
        yield state.add_call(place, given_id, "").id


def stem_of(answer_id: str) -> str:
    for stem in STEMS:
        answer_id = answer_id.removeprefix(stem)
    return answer_id


def dumps(value: object) -> bytes:
    """JSON; lone surrogates, which models do write, are escaped."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return jsontext.dumps(value)


def json_text(value: object) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else dumps(value).decode()
