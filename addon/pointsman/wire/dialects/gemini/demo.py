"""Google's Gemini API: the path says what is asked, and a stream is made of whole answers, each with a bit more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pointsman.wire.dialects.demo_base import DemoAnswer, DemoError, DemoEvent, DemoRequest, EventRole, ReportsUsage
from pointsman.wire.dialects.demo_helpers import counts, dumps, encoded, last_said

PATH = re.compile(r".*/models/(.+):(generateContent|streamGenerateContent)")
END = DemoEvent(EventRole.END, "]")
"""Of a list; as SSE a stream has none."""

FINISH_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}
STATUS_WORDS = {
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "INTERNAL",
    504: "DEADLINE_EXCEEDED",
}


def claims(route: str) -> bool:
    return PATH.fullmatch(route) is not None


def asks_count(route: str) -> bool:
    return route.endswith(":countTokens")


def question(body: dict[str, Any]) -> str:
    return last_said(body.get("contents"), "parts")


def wants_stream(request: DemoRequest) -> bool:
    return request.route.endswith(":streamGenerateContent")


def streams_list(request: DemoRequest) -> bool:
    return wants_stream(request) and parse_qs(urlsplit(request.path).query).get("alt") != ["sse"]


def events(answer: DemoAnswer, request: DemoRequest) -> list[DemoEvent]:
    return list(_events(answer, request))


def whole(answer: DemoAnswer, request: DemoRequest) -> bytes:
    return encoded(_chunk(answer, request, list(_parts(answer)), answer.finish))


def error_body(error: DemoError) -> bytes:
    return encoded(_error(error))


def error_event(error: DemoError, request: DemoRequest) -> DemoEvent:
    return DemoEvent(EventRole.ERROR, dumps(_error(error)))


def ping() -> DemoEvent:
    """Google's clients take no comment: an event of nothing is a blank line."""
    return DemoEvent(EventRole.PAUSE, "")


def models_body(models: Sequence[str]) -> bytes:
    methods = ["generateContent", "countTokens"]
    rows = [{"name": f"models/{model}", "supportedGenerationMethods": methods} for model in models]
    return encoded({"models": rows})


def _events(answer: DemoAnswer, request: DemoRequest) -> Iterator[DemoEvent]:
    for part in _parts(answer, apart=True):
        yield DemoEvent(EventRole.CONTENT, dumps(_chunk(answer, request, [part])))
    if answer.finish:
        yield DemoEvent(EventRole.FINISH, dumps(_chunk(answer, request, [{"text": ""}], answer.finish)))
    if answer.done and streams_list(request):
        yield END


def _parts(answer: DemoAnswer, apart: bool = False) -> Iterator[dict[str, Any]]:
    """What is said; `apart`, each token is a part of its own."""
    for token in answer.reasoning if apart else ["".join(answer.reasoning)]:
        if token:
            yield {"text": token, "thought": True}
    for token in answer.tokens if apart else [answer.text]:
        if token:
            yield {"text": token}
    for call in answer.tool_calls:
        yield {"functionCall": {"name": call.name, "args": call.parsed}}


def _chunk(answer: DemoAnswer, request: DemoRequest, parts: list[dict[str, Any]], finish: str = "") -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = FINISH_REASONS.get(finish, finish)
    match = PATH.fullmatch(request.route)
    model = answer.model or (unquote(match[1]) if match else "demo")
    chunk = {"candidates": [candidate], "modelVersion": model, "responseId": f"demo-{request.number}"}
    return chunk if answer.usage is ReportsUsage.NEVER else {**chunk, "usageMetadata": _usage(answer, request)}


def _usage(answer: DemoAnswer, request: DemoRequest) -> dict[str, int]:
    prompt, said = counts(answer, request)
    return {"promptTokenCount": prompt, "candidatesTokenCount": said, "totalTokenCount": prompt + said}


def _error(error: DemoError) -> dict[str, Any]:
    word = STATUS_WORDS.get(error.status, "UNAVAILABLE" if error.status >= 500 else "INVALID_ARGUMENT")
    return {"error": {"code": error.status, "message": error.message, "status": word}}
