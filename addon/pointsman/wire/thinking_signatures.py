"""Marks on what was told in another dialect than it was thought in, so that it is known when a client sends it back.

Anthropic and OpenAI sign or encrypt a model's thoughts, and refuse those of others. So such thoughts bear a mark in the
place of the signature, and go no further. Google has a word for calls that none of its models made.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pointsman.config.words import Dialect
from pointsman.wire.json_access import dicts, mapping

MARK = "cG9pbnRzbWFu"
"""In the place of a signature, which is in base64."""
UNSIGNED = "skip_thought_signature_validator"
"""Google's own, for `thoughtSignature`."""


def without_foreign_thoughts(dialect: Dialect, body: bytes) -> bytes:
    """A request's body, untouched where no thoughts in it bear the mark."""
    forget = FORGET.get(dialect)
    if forget is None or MARK.encode() not in body:
        return body
    document = json.loads(body)
    forget(document)
    return json.dumps(document).encode()


def _forget_blocks(document: dict[str, Any]) -> None:
    for message in dicts(document.get("messages")):
        if isinstance(content := message.get("content"), list):
            kept = [block for block in content if mapping(block).get("signature") != MARK]
            message["content"] = kept or [{"type": "text", "text": "…"}]


def _forget_items(document: dict[str, Any]) -> None:
    if isinstance(items := document.get("input"), list):
        document["input"] = [item for item in items if mapping(item).get("encrypted_content") != MARK]


FORGET: Mapping[Dialect, Callable[[dict[str, Any]], None]] = {
    Dialect.ANTHROPIC: _forget_blocks,
    Dialect.OPENAI_RESPONSES: _forget_items,
}
