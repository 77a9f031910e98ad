"""A session's penalties: bans, failures in a row, the keys it has used, and what providers refused of it.

Bans and keys are by scope: a provider's name, or `provider/model`; failures by `provider/model`. All of it lives as
long as its session, or its exchange if there is none, and has at most one entry per configured scope.
"""

from typing import NamedTuple


def scope_to_dict(scope: str) -> dict[str, str | None]:
    """A scope in plain JSON types: a provider, or a provider's model."""
    provider, _, model = scope.partition("/")
    return {"provider": provider, "model": model or None}


class Ban(NamedTuple):
    """`until` is fixed when the ban begins; infinite where it lasts as long as the exchange. `gives_way`: what is
    banned is still used when nothing else is left.
    """

    reason: str
    since: float
    until: float
    gives_way: bool


class FailureStreak(NamedTuple):
    """Failures without a success between them, the last of which counted at `at`. `fingerprint` is the digest of its
    request.
    """

    length: int
    fingerprint: bytes
    at: float


class SessionPenalties:
    """The penalties of one session."""

    __slots__ = ("bans", "broken_stream", "failures", "refused_parts", "refused_sizes", "used_keys")

    def __init__(self) -> None:
        self.bans: dict[str, Ban] = {}
        """By scope. Those that have ended are dropped on read."""
        self.failures: dict[str, FailureStreak] = {}
        """By `provider/model`."""
        self.used_keys: dict[str, str | None] = {}
        """The id of the one key that a guarded scope has been shown."""
        self.refused_sizes: dict[str, int] = {}
        """Tokens, as estimated, of the smallest request that was too long for `provider/model`."""
        self.refused_parts: dict[str, bytes] = {}
        """Provider -> the ids of the last signed parts that it refused, at most MAX_PART_IDS, one behind another."""
        self.broken_stream: bytes | None = None
        """The digest of the last streamed request, if its answer ended badly."""

    def copy(self) -> "SessionPenalties":
        twin = SessionPenalties()
        twin.bans, twin.failures, twin.used_keys = self.bans.copy(), self.failures.copy(), self.used_keys.copy()
        twin.refused_sizes, twin.broken_stream = self.refused_sizes.copy(), self.broken_stream
        twin.refused_parts = self.refused_parts.copy()
        return twin

    def ban_on(self, provider: str, label: str, now: float) -> Ban | None:
        """The ban on this target of this provider; one that holds counts before one that gives way."""
        if not self.bans:
            return None
        own, wide = self._current_ban(label, now), self._current_ban(provider, now)
        return own if own and not (wide and own.gives_way and not wide.gives_way) else wide

    def current_bans(self, now: float) -> dict[str, Ban]:
        """All that have not ended."""
        return {scope: ban for scope in list(self.bans) if (ban := self._current_ban(scope, now))}

    def ban(self, scope: str, reason: str, until: float, gives_way: bool, now: float) -> None:
        """A ban that is in force stays as it is, unless it gave way and no longer does."""
        before = self._current_ban(scope, now)
        if before is None or (before.gives_way and not gives_way):
            self.bans[scope] = Ban(reason, now, until, gives_way)

    def drop_ban(self, ban: Ban) -> None:
        """Removes a ban that turned out to be unjustified."""
        self.bans = {scope: each for scope, each in self.bans.items() if each is not ban}

    def failure_count(self, label: str) -> int:
        row = self.failures.get(label)
        return row.length if row else 0

    def record_failure(self, label: str, fingerprint: bytes, is_retry: bool, launched: float, now: float) -> None:
        """One more failure in a row. What was in flight when the last one counted does not count, and neither does the
        same turn that the client merely tried again.
        """
        row = self.failures.get(label)
        if row is not None and (launched < row.at or (is_retry and row.fingerprint == fingerprint)):
            return
        self.failures[label] = FailureStreak((row.length if row else 0) + 1, fingerprint, now)

    def record_success(self, label: str) -> bool:
        """An answer of this target has ended well. Returns whether that lifts a ban on it that gives way."""
        self.failures.pop(label, None)
        self.broken_stream = None
        ban = self.bans.get(label)
        return ban is not None and ban.gives_way and self.bans.pop(label) is ban

    def lift_ban(self, scope: str) -> bool:
        """Lifts a ban, and removes the failures that led to it. Returns whether there was one."""
        for label in [each for each in self.failures if each == scope or each.startswith(f"{scope}/")]:
            del self.failures[label]
        return self.bans.pop(scope, None) is not None

    def lift_bans(self, scope: str | None, since: float, now: float) -> int:
        """Lifts the bans that began until `since`, on this scope and what is within it, or on any. Returns how many
        there were.
        """
        return sum(
            self.lift_ban(each)
            for each, ban in self.current_bans(now).items()
            if ban.since <= since and (scope is None or each == scope or each.startswith(f"{scope}/"))
        )

    def _current_ban(self, scope: str, now: float) -> Ban | None:
        ban = self.bans.get(scope)
        if ban is not None and ban.until <= now:
            del self.bans[scope]
            return None
        return ban
