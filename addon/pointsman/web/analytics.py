"""`/api/analytics`: statistics from the history for a time window, and what the same would have cost elsewhere."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs

from pointsman.config import Settings
from pointsman.history import History
from pointsman.history.analytics import GroupBy, TimeWindow
from pointsman.prices import Rates, listed_rates, model_rates
from pointsman.routing.router import Router
from pointsman.web.csv_text import csv_bytes
from pointsman.web.http import PageReply, PageRequest, json_reply
from pointsman.web.peers import Peers, analytics_of_all, wants_all
from pointsman.wire.errors import Code, Problem
from pointsman.wire.frames import TOKEN_KINDS

MAX_REFERENCE = 200
MAKERS = ("openai", "anthropic", "google", "deepseek", "mistral", "x-ai", "groq", "cohere", "moonshotai")
"""Providers of the built-in table that a model name alone may mean."""
CSV_COLUMNS = (
    *(
        "requests",
        "refused",
        "attempts",
        "successes",
        "failures",
        "success_rate",
        *TOKEN_KINDS,
        "cache_hit_share",
        "cost_usd",
        "unpriced",
    ),
    *("reference_cost_usd", "first_content_p50_ms", "first_content_p95_ms"),
)

type Page = Callable[[PageRequest, str], Awaitable[PageReply]]


def analytics_page(history: History, router: Router, peers: Peers) -> Page:
    """`window` is 24h unless said otherwise, `by` is target, `client` every one, and `instances` this one. Raises
    Problem (invalid_request).
    """

    async def reply(found: dict[str, Any], _: GroupBy) -> PageReply:
        return json_reply(found)

    return _analytics(history, router, peers, reply)


def analytics_csv(history: History, router: Router, peers: Peers) -> Page:
    """The same as CSV, a line for each group."""

    async def reply(found: dict[str, Any], by: GroupBy) -> PageReply:
        names = ("provider", "key") if by is GroupBy.KEY else (by.value,)
        body = csv_bytes((*names, *CSV_COLUMNS), map(_flat, found["rows"]))
        disposition = ("Content-Disposition", f'attachment; filename="usage-by-{by.value}.csv"')
        form = ("Content-Type", "text/csv; charset=utf-8")
        return PageReply(200, body, (form, ("Cache-Control", "no-store"), disposition))

    return _analytics(history, router, peers, reply)


def traffic_page(history: History) -> Page:
    """`window` is 24h unless said otherwise. Raises Problem (invalid_request)."""

    def answer(request: PageRequest, _: str) -> Awaitable[PageReply]:
        query = parse_qs(request.query, keep_blank_values=True)
        return _traffic_reply(history, _choice(query, "window", TimeWindow.DAY))

    return answer


def availability_page(history: History) -> Page:
    async def answer(_: PageRequest, __: str) -> PageReply:
        return json_reply(await history.availability())

    return answer


def reference_rates(name: str, settings: Settings) -> Rates:
    """The rates of a configured `provider/model`, or of one of the built-in table, or of a model that a configured
    provider has. Raises Problem (invalid_request).
    """
    provider, slash, model = name.partition("/")
    if slash and (own := settings.providers.get(provider)) and (rates := model_rates(own, model)):
        return rates
    if slash and (rates := listed_rates(provider, (), model)):
        return rates
    for own, configured in settings.targets():
        if configured.id == name and (rates := model_rates(own, name)):
            return rates
    for maker in MAKERS:
        if rates := listed_rates(maker, (), name):
            return rates
    message = f"The price of {name[:MAX_REFERENCE]!r} is not known; name a model as provider/model."
    raise Problem(Code.INVALID_REQUEST, message, param="reference")


def _analytics(
    history: History, router: Router, peers: Peers, reply: Callable[[dict[str, Any], GroupBy], Awaitable[PageReply]]
) -> Page:
    async def found(window: TimeWindow, by: GroupBy, reference: Rates | None, client: str) -> PageReply:
        return await reply(await history.analytics(window, by, reference, client), by)

    async def found_at_all(
        window: TimeWindow, by: GroupBy, name: str, reference: Rates | None, client: str
    ) -> PageReply:
        return await reply(await analytics_of_all(history, peers, window, by, name, reference, client), by)

    def answer(request: PageRequest, _: str) -> Awaitable[PageReply]:
        query = parse_qs(request.query, keep_blank_values=True)
        window, by = _choice(query, "window", TimeWindow.DAY), _choice(query, "by", GroupBy.TARGET)
        name, client = query.get("reference", [""])[-1], query.get("client", [""])[-1]
        rates = reference_rates(name, router.settings) if name else None
        if wants_all(query.get("instances", [""])[-1]):
            return found_at_all(window, by, name, rates, client)
        return found(window, by, rates, client)

    return answer


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    waits = {f"first_content_{share}_ms": wait for share, wait in row["first_content_ms"].items()}
    return {**row, **row["raw"], **row["usage"], **waits}


async def _traffic_reply(history: History, window: TimeWindow) -> PageReply:
    return json_reply(await history.traffic(window))


def _choice[C: StrEnum](query: dict[str, list[str]], name: str, default: C) -> C:
    given = query.get(name, [default.value])[-1]
    choices = [choice.value for choice in type(default)]
    if given not in choices:
        message = f"{name} must be one of {', '.join(choices)}, got {given[:20]!r}."
        raise Problem(Code.INVALID_REQUEST, message, param=name)
    return type(default)(given)
