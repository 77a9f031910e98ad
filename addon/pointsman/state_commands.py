"""mitmproxy commands that show the router's state and clear parts of it. Their answers are JSON."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, time

from mitmproxy import command
from mitmproxy.exceptions import CommandError

from pointsman.gateway import Gateway
from pointsman.web.status import endpoints_in_full


@dataclass(frozen=True, slots=True)
class StateCommands:
    """A part of the addon. Each command raises CommandError while there is no gateway."""

    gateway: Callable[[], Gateway | None]

    @command.command("pointsman.status")  # type: ignore[untyped-decorator]
    def status(self) -> str:
        """Show the state of the router, its providers and its sessions, as JSON."""
        gateway, now = self._running(), monotonic()
        router, endpoints = gateway.router, list(endpoints_in_full(gateway.router, now, time()))
        status = {
            "running": len(gateway.running),
            "shared": gateway.shared_state(),
            "endpoints": endpoints,
            "sticky": router.sessions.stats(now),
        }
        return json.dumps(status, indent=2)

    @command.command("pointsman.cooldowns")  # type: ignore[untyped-decorator]
    def cooldowns(self) -> str:
        """List active cooldowns of targets and keys, with reason and end (Unix time), as JSON."""
        return json.dumps(self._running().router.cooldowns_to_dict(monotonic(), time()), indent=2)

    @command.command("pointsman.clear")  # type: ignore[untyped-decorator]
    def clear(self) -> str:
        """Clear all cooldowns. Returns the number cleared, as JSON."""
        return json.dumps({"cleared": self._running().router.clear_cooldowns(monotonic())})

    @command.command("pointsman.sessions")  # type: ignore[untyped-decorator]
    def sessions(self) -> str:
        """List sessions, most recently used first, with pin, bans, failures and expiry (Unix time), as JSON."""
        rows = self._running().router.sessions_to_list(monotonic(), time())
        return json.dumps({"sessions": rows}, indent=2)

    @command.command("pointsman.unban")  # type: ignore[untyped-decorator]
    def unban(self, session: str, provider: str) -> str:
        """Lift a session's ban on a provider or provider/model, at all instances. `pointsman.sessions` lists both
        names.
        """
        gateway = self._running()
        lifted = gateway.router.sessions.unban(session, provider, monotonic())
        if not lifted and gateway.shared:
            return json.dumps({"session": session, "unbanned": None, "sent_to": gateway.shared.hub.instances - 1})
        if lifted is None:
            raise CommandError(f"There is no session {session}; pointsman.sessions lists them.")
        if not lifted:
            raise CommandError(f"Session {session} has no ban on {provider}; pointsman.sessions lists its bans.")
        return json.dumps({"session": session, "unbanned": provider})

    def _running(self) -> Gateway:
        gateway = self.gateway()
        if gateway is None:
            raise CommandError("Pointsman is not running: its configuration is invalid.")
        return gateway
