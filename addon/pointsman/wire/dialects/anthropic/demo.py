"""Anthropic's Messages: blocks within a message, each opened and closed in a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pointsman.wire.dialects.demo_base import (
    DemoAnswer,
    DemoError,
    DemoEvent,
    DemoRequest,
    EventRole,
    ReportsUsage,
    ToolCall,
)
from pointsman.wire.dialects.demo_helpers import call_id, counts, dumps, encoded, last_said, model_of

STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
ERROR_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def claims(route: str) -> bool:
    return route.endswith("/messages")


def asks_count(route: str) -> bool:
    return route.endswith("/messages/count_tokens")


def question(body: dict[str, Any]) -> str:
    return last_said(body.get("messages"), "content")


def wants_stream(request: DemoRequest) -> bool:
    return request.fields.get("stream") is True


def streams_list(request: DemoRequest) -> bool:
    return False


def events(answer: DemoAnswer, request: DemoRequest) -> list[DemoEvent]:
    return list(_events(answer, request))


def whole(answer: DemoAnswer, request: DemoRequest) -> bytes:
    content: list[dict[str, Any]] = []
    if answer.reasoning:
        content.append({"type": "thinking", "thinking": "".join(answer.reasoning), "signature": "demo"})
    if answer.tokens:
        content.append({"type": "text", "text": answer.text})
    for place, call in enumerate(answer.tool_calls):
        content.append({**_call(call, place, request), "input": call.parsed})
    message = {**_message(answer, request), "content": content, "stop_reason": _stop_reason(answer)}
    return encoded(message)


def error_body(error: DemoError) -> bytes:
    return encoded(_error(error))


def error_event(error: DemoError, request: DemoRequest) -> DemoEvent:
    return DemoEvent(EventRole.ERROR, dumps(_error(error)), "error")


def ping() -> DemoEvent:
    return _event(EventRole.FRAME, "ping")


def models_body(models: Sequence[str]) -> bytes:
    rows = [
        {"type": "model", "id": each, "display_name": each, "created_at": "2025-01-01T00:00:00Z"} for each in models
    ]
    return encoded({"data": rows, "has_more": False, "first_id": models[0], "last_id": models[-1]})


def _events(answer: DemoAnswer, request: DemoRequest) -> Iterator[DemoEvent]:
    start = {**_message(answer, request), "content": [], "stop_reason": None}
    yield _event(EventRole.OPENING, "message_start", message=start)
    for index, (block, deltas) in enumerate(_blocks(answer, request)):
        part = EventRole.CONTENT if block["type"] == "tool_use" else EventRole.FRAME
        yield _event(part, "content_block_start", index=index, content_block=block)
        if not index:
            yield ping()
        for delta in deltas:
            is_signature = delta["type"] == "signature_delta"
            part = EventRole.FRAME if is_signature else EventRole.CONTENT
            yield _event(part, "content_block_delta", index=index, delta=delta)
        yield _event(EventRole.FRAME, "content_block_stop", index=index)
    if answer.finish:
        delta = {"stop_reason": _stop_reason(answer), "stop_sequence": None}
        usage = {"output_tokens": counts(answer, request)[1]}
        reported = {} if answer.usage is ReportsUsage.NEVER else {"usage": usage}
        yield _event(EventRole.FINISH, "message_delta", delta=delta, **reported)
    if answer.done:
        yield _event(EventRole.END, "message_stop")


def _blocks(answer: DemoAnswer, request: DemoRequest) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each block as it opens, and its deltas."""
    if answer.reasoning:
        thoughts = [{"type": "thinking_delta", "thinking": token} for token in answer.reasoning]
        signature = {"type": "signature_delta", "signature": "demo"}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, signature]
    if answer.tokens:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": token} for token in answer.tokens]
    for place, call in enumerate(answer.tool_calls):
        yield (
            _call(call, place, request),
            [{"type": "input_json_delta", "partial_json": piece} for piece in call.pieces],
        )


def _call(call: ToolCall, place: int, request: DemoRequest) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id(request, place), "name": call.name, "input": {}}


def _message(answer: DemoAnswer, request: DemoRequest) -> dict[str, Any]:
    prompt, said = counts(answer, request)
    return {
        "id": f"msg_demo_{request.number}",
        "type": "message",
        "role": "assistant",
        "model": model_of(answer, request),
        "stop_sequence": None,
        "usage": {"input_tokens": prompt, "output_tokens": said},
    }


def _stop_reason(answer: DemoAnswer) -> str | None:
    return STOP_REASONS.get(answer.finish, answer.finish) or None


def _event(part: EventRole, kind: str, /, **members: Any) -> DemoEvent:
    return DemoEvent(part, dumps({"type": kind, **members}), kind)


def _error(error: DemoError) -> dict[str, Any]:
    kind = ERROR_TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": "req_demo"}
