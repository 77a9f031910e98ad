"""A session's penalties: bans, failures in a row, the keys it has used, and what providers refused of it.

Everything is by scope: a provider's name, or `provider/model` where protection is configured for that target alone. It
lives as long as its session, or its exchange if there is none, and has at most one entry per configured scope.
"""

from typing import NamedTuple


def scope_to_dict(scope: str) -> dict[str, str | None]:
    """A scope in plain JSON types: a provider, or a provider's model."""
    provider, _, model = scope.partition("/")
    return {"provider": provider, "model": model or None}


class FailureStreak(NamedTuple):
    """Failures without a success between them; `fingerprint` is the digest of the request that counted last."""

    length: int
    fingerprint: bytes


class SessionPenalties:
    """The penalties of one session."""

    __slots__ = ("bans", "broken_stream", "failures", "refused_parts", "used_keys")

    def __init__(self) -> None:
        self.bans: dict[str, str] = {}
        """Scope -> why."""
        self.failures: dict[str, FailureStreak] = {}
        self.used_keys: dict[str, str | None] = {}
        """The label of the one key that a guarded scope has been shown."""
        self.refused_parts: dict[str, bytes] = {}
        """Provider -> the ids of the last signed parts that it refused, at most MAX_PART_IDS, one behind another."""
        self.broken_stream: bytes | None = None
        """The digest of the last streamed request, if its answer ended badly."""

    def copy(self) -> "SessionPenalties":
        twin = SessionPenalties()
        twin.bans, twin.failures, twin.used_keys = self.bans.copy(), self.failures.copy(), self.used_keys.copy()
        twin.refused_parts, twin.broken_stream = self.refused_parts.copy(), self.broken_stream
        return twin

    def ban_reason(self, provider: str, label: str) -> str | None:
        """Why this target of this provider is banned; None if it is not."""
        if not self.bans:
            return None
        return self.bans.get(label) or self.bans.get(provider)

    def failure_count(self, scope: str) -> int:
        row = self.failures.get(scope)
        return row.length if row else 0

    def record_failure(self, scope: str, fingerprint: bytes, is_retry: bool) -> None:
        """One more failure in a row, unless the client merely tried the turn again that has counted already."""
        row = self.failures.get(scope)
        if row is None or not (is_retry and row.fingerprint == fingerprint):
            self.failures[scope] = FailureStreak((row.length if row else 0) + 1, fingerprint)

    def record_success(self, scope: str) -> None:
        self.failures.pop(scope, None)
        self.broken_stream = None

    def lift_ban(self, scope: str) -> bool:
        """Take a ban back, and what led to it. Returns whether there was one."""
        self.failures.pop(scope, None)
        return self.bans.pop(scope, None) is not None
