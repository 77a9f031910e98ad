"""`/healthz`, `/readyz`, `/internal/health`, `/internal/stats` and `/internal/status`: what state the router is in."""

import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sized
from typing import Any

from pointsman.prices import prices_as_of
from pointsman.routing.conditions import State
from pointsman.routing.cooldowns import Cooldown
from pointsman.routing.router import Router
from pointsman.routing.unknown_models import table
from pointsman.sessions.penalties import scope_to_dict
from pointsman.telemetry import CONTENT_TYPE
from pointsman.web.http import PageReply, PageRequest, json_reply
from pointsman.web.slices import in_slices

WELL = frozenset({State.DISABLED, State.WORKS, State.WORKED, State.UNTRIED, State.UNCLEAR})
"""States of a provider that call for nothing."""

type StatusHandler = Callable[[PageRequest, str], PageReply | Awaitable[PageReply]]


def healthz(_: PageRequest, __: str) -> PageReply:
    return json_reply({"status": "ok"})


def ready_page(is_ready: Callable[[], bool]) -> StatusHandler:
    """Whether a balancer may send requests here: not before the start is complete, nor while running streams end."""

    def answer(_: PageRequest, __: str) -> PageReply:
        return json_reply({"status": "ready"}) if is_ready() else json_reply({"status": "not ready"}, 503)

    return answer


def health_page(
    version: str,
    uptime: Callable[[], float],
    running: Sized,
    router: Router,
    clock: Callable[[], float],
    wall: Callable[[], float],
    is_same_site: Callable[[PageRequest], bool],
    shared: Callable[[], Mapping[str, Any]],
) -> StatusHandler:
    """The condition of each provider is for clients on this machine alone, and for no page of another site."""

    def answer(request: PageRequest, _: str) -> PageReply:
        state: dict[str, Any] = {
            "status": "healthy",
            "version": version,
            "uptime_seconds": round(uptime()),
            "running": len(running),
        }
        state["prices_as_of"] = prices_as_of()
        state["shared"] = {name: shared()[name] for name in ("state", "instances")}
        if request.local and is_same_site(request):
            state["providers"] = conditions_to_list(router, clock(), wall())
        return json_reply(state)

    return answer


def conditions_to_list(router: Router, now: float, wall: float) -> list[dict[str, Any]]:
    """Every provider in configured order, in plain JSON types."""
    conditions = router.conditions(now, wall)
    return [
        {"name": name, **conditions.of_provider(name).to_dict(time_text(wall))} for name in router.settings.providers
    ]


def time_text(wall: float) -> Callable[[float], str]:
    """Says times as this machine's clock does: `14:05`, and with the date what is not of today."""

    def text(moment: float) -> str:
        local, today = time.localtime(moment), time.localtime(wall)
        form = "%H:%M" if local[:3] == today[:3] else "%-d %b %H:%M"
        return time.strftime(form, local)

    return text


def metrics_page(text: Callable[[], bytes]) -> StatusHandler:
    """Prometheus' text form. The path below `/internal` is the router's own in reverse mode too."""
    return lambda _, __: PageReply(200, text(), (("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store")))


def tables_page(sizes: Callable[[float], Mapping[str, int]], clock: Callable[[], float]) -> StatusHandler:
    """The number of entries in every table that grows and shrinks, to find leaks."""
    return lambda _, __: json_reply(sizes(clock()))


def sticky_page(router: Router, clock: Callable[[], float]) -> StatusHandler:
    """`clock` is the one that sessions live by."""
    return lambda _, __: json_reply(router.sessions.stats(clock()))


def cooldowns_page(router: Router, clock: Callable[[], float], wall: Callable[[], float]) -> StatusHandler:
    """Every active cooldown of targets and keys; `clock` is the one that cooldowns live by."""
    return lambda _, __: json_reply(router.cooldowns_to_dict(clock(), wall()))


def protection_page(router: Router, clock: Callable[[], float], wall: Callable[[], float]) -> StatusHandler:
    return lambda _, __: json_reply(protection_to_dict(router, clock(), wall()))


def protection_to_dict(router: Router, now: float, wall: float) -> dict[str, Any]:
    """Protection levels, bans, running attempts, outages and retry storms, in plain JSON types."""
    levels = {target.scope: target.protection_level.value for target in router.inventory.targets}
    return {
        "levels": [{**scope_to_dict(scope), "level": level} for scope, level in levels.items()],
        "bans": router.sessions.bans(now, wall),
        "active": router.in_flight.to_list(now, wall),
        "health": router.health.to_list(wall - now),
        "storms": router.retry_storms.to_dict(now, wall),
    }


def endpoints_page(router: Router, clock: Callable[[], float], wall: Callable[[], float]) -> StatusHandler:
    """Every provider, with how its targets have drifted, and when its daily quotas will be used up."""

    async def answer(_: PageRequest, __: str) -> PageReply:
        return json_reply({"endpoints": await in_slices(endpoints_in_full(router, clock(), wall()))})

    return answer


def endpoints_in_full(router: Router, now: float, wall: float) -> Iterator[dict[str, Any]]:
    """Every provider with its drift and its quotas, in plain JSON types; `wall` is the wall-clock time
    at `now`.
    """
    for each in endpoints_to_list(router, now):
        drift, quotas = router.drift_to_list(each["name"], wall), router.quotas_to_list(now, wall, each["name"])
        yield {**each, "drift": drift, "quotas": quotas}


def endpoints_to_list(router: Router, now: float) -> list[dict[str, str]]:
    """Every provider in configured order, in plain JSON types."""
    routable, busy = router.inventory.routable_providers(), router.busy_providers(now)
    return [
        {
            "name": provider.name,
            "type": provider.dialect.value,
            "status": _status(provider.name, router, routable, busy),
            "url": provider.base_url,
        }
        for provider in router.settings.providers.values()
    ]


def _status(name: str, router: Router, routable: Collection[str], busy: Collection[str]) -> str:
    if name not in routable:
        return "disabled"
    if router.health.outage(name):
        return "unhealthy"
    return "busy" if name in busy else "healthy"


def models_status_page(router: Router) -> StatusHandler:
    """Every enabled model id, with the providers that have it; aliases, and what unknown names are taken as."""

    def answer(_: PageRequest, __: str) -> PageReply:
        rows: dict[str, dict[str, Any]] = {}
        for target in router.inventory.targets:
            if target.enabled:
                new: dict[str, Any] = {"name": target.model.id, "type": target.provider.dialect.value, "endpoints": []}
                rows.setdefault(target.model.id, new)["endpoints"].append(target.provider.base_url)
        routing = router.settings.routing
        names = {"aliases": dict(routing.aliases), "unknown_model": routing.unknown_model.value}
        return json_reply(
            {"recent_models": list(rows.values()), **names, "unknown_names": table(routing.unknown_model)}
        )

    return answer


def cooldown_to_dict(cooldown: Cooldown | None, offset: float) -> dict[str, Any] | None:
    """In plain JSON types. `offset`: seconds that the wall clock is ahead of the one that cooldowns live by."""
    if cooldown is None:
        return None
    return {"reason": cooldown.reason, "since": cooldown.since + offset, "until": cooldown.until + offset}
