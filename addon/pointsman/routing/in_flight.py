"""Requests in flight: which guarded scopes are serving which sessions, so that each serves one session at a time.

There is one entry per attempt, from its launch to its end. Bytes are not recorded here: an entry asks its attempt when
it last received something, and only when the entry could be stale.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pointsman.config.enums import ProtectionLevel
from pointsman.domain.shared_limits import SharedLock
from pointsman.domain.targets import Target
from pointsman.sessions.binding import SessionBinding
from pointsman.sessions.penalties import scope_to_dict
from pointsman.sessions.store import Session

STALE_AFTER = 600.0
"""Seconds after the last byte."""


@dataclass(slots=True, eq=False)
class InFlightEntry:
    """`holder` is the session that is served, or an object that stands for a request without one; `name` is its name at
    all instances.
    """

    scope: str
    holder: object
    name: str
    last_byte: Callable[[], float]


class InFlight:
    """Bounded by the attempts in flight; an entry that was never released is removed once it is stale."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[InFlightEntry, None]] = {}
        self._holders: dict[str, dict[object, int]] = {}
        """Sessions served by each scope, with the number of entries of each."""
        self._first_stale: dict[str, float] = {}
        """No entry of the scope is stale before then."""
        self.locks: Callable[[str], SharedLock] | None = None
        """The lock of each scope, where other instances use it too."""

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    def begin(self, scope: str, holder: object, last_byte: Callable[[], float], now: float) -> InFlightEntry:
        entry = InFlightEntry(scope, holder, _name(holder, now) if self.locks else "", last_byte)
        self._entries.setdefault(scope, {})[entry] = None
        holders = self._holders.setdefault(scope, {})
        holders[holder] = holders.get(holder, 0) + 1
        self._first_stale.setdefault(scope, now + STALE_AFTER)
        if self.locks:
            self.locks(scope).on_serving(entry.name)
        return entry

    def end(self, entry: InFlightEntry) -> None:
        """May be called more than once."""
        entries = self._entries.get(entry.scope, {})
        if entry not in entries:
            return
        del entries[entry]
        holders = self._holders[entry.scope]
        holders[entry.holder] -= 1
        if not holders[entry.holder]:
            del holders[entry.holder]
        if not entries:
            del self._entries[entry.scope], self._holders[entry.scope], self._first_stale[entry.scope]
        served = next(reversed(entries)).name if entries else None
        if self.locks and served != entry.name:
            self.locks(entry.scope).on_serving(served)

    def serves_another_session(self, target: Target, holder: object, now: float) -> bool:
        """The target is guarded, and its scope is serving another session."""
        if target.protection_level is not ProtectionLevel.PROVIDER_BAN:
            return False
        if target.scope in self._entries:
            self._expire_stale(target.scope, now)
            holders = self._holders.get(target.scope, {})
            if len(holders) > (holder in holders):
                return True
        return self.locks is not None and self.locks(target.scope).is_closed(_name(holder, now), now)

    def busy_last(self, targets: Iterable[Target], holder: object, now: float) -> Iterator[Target]:
        """In the same order, but those that serve another session last."""
        taken = []
        for target in targets:
            if (self._entries or self.locks) and self.serves_another_session(target, holder, now):
                taken.append(target)
            else:
                yield target
        yield from taken

    def to_list(self, now: float, wall: float) -> list[dict[str, Any]]:
        """In plain JSON types; `wall` is what the clock on the wall shows at `now`."""
        for scope in list(self._entries):
            self._expire_stale(scope, now)
        return [
            {
                **scope_to_dict(scope),
                "requests": len(entries),
                "sessions": len(self._holders[scope]),
                "last_byte": max(entry.last_byte() for entry in entries) + wall - now,
            }
            for scope, entries in self._entries.items()
        ]

    def _expire_stale(self, scope: str, now: float) -> None:
        """Looks at the entries only when one of them may be stale: no entry ever becomes so earlier than it was
        found to.
        """
        if now < self._first_stale[scope]:
            return
        stale_at = {entry: entry.last_byte() + STALE_AFTER for entry in self._entries[scope]}
        for entry, moment in stale_at.items():
            if moment <= now:
                self.end(entry)
        if scope in self._entries:
            self._first_stale[scope] = min(moment for moment in stale_at.values() if moment > now)


def _name(holder: object, now: float) -> str:
    """Of a session, the same at all instances, also of one that is only about to begin; empty for what has none."""
    if isinstance(holder, Session):
        return holder.id.hex()
    if isinstance(holder, SessionBinding) and holder.key and holder.store:
        return holder.store.new_id(holder.key, now).hex()
    return ""
