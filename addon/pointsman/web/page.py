"""What an own page is given and what it answers."""

import json
from dataclasses import dataclass, field
from typing import Any

import orjson

from pointsman.wire.faults import Problem

type Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request for an own page. `path` is without its query; `local` is true for loopback peers and local mode."""

    method: str
    path: str
    query: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    """Names in lower case; the values of a repeated one are joined by commas."""
    body: bytes = field(repr=False)
    local: bool


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    headers: Headers = (("Content-Type", "application/json"),)


def reply_json(value: Any, status: int = 200, headers: Headers = ()) -> Reply:
    return Reply(
        status, _dumped(value), (("Content-Type", "application/json"), ("Cache-Control", "no-store"), *headers)
    )


def _dumped(value: Any) -> bytes:
    """What orjson refuses is sent to us all the same, and must not take a page down: text with lone surrogates,
    integers beyond 64 bits.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(value).encode()


def reply_problem(problem: Problem, headers: Headers = ()) -> Reply:
    """An error of an own page, in the shape OpenAI's clients know."""
    kind = "invalid_request_error" if problem.status < 500 else "server_error"
    error = {"message": problem.message, "type": kind, "code": problem.code.value, "param": problem.param}
    return reply_json({"error": error | dict(problem.details)}, problem.status, headers)
