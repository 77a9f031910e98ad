"""Parts of a request that only their issuer accepts: signed thoughts, encrypted reasoning, signatures of calls.

When a conversation moves to another provider or account, that one refuses the parts that the first one has signed, so
it is asked without them. Thoughts that were written in another dialect bear a mark in the place of the signature, and
reach no provider at all. Google has a word for calls that none of its models made.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from pointsman.wire import jsontext
from pointsman.wire.dialects.base import Dialect, DropsPart
from pointsman.wire.json_access import Document, Members, dicts

MARK = "cG9pbnRzbWFu"
"""In the place of a signature, which is in base64."""
MARK_BYTES = MARK.encode()
UNSIGNED = "skip_thought_signature_validator"
"""Google's own, for `thoughtSignature`."""
_OLDER_GEMINI = re.compile(r"gemini-[12](?!\d)")

type PartId = bytes
"""Stands for a signature."""
PART_ID_SIZE = 8

MAX_PART_IDS = 16
"""Of the last signatures that a provider refused: those before them are refused too."""


def is_of_google(model: str) -> bool:
    return "gemini" in model.lower()


def requires_signatures(model: str) -> bool:
    """Google's models since Gemini 3 refuse a call without a signature."""
    return not _OLDER_GEMINI.search(model)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What of its signed parts a request is sent without: all, or those up to the last one whose id is in `known`."""

    known: frozenset[PartId] = frozenset()
    everything: bool = False

    def __bool__(self) -> bool:
        return self.everything or bool(self.known)


EVERYTHING = LeftOut(everything=True)


class Edit(NamedTuple):
    """What a request has instead of its messages, and of further members."""

    messages: Sequence[Document]
    members: Mapping[str, Any]


def part_ids(dialect: Dialect, document: Members) -> list[PartId]:
    """Of all signed parts of a request, in order."""
    signed = dialect.signed_parts
    if signed is None:
        return []
    found = (each for message in dicts(document.get(signed.member)) for each in signed.signatures(message))
    return [_part_id(signature) for signature in found if signature]


def edit(dialect: Dialect, document: Members, left_out: LeftOut, model: str) -> Edit | None:
    """What changes when a request is sent without these parts; None if nothing does. Marked parts are always left out.

    Messages that stay as they were are the same objects.
    """
    signed = dialect.signed_parts
    messages = dicts(document.get(signed.member)) if signed else []
    if signed is None or not messages:
        return None
    right = signed.without(messages, _drops(signed.signatures, messages, left_out), model)
    is_changed = len(right) != len(messages) or any(one is not two for one, two in zip(right, messages, strict=True))
    members = signed.other_members(document, right) if is_changed or left_out.everything else {}
    return Edit(right, members) if is_changed or members else None


def leave_out(dialect: Dialect, document: Document, left_out: LeftOut, model: str) -> None:
    """The same as `without_foreign_thoughts`, of a request that is not bytes yet: it is changed."""
    if left_out and dialect.signed_parts and (changed := edit(dialect, document, left_out, model)):
        document |= {**changed.members, dialect.signed_parts.member: list(changed.messages)}


def without_foreign_thoughts(dialect: Dialect, body: bytes, left_out: LeftOut, model: str) -> bytes:
    """A request's body, untouched where there is nothing to leave out; otherwise messages that stay as they were, and
    other members, are byte for byte the same.
    """
    if not left_out and body.rfind(MARK_BYTES) < 0:  # which is five times faster than `in` on a large body
        return body
    document = json.loads(body)  # integers of any length survive
    changed = edit(dialect, document, left_out, model)
    return body if changed is None or dialect.signed_parts is None else _spliced(body, document, dialect, changed)


def _drops(signatures: Any, messages: Sequence[Members], left_out: LeftOut) -> DropsPart:
    last = -1
    if left_out.known and not left_out.everything:
        for place, message in enumerate(messages):
            if any(_part_id(signature) in left_out.known for signature in signatures(message)):
                last = place

    def drops(place: int, signature: str) -> bool:
        return left_out.everything or place <= last or signature == MARK

    return drops


def _part_id(signature: str) -> PartId:
    return blake2b(signature.encode("utf-8", "surrogatepass"), digest_size=PART_ID_SIZE).digest()


def _spliced(body: bytes, document: Members, dialect: Dialect, changed: Edit) -> bytes:
    assert dialect.signed_parts
    name = dialect.signed_parts.member
    try:
        for other, value in changed.members.items():
            body = jsontext.splice_raw(body, _span(body, other, document), jsontext.dumps(value))
        listed = _span(body, name, document)
    except jsontext.DuplicateMember:
        return jsontext.dumps({**document, **changed.members, name: changed.messages})
    spans = jsontext.element_spans(body, listed)
    before = {id(message): span for message, span in zip(document[name], spans, strict=True)}
    pieces = [
        body[slice(*before[id(message)])] if id(message) in before else jsontext.dumps(message)
        for message in changed.messages
    ]
    return jsontext.splice_raw(body, listed, b"[%b]" % b",".join(pieces))


def _span(body: bytes, name: str, document: Members) -> jsontext.Span:
    span = jsontext.member_span(body, name, document)
    assert span, "the document has it"
    return span
