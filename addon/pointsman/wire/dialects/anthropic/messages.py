"""Conversations in the dialect of Anthropic's Messages."""

from collections.abc import Iterable

from pointsman.wire.json_access import Members, mapping, mappings, text
from pointsman.wire.messages import ASSISTANT, Conversation, MessageDraft, messages_of, preamble_of

REASONING = ("thinking", "redacted_thinking")


def conversation(document: Members) -> Conversation:
    system = _draft("system", document.get("system"))
    drafts = [_draft(str(each.get("role")), each.get("content")) for each in mappings(document.get("messages"))]
    return Conversation(preamble_of([system], document.get("tools")), messages_of(drafts))


def answer(documents: Iterable[Members]) -> MessageDraft:
    """Events of a stream, or one whole answer."""
    blocks: dict[object, dict[str, object]] = {}
    for document in documents:
        match document.get("type"):
            case "message":
                return _draft(ASSISTANT, document.get("content"))
            case "content_block_start":
                blocks[str(document.get("index"))] = dict(mapping(document.get("content_block")))
            case "content_block_delta":
                _add(blocks.get(str(document.get("index")), {}), mapping(document.get("delta")))
    return _draft(ASSISTANT, list(blocks.values()))


def _add(block: dict[str, object], delta: Members) -> None:
    """The arguments of a call come as pieces of JSON text."""
    if "text" in delta:
        block["text"] = text(block.get("text")) + text(delta["text"])
    elif "thinking" in delta:
        block["thinking"] = text(block.get("thinking")) + text(delta["thinking"])
    elif "partial_json" in delta:
        so_far = block.get("input")
        block["input"] = text(so_far) + text(delta["partial_json"])


def _draft(role: str, content: object) -> MessageDraft:
    draft = MessageDraft(role)
    draft.add_text(content)
    for block in mappings(content):
        match block.get("type"):
            case "text":
                draft.add_text(block.get("text"))
            case "tool_use":
                draft.add_call(block.get("name"), block.get("input") or {})
            case "tool_result":
                inner = _draft(role, block.get("content"))
                draft.add_result(b"".join(inner.texts), inner.pieces)
            case "thinking":
                draft.add_thought(block.get("thinking"))
            case kind if kind not in REASONING:
                draft.add_other(block)
    return draft
