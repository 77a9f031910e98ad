"""Requests with thoughts that Anthropic has not signed."""

from pointsman.wire.json_access import Document, dicts, mapping
from pointsman.wire.thinking_signatures import MARK


def drop_foreign_thoughts(document: Document) -> None:
    for message in dicts(document.get("messages")):
        if isinstance(content := message.get("content"), list):
            kept = [block for block in content if mapping(block).get("signature") != MARK]
            message["content"] = kept or [{"type": "text", "text": "…"}]
