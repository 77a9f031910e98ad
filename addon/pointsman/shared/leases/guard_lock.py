"""The lock of a guarded provider, which serves one session at a time, whichever instance it asks."""

from typing import Any

from pointsman.shared.leases.scripts import GUARD, LEASE_SECONDS
from pointsman.shared.leases.sharing import DRY, MARGIN, Leased, Sharing
from pointsman.shared.part import Call, SharedTime

GRACE = 0.25
"""Seconds for which a lock is kept for the request that has asked for it, until it is launched there."""


class GuardLock(Leased):
    """The lock of one scope. Sessions have names that are the same at all instances. Those without one have an empty
    name, and count as different sessions at different instances.
    """

    is_taken_ahead = False

    def __init__(self, sharing: Sharing, scope: str) -> None:
        super().__init__(sharing, ("guards", scope))
        self._session = ""
        """The one that has the lock here, or that it is asked for."""
        self._is_serving = False
        self._is_alone = False
        """No other instance has the lock. Then it is for whichever session is served here next."""
        self._kept_until = float("-inf")
        self._wished = ""
        """The session that was refused last."""

    # Used, on the request's way.

    def is_closed(self, session: str, now: float) -> bool:
        """The provider may be serving another session somewhere. Without an engine, only what is known counts."""
        if not self.sharing.hub.is_connected:
            return False
        name = self._full_name(session)
        if self._is_serving and name == self._session and not self.sharing.gives_leases(now):
            return False
        if now < self._until and (name == self._session or (self._is_alone and not self._is_serving)):
            return False
        if self.sharing.gives_leases(now) and not self._is_serving:
            self._wished = name
            self.on_lacking(1, now)
        return True

    def on_serving(self, session: str | None) -> None:
        """A session is served here from now on; None: none any more."""
        self._is_serving, self._kept_until = session is not None, float("-inf")
        if session is not None and self._full_name(session) != self._session:
            self._session = self._full_name(session)
            self._until = self._until if self._is_alone else float("-inf")
        self.touch()

    def _full_name(self, session: str) -> str:
        return session or f"of {self.sharing.hub.instance}"

    # Told and leased, tick by tick.

    def add_need(self, amount: int, now: float) -> None:
        if not self._is_serving:
            if self._wished != self._session:
                self._session, self._until = self._wished, float("-inf")
            self._kept_until = now + GRACE
            self.touch()

    def is_due(self, now: float) -> bool:
        return super().is_due(now) or (bool(self._session) and not self._is_wanted(now))

    def is_at_rest(self, now: float) -> bool:
        return super().is_at_rest(now) and not self._session

    def _is_wanted(self, now: float) -> bool:
        return self._is_serving or now < self._kept_until

    def _holds_any(self, now: float) -> bool:
        return bool(self._session)

    def _make_call(self, now: SharedTime) -> Call:
        if not self._is_wanted(now.now):
            self._session, self._until = "", float("-inf")
        seq, session = self._seq, self._session
        args = (self.sharing.hub.instance, session, round(LEASE_SECONDS * 1000))
        return Call(GUARD, (self.key,), args, lambda reply, at: self._on_reply(seq, session, reply, at))

    def _on_reply(self, seq: int, session: str, reply: Any, now: SharedTime) -> None:
        if seq != self._seq or self._sent is None:
            return
        sent, self._sent, self._replied = self._sent, None, now.now
        other, peers = reply
        if session != self._session and (peers or not self._is_alone):
            self._until = float("-inf")
            self.touch()
            return
        self._is_alone = not peers
        if not other:
            self._until = sent + LEASE_SECONDS - MARGIN if session else float("-inf")
            return
        self._until, self._dry_until = float("-inf"), now.now + DRY
        if not self._is_serving:
            self._session = ""
