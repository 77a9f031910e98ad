"""`/api/analytics`: statistics from the history for a time window."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from urllib.parse import parse_qs

from pointsman.history import History
from pointsman.history.analytics import GroupBy, TimeWindow
from pointsman.web.http import PageReply, PageRequest, json_reply
from pointsman.wire.errors import Code, Problem


def analytics_page(history: History) -> Callable[[PageRequest, str], Awaitable[PageReply]]:
    """`window` is 24h unless said otherwise, `by` is target. Raises Problem (invalid_request)."""

    def answer(request: PageRequest, _: str) -> Awaitable[PageReply]:
        query = parse_qs(request.query, keep_blank_values=True)
        window, by = _choice(query, "window", TimeWindow.DAY), _choice(query, "by", GroupBy.TARGET)
        return _analytics_reply(history, window, by)

    return answer


def traffic_page(history: History) -> Callable[[PageRequest, str], Awaitable[PageReply]]:
    """`window` is 24h unless said otherwise. Raises Problem (invalid_request)."""

    def answer(request: PageRequest, _: str) -> Awaitable[PageReply]:
        query = parse_qs(request.query, keep_blank_values=True)
        return _traffic_reply(history, _choice(query, "window", TimeWindow.DAY))

    return answer


async def _traffic_reply(history: History, window: TimeWindow) -> PageReply:
    return json_reply(await history.traffic(window))


async def _analytics_reply(history: History, window: TimeWindow, by: GroupBy) -> PageReply:
    return json_reply(await history.analytics(window, by))


def _choice[C: StrEnum](query: dict[str, list[str]], name: str, default: C) -> C:
    given = query.get(name, [default.value])[-1]
    choices = [choice.value for choice in type(default)]
    if given not in choices:
        message = f"{name} must be one of {', '.join(choices)}, got {given[:20]!r}."
        raise Problem(Code.INVALID_REQUEST, message, param=name)
    return type(default)(given)
