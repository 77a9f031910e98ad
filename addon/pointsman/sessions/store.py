"""The sessions that live, found by their names in O(1).

A session has one name (a header's, a body's, a credential's digest) or, known by its prefix, a window of boundaries.
The boundaries of a prefix session form its line. A request that comes in at an older boundary of the line has edited
or regenerated: it stays, and what followed is off the line. A request that comes in at a boundary off the line proves
that two conversations opened alike: it gets a session of its own, which starts with what the first one knew.
"""

from dataclasses import dataclass, field
from hashlib import blake2b

from cachetools import TTLCache

from pointsman.config.words import KeySource
from pointsman.sessions.digests import SIZE
from pointsman.sessions.keys import Key
from pointsman.sessions.prefix import WINDOW


@dataclass(frozen=True, slots=True)
class Pin:
    """The target, and key, that a session prefers."""

    provider: str
    model: str
    key: str | None


@dataclass(slots=True, eq=False)
class Session:
    """One conversation. `bans` and `failures` are by provider or provider/model; None as long as there are none."""

    id: bytes
    source: KeySource
    pin: Pin | None = None
    pinned_at: float = 0.0
    bans: dict[str, str] | None = None
    failures: dict[str, int] | None = None
    line: tuple[bytes, ...] = ()
    """Names on the line, oldest first."""
    off_line: tuple[bytes, ...] = ()
    """Names that edits have left behind."""

    @property
    def label(self) -> str:
        """A short id for people."""
        return self.id[:4].hex()


@dataclass(slots=True)
class Counts:
    """What the store has seen since the start."""

    insertions: int = 0
    evictions: int = 0
    hits: int = 0
    misses: int = 0
    repins: int = 0
    by_source: dict[str, int] = field(default_factory=dict)


class Store(TTLCache[bytes, Session]):
    """At most `max_sessions`, the least recently used goes first; each lives `idle_ttl` seconds after its last use."""

    def __init__(self, max_sessions: int, idle_ttl: float) -> None:
        self._now = 0.0
        super().__init__(max_sessions, idle_ttl, timer=lambda: self._now)
        self._names: dict[bytes, Session] = {}
        self.counts = Counts()

    def enter(self, key: Key, now: float) -> tuple[Session, bool]:
        """The session of a request, and whether it was there before; it counts as used now."""
        self._now = now
        self.expire(now)
        for name in key.names:
            if session := self._names.get(name):
                return self._enter(session, name, key.own), True
        return self._insert(Session(key.own, key.source), (key.own,)), False

    def touch(self, session: Session, now: float) -> None:
        """A session that is in use does not expire."""
        self._now = now
        if session.id in self:
            self[session.id] = session

    def extend(self, session: Session, after: bytes, name: bytes) -> None:
        """The session can be found by a further name: that of the answer to the request that ended at `after`."""
        if session.id not in self:
            return
        if after in session.line:
            self._place(session, after, name)
        else:
            self._rename(session, session.line, (*session.off_line, name))

    def settle(self, now: float) -> None:
        """Let go of what has expired by now."""
        self._now = now
        self.expire(now)

    def moved(self, max_sessions: int, idle_ttl: float, now: float) -> "Store":
        """A store with other bounds that takes over these sessions, the most recently used if not all have room."""
        self.settle(now)
        other = Store(max_sessions, idle_ttl)
        other.settle(now)
        other.counts = self.counts
        for session in list(self.values()):
            other[session.id] = session
            other._rename(session, session.line, session.off_line)
        return other

    def expire(self, time: float | None = None) -> list[tuple[bytes, Session]]:
        gone = list(super().expire(time))
        for _, session in gone:
            self._rename(session, (), ())
        return gone

    def popitem(self) -> tuple[bytes, Session]:
        identity, session = super().popitem()
        self._rename(session, (), ())
        self.counts.evictions += 1
        return identity, session

    def _enter(self, session: Session, found: bytes, own: bytes) -> Session:
        if found in session.off_line:
            return self._split(session, found, own)
        self._place(session, found, own)
        self[session.id] = session
        return session

    def _split(self, session: Session, found: bytes, own: bytes) -> Session:
        """A session of its own for the other one of two conversations that opened alike, with all that is known."""
        self._rename(session, session.line, tuple(name for name in session.off_line if name != found))
        twin = Session(own, session.source, session.pin, session.pinned_at)
        twin.bans = dict(session.bans) if session.bans else None
        twin.failures = dict(session.failures) if session.failures else None
        return self._insert(twin, (found, own) if found != own else (own,))

    def _insert(self, session: Session, line: tuple[bytes, ...]) -> Session:
        while session.id in self:  # a conversation that began like this one is further on by now
            session.id = blake2b(session.id, digest_size=SIZE, person=b"session").digest()
        self[session.id] = session
        self._rename(session, line, ())
        self.counts.insertions += 1
        by_source = self.counts.by_source
        by_source[session.source] = by_source.get(session.source, 0) + 1
        return session

    def _place(self, session: Session, found: bytes, own: bytes) -> None:
        """The line goes on from `found` with `own`; what followed there is off the line."""
        at = session.line.index(found) + 1
        line = session.line[:at] if own == found else (*session.line[:at], own)
        left = tuple(name for name in (*session.off_line, *session.line[at:]) if name != own)
        self._rename(session, line, left)

    def _rename(self, session: Session, line: tuple[bytes, ...], off_line: tuple[bytes, ...]) -> None:
        """The one place where names change; a session has at most WINDOW of them, those on the line before others."""
        line = line[-WINDOW:]
        off_line = off_line[-(WINDOW - len(line)) :] if len(line) < WINDOW else ()
        for name in (*session.line, *session.off_line):
            if name not in line and name not in off_line and self._names.get(name) is session:
                del self._names[name]
        session.line, session.off_line = line, off_line
        for name in (*line, *off_line):
            self._names[name] = session
