"""Thoughts that Anthropic has signed, and what a request must be like without them."""

from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.wire.dialects.base import DropsPart, SignedParts
from pointsman.wire.json_access import NOTHING, Document, Members, mapping, mappings, text

THOUGHTS = ("thinking", "redacted_thinking")
CALL = "tool_use"
EMPTY_CONTENT = ({"type": "text", "text": "…"},)
"""A message must say something."""
CLEAR_THINKING = "clear_thinking"
"""How the names of the edits of a context begin that need thinking."""


def signatures(message: Members) -> list[str]:
    return [_signature(block) for block in mappings(message.get("content")) if block.get("type") in THOUGHTS]


def without(messages: Sequence[Document], drops: DropsPart, model: str) -> list[Document]:
    return [_without(message, place, drops) for place, message in enumerate(messages)]


def other_members(document: Members, messages: Sequence[Members]) -> Mapping[str, Any]:
    """Anthropic continues thinking after a call only if the message with the call begins with a thought."""
    if mapping(document.get("thinking")).get("type") != "enabled" or not _lacks_thought(messages):
        return {}
    changed: Document = {"thinking": {"type": "disabled"}}
    management = mapping(document.get("context_management"))
    edits = mappings(management.get("edits"))
    kept = [edit for edit in edits if not text(edit.get("type")).startswith(CLEAR_THINKING)]
    if len(kept) < len(edits):
        changed["context_management"] = {**management, "edits": kept}
    return changed


SIGNED_PARTS = SignedParts("messages", signatures, without, other_members)


def _signature(block: Members) -> str:
    return text(block.get("signature") or block.get("data"))


def _without(message: Document, place: int, drops: DropsPart) -> Document:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    kept = [block for block in content if not _is_dropped(mapping(block), place, drops)]
    return message if len(kept) == len(content) else {**message, "content": kept or list(EMPTY_CONTENT)}


def _is_dropped(block: Members, place: int, drops: DropsPart) -> bool:
    return block.get("type") in THOUGHTS and drops(place, _signature(block))


def _lacks_thought(messages: Sequence[Members]) -> bool:
    """The last turn of the assistant is to be continued, and does not begin with a thought."""
    last = next((message for message in reversed(messages) if message.get("role") == "assistant"), NOTHING)
    blocks = mappings(last.get("content"))
    goes_on = last is messages[-1] or any(block.get("type") == CALL for block in blocks)
    return goes_on and not (blocks and blocks[0].get("type") in THOUGHTS)
