"""What an answer consists of, whatever its dialect: parts, and the pieces that a stream brings them in."""

from dataclasses import dataclass
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
    """Of a tool; its text is the arguments as JSON."""


class Piece(NamedTuple):
    """More of a part. The first piece of a call has its `name`; all pieces of it have its `id`."""

    kind: Kind
    text: str
    id: str = ""
    name: str = ""


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
            raise Inconvertible(f"the arguments of a call of {self.name!r} are no JSON object")
        return arguments


@dataclass(slots=True)
class Identity:
    """What an answer says of itself. `stem` is its id without what its dialect puts before ids."""

    stem: str
    model: str
    created: int


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
