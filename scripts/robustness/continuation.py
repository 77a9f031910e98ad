"""Requests of the router that ask a provider to go on with an answer which broke off, as the provider sees them. All
models here do as they are asked, and know what the first one would have written. It uses none of the router's code.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CUT_OFF = "Your last message was cut off by a network error."
"""How the router's instruction begins."""
BEFORE_ANCHOR = "They are:\n\n"
"""What stands before the words that are to be repeated first."""


def is_continuation(question: str) -> bool:
    """Whether the last words of the user ask for the rest of an answer."""
    return question.startswith(CUT_OFF)


def rest_of(answer: str, question: str) -> str:
    """The end of the answer, from the words on that are to be repeated. Raises LookupError if they are not in it."""
    anchor = question.partition(BEFORE_ANCHOR)[2]
    if not anchor or (at := answer.rfind(anchor)) < 0:
        raise LookupError(f"the answer does not hold {anchor!r}")
    return answer[at:]


@dataclass(frozen=True, slots=True)
class Asked:
    """`prefix` is the text so far, without white space at its end. `anchor`: the words to be repeated first; None: the
    text so far is the beginning of the model's own answer. `size`: bytes of all texts of the request.
    """

    prefix: str
    anchor: str | None
    size: int

    def written(self, answer: str) -> str:
        """What a model that would have given this answer writes, if it follows the instruction."""
        return answer[len(self.prefix) - len(self.anchor or "") :]


def asked_in(fields: Mapping[str, Any]) -> Asked | None:
    """What a request, in any dialect, asks a model to go on with; None: it asks for an answer."""
    turns = fields.get("messages") or fields.get("input") or fields.get("contents") or []
    said = ["".join(texts(turn)) for turn in turns]
    size = sum(len(each.encode()) for each in said)
    if turns[-1]["role"] in ("assistant", "model"):
        return Asked(said[-1], None, size)
    if is_continuation(said[-1]):
        return Asked(said[-2], said[-1].partition(BEFORE_ANCHOR)[2], size)
    return None


def texts(value: Any) -> Iterator[str]:
    """All texts of a turn, in order."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name in ("text", "content") and isinstance(member, str):
                yield member
            else:
                yield from texts(member)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


def follower_of(attempts: Any) -> Mapping[str, Any] | None:
    """The attempt of an exchange that went on, or tried to, with the answer of another one."""
    return next((each for each in attempts if "continues" in each), None)


def whole_texts(said: str, follower: Mapping[str, Any], answer: str, written_by: Callable[[str], str]) -> list[str]:
    """What a client may get in the end that has `said` of an `answer`. `written_by` is given what the second model is
    to write, and returns what it writes instead. White space at the end of what was said is not sent twice.
    """
    if follower["method"] == "anchor":
        return [answer]
    prefix = said.rstrip()
    written = written_by(answer[len(prefix) :])
    owed = said[len(prefix) :]
    return [said + written.removeprefix(owed), said + written]
