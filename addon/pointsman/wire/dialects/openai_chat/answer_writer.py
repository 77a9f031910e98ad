"""Answers written in OpenAI's chat completions."""

from typing import Any

from pointsman.wire.conversion.ir import Identity, Kind, Part, dumps
from pointsman.wire.conversion.media import Media
from pointsman.wire.dialects.openai_chat.history import signed
from pointsman.wire.frames import Opening, Usage
from pointsman.wire.json_access import NOTHING, Members

MEMBERS = {Kind.TEXT: "content", Kind.THOUGHT: "reasoning_content", Kind.REFUSAL: "refusal"}


class ChatWriter:
    """See `DialectWriter`. `sends_usage`: the client wants a usage event. `frame`: of an answer that has begun already,
    what its chunks say besides their choices.
    """

    only_objects = False
    opening: Opening | None = None

    def __init__(self, sends_usage: bool, frame: Members = NOTHING) -> None:
        self.items: list[Members] = []
        self.signatures: dict[str, str] = {}
        self._sends_usage = sends_usage
        self._begin_with(frame)
        self._calls = -1

    def can_show(self, image: Media) -> bool:
        return True

    def begin(self, identity: Identity, usage: Usage | None) -> bytes:
        self._begin_with(_frame(identity, "chat.completion.chunk"))
        return self._chunk({"role": "assistant", "content": ""})

    def _begin_with(self, frame: Members) -> None:
        self._frame = frame
        members = dumps(frame)[:-1] + (b"," if frame else b"")
        self._head = b"data: " + members + b'"choices":[{"index":0,"delta":'

    def open(self, part: Part) -> bytes:
        if part.kind is not Kind.CALL:
            return b""
        self._calls += 1
        return self._chunk({"tool_calls": [{"index": self._calls, **self._call(part, "")}]})

    def more(self, part: Part, text: str) -> bytes:
        if part.kind is Kind.CALL:
            return self._chunk({"tool_calls": [{"index": self._calls, "function": {"arguments": text}}]})
        if part.kind is Kind.IMAGE:
            return self._chunk({"images": [_image(text)]})
        return self._chunk({MEMBERS[part.kind]: text})

    def close(self, part: Part) -> bytes:
        return b""

    def end(self, finish: str, usage: Usage | None) -> bytes:
        out = self._head + b'{},"logprobs":null,"finish_reason":' + dumps(finish) + b"}]}\n\n"
        if self._sends_usage:
            out += b"data: " + dumps({**self._frame, "choices": [], "usage": _usage(usage or Usage())}) + b"\n\n"
        return out + b"data: [DONE]\n\n"

    def whole(self, identity: Identity, parts: list[Part], finish: str, usage: Usage | None) -> bytes:
        said = {kind: "".join(part.text for part in parts if part.kind is kind) for kind in MEMBERS}
        calls = [self._call(part, part.text) for part in parts if part.kind is Kind.CALL]
        message: dict[str, Any] = {
            "role": "assistant",
            "content": said[Kind.TEXT] if said[Kind.TEXT] or not calls else None,
            "refusal": said[Kind.REFUSAL] or None,
        }
        if said[Kind.THOUGHT]:
            message["reasoning_content"] = said[Kind.THOUGHT]
        if images := [_image(part.text) for part in parts if part.kind is Kind.IMAGE]:
            message["images"] = images
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        answer = {**_frame(identity, "chat.completion"), "choices": [choice]}
        return dumps({**answer, "usage": _usage(usage)} if usage else answer)

    def _call(self, part: Part, arguments: str) -> dict[str, Any]:
        function = {"name": part.name, "arguments": arguments}
        return {"id": part.id, "type": "function", "function": function, **signed(self.signatures.get(part.id))}

    def _chunk(self, delta: dict[str, Any]) -> bytes:
        return self._head + dumps(delta) + b',"logprobs":null,"finish_reason":null}]}\n\n'


def _image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def _frame(identity: Identity, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{identity.stem}",
        "object": kind,
        "created": identity.created,
        "model": identity.model,
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
