"""The table of own pages: which path, which method, who may see it, which function answers.

A page's function takes a `Request` and what its path's placeholder held (nothing for most), and gives a `Reply` or
raises `Problem`. One that has to wait gives an awaitable of its reply.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from pointsman.config import Server
from pointsman.reception import (
    client_problem,
    cors,
    credentials,
    host_of,
    is_address,
    is_cross_site,
    is_loopback_name,
    is_origin_here,
    same,
)
from pointsman.web.page import Reply, Request, reply_problem
from pointsman.wire.faults import Code, Problem

logger = logging.getLogger(__name__)


class Gate(Enum):
    """Who may see a page."""

    OPEN = auto()
    CLIENT = auto()
    """Whoever may use the chat paths."""
    OPERATOR = auto()
    """Clients on this machine, others with the admin key."""
    ADMIN = auto()
    """Only with the admin key."""


@dataclass(frozen=True, slots=True)
class Page:
    """A path that ends in `/*` takes one more segment, which its function is given."""

    method: str
    path: str
    gate: Gate
    answer: Callable[[Request, str], Reply | Awaitable[Reply]]


class Pages:
    """Answers every request at the router's own address that is no chat request."""

    def __init__(self, pages: Sequence[Page], server: Callable[[], Server], admin_key: Callable[[], str]) -> None:
        self._server = server
        self._admin_key = admin_key
        self._pages: dict[str, dict[str, Page]] = {}
        for page in pages:
            self._pages.setdefault(page.path, {})[page.method] = page

    def answer(self, request: Request) -> Reply | Coroutine[Any, Any, Reply]:
        try:
            reply = preflight(request) if request.method == "OPTIONS" else self._answer(request)
        except Exception as error:
            reply = _failed(request, error)
        return _readable(request, reply) if isinstance(reply, Reply) else self._later(request, reply)

    async def _later(self, request: Request, reply: Awaitable[Reply]) -> Reply:
        try:
            return _readable(request, await reply)
        except Exception as error:
            return _readable(request, _failed(request, error))

    def _answer(self, request: Request) -> Reply | Awaitable[Reply]:
        methods, rest = self._find(request.path)
        page = methods.get("GET" if request.method == "HEAD" else request.method)
        if page is None:
            allowed = ", ".join(sorted(methods))
            problem = Problem(Code.METHOD_NOT_ALLOWED, f"{request.method} is not allowed here, only {allowed}.")
            return reply_problem(problem, (("Allow", allowed),))
        if problem_at_gate := self._refused(page.gate, request):
            raise problem_at_gate
        return page.answer(request, rest)

    def _find(self, path: str) -> tuple[dict[str, Page], str]:
        parent, _, last = path.rpartition("/")
        if path in self._pages and last != "*":
            return self._pages[path], ""
        if last and f"{parent}/*" in self._pages:
            return self._pages[f"{parent}/*"], last
        raise Problem(Code.NOT_FOUND, f"There is nothing at {path[:200]}.")

    def _refused(self, gate: Gate, request: Request) -> Problem | None:
        if gate is Gate.OPEN:
            return None
        if gate is Gate.CLIENT:
            return client_problem(request.headers, f"?{request.query}", request.local, self._server())
        if gate is Gate.OPERATOR and request.local and _is_meant_for_us(request):
            return None
        if any(same(given, self._admin_key()) for given in credentials(request.headers, "")):
            return None
        return Problem(Code.INVALID_API_KEY, "The admin key is required here: send it as a bearer token.")


def _readable(request: Request, reply: Reply) -> Reply:
    """By the web pages that may read it."""
    return replace(reply, headers=(*reply.headers, *cors(request.headers)))


def _failed(request: Request, error: Exception) -> Reply:
    if isinstance(error, Problem):
        return reply_problem(error)
    logger.error(f"The page {request.path} failed.", exc_info=error)
    return reply_problem(Problem(Code.INTERNAL_ERROR, "This page failed; the router's log says more."))


def preflight(request: Request) -> Reply:
    """A browser asks first. Pages of this machine may send what they like; raises Problem (forbidden) for others."""
    if not is_origin_here(request.headers):
        raise Problem(Code.FORBIDDEN, "Only web pages of this machine may ask for this.")
    asked = request.headers.get("access-control-request-headers", "*")
    allowed = (
        ("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE"),
        ("Access-Control-Allow-Headers", asked),
        ("Access-Control-Max-Age", "600"),
    )
    return Reply(204, b"", allowed)


def _is_meant_for_us(request: Request) -> bool:
    """No web page of another site sent it, and no foreign name was made to point here."""
    host = host_of(f"//{request.headers.get('host', 'localhost')}")
    return not is_cross_site(request.headers) and (is_loopback_name(host) or is_address(host))
