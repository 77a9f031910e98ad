"""The request that asks another provider to go on, in the dialect of the client."""

from typing import Any

from pointsman.wire.continuation.base import Method, Obstacle
from pointsman.wire.continuation.reasons import NotContinued
from pointsman.wire.continuation.seam import LEAST_ANCHOR, anchor_of
from pointsman.wire.conversion.ir import dumps
from pointsman.wire.dialects.base import Dialect
from pointsman.wire.json_access import Document, Members
from pointsman.wire.request_facts import estimated_tokens

INSTRUCTION = """\
Your last message was cut off by a network error. Write the rest of it, from exactly where it ends. So that the two \
parts can be joined, begin with its last {count} characters, repeated exactly as they are, and go on directly after \
them. Write nothing before them, and do not repeat anything else. They are:

{anchor}"""


def continued_body(dialect: Dialect, request: Members, text: str, method: Method) -> bytes:
    """`text` is what the client has of the answer. Raises Obstacle."""
    said = text.rstrip()
    if not said:
        raise Obstacle(NotContinued.TOO_SHORT)
    instruction, repeated = None, 0
    if method is Method.ANCHOR:
        anchor = anchor_of(text)
        if anchor is None:
            is_short = len(said.strip()) < LEAST_ANCHOR
            raise Obstacle(NotContinued.TOO_SHORT if is_short else NotContinued.REPEATS_ITSELF)
        instruction, repeated = INSTRUCTION.format(count=len(anchor), anchor=anchor), _tokens(anchor)
    continuation = dialect.continuation
    assert continuation
    document = {**request, **continuation.turns(request, said, instruction)}
    for path in continuation.limits:
        _lower_limit(document, path, _tokens(text), repeated)
    return dumps(document)


def _tokens(text: str) -> int:
    return estimated_tokens(len(text.encode("utf-8", "surrogatepass")))


def _lower_limit(document: Document, path: tuple[str, ...], written: int, repeated: int) -> None:
    """By the tokens that are written already, but for those that come again."""
    *outer, name = path
    holder: Any = document
    for member in outer:
        if not isinstance(holder.get(member), dict):
            return
        holder[member] = dict(holder[member])
        holder = holder[member]
    limit = holder.get(name)
    if not isinstance(limit, int) or isinstance(limit, bool):
        return
    if limit <= written:
        raise Obstacle(NotContinued.NO_ROOM)
    holder[name] = limit - written + repeated
