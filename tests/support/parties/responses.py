"""OpenAI's Responses."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from support.conversations import PNG, SYSTEM, TOOLS, Answer, Asked, Call, Result, Said, finish_of, halves, words

REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
FINISHES = {reason: finish for finish, reason in REASONS.items()}
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 14,
}


def request(items: Sequence[Any], stream: bool) -> tuple[str, dict[str, Any]]:
    tools = [{"type": "function", "name": name, "parameters": each, "strict": False} for name, each in TOOLS.items()]
    body = {"model": "m", "instructions": SYSTEM, "input": [*items], "tools": tools}
    return "/v1/responses", {**body, "stream": True} if stream else body


def question(text: str) -> list[Any]:
    return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}]


def results(calls: Sequence[Call], results: Sequence[Result]) -> list[Any]:
    pairs = zip(calls, results, strict=True)
    return [{"type": "function_call_output", "call_id": call.id, "output": _output(result)} for call, result in pairs]


def asked(body: Mapping[str, Any]) -> Asked:
    read = Asked(tools=[tool["name"] for tool in body["tools"]])
    assert body["instructions"] == SYSTEM
    for item in body["input"]:
        match item.get("type", "message"):
            case "message":
                has_words = isinstance(item["content"], str) or any("image_url" not in each for each in item["content"])
                said = read.user if item["role"] == "user" else read.assistant
                said += [words(item["content"])] if has_words else []
            case "function_call":
                read.require(item["arguments"] != "", "arguments are an object")
                read.calls.append((item["call_id"], item["name"], json.loads(item["arguments"] or "{}")))
            case "function_call_output":
                read.results.append((item["call_id"], words(item["output"])))
    read.assistant = [text for text in read.assistant if text]
    return read


def whole(answer: Answer) -> dict[str, Any]:
    reason = REASONS.get(answer.finish)
    return {
        **_frame(),
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": _items(answer),
        "usage": USAGE,
    }


def events(answer: Answer) -> list[dict[str, Any]]:
    return [{**event, "sequence_number": number} for number, event in enumerate(_steps(answer))]


def read_whole(document: Mapping[str, Any]) -> Said:
    said = Said(items=document["output"])
    for item in document["output"]:
        match item["type"]:
            case "message":
                said.text += "".join(part.get("text", "") for part in item["content"])
                said.refusal += "".join(part.get("refusal", "") for part in item["content"])
            case "reasoning":
                said.reasoning += "".join(part["text"] for part in item["summary"])
            case "image_generation_call":
                said.image += item["result"]
            case "function_call":
                said.calls.append(Call(item["call_id"], item["name"], item["arguments"]))
    assert document["status"] == ("incomplete" if document["incomplete_details"] else "completed")
    reason = (document["incomplete_details"] or {}).get("reason")
    said.finish = FINISHES[reason] if reason else finish_of(said.calls)
    return said


def read_stream(documents: Sequence[Mapping[str, Any]]) -> Said:
    assert [each["sequence_number"] for each in documents] == list(range(len(documents)))
    assert documents[0]["type"] == "response.created"
    done = [each["item"] for each in documents if each["type"] == "response.output_item.done"]
    last = documents[-1]["response"]
    assert documents[-1]["type"] == f"response.{last['status']}"
    assert last["output"] == done
    deltas: dict[str, str] = {}
    for each in documents:
        if each["type"].endswith(".delta"):
            deltas[each["item_id"]] = deltas.get(each["item_id"], "") + each["delta"]
    assert deltas == {item["id"]: text for item in done if (text := _text(item))}, "the pieces make up the whole"
    return read_whole(last)


def _text(item: Mapping[str, Any]) -> str:
    if item["type"] == "function_call":
        return str(item["arguments"])
    if item["type"] == "image_generation_call":
        return ""
    return words(item["content"] if item["type"] == "message" else item["summary"])


def _output(result: Result) -> Any:
    if not result.image:
        return result.text
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"}
    return [{"type": "input_text", "text": result.text}, image]


def _items(answer: Answer) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if answer.reasoning:
        summary = {"type": "summary_text", "text": answer.reasoning}
        items.append({"id": "rs_1", "type": "reasoning", "summary": [summary], "encrypted_content": "c2VjcmV0"})
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    if answer.text:
        part = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
        items.append({**message, "content": [part]})
    if answer.refusal:
        items.append({**message, "content": [{"type": "refusal", "refusal": answer.refusal}]})
    if answer.image:
        items.append({"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": answer.image})
    for place, call in enumerate(answer.calls):
        made = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
        status = "incomplete" if answer.finish == "length" else "completed"
        items.append({"id": f"fc_{place}", "type": "function_call", "status": status, **made})
    return items


def _steps(answer: Answer) -> Iterator[dict[str, Any]]:
    ended = whole(answer)
    yield {"type": "response.created", "response": _frame()}
    yield {"type": "response.in_progress", "response": _frame()}
    for place, item in enumerate(ended["output"]):
        empty = {
            "message": {"content": []},
            "reasoning": {"summary": []},
            "image_generation_call": {"result": None},
        }.get(item["type"], {"arguments": ""})
        opened = {**item, **empty, "status": "in_progress"}
        yield {"type": "response.output_item.added", "output_index": place, "item": opened}
        where = {"item_id": item["id"], "output_index": place}
        if item["type"] == "image_generation_call":
            draft = {"partial_image_index": 0, "partial_image_b64": item["result"][:-4]}
            yield {"type": "response.image_generation_call.partial_image", **where, **draft}
            yield {"type": "response.image_generation_call.completed", **where}
            yield {"type": "response.output_item.done", "output_index": place, "item": item}
            continue
        kind, member, more = _deltas(item)
        for half in halves(_text(item)):
            yield {"type": f"{kind}.delta", **where, **more, "delta": half}
        named = {"name": item["name"]} if item["type"] == "function_call" else {}
        yield {"type": f"{kind}.done", **where, **more, **named, member: _text(item)}
        yield {"type": "response.output_item.done", "output_index": place, "item": item}
    yield {"type": f"response.{ended['status']}", "response": ended}


def _deltas(item: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """The type of an item's events, the member that has all of its text in the end, and what else they have."""
    if item["type"] == "function_call":
        return "response.function_call_arguments", "arguments", {}
    if item["type"] == "reasoning":
        return "response.reasoning_summary_text", "text", {"summary_index": 0}
    if item["content"][0]["type"] == "refusal":
        return "response.refusal", "refusal", {"content_index": 0}
    return "response.output_text", "text", {"content_index": 0, "logprobs": []}


def _frame() -> dict[str, Any]:
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "in_progress", "error": None,
        "incomplete_details": None, "instructions": None, "metadata": {}, "model": "m", "output": [],
        "parallel_tool_calls": True, "temperature": None, "tool_choice": "auto", "tools": [], "top_p": None,
    }  # fmt: skip
