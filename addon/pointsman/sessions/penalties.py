"""What a conversation has suffered, and what it has shown: bans, failures in a row, keys.

Everything is by scope: a provider's name, or `provider/model` where protection speaks of that target alone. It lives
and dies with its session, or with its exchange where there is none, and holds no more scopes than the configuration
has.
"""

from typing import NamedTuple


def scoped(scope: str) -> dict[str, str | None]:
    """A scope in plain JSON types: a provider, or a provider's model."""
    provider, _, model = scope.partition("/")
    return {"provider": provider, "model": model or None}


class Row(NamedTuple):
    """Failures without a success between them; `turn` is the digest of the request that counted last."""

    length: int
    turn: bytes


class Past:
    """Of one session."""

    __slots__ = ("bans", "broken", "failures", "keys")

    def __init__(self) -> None:
        self.bans: dict[str, str] = {}
        """Scope -> why."""
        self.failures: dict[str, Row] = {}
        self.keys: dict[str, str | None] = {}
        """The label of the one key that a guarded scope has been shown."""
        self.broken: bytes | None = None
        """The digest of the last streamed request, if its answer ended badly."""

    def copy(self) -> "Past":
        twin = Past()
        twin.bans, twin.failures, twin.keys = self.bans.copy(), self.failures.copy(), self.keys.copy()
        twin.broken = self.broken
        return twin

    def ban_on(self, provider: str, label: str) -> str | None:
        """Why this target of this provider is banned; None if it is not."""
        if not self.bans:
            return None
        return self.bans.get(label) or self.bans.get(provider)

    def count(self, scope: str) -> int:
        row = self.failures.get(scope)
        return row.length if row else 0

    def failed(self, scope: str, turn: bytes, is_retry: bool) -> None:
        """One more failure in a row, unless the client merely tried the turn again that has counted already."""
        row = self.failures.get(scope)
        if row is None or not (is_retry and row.turn == turn):
            self.failures[scope] = Row((row.length if row else 0) + 1, turn)

    def succeeded(self, scope: str) -> None:
        self.failures.pop(scope, None)
        self.broken = None

    def lift(self, scope: str) -> bool:
        """Take a ban back, and what led to it. Returns whether there was one."""
        self.failures.pop(scope, None)
        return self.bans.pop(scope, None) is not None
