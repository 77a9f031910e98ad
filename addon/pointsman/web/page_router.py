"""The router of own pages: which path and method, which access level, which function.

A handler takes a `PageRequest` and the value of its path's placeholder (empty for most), and returns a `PageReply` or
raises `Problem`. One that has to wait returns an awaitable of its reply.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cachetools import TTLCache

from pointsman.config import ConfigError
from pointsman.web.access import AccessControl, AccessLevel
from pointsman.web.http import PageReply, PageRequest, error_reply, issues_problem, with_etag
from pointsman.web_origins import cors_headers, is_local_origin
from pointsman.wire.dialects.base import Dialect
from pointsman.wire.dialects.registry import DEFAULT, dialect_of_asker
from pointsman.wire.errors import Code, Problem
from pointsman.wire.paths import ClientPath, nearest_path, standard_path

logger = logging.getLogger(__name__)

MAX_SHOWN_PATH = 200
MAX_DEPTH = 3
"""Segments before `/**`."""
MAX_LOGGED_PATHS, LOG_AGAIN_AFTER = 64, 600.0
"""Unknown paths in so many seconds."""
OPERATORS_PATHS = ("/api/", "/internal/")
PUBLIC_LEVELS = (AccessLevel.OPEN, AccessLevel.CLIENT)
"""Of the pages that an unknown path may lead to."""
USUAL_PATHS = (
    "Clients use POST /v1/chat/completions, /v1/responses, /v1/messages and /v1beta/models/MODEL:generateContent,"
    " and GET /v1/models."
)

type PageHandler = Callable[[PageRequest, str], PageReply | Awaitable[PageReply]]


@dataclass(frozen=True, slots=True)
class PageRoute:
    """`*` in a path matches one segment, `/**` at its end any path below its one, two or three segments. The handler
    gets what was matched.

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
        self._logged: TTLCache[str, bool] = TTLCache(MAX_LOGGED_PATHS, LOG_AGAIN_AFTER)
        """Unknown paths that were logged lately."""
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
        request, methods, rest = self._find(request)
        route = methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            allowed = ", ".join(sorted(methods))
            problem = Problem(Code.METHOD_NOT_ALLOWED, f"{request.method} is not allowed here; allowed: {allowed}.")
            return error_reply(problem.with_request_id(request.request_id), (("Allow", allowed),))
        if refusal := self.access.access_problem(route.access_level, request):
            raise refusal
        return route.handler(request, rest)

    def _find(self, request: PageRequest) -> tuple[PageRequest, dict[str, PageRoute], str]:
        """The request under the path that was meant, and its routes. Raises Problem (not_found)."""
        meant = standard_path(request.path, is_own=True).path
        for path in dict.fromkeys((meant, request.path)):
            for pattern, rest in _patterns(path):
                if pattern in self._routes:
                    return replace(request, path=path), self._routes[pattern], rest
        raise self._not_found(request)

    def _not_found(self, request: PageRequest) -> Problem:
        """Names the nearest right path, and logs both."""
        pages = (ClientPath(route.method, route.path) for route in self.table if route.access_level in PUBLIC_LEVELS)
        nearest = nearest_path(request.path, pages)
        hint = f"Did you mean {nearest.method} {nearest.path}?" if nearest else USUAL_PATHS
        path = request.path[:MAX_SHOWN_PATH]
        if path not in self._logged and len(self._logged) < MAX_LOGGED_PATHS:
            self._logged[path] = True
            logger.info(f"Pointsman: 404 for {request.method} {path!r} of {request.address}. {hint}")
        return Problem(Code.NOT_FOUND, f"There is no page at {path}. {hint}")


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
    segments = path.split("/", MAX_DEPTH + 1)
    for depth in range(len(segments) - 1, 1, -1):
        if rest := "/".join(segments[depth:]):
            yield f"{'/'.join(segments[:depth])}/**", rest


def _finished(request: PageRequest, reply: PageReply) -> PageReply:
    """Adds the headers that all replies have: CORS, and an ETag for reads of the admin API."""
    if request.method in ("GET", "HEAD") and request.path.startswith("/api/"):
        reply = with_etag(request, reply)
    return replace(reply, headers=(*reply.headers, *cors_headers(request.headers)))


def _failed(request: PageRequest, error: Exception) -> PageReply:
    if isinstance(error, Problem):
        return _problem_reply(request, error)
    if isinstance(error, ConfigError):
        return error_reply(issues_problem(error.issues).with_request_id(request.request_id))
    logger.error(f"The page {request.path} failed.", exc_info=error)
    problem = Problem(Code.INTERNAL_ERROR, "This page failed; see the router's log.")
    return error_reply(problem.with_request_id(request.request_id))


def _problem_reply(request: PageRequest, problem: Problem) -> PageReply:
    """In the dialect of a client that shows one; operators' pages have one form."""
    problem = problem.with_request_id(request.request_id)
    reply, asker = error_reply(problem), asker_of(request.path, request.headers) or DEFAULT
    return reply if asker is DEFAULT else replace(reply, body=asker.error_body(problem))


def asker_of(path: str, headers: Mapping[str, str]) -> Dialect | None:
    """The dialect in which a client asks for an own page; None for operators' pages."""
    path = standard_path(path, is_own=True).path
    return None if path.startswith(OPERATORS_PATHS) else dialect_of_asker(path, headers)


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
