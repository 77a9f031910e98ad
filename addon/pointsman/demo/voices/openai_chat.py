"""OpenAI's chat completions: chunks for a stream, one object otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pointsman.demo.voices.parts import Answer, Complaint, Event, Part, Usage
from pointsman.demo.voices.speech import call_id, counts, dumps, encoded, last_said, model_of

if TYPE_CHECKING:
    from pointsman.demo.seen import Seen

DIALECT = "openai-chat"
COUNT: tuple[str, str] | None = None
END = Event(Part.END, "[DONE]")


def claims(route: str) -> bool:
    return route.endswith("/chat/completions")


def question(body: dict[str, Any]) -> str:
    return last_said(body.get("messages"), "content")


def wants_stream(seen: Seen) -> bool:
    return seen.fields.get("stream") is True


def streams_list(seen: Seen) -> bool:
    return False


def events(answer: Answer, seen: Seen) -> list[Event]:
    return list(_events(answer, seen))


def whole(answer: Answer, seen: Seen) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = "".join(answer.reasoning)
    if answer.tool_call is not None:
        function = {"name": answer.tool_call.name, "arguments": answer.tool_call.arguments}
        message["content"] = answer.text or None
        message["tool_calls"] = [{"id": call_id(seen), "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish or None}
    body = {**_frame(answer, seen, "chat.completion"), "choices": [choice]}
    if answer.usage is not Usage.NEVER:
        body["usage"] = _usage(answer, seen)
    return encoded(body)


def error_body(complaint: Complaint) -> bytes:
    return _error(complaint).encode()


def error_event(complaint: Complaint, seen: Seen) -> Event:
    return Event(Part.ERROR, _error(complaint))


def ping() -> Event:
    return Event(Part.COMMENT, "ping")


def models_body(models: Sequence[str]) -> bytes:
    rows = [{"id": model, "object": "model", "created": 0, "owned_by": "pointsman-demo"} for model in models]
    return dumps({"object": "list", "data": rows}).encode()


def _events(answer: Answer, seen: Seen) -> Iterator[Event]:
    frame = _frame(answer, seen, "chat.completion.chunk")
    tells_usage = answer.usage is Usage.ALWAYS or (answer.usage is Usage.ASKED and _asks_usage(seen))

    def chunk(part: Part, delta: dict[str, Any], finish: str | None = None) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if tells_usage else {}
        return Event(part, dumps({**frame, "choices": [choice], **usage}))

    yield chunk(Part.OPENING, {"role": "assistant", "content": "", "refusal": None})
    for delta in _deltas(answer, seen):
        yield chunk(Part.CONTENT, delta)
    if answer.finish:
        yield chunk(Part.FINISH, {}, answer.finish)
    if tells_usage:
        yield Event(Part.USAGE, dumps({**frame, "choices": [], "usage": _usage(answer, seen)}))
    if answer.done:
        yield END


def _deltas(answer: Answer, seen: Seen) -> Iterator[dict[str, Any]]:
    for token in answer.reasoning:
        yield {"reasoning_content": token}
    for token in answer.tokens:
        yield {"content": token}
    if answer.tool_call is None:
        return
    opening = {"index": 0, "id": call_id(seen), "type": "function"}
    yield {"tool_calls": [{**opening, "function": {"name": answer.tool_call.name, "arguments": ""}}]}
    for piece in answer.tool_call.pieces:
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def _frame(answer: Answer, seen: Seen, kind: str) -> dict[str, Any]:
    model = model_of(answer, seen)
    created = int(seen.received)
    return {"id": f"chatcmpl-demo-{seen.number}", "object": kind, "created": created, "model": model}


def _usage(answer: Answer, seen: Seen) -> dict[str, int]:
    prompt, completion = counts(answer, seen)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _asks_usage(seen: Seen) -> bool:
    options = seen.fields.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _error(complaint: Complaint) -> str:
    error = {"message": complaint.message, "type": complaint.type, "param": None, "code": complaint.code}
    return dumps({"error": error})
