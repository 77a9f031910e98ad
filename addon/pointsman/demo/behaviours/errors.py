"""Error answers, with an error status or wrapped in a 200, and bodies that are not answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

from pointsman.demo.behaviours.streaming import Delivery, answering
from pointsman.demo.responder import JSON, Headers, Responder
from pointsman.demo.script import Behaviour
from pointsman.wire.dialects.demo_base import DemoAnswer, DemoError, DemoEvent, EventRole

type Body = str | bytes | Mapping[str, Any] | Sequence[Any]
Shape = Literal["openai", "string", "cloudflare", "google", "google-list", "cohere", "detail", "choice"]

HTML = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"

_ERRORS = {
    400: DemoError("'messages' is a required property", "invalid_request_error", "invalid_request"),
    401: DemoError("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    402: DemoError("Insufficient balance.", "insufficient_quota", "insufficient_quota"),
    403: DemoError("Your account may not use this model.", "permission_error", "forbidden"),
    404: DemoError(
        "The model does not exist or you do not have access to it.", "invalid_request_error", "model_not_found"
    ),
    408: DemoError("The request took too long to arrive.", "timeout", "request_timeout"),
    413: DemoError("The request exceeds this model's maximum context length.", "invalid_request_error", "too_large"),
    422: DemoError("A field of the request is not acceptable.", "invalid_request_error", "unprocessable"),
    429: DemoError("Rate limit reached for requests per minute.", "requests", "rate_limit_exceeded"),
    500: DemoError("The server had an error while processing your request.", "server_error", "internal_error"),
    502: DemoError("Bad gateway.", "server_error", "bad_gateway"),
    503: DemoError("The model is overloaded. Please try again later.", "server_error", "overloaded"),
    504: DemoError("The upstream server timed out.", "server_error", "gateway_timeout"),
    529: DemoError("Overloaded.", "overloaded_error", "overloaded"),
}


def demo_error(code: int) -> DemoError:
    """A provider's usual message for that status."""
    other = DemoError(f"Error {code}.", "server_error" if code >= 500 else "error", str(code))
    return replace(_ERRORS.get(code, other), status=code)


def status(code: int = 503, body: Body | None = None, headers: Headers = ()) -> Behaviour:
    """An error status. The body is by default the dialect's own error; a string is sent as text, an object as JSON."""
    fields = tuple(headers)

    async def play(responder: Responder) -> None:
        raw, kind = (responder.dialect.error_body(demo_error(code)), JSON) if body is None else _encode(body)
        has_kind = any(name.lower() == "content-type" for name, _ in fields)
        await responder.reply(code, raw, fields if has_kind else [kind, *fields])

    return Behaviour(f"status:{code}", play)


def rate_limited(retry_after: float | None = 2.0, reset: float = 2.0, limit: int = 30) -> Behaviour:
    """429 with `Retry-After` (seconds; None leaves it out) and OpenAI's rate limit headers, none left of `limit`."""
    after = [] if retry_after is None else [("Retry-After", f"{retry_after:g}")]
    limits = [
        ("x-ratelimit-limit-requests", str(limit)),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", f"{reset:g}s"),
    ]
    return _named("rate_limited", status(429, headers=[*after, *limits]))


def wrapped(shape: Shape = "openai", message: str = "Provider returned error", code: int = 500) -> Behaviour:
    """An error in a 200: as the first and only event if the request asks for a stream, else as the body."""
    raw = dumps(shaped(shape, message, code))

    async def play(responder: Responder) -> None:
        if not responder.request.wants_stream:
            return await responder.reply(200, raw.encode())
        await responder.head(200, [responder.stream_kind])
        await responder.chunk(responder.encode(DemoEvent(EventRole.ERROR, raw)))
        await responder.end()

    return Behaviour(f"wrapped:{shape}", play)


def wrapped_json(shape: Shape = "openai", message: str = "Provider returned error", code: int = 500) -> Behaviour:
    """An error in a 200, as a JSON body even if the request asks for a stream."""
    return _named(f"wrapped_json:{shape}", status(200, shaped(shape, message, code)))


def html(code: int = 200) -> Behaviour:
    """A web page, as from a challenge or a captive portal."""
    return _named(f"html:{code}", status(code, HTML, [("Content-Type", "text/html; charset=utf-8")]))


def garbage(size: int = 4096) -> Behaviour:
    """A 200 of the promised content type whose body is noise: every byte value in turn, some invalid as UTF-8."""
    noise = bytes(n * 167 % 256 for n in range(256)) * (size // 256 + 1)

    async def play(responder: Responder) -> None:
        await responder.reply(200, noise[:size], [responder.kind])

    return Behaviour("garbage", play)


def empty(ends: Literal["stop", "length", "content_filter", "done", "nothing"] = "stop") -> Behaviour:
    """An answer without content. It ends with that finish reason, only with the end marker, or with nothing at all.

    A body that is not streamed is an answer with empty content; with `nothing` it has no bytes.
    """
    if ends == "nothing":
        return Behaviour("empty:nothing", _say_nothing)
    finish = "" if ends == "done" else ends
    only_end = Delivery(arrange=lambda events: [event for event in events if event.role is EventRole.END])
    return answering(f"empty:{ends}", DemoAnswer((), finish=finish), only_end if ends == "done" else Delivery())


def no_content() -> Behaviour:
    """204."""
    return Behaviour("no_content", lambda responder: responder.reply(204, b"", []))


def redirect(code: int = 301, location: str = "https://elsewhere.invalid/v1/chat/completions") -> Behaviour:
    """A redirect, which no chat client should follow with its credentials."""
    return _named(f"redirect:{code}", status(code, "", [("Location", location)]))


def shaped(shape: Shape, message: str, code: int) -> Body:
    shapes: dict[Shape, Body] = {
        "openai": {"error": {"message": message, "type": "server_error", "param": None, "code": code}},
        "string": {"error": message},
        "cloudflare": {
            "result": None,
            "success": False,
            "errors": [{"code": 7009, "message": message}],
            "messages": [],
        },
        "google": {"error": {"code": code, "message": message, "status": "INTERNAL"}},
        "google-list": [{"error": {"code": code, "message": message, "status": "INTERNAL"}}],
        "cohere": {"message": message},
        "detail": {"detail": message},
        "choice": {
            "id": "gen-demo",
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
            "error": {"code": code, "message": message},
        },
    }
    if shape not in shapes:
        raise ValueError(f"unknown shape {shape!r}, known are {', '.join(get_args(Shape))}")
    return shapes[shape]


async def _say_nothing(responder: Responder) -> None:
    if not responder.request.wants_stream:
        return await responder.reply(200, b"")
    await responder.head(200, [responder.stream_kind])
    await responder.end()


def _encode(body: Body) -> tuple[bytes, tuple[str, str]]:
    match body:
        case bytes():
            return body, ("Content-Type", "application/octet-stream")
        case str():
            return body.encode(), ("Content-Type", "text/plain; charset=utf-8")
        case _:
            return dumps(body).encode(), JSON


def dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _named(name: str, behaviour: Behaviour) -> Behaviour:
    return Behaviour(name, behaviour.play)
