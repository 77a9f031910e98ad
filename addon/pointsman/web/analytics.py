"""`/api/analytics`: what the history says of a window of time."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from urllib.parse import parse_qs

from pointsman.history import History
from pointsman.history.analytics import By, Window
from pointsman.web.http import Reply, Request, reply_json
from pointsman.wire.errors import Code, Problem


def analytics_page(history: Callable[[], History]) -> Callable[[Request, str], Awaitable[Reply]]:
    """`window` is 24h unless said otherwise, `by` is target. Raises Problem (invalid_request)."""

    def answer(request: Request, _: str) -> Awaitable[Reply]:
        query = parse_qs(request.query, keep_blank_values=True)
        window, by = _choice(query, "window", Window.DAY), _choice(query, "by", By.TARGET)
        return _told(history(), window, by)

    return answer


def traffic_page(history: Callable[[], History]) -> Callable[[Request, str], Awaitable[Reply]]:
    """`window` is 24h unless said otherwise. Raises Problem (invalid_request)."""

    def answer(request: Request, _: str) -> Awaitable[Reply]:
        query = parse_qs(request.query, keep_blank_values=True)
        return _flow(history(), _choice(query, "window", Window.DAY))

    return answer


async def _flow(history: History, window: Window) -> Reply:
    return reply_json(await history.traffic(window))


async def _told(history: History, window: Window, by: By) -> Reply:
    return reply_json(await history.analytics(window, by))


def _choice[C: StrEnum](query: dict[str, list[str]], name: str, default: C) -> C:
    given = query.get(name, [default.value])[-1]
    choices = [choice.value for choice in type(default)]
    if given not in choices:
        message = f"{name} must be one of {', '.join(choices)}, got {given[:20]!r}."
        raise Problem(Code.INVALID_REQUEST, message, param=name)
    return type(default)(given)
