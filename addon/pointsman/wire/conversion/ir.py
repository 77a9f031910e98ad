"""The neutral form of an answer: parts (a text, a call), and the pieces that a stream brings them in.

[Piece(Kind.TEXT, "Hel"), Piece(Kind.TEXT, "lo"), Piece(Kind.CALL, "{}", id="call_1", name="read")]
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple

import orjson

from pointsman.wire import jsontext

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


class Piece(NamedTuple):
    """More of a part. The first piece of a call has its `name`; all pieces of it have its `id`."""

    kind: Kind
    text: str
    id: str = ""
    name: str = ""


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces of a whole answer. Texts that follow each other are one text, as they are in a stream."""
    whole: list[Piece] = []
    for piece in pieces:
        if whole and whole[-1].kind is piece.kind is not Kind.CALL:
            whole[-1] = whole[-1]._replace(text=whole[-1].text + piece.text)
        else:
            whole.append(piece)
    return whole


@dataclass(slots=True, eq=False)
class Part:
    """`is_free`: the tool takes a text of any form, not an object; `text` is that text."""

    kind: Kind
    text: str = ""
    id: str = ""
    name: str = ""
    is_free: bool = False

    def arguments(self) -> dict[str, Any]:
        """Of a call. Raises Inconvertible if the model wrote none that can be read."""
        try:
            arguments = jsontext.loads(self.text.encode("utf-8", "surrogatepass")) if self.text.strip() else {}
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            raise Inconvertible(f"the arguments of a call of {self.name!r} are not a JSON object")
        return arguments


@dataclass(slots=True)
class Identity:
    """What an answer says of itself. `stem` is its id without what its dialect puts before ids."""

    stem: str
    model: str
    created: int


@dataclass(slots=True, eq=False)
class AnswerState:
    """What is known so far of an answer that is being read. `identity` is as the router would have it, until the
    provider says more.
    """

    identity: Identity
    signatures: dict[str, str] = field(default_factory=dict)
    """Google's, by the ids of the calls that they sign."""
    call_ids: dict[object, str] = field(default_factory=dict)
    """By the provider's index of the call."""
    spoken_ids: set[str] = field(default_factory=set)
    """Ids of calls whose arguments were seen; with an empty one, anything was."""

    def made_up_id(self, number: object) -> str:
        """For a call whose provider gave it none."""
        return f"call_{self.identity.stem}_{number}"


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
