"""Chat completions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from support.conversations import SYSTEM, TOOLS, Answer, Asked, Call, Result, Said, halves, words

PNG_URL = "data:image/png;base64,"
USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}


def request(items: Sequence[Any], stream: bool) -> tuple[str, dict[str, Any]]:
    tools = [{"type": "function", "function": {"name": name, "parameters": each}} for name, each in TOOLS.items()]
    messages = [{"role": "system", "content": SYSTEM}, *items]
    body = {"model": "m", "messages": messages, "tools": tools}
    return "/v1/chat/completions", {**body, "stream": True} if stream else body


def question(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def results(calls: Sequence[Call], results: Sequence[Result]) -> list[Any]:
    pairs = list(zip(calls, results, strict=True))
    images = [f"data:image/png;base64,{result.image}" for _, result in pairs if result.image]
    parts = [{"type": "image_url", "image_url": {"url": image}} for image in images]
    said: list[Any] = [{"role": "tool", "tool_call_id": call.id, "content": result.text} for call, result in pairs]
    return [*said, {"role": "user", "content": parts}] if parts else said


def asked(body: Mapping[str, Any]) -> Asked:
    read = Asked(tools=[tool["function"]["name"] for tool in body["tools"]])
    system, *messages = body["messages"]
    assert (system["role"], words(system["content"])) == ("system", SYSTEM)
    due: list[str] = []
    for message in messages:
        read.require((message["role"] == "tool") == bool(due), "results follow their calls at once")
        content = words(message.get("content")) + (message.get("refusal") or "")
        match message["role"]:
            case "user":
                has_image = any(part["type"] == "image_url" for part in message["content"] if isinstance(part, dict))
                read.user += [] if has_image else [content]
            case "assistant":
                calls = message.get("tool_calls") or []
                read.require(message.get("content") is not None or calls != [], "an assistant says something")
                read.assistant += [content] if content else []
                due = [call["id"] for call in calls]
                functions = [(call["id"], call["function"]) for call in calls]
                read.require(all(each["arguments"] for _, each in functions), "arguments are an object")
                read.calls += [
                    (call_id, each["name"], json.loads(each["arguments"] or "{}")) for call_id, each in functions
                ]
            case "tool":
                due.remove(message["tool_call_id"])
                read.results.append((message["tool_call_id"], content))
    read.require(not due, "every call has a result")
    return read


def whole(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if answer.refusal or (answer.calls and not answer.text) else answer.text,
        "refusal": answer.refusal or None,
    }
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.image:
        message["images"] = [_image(answer.image)]
    if answer.calls:
        message["tool_calls"] = [_call(call) for call in answer.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}
    return {**_frame("chat.completion"), "choices": [choice], "usage": USAGE}


def events(answer: Answer) -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": half} for half in halves(answer.reasoning)]
    deltas += [{"content": half} for half in halves(answer.text)]
    deltas += [{"refusal": half} for half in halves(answer.refusal)]
    deltas += [{"images": [_image(answer.image)]}] if answer.image else []
    for index, call in enumerate(answer.calls):
        deltas.append({"tool_calls": [{"index": index, **_call(call._replace(arguments=""))}]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": half}}]} for half in halves(call.arguments)
        ]
    return [*(_chunk(delta) for delta in deltas), _chunk({}, answer.finish)]


def read_whole(document: Mapping[str, Any]) -> Said:
    [choice] = document["choices"]
    message = choice["message"]
    made = [Call(each["id"], **each["function"]) for each in message.get("tool_calls") or ()]
    sent_back = {name: value for name, value in message.items() if value is not None}
    return Said(
        text=message["content"] or "",
        reasoning=message.get("reasoning_content", ""),
        calls=made,
        refusal=message.get("refusal") or "",
        finish=choice["finish_reason"],
        image="".join(each["image_url"]["url"] for each in message.get("images", ())).removeprefix(PNG_URL),
        items=[sent_back if len(sent_back) > 1 else {**sent_back, "content": ""}],
    )


def read_stream(documents: Sequence[Mapping[str, Any]]) -> Said:
    said = {"content": "", "reasoning_content": "", "refusal": ""}
    calls: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    finishes: list[str] = []
    assert len({(each["id"], each["created"], each["model"]) for each in documents}) == 1
    for choice in (choice for each in documents for choice in each["choices"]):
        assert not finishes, "nothing follows the finish"
        for name in said:
            said[name] += choice["delta"].get(name) or ""
        images += choice["delta"].get("images") or ()
        for call in choice["delta"].get("tool_calls") or ():
            if call["index"] == len(calls):
                calls.append({"id": call["id"], "type": "function", "function": {**call["function"], "arguments": ""}})
            calls[call["index"]]["function"]["arguments"] += call["function"].get("arguments", "")
        finishes += [choice["finish_reason"]] if choice["finish_reason"] else []
    message = {"role": "assistant", "content": said["content"] if said["content"] or not calls else None}
    message |= {name: text for name, text in said.items() if name != "content" and text}
    if images:
        message["images"] = images
    if calls:
        message["tool_calls"] = calls
    return read_whole({"choices": [{"message": message, "finish_reason": finishes[0]}]})


def _image(png: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": PNG_URL + png}}


def _call(call: Call) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _frame(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "m"}


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**_frame("chat.completion.chunk"), "choices": [choice]}
