"""OpenAI's Responses: items within an answer, every step of them an event of its own, numbered."""

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
from pointsman.wire.dialects.openai_chat import demo as openai_chat

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}

type Step = tuple[EventRole, str, dict[str, Any]]
"""An event before it is numbered: its part, its type, its members."""


def claims(route: str) -> bool:
    return route.endswith("/responses")


def asks_count(route: str) -> bool:
    return route.endswith("/responses/input_tokens")


def question(body: dict[str, Any]) -> str:
    said = body.get("input")
    return said if isinstance(said, str) else last_said(said, "content")


def wants_stream(request: DemoRequest) -> bool:
    return request.fields.get("stream") is True


def streams_list(request: DemoRequest) -> bool:
    return False


def events(answer: DemoAnswer, request: DemoRequest) -> list[DemoEvent]:
    steps = enumerate(_steps(answer, request))
    return [_event(part, kind, sequence_number=number, **members) for number, (part, kind, members) in steps]


def whole(answer: DemoAnswer, request: DemoRequest) -> bytes:
    return encoded(_ended(answer, request))


def error_body(error: DemoError) -> bytes:
    return openai_chat.error_body(error)


def error_event(error: DemoError, request: DemoRequest) -> DemoEvent:
    said = {"code": error.code or "server_error", "message": error.message}
    answer = {**_answer(DemoAnswer(()), request), "status": "failed", "error": said}
    return _event(EventRole.ERROR, "response.failed", sequence_number=0, response=answer)


def ping() -> DemoEvent:
    return DemoEvent(EventRole.COMMENT, "ping")


def models_body(models: Sequence[str]) -> bytes:
    return openai_chat.models_body(models)


def _steps(answer: DemoAnswer, request: DemoRequest) -> Iterator[Step]:
    opened = _answer(answer, request)
    yield EventRole.OPENING, "response.created", {"response": opened}
    yield EventRole.FRAME, "response.in_progress", {"response": opened}
    for index, item in enumerate(_items(answer, request)):
        where = {"item_id": item["id"], "output_index": index}
        opening = {**item, **EMPTY[item["type"]], "status": "in_progress"}
        yield EventRole.FRAME, "response.output_item.added", {"output_index": index, "item": opening}
        yield from STEPS[item["type"]](answer, item, where)
        yield EventRole.FRAME, "response.output_item.done", {"output_index": index, "item": item}
    if answer.finish or answer.done:
        ended = _ended(answer, request)
        yield EventRole.END, f"response.{ended['status']}", {"response": ended}


def _reasoning_steps(answer: DemoAnswer, item: dict[str, Any], where: dict[str, Any]) -> Iterator[Step]:
    where, [part] = {**where, "summary_index": 0}, item["summary"]
    yield EventRole.FRAME, "response.reasoning_summary_part.added", {**where, "part": {**part, "text": ""}}
    for token in answer.reasoning:
        yield EventRole.CONTENT, "response.reasoning_summary_text.delta", {**where, "delta": token}
    yield EventRole.FRAME, "response.reasoning_summary_text.done", {**where, "text": part["text"]}
    yield EventRole.FRAME, "response.reasoning_summary_part.done", {**where, "part": part}


def _message_steps(answer: DemoAnswer, item: dict[str, Any], where: dict[str, Any]) -> Iterator[Step]:
    where, [part] = {**where, "content_index": 0}, item["content"]
    yield EventRole.FRAME, "response.content_part.added", {**where, "part": {**part, "text": ""}}
    for token in answer.tokens:
        yield EventRole.CONTENT, "response.output_text.delta", {**where, "delta": token, "logprobs": []}
    yield EventRole.FRAME, "response.output_text.done", {**where, "text": part["text"], "logprobs": []}
    yield EventRole.FRAME, "response.content_part.done", {**where, "part": part}


def _call_steps(answer: DemoAnswer, item: dict[str, Any], where: dict[str, Any]) -> Iterator[Step]:
    for piece in ToolCall(item["name"], item["arguments"]).pieces:
        yield EventRole.CONTENT, "response.function_call_arguments.delta", {**where, "delta": piece}
    done = {"name": item["name"], "arguments": item["arguments"]}
    yield EventRole.FRAME, "response.function_call_arguments.done", {**where, **done}


STEPS = {"reasoning": _reasoning_steps, "message": _message_steps, "function_call": _call_steps}
EMPTY: dict[str, dict[str, Any]] = {
    "reasoning": {"summary": []},
    "message": {"content": []},
    "function_call": {"arguments": ""},
}
"""How an item differs when it is opened."""


def _items(answer: DemoAnswer, request: DemoRequest) -> Iterator[dict[str, Any]]:
    if answer.reasoning:
        summary = {"type": "summary_text", "text": "".join(answer.reasoning)}
        yield {"id": f"rs_demo_{request.number}", "type": "reasoning", "summary": [summary]}
    if answer.tokens:
        part = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
        message = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
        yield {"id": f"item_demo_{request.number}", **message}
    for place, call in enumerate(answer.tool_calls):
        call_ids = {"id": call_id(request, place).replace("call", "fc", 1), "call_id": call_id(request, place)}
        said = {"name": call.name, "arguments": call.arguments}
        yield {"type": "function_call", "status": "completed", **call_ids, **said}


def _ended(answer: DemoAnswer, request: DemoRequest) -> dict[str, Any]:
    reason = INCOMPLETE.get(answer.finish)
    ending = {
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": list(_items(answer, request)),
        "usage": None if answer.usage is ReportsUsage.NEVER else _usage(answer, request),
    }
    return {**_answer(answer, request), **ending}


def _answer(answer: DemoAnswer, request: DemoRequest) -> dict[str, Any]:
    return {
        "id": f"resp_demo_{request.number}",
        "object": "response",
        "created_at": int(request.received),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model_of(answer, request),
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
    }


def _usage(answer: DemoAnswer, request: DemoRequest) -> dict[str, Any]:
    prompt, said = counts(answer, request)
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": len(answer.reasoning)},
        "total_tokens": prompt + said,
    }


def _event(part: EventRole, kind: str, /, **members: Any) -> DemoEvent:
    return DemoEvent(part, dumps({"type": kind, **members}), kind)
