"""`/api/cooldowns`, `/api/bans`, `/api/sessions`, `/api/health`: the current state, and how to clear it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic, time
from typing import Any

from pointsman import __version__
from pointsman.gateway import Gateway
from pointsman.routing.cooldowns import Cooldown
from pointsman.web.api.parsing import int_param, not_found, path_param, query_params
from pointsman.web.http import PageReply, PageRequest, json_reply
from pointsman.web.openapi import MAX_SESSIONS
from pointsman.web.status import endpoints_to_list
from pointsman.wire.errors import Code, Problem

DEFAULT_SESSIONS = 100


@dataclass(frozen=True, slots=True)
class StatePages:
    """`clock` is the one that cooldowns and sessions live by, `wall` the one that people read; `started` is on it."""

    gateway: Gateway
    started: float
    clock: Callable[[], float] = monotonic
    wall: Callable[[], float] = time

    # Told.

    def cooldowns(self, _: PageRequest, __: str) -> PageReply:
        return json_reply(self._cooldowns())

    def bans(self, _: PageRequest, __: str) -> PageReply:
        return json_reply({"bans": self._bans()})

    def sessions(self, request: PageRequest, _: str) -> PageReply:
        """Raises Problem (invalid_request)."""
        limit = int_param(query_params(request, "limit"), "limit", DEFAULT_SESSIONS, 1, MAX_SESSIONS)
        registry, now = self.gateway.router.sessions, self.clock()
        return json_reply({"sessions": registry.to_list(now, self.wall(), limit), "stats": registry.stats(now)})

    def health(self, _: PageRequest, __: str) -> PageReply:
        providers = self._providers()
        is_well = all(each["status"] in ("healthy", "disabled") for each in providers)
        return json_reply(
            {
                "status": "healthy" if is_well else "degraded",
                "version": __version__,
                "running": len(self.gateway.running),
                "started": self.started,
                "providers": providers,
                "storms": self._storms(),
            }
        )

    def problems(self) -> dict[str, Any]:
        """All of it, for the overview."""
        return {
            "cooldowns": self._cooldowns(),
            "bans": self._bans(),
            "providers": self._providers(),
            "storms": self._storms(),
        }

    # Cleared.

    def clear_cooldowns(self, request: PageRequest, _: str) -> PageReply:
        """Raises Problem (invalid_request)."""
        given = query_params(request, "provider", "model", "key")
        _needs_provider(given, "model", "key")
        cooldowns = self.gateway.router.cooldowns
        if not given:
            return json_reply({"cleared": cooldowns.clear(self.clock())})
        cleared = cooldowns.lift(given["provider"], given.get("model"), given.get("key"), self.clock())
        return json_reply({"cleared": cleared})

    def lift_bans(self, request: PageRequest, _: str) -> PageReply:
        """Raises Problem (invalid_request)."""
        given = query_params(request, "session", "provider", "model")
        _needs_provider(given, "model")
        registry = self.gateway.router.sessions
        scope = "/".join(given[name] for name in ("provider", "model") if name in given)
        return json_reply({"cleared": registry.lift_bans(given.get("session"), scope or None, self.clock())})

    def forget_session(self, _: PageRequest, label: str) -> PageReply:
        """Raises Problem (not_found)."""
        if not self.gateway.router.sessions.forget(path_param(label), self.clock()):
            raise not_found("session")
        return PageReply(204, b"", ())

    # How.

    def _cooldowns(self) -> dict[str, Any]:
        return self.gateway.router.cooldowns.to_dict(self.clock(), self.wall())

    def _bans(self) -> list[dict[str, Any]]:
        return self.gateway.router.sessions.bans(self.clock(), self.wall())

    def _storms(self) -> dict[str, Any]:
        return self.gateway.router.retry_storms.to_dict(self.clock(), self.wall())

    def _providers(self) -> list[dict[str, Any]]:
        """Every provider in configured order."""
        router, now = self.gateway.router, self.clock()
        ill = {case["provider"]: case for case in router.health.to_list(self.wall() - now)}
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
            for each in endpoints_to_list(router, now)
        ]

    def _keys(self, provider: str, now: float) -> dict[str, int]:
        router = self.gateway.router
        keys = router.settings.providers[provider].keys
        usable = sum(
            1 for key in keys if key.enabled and router.cooldowns.key_cooldown((provider, key.label), now) is None
        )
        return {"usable": usable, "total": len(keys)}


def cooldown_to_dict(cooldown: Cooldown | None, offset: float) -> dict[str, Any] | None:
    """In plain JSON types; `offset` is what the clock on the wall is ahead."""
    if cooldown is None:
        return None
    return {"reason": cooldown.reason, "since": cooldown.since + offset, "until": cooldown.until + offset}


def _needs_provider(given: Mapping[str, str], *names: str) -> None:
    if "provider" not in given and any(name in given for name in names):
        raise Problem(Code.INVALID_REQUEST, f"{' and '.join(names)} also require a provider.", param="provider")
