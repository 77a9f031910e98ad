"""Anthropic's Messages: blocks within a message, each opened and closed in a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pointsman.demo.voices.parts import Answer, Complaint, Event, Part, Usage
from pointsman.demo.voices.speech import call_id, counts, dumps, encoded, last_said, model_of

if TYPE_CHECKING:
    from pointsman.demo.seen import Seen

DIALECT = "anthropic"
COUNT: tuple[str, str] | None = ("/messages/count_tokens", "input_tokens")

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


def question(body: dict[str, Any]) -> str:
    return last_said(body.get("messages"), "content")


def wants_stream(seen: Seen) -> bool:
    return seen.fields.get("stream") is True


def streams_list(seen: Seen) -> bool:
    return False


def events(answer: Answer, seen: Seen) -> list[Event]:
    return list(_events(answer, seen))


def whole(answer: Answer, seen: Seen) -> bytes:
    content: list[dict[str, Any]] = []
    if answer.reasoning:
        content.append({"type": "thinking", "thinking": "".join(answer.reasoning), "signature": "demo"})
    if answer.tokens:
        content.append({"type": "text", "text": answer.text})
    if answer.tool_call is not None:
        content.append({**_call(answer, seen), "input": answer.tool_call.parsed})
    message = {**_message(answer, seen), "content": content, "stop_reason": _stop_reason(answer)}
    return encoded(message)


def error_body(complaint: Complaint) -> bytes:
    return encoded(_error(complaint))


def error_event(complaint: Complaint, seen: Seen) -> Event:
    return Event(Part.ERROR, dumps(_error(complaint)), "error")


def ping() -> Event:
    return _event(Part.FRAME, "ping")


def models_body(models: Sequence[str]) -> bytes:
    rows = [
        {"type": "model", "id": each, "display_name": each, "created_at": "2025-01-01T00:00:00Z"} for each in models
    ]
    return encoded({"data": rows, "has_more": False, "first_id": models[0], "last_id": models[-1]})


def _events(answer: Answer, seen: Seen) -> Iterator[Event]:
    start = {**_message(answer, seen), "content": [], "stop_reason": None}
    yield _event(Part.OPENING, "message_start", message=start)
    for index, (block, deltas) in enumerate(_blocks(answer, seen)):
        part = Part.CONTENT if block["type"] == "tool_use" else Part.FRAME
        yield _event(part, "content_block_start", index=index, content_block=block)
        if not index:
            yield ping()
        for delta in deltas:
            is_signature = delta["type"] == "signature_delta"
            part = Part.FRAME if is_signature else Part.CONTENT
            yield _event(part, "content_block_delta", index=index, delta=delta)
        yield _event(Part.FRAME, "content_block_stop", index=index)
    if answer.finish:
        delta = {"stop_reason": _stop_reason(answer), "stop_sequence": None}
        usage = {"output_tokens": counts(answer, seen)[1]}
        told = {} if answer.usage is Usage.NEVER else {"usage": usage}
        yield _event(Part.FINISH, "message_delta", delta=delta, **told)
    if answer.done:
        yield _event(Part.END, "message_stop")


def _blocks(answer: Answer, seen: Seen) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each block as it opens, and its deltas."""
    if answer.reasoning:
        thoughts = [{"type": "thinking_delta", "thinking": token} for token in answer.reasoning]
        signature = {"type": "signature_delta", "signature": "demo"}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, signature]
    if answer.tokens:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": token} for token in answer.tokens]
    if answer.tool_call is not None:
        pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in answer.tool_call.pieces]
        yield _call(answer, seen), pieces


def _call(answer: Answer, seen: Seen) -> dict[str, Any]:
    assert answer.tool_call is not None
    return {"type": "tool_use", "id": call_id(seen), "name": answer.tool_call.name, "input": {}}


def _message(answer: Answer, seen: Seen) -> dict[str, Any]:
    prompt, said = counts(answer, seen)
    return {
        "id": f"msg_demo_{seen.number}",
        "type": "message",
        "role": "assistant",
        "model": model_of(answer, seen),
        "stop_sequence": None,
        "usage": {"input_tokens": prompt, "output_tokens": said},
    }


def _stop_reason(answer: Answer) -> str | None:
    return STOP_REASONS.get(answer.finish, answer.finish) or None


def _event(part: Part, kind: str, /, **members: Any) -> Event:
    return Event(part, dumps({"type": kind, **members}), kind)


def _error(complaint: Complaint) -> dict[str, Any]:
    kind = ERROR_TYPES.get(complaint.status, "api_error" if complaint.status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": complaint.message}, "request_id": "req_demo"}
