"""Google's Gemini API."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from support.conversations import SYSTEM, TOOLS, Answer, Asked, Call, Result, Said, finish_of, halves

REASONS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
FINISHES = {"MAX_TOKENS": "length", "SAFETY": "content_filter"}


def request(items: Sequence[Any], stream: bool) -> tuple[str, dict[str, Any]]:
    declared = [{"name": name, "parametersJsonSchema": each} for name, each in TOOLS.items()]
    action = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/m:{action}", {
        "systemInstruction": {"parts": [{"text": SYSTEM}]},
        "contents": [*items],
        "tools": [{"functionDeclarations": declared}],
    }


def question(text: str) -> list[Any]:
    return [{"role": "user", "parts": [{"text": text}]}]


def results(calls: Sequence[Call], results: Sequence[Result]) -> list[Any]:
    parts = [_response(call, result) for call, result in zip(calls, results, strict=True)]
    return [{"role": "user", "parts": parts}]


def asked(body: Mapping[str, Any]) -> Asked:
    [tool] = body["tools"]
    read = Asked(tools=[each["name"] for each in tool.get("function_declarations") or tool["functionDeclarations"]])
    assert _words(body["systemInstruction"]["parts"]) == SYSTEM
    due: list[tuple[str | None, str]] = []
    for content in body["contents"]:
        parts = content["parts"]
        read.require(bool(parts), "no turn is empty")
        given = [part["functionResponse"] for part in parts if "functionResponse" in part]
        read.require([(each.get("id"), each["name"]) for each in given] == due, "results follow their calls at once")
        made = [part["functionCall"] for part in parts if "functionCall" in part]
        due = [(each.get("id"), each["name"]) for each in made]
        read.calls += [(each.get("id", ""), each["name"], each.get("args", {})) for each in made]
        read.results += [(each.get("id", ""), next(iter(each["response"].values()))) for each in given]
        texts = [part["text"] for part in parts if "text" in part and not part.get("thought")]
        read.require(all(texts), "no text is empty")
        (read.assistant if content["role"] == "model" else read.user).extend(texts)
    read.require(not due, "every call has a result")
    return read


def whole(answer: Answer) -> dict[str, Any]:
    return _chunk([*_parts(answer, str_pieces)], answer)


def events(answer: Answer) -> list[dict[str, Any]]:
    return [*(_chunk([part]) for part in _parts(answer, halves)), _chunk([{"text": ""}], answer)]


def read_whole(document: Mapping[str, Any]) -> Said:
    return read_stream([document])


def read_stream(documents: Sequence[Mapping[str, Any]]) -> Said:
    candidates = [candidate for each in documents for candidate in each["candidates"]]
    parts = [part for each in candidates for part in each["content"]["parts"]]
    reasons = [each["finishReason"] for each in candidates if "finishReason" in each]
    assert reasons == [candidates[-1]["finishReason"]], "one finish, at the end"
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    made = [Call(each.get("id", ""), each["name"], json.dumps(each.get("args", {}))) for each in calls]
    sent_back = [part for part in parts if part.get("text") != ""]
    return Said(
        text=_words(parts),
        reasoning="".join(part["text"] for part in parts if part.get("thought")),
        calls=made,
        finish=FINISHES.get(reasons[0]) or finish_of(made),
        image="".join(part["inlineData"]["data"] for part in parts if "inlineData" in part),
        items=[{"role": "model", "parts": sent_back}] if sent_back else [],
    )


def str_pieces(text: str) -> list[str]:
    """All of a text, if there is any."""
    return [text] if text else []


def _words(parts: Iterable[Mapping[str, Any]]) -> str:
    return "".join(part["text"] for part in parts if "text" in part and not part.get("thought"))


def _parts(answer: Answer, pieces: Any) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"text": piece, "thought": True} for piece in pieces(answer.reasoning)]
    parts += [{"text": piece} for text in (answer.text, answer.refusal) for piece in pieces(text)]
    if answer.image:
        parts.append({"inlineData": {"mimeType": "image/png", "data": answer.image}})
    for call in answer.calls:
        if arguments := _arguments(call):
            named = {"id": call.id} if call.id else {}
            parts.append({"functionCall": {**named, "name": call.name, **arguments}})
    return parts


def _arguments(call: Call) -> dict[str, Any] | None:
    """None for arguments that are cut: here a call comes whole or not at all."""
    try:
        return {"args": json.loads(call.arguments or "{}")}
    except ValueError:
        return None


def _response(call: Call, result: Result) -> dict[str, Any]:
    image = {"parts": [{"inlineData": {"mimeType": "image/png", "data": result.image}}]} if result.image else {}
    named = {"id": call.id} if call.id else {}
    return {"functionResponse": {**named, "name": call.name, "response": {"output": result.text}, **image}}


def _chunk(parts: list[dict[str, Any]], ended: Answer | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    usage = {}
    if ended:
        candidate["finishReason"] = "SAFETY" if ended.refusal else REASONS[ended.finish]
        counts = {"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 14}
        usage = {"usageMetadata": counts}
    return {"candidates": [candidate], **usage, "modelVersion": "m", "responseId": "r"}
