"""`/api/cooldowns`, `/api/bans`, `/api/sessions`, `/api/health`: what is held against whom, and for whom."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic, time
from typing import Any

from pointsman import __version__
from pointsman.gateway import Dispatcher
from pointsman.routing.cooldowns import Cooling
from pointsman.web.api.parsing import missing, name_in, query, whole
from pointsman.web.http import Reply, Request, reply_json
from pointsman.web.openapi import MOST_SESSIONS
from pointsman.web.status import endpoints
from pointsman.wire.errors import Code, Problem

USUAL_SESSIONS = 100


@dataclass(frozen=True, slots=True)
class State:
    """`clock` is the one that cooldowns and sessions live by, `wall` the one that people read; `started` is on it."""

    dispatcher: Dispatcher
    started: float
    clock: Callable[[], float] = monotonic
    wall: Callable[[], float] = time

    # Told.

    def cooldowns(self, _: Request, __: str) -> Reply:
        return reply_json(self._cooldowns())

    def bans(self, _: Request, __: str) -> Reply:
        return reply_json({"bans": self._bans()})

    def sessions(self, request: Request, _: str) -> Reply:
        """Raises Problem (invalid_request)."""
        limit = whole(query(request, "limit"), "limit", USUAL_SESSIONS, 1, MOST_SESSIONS)
        desk, now = self.dispatcher.router.sessions, self.clock()
        return reply_json({"sessions": desk.rows(now, self.wall(), limit), "stats": desk.stats(now)})

    def health(self, _: Request, __: str) -> Reply:
        providers = self._providers()
        is_well = all(each["status"] in ("healthy", "disabled") for each in providers)
        return reply_json(
            {
                "status": "healthy" if is_well else "degraded",
                "version": __version__,
                "running": len(self.dispatcher.running),
                "started": self.started,
                "providers": providers,
                "storms": self._storms(),
            }
        )

    def troubles(self) -> dict[str, Any]:
        """All of it, for the overview."""
        return {
            "cooldowns": self._cooldowns(),
            "bans": self._bans(),
            "providers": self._providers(),
            "storms": self._storms(),
        }

    # Cleared.

    def clear_cooldowns(self, request: Request, _: str) -> Reply:
        """Raises Problem (invalid_request)."""
        given = query(request, "provider", "model", "key")
        _needs_provider(given, "model", "key")
        cooldowns = self.dispatcher.router.cooldowns
        if not given:
            return reply_json({"cleared": cooldowns.clear(self.clock())})
        cleared = cooldowns.lift(given["provider"], given.get("model"), given.get("key"), self.clock())
        return reply_json({"cleared": cleared})

    def lift_bans(self, request: Request, _: str) -> Reply:
        """Raises Problem (invalid_request)."""
        given = query(request, "session", "provider", "model")
        _needs_provider(given, "model")
        desk = self.dispatcher.router.sessions
        scope = "/".join(given[name] for name in ("provider", "model") if name in given)
        return reply_json({"cleared": desk.lift(given.get("session"), scope or None, self.clock())})

    def forget_session(self, _: Request, label: str) -> Reply:
        """Raises Problem (not_found)."""
        if not self.dispatcher.router.sessions.forget(name_in(label), self.clock()):
            raise missing("session")
        return Reply(204, b"", ())

    # How.

    def _cooldowns(self) -> dict[str, Any]:
        return self.dispatcher.router.cooldowns.plain(self.clock(), self.wall())

    def _bans(self) -> list[dict[str, Any]]:
        return self.dispatcher.router.sessions.bans(self.clock(), self.wall())

    def _storms(self) -> dict[str, Any]:
        return self.dispatcher.router.storms.plain(self.clock(), self.wall())

    def _providers(self) -> list[dict[str, Any]]:
        """Every provider in configured order."""
        router, now = self.dispatcher.router, self.clock()
        ill = {case["provider"]: case for case in router.health.plain(self.wall() - now)}
        settings = router.settings.providers
        return [
            {
                "name": each["name"],
                "status": each["status"],
                "dialect": each["type"],
                "url": each["url"],
                "targets": sum(1 for model in settings[each["name"]].models if model.enabled),
                "keys": self._keys(each["name"], now),
                "problem": ill.get(each["name"], {}).get("reason"),
                "since": ill.get(each["name"], {}).get("since"),
                "next_probe": ill.get(each["name"], {}).get("next_probe"),
            }
            for each in endpoints(router, now)
        ]

    def _keys(self, provider: str, now: float) -> dict[str, int]:
        router = self.dispatcher.router
        keys = router.settings.providers[provider].keys
        usable = sum(1 for key in keys if key.enabled and router.cooldowns.key((provider, key.label), now) is None)
        return {"usable": usable, "total": len(keys)}


def cooldown_of(cooling: Cooling | None, offset: float) -> dict[str, Any] | None:
    """In plain JSON types; `offset` is what the clock on the wall is ahead."""
    if cooling is None:
        return None
    return {"reason": cooling.reason, "since": cooling.since + offset, "until": cooling.until + offset}


def _needs_provider(given: Mapping[str, str], *names: str) -> None:
    if "provider" not in given and any(name in given for name in names):
        raise Problem(Code.INVALID_REQUEST, f"{' and '.join(names)} need a provider beside them.", param="provider")
