"""`/api/cooldowns`, `/api/bans`, `/api/sessions`, `/api/health`: the current state, and how to clear it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pointsman import __version__
from pointsman.routing.tallies import NO_TALLY
from pointsman.shared.part import SharedState
from pointsman.web.api.parsing import int_param, not_found, path_param, query_params
from pointsman.web.context import PageContext
from pointsman.web.http import PageReply, PageRequest, json_reply
from pointsman.web.openapi import MAX_SESSIONS
from pointsman.web.status import WELL, endpoints_to_list, time_text
from pointsman.wire.errors import Code, Problem

DEFAULT_SESSIONS = 100


@dataclass(frozen=True, slots=True)
class StatePages:
    """Pages that list cooldowns, bans, sessions and providers, and those that clear them."""

    context: PageContext

    def cooldowns(self, _: PageRequest, __: str) -> PageReply:
        return json_reply(self._cooldowns())

    def bans(self, _: PageRequest, __: str) -> PageReply:
        return json_reply({"bans": self._bans()})

    def sessions(self, request: PageRequest, _: str) -> PageReply:
        """Raises Problem (invalid_request)."""
        limit = int_param(query_params(request, "limit"), "limit", DEFAULT_SESSIONS, 1, MAX_SESSIONS)
        router, now = self.context.router, self.context.clock()
        listed = router.sessions_to_list(now, self.context.wall(), limit)
        return json_reply({"sessions": listed, "stats": router.sessions.stats(now)})

    def health(self, _: PageRequest, __: str) -> PageReply:
        providers = self._providers()
        watcher = self.context.watcher()
        refused = watcher.refused if watcher else []
        is_well = not refused and all(each["condition"]["state"] in WELL for each in providers)
        return json_reply(
            {
                "status": "healthy" if is_well else "degraded",
                "version": __version__,
                "running": len(self.context.running),
                "started": self.context.started,
                "shared": self.context.shared(),
                "history_problem": self.context.history.write_problem,
                "refused_file": {
                    "file": str(watcher.path),
                    "faults": [{"path": issue.path, "problem": issue.problem} for issue in refused],
                }
                if watcher and refused
                else None,
                "providers": providers,
                "storms": self._storms(),
            }
        )

    def problems(self) -> dict[str, Any]:
        """All of it but quotas, for the overview."""
        return {
            "cooldowns": self._cooldowns(),
            "bans": self._bans(),
            "providers": self._providers(),
            "storms": self._storms(),
            "drift": self._drift(),
        }

    def clear_cooldowns(self, request: PageRequest, _: str) -> PageReply:
        """Raises Problem (invalid_request)."""
        given = query_params(request, "provider", "model", "key")
        _needs_provider(given, "model", "key")
        router, now = self.context.router, self.context.clock()
        if not given:
            return json_reply({"cleared": router.clear_cooldowns(now)})
        cleared = router.lift_cooldowns(given["provider"], given.get("model"), given.get("key"), now)
        return json_reply({"cleared": cleared})

    def lift_bans(self, request: PageRequest, _: str) -> PageReply:
        """Raises Problem (invalid_request)."""
        given = query_params(request, "session", "provider", "model")
        _needs_provider(given, "model")
        registry = self.context.router.sessions
        scope = "/".join(given[name] for name in ("provider", "model") if name in given)
        return json_reply({"cleared": registry.lift_bans(given.get("session"), scope or None, self.context.clock())})

    def forget_session(self, _: PageRequest, label: str) -> PageReply:
        """Raises Problem (not_found). A session that is not known here may be known to other instances, which forget
        it too.
        """
        is_known = self.context.router.sessions.forget(path_param(label), self.context.clock())
        if not is_known and self.context.shared()["state"] == SharedState.OFF:
            raise not_found("session")
        return PageReply(204, b"", ())

    def _cooldowns(self) -> dict[str, Any]:
        return self.context.router.cooldowns_to_dict(self.context.clock(), self.context.wall())

    def _bans(self) -> list[dict[str, Any]]:
        return self.context.router.sessions.bans(self.context.clock(), self.context.wall())

    def _drift(self) -> list[dict[str, Any]]:
        router, wall = self.context.router, self.context.wall()
        return [
            {"provider": name, **verdict}
            for name in router.settings.providers
            for verdict in router.drift_to_list(name, wall)
        ]

    def _storms(self) -> dict[str, Any]:
        return self.context.router.retry_storms.to_dict(self.context.clock(), self.context.wall())

    def _providers(self) -> list[dict[str, Any]]:
        """Every provider in configured order."""
        router, now, wall = self.context.router, self.context.clock(), self.context.wall()
        ill = {case["provider"]: case for case in router.health.to_list(wall - now)}
        conditions, tallies, clock = router.conditions(now, wall), router.state.tallies.providers, time_text(wall)
        settings = router.settings.providers
        return [
            {
                "name": each["name"],
                "status": each["status"],
                "condition": conditions.of_provider(each["name"]).to_dict(clock),
                "totals": tallies.get(each["name"], NO_TALLY).to_dict(wall),
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
        router = self.context.router
        keys = router.settings.providers[provider].keys
        usable = sum(
            1 for key in keys if key.enabled and router.cooldowns.key_cooldown((provider, key.id), now) is None
        )
        return {"usable": usable, "total": len(keys)}


def _needs_provider(given: Mapping[str, str], *names: str) -> None:
    if "provider" not in given and any(name in given for name in names):
        raise Problem(Code.INVALID_REQUEST, f"{' and '.join(names)} also require a provider.", param="provider")
