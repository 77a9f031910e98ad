"""Answers written in OpenAI's Responses: items that open, grow and are done, in numbered events."""

from collections.abc import Mapping
from typing import Any

from pointsman.wire import sse
from pointsman.wire.conversion.ir import Identity, Kind, Part, dumps
from pointsman.wire.conversion.media import Media, of_url
from pointsman.wire.frames import Opening, Usage
from pointsman.wire.json_access import Members
from pointsman.wire.thinking_signatures import MARK

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why an answer is not complete; any other way to finish completes it."""

STEMS = {Kind.TEXT: "msg", Kind.REFUSAL: "msg", Kind.THOUGHT: "rs", Kind.CALL: "fc", Kind.IMAGE: "ig"}
TEXTS = {Kind.TEXT: ("output_text", "text"), Kind.REFUSAL: ("refusal", "refusal")}
IMAGE_STATES = {"in_progress": "in_progress", "completed": "completed", "incomplete": "failed"}
"""Of an item that is an image."""
ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "store": False,
    "temperature": None,
    "tool_choice": "auto",
    "top_p": None,
}
"""Members of a request that its answer repeats, and what they are if the request has none."""


class ResponsesWriter:
    """See `DialectWriter`. `spaces` are tools in namespaces: see `tools.namespaces`."""

    only_objects = False

    def __init__(self, request: Mapping[str, Any], spaces: Mapping[str, tuple[str, str]]) -> None:
        self._echo = {name: request.get(name, default) for name, default in ECHOED.items()}
        self._spaces = spaces
        self.signatures: dict[str, str] = {}
        self._answer: dict[str, Any] | None = None
        self._number = 0
        self.items: list[Members] = []

    @property
    def opening(self) -> Opening | None:
        return None if self._answer is None else Opening(self._answer, self._number)

    def can_show(self, image: Media) -> bool:
        return bool(image.data)

    def begin(self, identity: Identity, usage: Usage | None) -> bytes:
        answer = self._answer = self._frame(identity)
        return self._event("response.created", response=answer) + self._event("response.in_progress", response=answer)

    def open(self, part: Part) -> bytes:
        out = self._event("response.output_item.added", output_index=self._place, item=self._item(part, "in_progress"))
        if part.kind in TEXTS:
            out += self._of_item("response.content_part.added", part, content_index=0, part=_content(part, ""))
        elif part.kind is Kind.THOUGHT:
            out += self._of_item("response.reasoning_summary_part.added", part, summary_index=0, part=_summary(""))
        return out

    def more(self, part: Part, text: str) -> bytes:
        match part.kind:
            case Kind.TEXT:
                return self._of_item("response.output_text.delta", part, content_index=0, delta=text, logprobs=[])
            case Kind.REFUSAL:
                return self._of_item("response.refusal.delta", part, content_index=0, delta=text)
            case Kind.THOUGHT:
                return self._of_item("response.reasoning_summary_text.delta", part, summary_index=0, delta=text)
            case Kind.CALL if part.is_free:
                return self._of_item("response.custom_tool_call_input.delta", part, delta=text)
            case Kind.CALL:
                return self._of_item("response.function_call_arguments.delta", part, delta=text)
            case Kind.IMAGE:
                return self._of_item("response.image_generation_call.in_progress", part)

    def close(self, part: Part) -> bytes:
        match part.kind:
            case Kind.TEXT:
                done = self._of_item("response.output_text.done", part, content_index=0, text=part.text, logprobs=[])
            case Kind.REFUSAL:
                done = self._of_item("response.refusal.done", part, content_index=0, refusal=part.text)
            case Kind.THOUGHT:
                done = self._of_item("response.reasoning_summary_text.done", part, summary_index=0, text=part.text)
                done += self._of_item(
                    "response.reasoning_summary_part.done", part, summary_index=0, part=_summary(part.text)
                )
            case Kind.CALL if part.is_free:
                done = self._of_item("response.custom_tool_call_input.done", part, input=part.text)
            case Kind.CALL:
                done = self._of_item("response.function_call_arguments.done", part, name=part.name, arguments=part.text)
            case Kind.IMAGE:
                done = self._of_item("response.image_generation_call.completed", part)
        if part.kind in TEXTS:
            whole = _content(part, part.text)
            done += self._of_item("response.content_part.done", part, content_index=0, part=whole)
        item = self._done_item(part)
        done += self._event("response.output_item.done", output_index=self._place, item=item)
        self.items.append(item)
        return done

    def end(self, finish: str, usage: Usage | None) -> bytes:
        assert self._answer is not None
        answer = {**self._answer, "output": self.items, **_ending(finish, usage)}
        kind = "response.incomplete" if answer["status"] == "incomplete" else "response.completed"
        return self._event(kind, response=answer)

    def whole(self, identity: Identity, parts: list[Part], finish: str, usage: Usage | None) -> bytes:
        self._answer = self._frame(identity)
        for part in parts:
            self.items.append(self._done_item(part))
        return dumps({**self._answer, "output": self.items, **_ending(finish, usage)})

    @property
    def _place(self) -> int:
        return len(self.items)

    def _id(self, part: Part) -> str:
        assert self._answer
        return f"{STEMS[part.kind]}_{self._answer['id'].removeprefix('resp_')}_{self._place}"

    def _done_item(self, part: Part) -> dict[str, Any]:
        return self._item(part, "incomplete" if part.is_cut else "completed")

    def _item(self, part: Part, status: str) -> dict[str, Any]:
        is_done = status != "in_progress"
        frame: dict[str, Any] = {"id": self._id(part), "status": status}
        match part.kind:
            case Kind.TEXT | Kind.REFUSAL:
                content = [_content(part, part.text)] if is_done else []
                return {**frame, "type": "message", "role": "assistant", "content": content}
            case Kind.THOUGHT:
                summary = [_summary(part.text)] if is_done and part.text else []
                return {**frame, "type": "reasoning", "summary": summary, "encrypted_content": MARK}
            case Kind.CALL if part.is_free:
                return {**frame, "type": "custom_tool_call", **self._call(part), "input": part.text if is_done else ""}
            case Kind.CALL:
                said = part.text if is_done else ""
                return {**frame, "type": "function_call", **self._call(part), "arguments": said}
            case Kind.IMAGE:
                result = of_url(part.text).data if is_done else None
                return {**frame, "type": "image_generation_call", "status": IMAGE_STATES[status], "result": result}

    def _call(self, part: Part) -> dict[str, Any]:
        if part.name not in self._spaces:
            return {"call_id": part.id, "name": part.name}
        space, name = self._spaces[part.name]
        return {"call_id": part.id, "name": name, "namespace": space}

    def _frame(self, identity: Identity) -> dict[str, Any]:
        return {
            "id": f"resp_{identity.stem}",
            "object": "response",
            "created_at": identity.created,
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "model": identity.model,
            "output": [],
            "tools": [],
            "usage": None,
            **self._echo,
        }

    def _of_item(self, kind: str, of: Part, /, **members: Any) -> bytes:
        return self._event(kind, item_id=self._id(of), output_index=self._place, **members)

    def _event(self, kind: str, **members: Any) -> bytes:
        self._number += 1
        return sse.event(kind, dumps({"type": kind, "sequence_number": self._number - 1, **members}))


def _content(part: Part, text: str) -> dict[str, Any]:
    kind, member = TEXTS[part.kind]
    more: dict[str, Any] = {"annotations": [], "logprobs": []} if part.kind is Kind.TEXT else {}
    return {"type": kind, member: text, **more}


def _summary(text: str) -> dict[str, str]:
    return {"type": "summary_text", "text": text}


def _ending(finish: str, usage: Usage | None) -> dict[str, Any]:
    reason = INCOMPLETE.get(finish)
    counts = usage or Usage()
    return {
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "usage": {
            "input_tokens": counts.prompt,
            "input_tokens_details": {"cached_tokens": counts.cache_read, "cache_write_tokens": counts.cache_write},
            "output_tokens": counts.output,
            "output_tokens_details": {"reasoning_tokens": counts.reasoning},
            "total_tokens": counts.total,
        },
    }
