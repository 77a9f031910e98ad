"""What an own page is given and what it answers."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

import orjson

from pointsman.client_host import NO_HOST, ClientHost
from pointsman.config import ConfigIssue
from pointsman.exchange.response_headers import retry_after_headers
from pointsman.wire.errors import Code, Problem

type Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One request for an own page. `path` is without its query; `local` is true for loopback peers and local mode."""

    method: str
    path: str
    query: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    """Names in lower case; the values of a repeated one are joined by commas."""
    body: bytes = field(repr=False)
    local: bool
    address: str = ""
    """The client's address."""
    host: ClientHost = NO_HOST
    listener_port: int = 0
    request_id: str = ""

    @property
    def port(self) -> int:
        """The one that the client named; behind a front that it asked without one, the listener's."""
        return self.host.port or self.listener_port


@dataclass(frozen=True, slots=True)
class PageReply:
    status: int
    body: bytes
    headers: Headers = (("Content-Type", "application/json"),)
    problem: Problem | None = None
    """What an error says."""


def json_reply(value: Any, status: int = 200, headers: Headers = ()) -> PageReply:
    return PageReply(
        status, _to_json(value), (("Content-Type", "application/json"), ("Cache-Control", "no-store"), *headers)
    )


def _to_json(value: Any) -> bytes:
    """What orjson refuses is sent to us all the same, and must not take a page down: text with lone surrogates,
    integers beyond 64 bits.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(value).encode()


def issues_problem(faults: Iterable[ConfigIssue]) -> Problem:
    """Everything that is wrong with what was sent, at once."""
    told = [{"path": fault.path, "problem": fault.problem} for fault in faults]
    message = "\n".join(f"{fault['path']}: {fault['problem']}" for fault in told)
    return Problem(Code.INVALID_REQUEST, message, details=(("faults", told),))


def with_etag(request: PageRequest, reply: PageReply) -> PageReply:
    """An answer that the client has already is not sent again: `ETag` and `If-None-Match`, RFC 9110."""
    if reply.status != 200:
        return reply
    tag = f'"{blake2b(reply.body, digest_size=12).hexdigest()}"'
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    headers = (*reply.headers, ("ETag", tag))
    if tag in known or known == ["*"]:
        return PageReply(304, b"", tuple(header for header in headers if header[0] != "Content-Type"))
    return PageReply(200, reply.body, headers)


def error_reply(problem: Problem, headers: Headers = ()) -> PageReply:
    """An error of an own page, in the shape OpenAI's clients know."""
    kind = "invalid_request_error" if problem.status < 500 else "server_error"
    error = {"message": problem.message, "type": kind, "code": problem.code.value, "param": problem.param}
    pause = retry_after_headers(problem.retry_after)
    reply = json_reply({"error": error | dict(problem.details)}, problem.status, (*pause, *headers))
    return replace(reply, problem=problem)
