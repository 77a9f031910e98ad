"""Reasoning that OpenAI has encrypted."""

from collections.abc import Sequence

from pointsman.wire.dialects.base import DropsPart, SignedParts
from pointsman.wire.json_access import Document, Members, dicts, text

OWN_TURN = ("message", "function_call", "custom_tool_call")
"""Items of a model whose id stands for the reasoning before them, and is optional."""


def signatures(item: Members) -> list[str]:
    signature = _signature(item)
    return [signature] if signature else []


def without(items: Sequence[Document], drops: DropsPart, model: str) -> list[Document]:
    """An item that follows reasoning that is left out loses its id, by which OpenAI would miss the reasoning."""
    kept: list[Document] = []
    has_lost_reasoning = False
    for place, item in enumerate(items):
        signature = _signature(item)
        if signature and drops(place, signature):
            has_lost_reasoning = True
            continue
        has_lost_reasoning = has_lost_reasoning and _is_of_model(item)
        is_orphan = has_lost_reasoning and "id" in item and item.get("type") in OWN_TURN
        kept.append(_without_id(item) if is_orphan else item)
    return kept or list(items)


def _without_id(item: Document) -> Document:
    """A message of the model needs an id; without one it is a message as clients write them, a plain text."""
    bare = {name: value for name, value in item.items() if name != "id"}
    content = item.get("content")
    if item.get("type") == "message" and isinstance(content, list):
        parts = [text(part.get("text") or part.get("refusal")) for part in dicts(content)]
        return {"type": "message", "role": item.get("role"), "content": "".join(parts)}
    return bare


SIGNED_PARTS = SignedParts("input", signatures, without)


def _signature(item: Members) -> str:
    return text(item.get("encrypted_content")) if item.get("type") == "reasoning" else ""


def _is_of_model(item: Members) -> bool:
    kind = text(item.get("type"))
    return item.get("role") == "assistant" if kind in ("", "message") else not kind.endswith("_output")
