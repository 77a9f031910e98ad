"""What the voices share: ids, counts, and reading what the user said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pointsman.demo.voices.parts import Answer

if TYPE_CHECKING:
    from pointsman.demo.seen import Seen


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def encoded(value: Any) -> bytes:
    return dumps(value).encode("utf-8", "surrogatepass")


def last_said(messages: Any, member: str) -> str:
    """The text of the user's last message, which stands in `member`; "" if there is none."""
    for message in reversed(messages if isinstance(messages, list) else []):
        if (
            isinstance(message, dict)
            and message.get("role", "user") == "user"
            and (text := text_of(message.get(member)))
        ):
            return text
    return ""


def text_of(content: Any) -> str:
    """A plain text, or the texts of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def model_of(answer: Answer, seen: Seen) -> str:
    return str(answer.model or seen.fields.get("model") or "demo")


def counts(answer: Answer, seen: Seen) -> tuple[int, int]:
    """Tokens of the prompt, and of the answer."""
    return prompt_count(seen), len(answer.reasoning) + len(answer.tokens)


def prompt_count(seen: Seen) -> int:
    return max(1, len(seen.body) // 4)


def call_id(seen: Seen) -> str:
    return f"call_demo_{seen.number}"
