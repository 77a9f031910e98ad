"""Answers written in Anthropic's Messages: blocks, one after the other."""

from collections.abc import Mapping
from typing import Any

from pointsman.wire import sse
from pointsman.wire.conversion.ir import Identity, Kind, Part, dumps
from pointsman.wire.conversion.media import Media
from pointsman.wire.frames import Opening, Usage
from pointsman.wire.json_access import Members
from pointsman.wire.thinking_signatures import MARK

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
OPENINGS: Mapping[Kind, Mapping[str, Any]] = {
    Kind.TEXT: {"type": "text", "text": ""},
    Kind.REFUSAL: {"type": "text", "text": ""},
    Kind.THOUGHT: {"type": "thinking", "thinking": "", "signature": ""},
}
DELTAS = {
    Kind.TEXT: ("text_delta", "text"),
    Kind.REFUSAL: ("text_delta", "text"),
    Kind.THOUGHT: ("thinking_delta", "thinking"),
    Kind.CALL: ("input_json_delta", "partial_json"),
}


class MessagesWriter:
    """See `DialectWriter`. `model` is the name that the client asked for: Claude Code drops earlier thoughts when
    another one answers. `block` is the index of the block that is open, of an answer that has begun already.
    """

    only_objects = True
    opening: Opening | None = None

    def __init__(self, model: str | None = None, block: int = -1) -> None:
        self._model = model
        self.items: list[Members] = []
        self.signatures: dict[str, str] = {}
        self._block = block
        self._head = self._head_of(Kind.TEXT)
        """How each delta of the open block begins."""

    def can_show(self, image: Media) -> bool:
        return False

    def begin(self, identity: Identity, usage: Usage | None) -> bytes:
        message = {**self._message(identity), "content": [], "stop_reason": None, "usage": _usage(usage or Usage())}
        return _event("message_start", message=message)

    def open(self, part: Part) -> bytes:
        self._block += 1
        self._head = self._head_of(part.kind)
        call = {"type": "tool_use", "id": part.id, "name": part.name, "input": {}}
        return _event("content_block_start", index=self._block, content_block=OPENINGS.get(part.kind, call))

    def _head_of(self, part: Kind) -> bytes:
        kind, member = DELTAS[part]
        return (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":'
            % (self._block, kind.encode(), member.encode())
        )

    def more(self, part: Part, text: str) -> bytes:
        return self._head + dumps(text) + b"}}\n\n"

    def close(self, part: Part) -> bytes:
        out = b""
        if part.kind is Kind.THOUGHT:
            signed = {"type": "signature_delta", "signature": MARK}
            out = _event("content_block_delta", index=self._block, delta=signed)
        return out + _event("content_block_stop", index=self._block)

    def end(self, finish: str, usage: Usage | None) -> bytes:
        delta = {"stop_reason": STOP_REASONS.get(finish, finish), "stop_sequence": None}
        return _event("message_delta", delta=delta, usage=_usage(usage or Usage())) + _event("message_stop")

    def whole(self, identity: Identity, parts: list[Part], finish: str, usage: Usage | None) -> bytes:
        message = {
            **self._message(identity),
            "content": [_block(part) for part in parts],
            "stop_reason": STOP_REASONS.get(finish, finish),
            "usage": _usage(usage or Usage()),
        }
        return dumps(message)

    def _message(self, identity: Identity) -> dict[str, Any]:
        return {
            "id": f"msg_{identity.stem}",
            "type": "message",
            "role": "assistant",
            "model": self._model or identity.model,
            "stop_sequence": None,
        }


def _event(kind: str, **members: Any) -> bytes:
    return sse.event(kind, dumps({"type": kind, **members}))


def _block(part: Part) -> dict[str, Any]:
    match part.kind:
        case Kind.CALL:
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": part.arguments()}
        case Kind.THOUGHT:
            return {"type": "thinking", "thinking": part.text, "signature": MARK}
        case Kind.TEXT | Kind.REFUSAL | Kind.IMAGE:
            return {"type": "text", "text": part.text}


def _usage(usage: Usage) -> dict[str, Any]:
    """Here what came out of a cache, or went into one, is no part of the prompt's count."""
    counts: dict[str, Any] = {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    }
    if usage.cache_write_1h:
        each = {"ephemeral_5m_input_tokens": usage.cache_write_5m, "ephemeral_1h_input_tokens": usage.cache_write_1h}
        counts["cache_creation"] = each
    return counts
