"""Google's Gemini API: the path says what is asked, and a stream is made of whole answers, each with a bit more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from pointsman.demo.voices.parts import Answer, Complaint, Event, Part, Usage
from pointsman.demo.voices.speech import counts, dumps, encoded, last_said

if TYPE_CHECKING:
    from pointsman.demo.seen import Seen

DIALECT = "gemini"
COUNT: tuple[str, str] | None = (":countTokens", "totalTokens")

PATH = re.compile(r".*/models/(.+):(generateContent|streamGenerateContent)")
END = Event(Part.END, "]")
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


def question(body: dict[str, Any]) -> str:
    return last_said(body.get("contents"), "parts")


def wants_stream(seen: Seen) -> bool:
    return seen.route.endswith(":streamGenerateContent")


def streams_list(seen: Seen) -> bool:
    return wants_stream(seen) and parse_qs(urlsplit(seen.path).query).get("alt") != ["sse"]


def events(answer: Answer, seen: Seen) -> list[Event]:
    return list(_events(answer, seen))


def whole(answer: Answer, seen: Seen) -> bytes:
    return encoded(_chunk(answer, seen, list(_parts(answer)), answer.finish))


def error_body(complaint: Complaint) -> bytes:
    return encoded(_error(complaint))


def error_event(complaint: Complaint, seen: Seen) -> Event:
    return Event(Part.ERROR, dumps(_error(complaint)))


def ping() -> Event:
    """Google's clients take no comment: an event of nothing is a blank line."""
    return Event(Part.PAUSE, "")


def models_body(models: Sequence[str]) -> bytes:
    methods = ["generateContent", "countTokens"]
    rows = [{"name": f"models/{model}", "supportedGenerationMethods": methods} for model in models]
    return encoded({"models": rows})


def _events(answer: Answer, seen: Seen) -> Iterator[Event]:
    for part in _parts(answer, apart=True):
        yield Event(Part.CONTENT, dumps(_chunk(answer, seen, [part])))
    if answer.finish:
        yield Event(Part.FINISH, dumps(_chunk(answer, seen, [{"text": ""}], answer.finish)))
    if answer.done and streams_list(seen):
        yield END


def _parts(answer: Answer, apart: bool = False) -> Iterator[dict[str, Any]]:
    """What is said; `apart`, each token is a part of its own."""
    for token in answer.reasoning if apart else ["".join(answer.reasoning)]:
        if token:
            yield {"text": token, "thought": True}
    for token in answer.tokens if apart else [answer.text]:
        if token:
            yield {"text": token}
    if answer.tool_call is not None:
        yield {"functionCall": {"name": answer.tool_call.name, "args": answer.tool_call.parsed}}


def _chunk(answer: Answer, seen: Seen, parts: list[dict[str, Any]], finish: str = "") -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = FINISH_REASONS.get(finish, finish)
    match = PATH.fullmatch(seen.route)
    model = answer.model or (unquote(match[1]) if match else "demo")
    chunk = {"candidates": [candidate], "modelVersion": model, "responseId": f"demo-{seen.number}"}
    return chunk if answer.usage is Usage.NEVER else {**chunk, "usageMetadata": _usage(answer, seen)}


def _usage(answer: Answer, seen: Seen) -> dict[str, int]:
    prompt, said = counts(answer, seen)
    return {"promptTokenCount": prompt, "candidatesTokenCount": said, "totalTokenCount": prompt + said}


def _error(complaint: Complaint) -> dict[str, Any]:
    word = STATUS_WORDS.get(complaint.status, "UNAVAILABLE" if complaint.status >= 500 else "INVALID_ARGUMENT")
    return {"error": {"code": complaint.status, "message": complaint.message, "status": word}}
