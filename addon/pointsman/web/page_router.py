"""The router of own pages: which path and method, which access level, which function.

A handler takes a `PageRequest` and the value of its path's placeholder (empty for most), and returns a `PageReply` or
raises `Problem`. One that has to wait returns an awaitable of its reply.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pointsman.admission import cors_headers, is_local_origin
from pointsman.config import ConfigError
from pointsman.web.access import AccessControl, AccessLevel
from pointsman.web.http import PageReply, PageRequest, error_reply, issues_problem, with_etag
from pointsman.wire.errors import Code, Problem

logger = logging.getLogger(__name__)

type PageHandler = Callable[[PageRequest, str], PageReply | Awaitable[PageReply]]


@dataclass(frozen=True, slots=True)
class PageRoute:
    """`*` in a path matches one segment, `/**` at its end any path below. The handler gets what was matched.

    >>> PageRoute("GET", "/api/keys/*", AccessLevel.ADMIN, show_key)  # handler: show_key(request, "3f2a")
    """

    method: str
    path: str
    access_level: AccessLevel
    handler: PageHandler


class PageRouter:
    """Answers every request to the router's own address that is not a chat request."""

    def __init__(self, routes: Sequence[PageRoute], access: AccessControl) -> None:
        self.table, self.access = tuple(routes), access
        self._routes: dict[str, dict[str, PageRoute]] = {}
        for route in routes:
            self._routes.setdefault(route.path, {})[route.method] = route

    def handle(self, request: PageRequest) -> PageReply | Coroutine[Any, Any, PageReply]:
        try:
            if request.host.fault:
                raise Problem(Code.INVALID_REQUEST, request.host.fault)
            reply = cors_preflight(request) if request.method == "OPTIONS" else self._handle(request)
        except Exception as error:
            reply = _failed(request, error)
        return _finished(request, reply) if isinstance(reply, PageReply) else self._later(request, reply)

    async def _later(self, request: PageRequest, reply: Awaitable[PageReply]) -> PageReply:
        try:
            return _finished(request, await reply)
        except Exception as error:
            return _finished(request, _failed(request, error))

    def _handle(self, request: PageRequest) -> PageReply | Awaitable[PageReply]:
        methods, rest = self._find(request.path)
        route = methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            allowed = ", ".join(sorted(methods))
            problem = Problem(Code.METHOD_NOT_ALLOWED, f"{request.method} is not allowed here; allowed: {allowed}.")
            return error_reply(problem, (("Allow", allowed),))
        if refusal := self.access.access_problem(route.access_level, request):
            raise refusal
        return route.handler(request, rest)

    def _find(self, path: str) -> tuple[dict[str, PageRoute], str]:
        for pattern, rest in _patterns(path):
            if pattern in self._routes:
                return self._routes[pattern], rest
        raise Problem(Code.NOT_FOUND, f"There is no page at {path[:200]}.")


def _patterns(path: str) -> Iterator[tuple[str, str]]:
    """The patterns that match a path, each with what its placeholder holds; the most specific first."""
    parent, _, last = path.rpartition("/")
    before, _, middle = parent.rpartition("/")
    if "*" not in (last, middle):
        yield path, ""
    if last:
        yield f"{parent}/*", last
    if last and middle and last != "*":
        yield f"{before}/*/{last}", middle
    first, _, rest = path.removeprefix("/").partition("/")
    if rest:
        yield f"/{first}/**", rest


def _finished(request: PageRequest, reply: PageReply) -> PageReply:
    """Adds the headers that all replies have: CORS, and an ETag for reads of the admin API."""
    if request.method in ("GET", "HEAD") and request.path.startswith("/api/"):
        reply = with_etag(request, reply)
    return replace(reply, headers=(*reply.headers, *cors_headers(request.headers)))


def _failed(request: PageRequest, error: Exception) -> PageReply:
    if isinstance(error, Problem):
        return error_reply(error)
    if isinstance(error, ConfigError):
        return error_reply(issues_problem(error.issues))
    logger.error(f"The page {request.path} failed.", exc_info=error)
    return error_reply(Problem(Code.INTERNAL_ERROR, "This page failed; see the router's log."))


def cors_preflight(request: PageRequest) -> PageReply:
    """A browser asks first. Pages of this machine may send what they like; raises Problem (forbidden) for others."""
    if not is_local_origin(request.headers):
        raise Problem(Code.FORBIDDEN, "Only web pages of this machine may request this.")
    asked = request.headers.get("access-control-request-headers", "*")
    allowed = (
        ("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE"),
        ("Access-Control-Allow-Headers", asked),
        ("Access-Control-Max-Age", "600"),
    )
    return PageReply(204, b"", allowed)
