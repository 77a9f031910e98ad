"""The table of own pages: which path, which method, who may see it, which function answers.

A page's function takes a `Request` and what its path's placeholder held (nothing for most), and gives a `Reply` or
raises `Problem`. One that has to wait gives an awaitable of its reply.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pointsman.admission import cors, is_origin_here
from pointsman.config import ConfigError
from pointsman.web.access import Gate, Keeper
from pointsman.web.http import Reply, Request, conditional, refused, reply_problem
from pointsman.wire.errors import Code, Problem

logger = logging.getLogger(__name__)

type Answer = Callable[[Request, str], Reply | Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Page:
    """A path with `*` takes any one segment there, one that ends in `/**` takes any path below; its function is given
    what was taken.
    """

    method: str
    path: str
    gate: Gate
    answer: Answer


class Pages:
    """Answers every request at the router's own address that is no chat request."""

    def __init__(self, pages: Sequence[Page], keeper: Keeper) -> None:
        self.table, self.keeper = tuple(pages), keeper
        self._pages: dict[str, dict[str, Page]] = {}
        for page in pages:
            self._pages.setdefault(page.path, {})[page.method] = page

    def answer(self, request: Request) -> Reply | Coroutine[Any, Any, Reply]:
        try:
            if request.host.fault:
                raise Problem(Code.INVALID_REQUEST, request.host.fault)
            reply = preflight(request) if request.method == "OPTIONS" else self._answer(request)
        except Exception as error:
            reply = _failed(request, error)
        return _finished(request, reply) if isinstance(reply, Reply) else self._later(request, reply)

    async def _later(self, request: Request, reply: Awaitable[Reply]) -> Reply:
        try:
            return _finished(request, await reply)
        except Exception as error:
            return _finished(request, _failed(request, error))

    def _answer(self, request: Request) -> Reply | Awaitable[Reply]:
        methods, rest = self._find(request.path)
        page = methods.get("GET" if request.method == "HEAD" else request.method)
        if page is None:
            allowed = ", ".join(sorted(methods))
            problem = Problem(Code.METHOD_NOT_ALLOWED, f"{request.method} is not allowed here, only {allowed}.")
            return reply_problem(problem, (("Allow", allowed),))
        if refusal := self.keeper.refusal(page.gate, request):
            raise refusal
        return page.answer(request, rest)

    def _find(self, path: str) -> tuple[dict[str, Page], str]:
        for pattern, rest in _patterns(path):
            if pattern in self._pages:
                return self._pages[pattern], rest
        raise Problem(Code.NOT_FOUND, f"There is nothing at {path[:200]}.")


def _patterns(path: str) -> Iterator[tuple[str, str]]:
    """What may lead to a path, and what the placeholder then holds; the most particular first."""
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


def _finished(request: Request, reply: Reply) -> Reply:
    """What all answers have: who may read it, and what it is called while it stays the same."""
    if request.method in ("GET", "HEAD") and request.path.startswith("/api/"):
        reply = conditional(request, reply)
    return replace(reply, headers=(*reply.headers, *cors(request.headers)))


def _failed(request: Request, error: Exception) -> Reply:
    if isinstance(error, Problem):
        return reply_problem(error)
    if isinstance(error, ConfigError):
        return reply_problem(refused(error.faults))
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
