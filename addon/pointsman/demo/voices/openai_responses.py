"""OpenAI's Responses: items within an answer, every step of them an event of its own, numbered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pointsman.demo.voices import openai_chat
from pointsman.demo.voices.parts import Answer, Complaint, Event, Part, Usage
from pointsman.demo.voices.speech import call_id, counts, dumps, encoded, last_said, model_of

if TYPE_CHECKING:
    from pointsman.demo.seen import Seen

DIALECT = "openai-responses"
COUNT: tuple[str, str] | None = None

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}

type Step = tuple[Part, str, dict[str, Any]]
"""An event before it is numbered: its part, its type, its members."""


def claims(route: str) -> bool:
    return route.endswith("/responses")


def question(body: dict[str, Any]) -> str:
    said = body.get("input")
    return said if isinstance(said, str) else last_said(said, "content")


def wants_stream(seen: Seen) -> bool:
    return seen.fields.get("stream") is True


def streams_list(seen: Seen) -> bool:
    return False


def events(answer: Answer, seen: Seen) -> list[Event]:
    steps = enumerate(_steps(answer, seen))
    return [_event(part, kind, sequence_number=number, **members) for number, (part, kind, members) in steps]


def whole(answer: Answer, seen: Seen) -> bytes:
    return encoded(_ended(answer, seen))


def error_body(complaint: Complaint) -> bytes:
    return openai_chat.error_body(complaint)


def error_event(complaint: Complaint, seen: Seen) -> Event:
    error = {"code": complaint.code or "server_error", "message": complaint.message}
    answer = {**_answer(Answer(()), seen), "status": "failed", "error": error}
    return _event(Part.ERROR, "response.failed", sequence_number=0, response=answer)


def ping() -> Event:
    return Event(Part.COMMENT, "ping")


def models_body(models: Sequence[str]) -> bytes:
    return openai_chat.models_body(models)


def _steps(answer: Answer, seen: Seen) -> Iterator[Step]:
    opened = _answer(answer, seen)
    yield Part.OPENING, "response.created", {"response": opened}
    yield Part.FRAME, "response.in_progress", {"response": opened}
    for index, item in enumerate(_items(answer, seen)):
        where = {"item_id": item["id"], "output_index": index}
        opening = {**item, **EMPTY[item["type"]], "status": "in_progress"}
        yield Part.FRAME, "response.output_item.added", {"output_index": index, "item": opening}
        yield from STEPS[item["type"]](answer, item, where)
        yield Part.FRAME, "response.output_item.done", {"output_index": index, "item": item}
    if answer.finish or answer.done:
        ended = _ended(answer, seen)
        yield Part.END, f"response.{ended['status']}", {"response": ended}


def _reasoning_steps(answer: Answer, item: dict[str, Any], where: dict[str, Any]) -> Iterator[Step]:
    where, [part] = {**where, "summary_index": 0}, item["summary"]
    yield Part.FRAME, "response.reasoning_summary_part.added", {**where, "part": {**part, "text": ""}}
    for token in answer.reasoning:
        yield Part.CONTENT, "response.reasoning_summary_text.delta", {**where, "delta": token}
    yield Part.FRAME, "response.reasoning_summary_text.done", {**where, "text": part["text"]}
    yield Part.FRAME, "response.reasoning_summary_part.done", {**where, "part": part}


def _message_steps(answer: Answer, item: dict[str, Any], where: dict[str, Any]) -> Iterator[Step]:
    where, [part] = {**where, "content_index": 0}, item["content"]
    yield Part.FRAME, "response.content_part.added", {**where, "part": {**part, "text": ""}}
    for token in answer.tokens:
        yield Part.CONTENT, "response.output_text.delta", {**where, "delta": token, "logprobs": []}
    yield Part.FRAME, "response.output_text.done", {**where, "text": part["text"], "logprobs": []}
    yield Part.FRAME, "response.content_part.done", {**where, "part": part}


def _call_steps(answer: Answer, item: dict[str, Any], where: dict[str, Any]) -> Iterator[Step]:
    assert answer.tool_call is not None
    for piece in answer.tool_call.pieces:
        yield Part.CONTENT, "response.function_call_arguments.delta", {**where, "delta": piece}
    done = {"name": item["name"], "arguments": item["arguments"]}
    yield Part.FRAME, "response.function_call_arguments.done", {**where, **done}


STEPS = {"reasoning": _reasoning_steps, "message": _message_steps, "function_call": _call_steps}
EMPTY: dict[str, dict[str, Any]] = {
    "reasoning": {"summary": []},
    "message": {"content": []},
    "function_call": {"arguments": ""},
}
"""How an item differs when it is opened."""


def _items(answer: Answer, seen: Seen) -> Iterator[dict[str, Any]]:
    if answer.reasoning:
        summary = {"type": "summary_text", "text": "".join(answer.reasoning)}
        yield {"id": f"rs_demo_{seen.number}", "type": "reasoning", "summary": [summary]}
    if answer.tokens:
        part = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
        message = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
        yield {"id": f"item_demo_{seen.number}", **message}
    if answer.tool_call is not None:
        call = {"call_id": call_id(seen), "name": answer.tool_call.name, "arguments": answer.tool_call.arguments}
        yield {"id": f"fc_demo_{seen.number}", "type": "function_call", "status": "completed", **call}


def _ended(answer: Answer, seen: Seen) -> dict[str, Any]:
    reason = INCOMPLETE.get(answer.finish)
    ending = {
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": list(_items(answer, seen)),
        "usage": None if answer.usage is Usage.NEVER else _usage(answer, seen),
    }
    return {**_answer(answer, seen), **ending}


def _answer(answer: Answer, seen: Seen) -> dict[str, Any]:
    return {
        "id": f"resp_demo_{seen.number}",
        "object": "response",
        "created_at": int(seen.received),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model_of(answer, seen),
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
    }


def _usage(answer: Answer, seen: Seen) -> dict[str, Any]:
    prompt, said = counts(answer, seen)
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": len(answer.reasoning)},
        "total_tokens": prompt + said,
    }


def _event(part: Part, kind: str, /, **members: Any) -> Event:
    return Event(part, dumps({"type": kind, **members}), kind)
