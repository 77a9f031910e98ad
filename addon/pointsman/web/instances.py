"""How each instance is, and what this one answers to the questions of the others."""

from collections.abc import Awaitable, Callable
from typing import Any

from pointsman import __version__
from pointsman.history.analytics import GroupBy, TimeWindow
from pointsman.web.analytics import reference_rates
from pointsman.web.context import PageContext
from pointsman.web.http import PageReply, PageRequest, json_reply
from pointsman.web.peers import requests_for_peer, sums_for_peer
from pointsman.web.requests import request_filter
from pointsman.web.status import conditions_to_list

type Answerer = Callable[[Any], Awaitable[Any]]
type Page = Callable[[PageRequest, str], Awaitable[PageReply]]


def instance_to_dict(context: PageContext) -> dict[str, Any]:
    """How one instance is, in plain JSON types."""
    router, now, wall = context.router, context.clock(), context.wall()
    return {
        "name": context.peers.title,
        "version": __version__,
        "started": context.started,
        "running": len(context.running),
        "sessions": router.sessions.count,
        "shared": dict(context.shared()),
        "providers": conditions_to_list(router, now, wall),
    }


def instances_page(context: PageContext) -> Page:
    """How each instance is."""

    async def answer(_: PageRequest, __: str) -> PageReply:
        told = await context.peers.ask("health", None)
        others = [told.answers[name] for name in sorted(told.answers)]
        return json_reply({"instances": [instance_to_dict(context), *others], "missing": sorted(told.missing)})

    return answer


def answerers(context: PageContext) -> dict[str, Answerer]:
    """What is answered to peers, by the kind of question. Each may raise Problem."""
    history, router = context.history, context.router

    async def analytics(asked: Any) -> Any:
        window, by, reference, client = asked
        rates = reference_rates(reference, router.settings) if reference else None
        return await sums_for_peer(history, TimeWindow(window), GroupBy(by), rates, client)

    async def requests(asked: Any) -> Any:
        given, after, ended, limit = asked
        return await requests_for_peer(history, context.peers.title, request_filter(given), after, ended, limit)

    async def request(asked: Any) -> Any:
        return await history.request(asked)

    async def clients(_: Any) -> Any:
        return context.client_spending(context.wall())

    async def health(_: Any) -> Any:
        return instance_to_dict(context)

    return {"analytics": analytics, "requests": requests, "request": request, "clients": clients, "health": health}
