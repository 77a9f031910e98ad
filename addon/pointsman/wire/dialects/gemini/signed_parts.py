"""Thought signatures of Google's models."""

from collections.abc import Sequence

from pointsman.wire.dialects.base import DropsPart, SignedParts
from pointsman.wire.dialects.gemini.names import member
from pointsman.wire.json_access import Document, Members, mapping, mappings, text
from pointsman.wire.thinking_signatures import UNSIGNED, requires_signatures

SPELLINGS = ("thoughtSignature", "thought_signature")
EMPTY_PART = {"text": "…"}
"""A content must say something."""


def signatures(content: Members) -> list[str]:
    found = map(_signature, mappings(content.get("parts")))
    return [signature for signature in found if signature and signature != UNSIGNED]


def without(contents: Sequence[Document], drops: DropsPart, model: str) -> list[Document]:
    """Calls get Google's word for those that have no signature, where the model requires one."""
    return [_without(content, place, drops, requires_signatures(model)) for place, content in enumerate(contents)]


SIGNED_PARTS = SignedParts("contents", signatures, without)


def _signature(part: Members) -> str:
    return text(member(part, SPELLINGS[0]))


def _without(content: Document, place: int, drops: DropsPart, marks_calls: bool) -> Document:
    parts = content.get("parts")
    if not isinstance(parts, list):
        return content
    right = [_part(part, place, drops, marks_calls) if mapping(part) else part for part in parts]
    right = [part for part, before in zip(right, parts, strict=True) if part is before or not _is_empty(part)]
    if marks_calls and content.get("role") == "model" and drops(place, ""):
        right = _with_first_call_marked(right)
    return content if _are_same(right, parts) else {**content, "parts": right or [EMPTY_PART]}


def _part(part: Document, place: int, drops: DropsPart, marks_calls: bool) -> Document:
    signature = _signature(part)
    if not signature or signature == UNSIGNED or not drops(place, signature):
        return part
    bare = {name: value for name, value in part.items() if name not in SPELLINGS}
    return {**bare, SPELLINGS[0]: UNSIGNED} if marks_calls and _is_call(part) else bare


def _with_first_call_marked(parts: list[Document]) -> list[Document]:
    """Only the first of several calls at once is signed."""
    at = next((place for place, part in enumerate(parts) if _is_call(mapping(part))), None)
    if at is None or _signature(parts[at]):
        return parts
    return [*parts[:at], {**parts[at], SPELLINGS[0]: UNSIGNED}, *parts[at + 1 :]]


def _is_call(part: Members) -> bool:
    return member(part, "functionCall") is not None


def _is_empty(part: Members) -> bool:
    return not any(value for name, value in part.items() if name != "thought")


def _are_same(some: list[Document], others: list[Document]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))
