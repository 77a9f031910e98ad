"""OpenAI's chat completions: chunks for a stream, one object otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pointsman.wire.dialects.demo_base import DemoAnswer, DemoError, DemoEvent, DemoRequest, EventRole, ReportsUsage
from pointsman.wire.dialects.demo_helpers import call_id, counts, dumps, encoded, last_said, model_of

END = DemoEvent(EventRole.END, "[DONE]")


def claims(route: str) -> bool:
    return route.endswith("/chat/completions")


def asks_count(route: str) -> bool:
    return False


def question(body: dict[str, Any]) -> str:
    return last_said(body.get("messages"), "content")


def wants_stream(request: DemoRequest) -> bool:
    return request.fields.get("stream") is True


def streams_list(request: DemoRequest) -> bool:
    return False


def events(answer: DemoAnswer, request: DemoRequest) -> list[DemoEvent]:
    return list(_events(answer, request))


def whole(answer: DemoAnswer, request: DemoRequest) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = "".join(answer.reasoning)
    if answer.tool_calls:
        message["content"] = answer.text or None
        message["tool_calls"] = [
            {**_call(place, request), "function": {"name": call.name, "arguments": call.arguments}}
            for place, call in enumerate(answer.tool_calls)
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish or None}
    body = {**_frame(answer, request, "chat.completion"), "choices": [choice]}
    if answer.usage is not ReportsUsage.NEVER:
        body["usage"] = _usage(answer, request)
    return encoded(body)


def error_body(error: DemoError) -> bytes:
    return _error(error).encode()


def error_event(error: DemoError, request: DemoRequest) -> DemoEvent:
    return DemoEvent(EventRole.ERROR, _error(error))


def ping() -> DemoEvent:
    return DemoEvent(EventRole.COMMENT, "ping")


def models_body(models: Sequence[str]) -> bytes:
    rows = [{"id": model, "object": "model", "created": 0, "owned_by": "pointsman-demo"} for model in models]
    return dumps({"object": "list", "data": rows}).encode()


def _events(answer: DemoAnswer, request: DemoRequest) -> Iterator[DemoEvent]:
    frame = _frame(answer, request, "chat.completion.chunk")
    reports_usage = answer.usage is ReportsUsage.ALWAYS or (answer.usage is ReportsUsage.ASKED and _asks_usage(request))

    def chunk(part: EventRole, delta: dict[str, Any], finish: str | None = None) -> DemoEvent:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if reports_usage else {}
        return DemoEvent(part, dumps({**frame, "choices": [choice], **usage}))

    yield chunk(EventRole.OPENING, {"role": "assistant", "content": "", "refusal": None})
    for delta in _deltas(answer, request):
        yield chunk(EventRole.CONTENT, delta)
    if answer.finish:
        yield chunk(EventRole.FINISH, {}, answer.finish)
    if reports_usage:
        yield DemoEvent(EventRole.USAGE, dumps({**frame, "choices": [], "usage": _usage(answer, request)}))
    if answer.done:
        yield END


def _deltas(answer: DemoAnswer, request: DemoRequest) -> Iterator[dict[str, Any]]:
    for token in answer.reasoning:
        yield {"reasoning_content": token}
    for token in answer.tokens:
        yield {"content": token}
    for place, call in enumerate(answer.tool_calls):
        opening = {"index": place, **_call(place, request), "function": {"name": call.name, "arguments": ""}}
        yield {"tool_calls": [opening]}
        for piece in call.pieces:
            yield {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}


def _call(place: int, request: DemoRequest) -> dict[str, Any]:
    return {"id": call_id(request, place), "type": "function"}


def _frame(answer: DemoAnswer, request: DemoRequest, kind: str) -> dict[str, Any]:
    model = model_of(answer, request)
    created = int(request.received)
    return {"id": f"chatcmpl-demo-{request.number}", "object": kind, "created": created, "model": model}


def _usage(answer: DemoAnswer, request: DemoRequest) -> dict[str, int]:
    prompt, completion = counts(answer, request)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _asks_usage(request: DemoRequest) -> bool:
    options = request.fields.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _error(error: DemoError) -> str:
    return dumps({"error": {"message": error.message, "type": error.type, "param": None, "code": error.code}})
