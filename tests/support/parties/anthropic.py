"""Anthropic's Messages."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from support.conversations import SYSTEM, TOOLS, Answer, Asked, Call, Result, Said, halves, words

REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
FINISHES = {reason: finish for finish, reason in REASONS.items()}
MEMBERS = {"thinking": "thinking", "text": "text", "tool_use": "partial_json"}
DELTAS = {"thinking": "thinking_delta", "text": "text_delta", "tool_use": "input_json_delta"}


def request(items: Sequence[Any], stream: bool) -> tuple[str, dict[str, Any]]:
    tools = [{"name": name, "input_schema": each} for name, each in TOOLS.items()]
    body = {"model": "m", "max_tokens": 99, "system": SYSTEM, "messages": [*items], "tools": tools}
    return "/v1/messages", {**body, "stream": True} if stream else body


def question(text: str) -> list[Any]:
    return [{"role": "user", "content": [{"type": "text", "text": text}]}]


def results(calls: Sequence[Call], results: Sequence[Result]) -> list[Any]:
    pairs = zip(calls, results, strict=True)
    blocks = [{"type": "tool_result", "tool_use_id": call.id, "content": _content(result)} for call, result in pairs]
    return [{"role": "user", "content": blocks}]


def asked(body: Mapping[str, Any]) -> Asked:
    read = Asked(tools=[tool["name"] for tool in body["tools"]])
    assert words(body["system"]) == SYSTEM
    roles = [message["role"] for message in body["messages"]]
    read.require(roles[0] == "user", "the user begins")
    read.require(all(one != two for one, two in itertools.pairwise(roles)), "turns alternate")
    due: list[str] = []
    for message in body["messages"]:
        content = message["content"]
        read.require(bool(content), "no message is empty")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        said = read.user if message["role"] == "user" else read.assistant
        given = [block.get("tool_use_id") for block in blocks[: len(due)]]
        read.require(given == due, "results follow their calls at once")
        due = [block["id"] for block in blocks if block["type"] == "tool_use"]
        for block in blocks:
            match block["type"]:
                case "text":
                    read.require(bool(block["text"].strip()), "no text is blank")
                    said.append(block["text"])
                case "tool_use":
                    read.calls.append((block["id"], block["name"], block["input"]))
                case "tool_result":
                    read.results.append((block["tool_use_id"], words(block["content"])))
    read.require(not due, "every call has a result")
    return read


def whole(answer: Answer) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if answer.reasoning:
        content.append({"type": "thinking", "thinking": answer.reasoning, "signature": "c2lnbmVk"})
    content += [{"type": "text", "text": text} for text in (answer.text, answer.refusal) if text]
    for call in answer.calls:
        content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": _input(call.arguments)})
    return {**_message(), "content": content, "stop_reason": _reason(answer)}


def events(answer: Answer) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = [{"type": "message_start", "message": _message()}]
    made = iter(answer.calls)
    for index, block in enumerate(whole(answer)["content"]):
        kind, member = block["type"], MEMBERS[block["type"]]
        empty = {"input": {}} if kind == "tool_use" else {member: ""}
        signature = {"signature": ""} if kind == "thinking" else {}
        told.append({"type": "content_block_start", "index": index, "content_block": {**block, **empty, **signature}})
        text = next(made).arguments if kind == "tool_use" else block[member]
        deltas = [{"type": DELTAS[kind], member: half} for half in halves(text)]
        if signature:
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        told += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        told.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": _reason(answer), "stop_sequence": None}
    return [*told, {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}}, {"type": "message_stop"}]


def read_whole(document: Mapping[str, Any]) -> Said:
    blocks = document["content"]
    made = [Call(each["id"], each["name"], json.dumps(each["input"])) for each in blocks if each["type"] == "tool_use"]
    return Said(
        text="".join(block["text"] for block in blocks if block["type"] == "text"),
        reasoning="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        calls=made,
        finish=FINISHES[document["stop_reason"]],
        items=[{"role": "assistant", "content": blocks}] if blocks else [],
    )


def read_stream(documents: Sequence[Mapping[str, Any]]) -> Said:
    assert documents[0]["type"] == "message_start"
    assert [each["type"] for each in documents[-2:]] == ["message_delta", "message_stop"]
    blocks: list[dict[str, Any]] = []
    inputs: dict[int, str] = {}
    open_block = False
    for each in documents[1:-2]:
        assert open_block == (each["type"] != "content_block_start"), "one block at a time"
        match each["type"]:
            case "content_block_start":
                assert each["index"] == len(blocks)
                blocks.append(dict(each["content_block"]))
                open_block = True
            case "content_block_delta":
                delta = dict(each["delta"])
                if delta.pop("type") == "input_json_delta":
                    inputs[each["index"]] = inputs.get(each["index"], "") + delta["partial_json"]
                else:
                    [(member, text)] = delta.items()
                    blocks[each["index"]][member] += text
            case "content_block_stop":
                open_block = False
    for index, text in inputs.items():
        blocks[index]["input"] = _input(text)
    said = read_whole({"content": blocks, "stop_reason": documents[-2]["delta"]["stop_reason"]})
    texts = [inputs.get(index, "{}") for index, block in enumerate(blocks) if block["type"] == "tool_use"]
    said.calls = [call._replace(arguments=text) for call, text in zip(said.calls, texts, strict=True)]
    return said


def _content(result: Result) -> list[dict[str, Any]]:
    source = {"type": "base64", "media_type": "image/png", "data": result.image}
    return [{"type": "text", "text": result.text}, *([{"type": "image", "source": source}] if result.image else [])]


def _input(arguments: str) -> Any:
    """What a client can read of arguments, which may be cut."""
    try:
        return json.loads(arguments)
    except ValueError:
        return {}


def _reason(answer: Answer) -> str:
    return "refusal" if answer.refusal else REASONS[answer.finish]


def _message() -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 5},
    }  # fmt: skip
