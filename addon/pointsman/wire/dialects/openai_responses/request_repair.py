"""Requests with thoughts that OpenAI has not encrypted."""

from pointsman.wire.json_access import Document, mapping
from pointsman.wire.thinking_signatures import MARK


def drop_foreign_thoughts(document: Document) -> None:
    if isinstance(items := document.get("input"), list):
        document["input"] = [item for item in items if mapping(item).get("encrypted_content") != MARK]
