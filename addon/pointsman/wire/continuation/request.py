"""The request that asks another provider to go on, in the dialect of the client."""

from typing import Any

from pointsman.wire.continuation.base import Method
from pointsman.wire.continuation.reasons import NotContinued
from pointsman.wire.continuation.seam import LEAST_ANCHOR, anchor_of
from pointsman.wire.conversion.ir import dumps
from pointsman.wire.dialects.base import Dialect
from pointsman.wire.json_access import Document, Members, mapping
from pointsman.wire.request_facts import estimated_tokens

INSTRUCTION = """\
Your last message was cut off by a network error. Write the rest of it, from exactly where it ends. So that the two \
parts can be joined, begin with its last {count} characters, repeated exactly as they are, and go on directly after \
them. Write nothing before them, and do not repeat anything else. They are:

{anchor}"""


def why_not(dialect: Dialect, request: Members, text: str, method: Method) -> NotContinued | None:
    """Why no target can be asked in this way to go on after `text`, which is what the client has of the answer."""
    if not text.strip():
        return NotContinued.TOO_SHORT
    if method is Method.ANCHOR and anchor_of(text) is None:
        return NotContinued.TOO_SHORT if len(text.strip()) < LEAST_ANCHOR else NotContinued.REPEATS_ITSELF
    assert dialect.continuation
    limits = [_limit(_holder(request, path), path[-1]) for path in dialect.continuation.limits]
    return NotContinued.NO_ROOM if any(limit is not None and limit <= _tokens(text) for limit in limits) else None


def continued_body(dialect: Dialect, request: Members, text: str, method: Method) -> bytes:
    """The request for the rest of the answer. Only where `why_not` returns None."""
    said, anchor = text.rstrip(), anchor_of(text) if method is Method.ANCHOR else None
    instruction = INSTRUCTION.format(count=len(anchor), anchor=anchor) if anchor else None
    continuation = dialect.continuation
    assert continuation
    document = {**request, **continuation.turns(request, said, instruction)}
    for path in continuation.limits:
        _lower_limit(document, path, _tokens(text) - _tokens(anchor or ""))
    return dumps(document)


def _tokens(text: str) -> int:
    return estimated_tokens(len(text.encode("utf-8", "surrogatepass")))


def _holder(document: Members, path: tuple[str, ...]) -> Members:
    for member in path[:-1]:
        document = mapping(document.get(member))
    return document


def _limit(holder: Members, name: str) -> int | None:
    limit = holder.get(name)
    return limit if isinstance(limit, int) and not isinstance(limit, bool) else None


def _lower_limit(document: Document, path: tuple[str, ...], tokens: int) -> None:
    """By so many, which are written already and do not come again."""
    if (limit := _limit(_holder(document, path), path[-1])) is None:
        return
    holder: Any = document
    for member in path[:-1]:
        holder[member] = dict(holder[member])
        holder = holder[member]
    holder[path[-1]] = limit - tokens
