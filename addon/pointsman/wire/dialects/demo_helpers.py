"""What the demo modules of the dialects share: ids, counts, and reading what the user said."""

from __future__ import annotations

import json
from typing import Any

from pointsman.wire.dialects.demo_base import DemoAnswer, DemoRequest


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


def model_of(answer: DemoAnswer, request: DemoRequest) -> str:
    return str(answer.model or request.fields.get("model") or "demo")


def counts(answer: DemoAnswer, request: DemoRequest) -> tuple[int, int]:
    """Tokens of the prompt, and of the answer."""
    return prompt_count(request), len(answer.reasoning) + len(answer.tokens)


def prompt_count(request: DemoRequest) -> int:
    return max(1, len(request.body) // 4)


def call_id(request: DemoRequest, place: int = 0) -> str:
    """Of the call at that place among those of its answer. No id begins with another: Claude Code confuses such ids."""
    return f"call{place + 1 if place else ''}_demo_{request.number}"
