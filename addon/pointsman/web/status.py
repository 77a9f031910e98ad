"""`/internal/health`, `/internal/stats` and `/internal/status`: how the router and its providers are."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from pointsman.routing.router import Router
from pointsman.sessions.penalties import scoped
from pointsman.web.http import Reply, Request, reply_json

type Answer = Callable[[Request, str], Reply]


def health_page(version: str, uptime: Callable[[], float], running: Callable[[], int]) -> Answer:
    def answer(_: Request, __: str) -> Reply:
        state = {"status": "healthy", "version": version, "uptime_seconds": round(uptime()), "running": running()}
        return reply_json(state)

    return answer


def tables_page(tables: Callable[[], Mapping[str, int]]) -> Answer:
    """How many there are of everything that comes and goes: what must not grow."""
    return lambda _, __: reply_json(tables())


def sticky_page(router: Router, clock: Callable[[], float]) -> Answer:
    """`clock` is the one that sessions live by."""
    return lambda _, __: reply_json(router.sessions.stats(clock()))


def cooldowns_page(router: Router, clock: Callable[[], float], wall: Callable[[], float]) -> Answer:
    """Every target and key that nobody may use now; `clock` is the one that cooldowns live by."""
    return lambda _, __: reply_json(router.cooldowns.plain(clock(), wall()))


def protection_page(router: Router, clock: Callable[[], float], wall: Callable[[], float]) -> Answer:
    return lambda _, __: reply_json(protection(router, clock(), wall()))


def protection(router: Router, now: float, wall: float) -> dict[str, Any]:
    """Who is banned by whom, who serves whom, who cannot be reached, and who asks too often, in plain JSON types."""
    levels = {target.scope: target.level.value for target in router.inventory.targets}
    return {
        "levels": [{**scoped(scope), "level": level} for scope, level in levels.items()],
        "bans": router.sessions.bans(now, wall),
        "active": router.active.plain(now, wall),
        "health": router.health.plain(wall - now),
        "storms": router.storms.plain(now, wall),
    }


def endpoints_page(router: Router, clock: Callable[[], float]) -> Answer:
    return lambda _, __: reply_json({"endpoints": endpoints(router, clock())})


def endpoints(router: Router, now: float) -> list[dict[str, str]]:
    """Every provider in configured order, in plain JSON types."""
    routable, busy = router.inventory.routable(), router.busy(now)
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
    if router.health.illness(name):
        return "unhealthy"
    return "busy" if name in busy else "healthy"


def models_status_page(router: Router) -> Answer:
    """Every enabled model id, with the providers that have it."""

    def answer(_: Request, __: str) -> Reply:
        rows: dict[str, dict[str, Any]] = {}
        for target in router.inventory.targets:
            if target.enabled:
                new: dict[str, Any] = {"name": target.model.id, "type": target.provider.dialect.value, "endpoints": []}
                rows.setdefault(target.model.id, new)["endpoints"].append(target.provider.base_url)
        return reply_json({"recent_models": list(rows.values())})

    return answer
