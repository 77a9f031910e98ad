"""Thoughts that a provider requires of each answer in the history, which an answer of another provider may not have.

DeepSeek and Moonshot refuse a conversation that was held elsewhere. Such an answer gets a stand-in: they take a single
space, but no empty text.

>>> message = {"role": "assistant", "content": None, "tool_calls": [{}]}
>>> add(message, "reasoning_content")
>>> message["reasoning_content"], message["content"]
(' ', '')
"""

import re
from collections.abc import Iterator

from pointsman.wire.json_access import Document, Members, dicts, text

STAND_IN = " "
MEMBER, BLOCK = "reasoning_content", "thinking"
"""What a message has thoughts in: a member, or a block of its content."""
THOUGHTS = (BLOCK, "redacted_thinking")
REQUIRED = re.compile(
    r"(?P<block>content\[\]\.thinking)?.{0,4}in the thinking mode must be passed back"
    r"|reasoning_content is missing|missing \W?reasoning_content|requires reasoning_content",
    re.IGNORECASE,
)


def named_in(said: str) -> str | None:
    """What a message says is missing: `reasoning_content`, or `thinking` in the content; None if it says neither."""
    found = REQUIRED.search(said)
    if found is None:
        return None
    return BLOCK if found["block"] else MEMBER


def missing(document: Members, name: str) -> Iterator[Document]:
    """The answers without thoughts."""
    for message in dicts(document.get("messages")):
        if message.get("role") == "assistant" and not _has_thoughts(message, name):
            yield message


def add(message: Document, name: str) -> None:
    """Changes an answer without thoughts."""
    if name == MEMBER:
        message[MEMBER] = text(message.get("reasoning")) or STAND_IN
        if message.get("content") is None:
            message["content"] = ""  # which DeepSeek requires beside thoughts
        return
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else dicts(content)
    message["content"] = [{"type": BLOCK, BLOCK: STAND_IN, "signature": ""}, *blocks]


def _has_thoughts(message: Members, name: str) -> bool:
    if name == MEMBER:
        return bool(message.get(MEMBER))
    return any(block.get("type") in THOUGHTS for block in dicts(message.get("content")))
