"""The live sessions, found by their names in O(1).

A session has one name (the digest of a header, a body id or a credential) or, if it is known by its prefix, a window of
boundaries. A request that arrives at an older boundary has edited or regenerated: the session stays, and the boundaries
that followed are abandoned. A request that arrives at an abandoned boundary proves that two conversations began alike:
it gets a session of its own, which starts with what the first one knew.

Further names (outlines, ids of answers) lead to a session too, and do not change its boundaries.

A request that no name leads anywhere is found by the exchange that its session ended with, if no other session ended
with the same one.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import count
from typing import Protocol

from pointsman.config.enums import KeySource
from pointsman.sessions.key_sources import SessionKey
from pointsman.sessions.penalties import SessionPenalties
from pointsman.sessions.pin import Pin as Pin
from pointsman.sessions.prompt_caches import PromptCaches
from pointsman.sessions.shared_mark import SharedMark

type Names = tuple[bytes, ...]

MAX_BOUNDARIES = 8
"""Boundaries that a session is found by, the last ones."""
MAX_FURTHER_NAMES = 3
"""Further names that a session is found by, the last ones."""
ID_BYTES, LABEL_BYTES = 12, 4
ID_EPOCH = 60.0
"""Seconds within which the next id can be foretold."""
ID_EPOCH_SHIFT = 32


@dataclass(slots=True, eq=False)
class Session:
    """One conversation. `penalties` is None as long as there are none."""

    id: bytes
    source: KeySource
    used: float
    """When it was last used."""
    pin: Pin | None = None
    pin_used: float = 0.0
    """When the pinned target last served it."""
    home: Pin | None = None
    """The pin of before its target failed."""
    home_left: float = 0.0
    detour: Pin | None = None
    """Where requests went that the pinned target did not take."""
    penalties: SessionPenalties | None = None
    caches: PromptCaches | None = None
    """What targets have cached of it; None before one has reported its usage."""
    boundaries: Names = ()
    """Names on the line, oldest first."""
    abandoned: Names = ()
    """Names that edits have left behind."""
    further_names: Names = ()
    client: str | None = None
    """The name of the client that asked last; None: it has none."""
    model: str = ""
    """The model that was asked for last."""
    turns: int = 0
    """Answers that the client has received."""
    words: str | None = None
    """The first words of the conversation, for people; None where they are not to be shown."""
    exchange: bytes | None = None
    """The last exchange of the conversation that this store saw answered."""
    shard: int = 0
    """The first byte of what all its names are scoped by."""
    mark: SharedMark | None = None
    """None: the session is not shared."""

    @property
    def label(self) -> str:
        """A short id for people."""
        return self.id[:LABEL_BYTES].hex()

    @property
    def names(self) -> tuple[bytes, ...]:
        return (*self.boundaries, *self.abandoned, *self.further_names)

    def drop_name(self, name: bytes) -> None:
        self.boundaries, self.abandoned, self.further_names = (
            _without(name, names) for names in (self.boundaries, self.abandoned, self.further_names)
        )


def _without(name: bytes, names: Names) -> Names:
    return tuple(each for each in names if each != name)


class SessionChanges(Protocol):
    """Receives the changes that peers have to know."""

    def on_changed(self, session: Session) -> None: ...

    def on_gone(self, session: Session) -> None:
        """The session has expired, or made room for others: its changes no longer matter."""

    def on_lifted(self, label: str | None, scope: str | None, now: float) -> None:
        """Bans were lifted by hand: those of one session or of all, on one scope or on any."""

    def on_forgotten(self, label: str, sessions: Sequence[Session]) -> None:
        """Sessions were forgotten by hand; those that were known here are given."""


@dataclass(slots=True)
class StoreCounts:
    """Counters since the start. `by_source` counts answers, like `hits`, `misses` and `repins`."""

    insertions: int = 0
    evictions: int = 0
    hits: int = 0
    misses: int = 0
    repins: int = 0
    by_source: dict[str, int] = field(default_factory=dict)


class SessionStore:
    """At most `max_sessions`, the least recently used goes first; each lives `idle_ttl` seconds after its last use.

    `now` is seconds on one steady clock.
    """

    def __init__(self, max_sessions: int, idle_ttl: float) -> None:
        self._max_sessions, self._idle_ttl = max_sessions, idle_ttl
        self._sessions: OrderedDict[Session, None] = OrderedDict()  # bounded in _evict, ends in expire
        self._names: dict[bytes, Session] = {}  # what the sessions above list, and no more
        self._by_exchange: dict[bytes, set[Session]] = {}  # at most one of each session above
        self._by_id: dict[bytes, Session] | None = None  # each session above; None: nothing is shared
        self._salt = b""
        self.changes: SessionChanges | None = None
        self.counts = StoreCounts()

    def share(self, instance: bytes, changes: SessionChanges) -> None:
        """Shares the sessions with other instances from now on. `instance`: 16 bytes that no other one has."""
        self._salt, self.changes = instance, changes
        self._by_id = {session.id: session for session in self._sessions}

    def by_id(self, id: bytes) -> Session | None:
        """The session with this id; only where sessions are shared."""
        return self._by_id.get(id) if self._by_id is not None else None

    def note_change(self, session: Session) -> None:
        """Marks the session as changed, for peers."""
        if self.changes is not None and session in self._sessions:
            self.changes.on_changed(session)

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        """Least recently used first."""
        return iter(self._sessions)

    def __contains__(self, session: Session) -> bool:
        return session in self._sessions

    def expires_at(self, session: Session) -> float:
        """When the session expires unless it is used again, on the routing clock."""
        return session.used + self._idle_ttl

    def find_or_begin(self, key: SessionKey, now: float, is_retry: bool = False) -> Session:
        """The session of a request, found or begun. One that is found does not count as used yet: a request that is
        refused extends nothing. `is_retry`: its client repeats a request, so the places up to which the conversation
        is known stay as they are if they hold that request.
        """
        self.expire(now)
        found = next((name for name in key.names if name in self._names), None)
        if found is None:
            return self._resume(key) or self._begin(key, now)
        session = self._names[found]
        if is_retry and found == key.own:
            return session
        if found in session.abandoned:
            return self._split(session, key, now)
        if found in session.boundaries:
            self._extend(session, found, key.own)
        elif found != key.own:
            self._set_boundaries(session, line=(*session.boundaries, key.own))
        self._add_outline(session, key)
        return session

    def find(self, key: SessionKey, now: float) -> Session | None:
        """The session with this key that has not expired at that time; it does not count as used."""
        session = next((self._names[name] for name in key.names if name in self._names), None)
        session = session or self._find_by_exchange(key)
        return session if session and self.expires_at(session) > now else None

    def is_up_to_date(self, key: SessionKey, now: float) -> bool:
        """The session of such a request is known here, with all answers that the request repeats. One that is not may
        have been given elsewhere.
        """
        at = next((place for place, name in enumerate(key.names) if name in self._names), None)
        session = self._names[key.names[at]] if at is not None else self._find_by_exchange(key)
        if session is None or self.expires_at(session) <= now:
            return False
        if key.chain is None or (session.mark and session.mark.is_alone):
            return True
        return at is not None and key.chain.position_of(at) >= key.chain.last_answer

    def adopt(self, id: bytes, source: KeySource, shard: int, used: float) -> Session:
        """The session of this id, which a peer knows; it is begun here if need be, without a name."""
        session = self.by_id(id)
        return session or self._insert(Session(id, source, used, shard=shard))

    def set_names(self, session: Session, line: Names, off_line: Names, further: Names, exchange: bytes | None) -> None:
        """All that a session is found by, as a peer has it."""
        if session in self._sessions:
            line = line[-MAX_BOUNDARIES:]
            off_line = off_line[-(MAX_BOUNDARIES - len(line)) :] if len(line) < MAX_BOUNDARIES else ()
            self._set_names(session, line, off_line, further[-MAX_FURTHER_NAMES:])
            self._set_exchange(session, exchange)

    def forget(self, session: Session) -> None:
        """Deletes the session: the next request of its conversation begins a new one."""
        if session in self._sessions:
            self._forget(session)

    def touch(self, session: Session, now: float) -> None:
        """Keeps a session that is in use from expiring. Does nothing if it is gone."""
        if session in self._sessions:
            session.used = now
            self._sessions.move_to_end(session)

    def extend(self, session: Session, after: bytes, name: bytes) -> None:
        """The conversation went on from the boundary `after` to this one, and is found by it."""
        if session not in self._sessions:
            return
        if after in session.boundaries:
            self._extend(session, after, name)
        elif name not in session.boundaries:
            self._set_boundaries(session, off_line=(*_without(name, session.abandoned), name))
        self.note_change(session)

    def add_name(self, session: Session, name: bytes) -> None:
        """The session is found by a further name."""
        if session in self._sessions:
            further = (*_without(name, session.further_names), name)[-MAX_FURTHER_NAMES:]
            self._set_names(session, session.boundaries, session.abandoned, further)
            self.note_change(session)

    def set_exchange(self, session: Session, exchange: bytes) -> None:
        """The conversation has ended with this exchange so far."""
        if session in self._sessions:
            self._set_exchange(session, exchange)
            self.note_change(session)

    def expire(self, now: float) -> None:
        """Removes the sessions that have expired."""
        while self._sessions and (oldest := next(iter(self._sessions))).used + self._idle_ttl <= now:
            self._forget(oldest)

    def resize(self, max_sessions: int, idle_ttl: float, now: float) -> None:
        """Sets new bounds; if there is less room than before, the most recently used sessions stay."""
        self._max_sessions, self._idle_ttl = max_sessions, idle_ttl
        self.expire(now)
        self._evict(max_sessions)

    def _find_by_exchange(self, key: SessionKey) -> Session | None:
        """The one session that ended with an exchange which this request contains. Where several did, none."""
        names = key.chain.exchange_names() if key.chain else ()
        holders = next((self._by_exchange[name] for name in names if name in self._by_exchange), ())
        return next(iter(holders)) if len(holders) == 1 else None

    def _resume(self, key: SessionKey) -> Session | None:
        """The session of a request that repeats its last exchange, below or above other messages than before."""
        session = self._find_by_exchange(key)
        if session is not None:
            self._set_boundaries(session, line=(*session.boundaries, key.own))
            self._add_outline(session, key)
        return session

    def _begin(self, key: SessionKey, now: float) -> Session:
        session = self._insert(Session(self.new_id(key, now), key.source, now, shard=key.scope[0]))
        self._set_boundaries(session, line=(key.own,))
        self._add_outline(session, key)
        self.note_change(session)
        return session

    def _split(self, session: Session, key: SessionKey, now: float) -> Session:
        """A session of its own for the other one of two conversations that opened alike. It starts with all that is
        known, and takes along those names that lie on its own way.
        """
        behind = tuple(name for name in reversed(key.names) if name in session.abandoned and name != key.own)
        left = tuple(name for name in session.abandoned if name not in behind and name != key.own)
        self._set_boundaries(session, off_line=left)
        twin = replace(
            session,
            id=self.new_id(key, now),
            used=now,
            boundaries=(),
            abandoned=(),
            further_names=(),
            exchange=None,
            mark=None,
        )
        twin.penalties = session.penalties.copy() if session.penalties else None
        twin.caches = session.caches.copy() if session.caches else None
        self._insert(twin)
        self._set_boundaries(twin, line=(*behind, key.own))
        self._add_outline(twin, key)
        self.note_change(session)
        self.note_change(twin)
        return twin

    def new_id(self, key: SessionKey, now: float) -> bytes:
        """The id of a session that begins with such a request. Conversations that open alike still get different ids.
        Where sessions are shared, one that has a name of its own has the same id at all instances.
        """
        if self._by_id is None:
            salt = self.counts.insertions.to_bytes(8, "big")
            return blake2b(key.own, digest_size=ID_BYTES, salt=salt).digest()
        if key.chain is None:
            return blake2b(key.own, digest_size=ID_BYTES).digest()
        epoch = int(now // ID_EPOCH) << ID_EPOCH_SHIFT
        ids = (
            blake2b(key.own, digest_size=ID_BYTES, salt=(epoch + n).to_bytes(16, "big"), person=self._salt).digest()
            for n in count()
        )
        return next(id for id in ids if id not in self._by_id)

    def _insert(self, session: Session) -> Session:
        self._evict(self._max_sessions - 1)
        self._sessions[session] = None
        if self._by_id is not None:
            self._by_id[session.id] = session
        self.counts.insertions += 1
        return session

    def _evict(self, room: int) -> None:
        while len(self._sessions) > room:
            self._forget(next(iter(self._sessions)))
            self.counts.evictions += 1

    def _forget(self, session: Session) -> None:
        del self._sessions[session]
        if self._by_id is not None and self._by_id.get(session.id) is session:
            del self._by_id[session.id]
        self._set_names(session, (), (), ())
        self._set_exchange(session, None)
        if self.changes is not None:
            self.changes.on_gone(session)

    def _extend(self, session: Session, after: bytes, name: bytes) -> None:
        """The line goes on from `after` with `name`; what followed there is off the line."""
        at = session.boundaries.index(after) + 1
        line = session.boundaries[:at] if name == after else (*session.boundaries[:at], name)
        self._set_boundaries(session, line, _without(name, (*session.abandoned, *session.boundaries[at:])))

    def _add_outline(self, session: Session, key: SessionKey) -> None:
        if key.outline:
            self.add_name(session, key.outline)

    def _set_boundaries(self, session: Session, line: Names | None = None, off_line: Names | None = None) -> None:
        """The boundaries that a session is found by: at most MAX_BOUNDARIES, those on the line before others."""
        line = (session.boundaries if line is None else line)[-MAX_BOUNDARIES:]
        off_line = session.abandoned if off_line is None else off_line
        self._set_names(
            session,
            line,
            off_line[-(MAX_BOUNDARIES - len(line)) :] if len(line) < MAX_BOUNDARIES else (),
            session.further_names,
        )

    def _set_names(self, session: Session, line: Names, off_line: Names, further: Names) -> None:
        """The one place where names change. A name leads to one session: the last to take it takes it away."""
        before, after = session.names, (*line, *off_line, *further)
        for name in before:
            if name not in after:
                del self._names[name]
        for name in after:
            if name not in before:
                if holder := self._names.get(name):
                    holder.drop_name(name)
                self._names[name] = session
        session.boundaries, session.abandoned, session.further_names = line, off_line, further

    def _set_exchange(self, session: Session, exchange: bytes | None) -> None:
        """The one place where it changes."""
        if session.exchange is not None:
            holders = self._by_exchange[session.exchange]
            holders.discard(session)
            if not holders:
                del self._by_exchange[session.exchange]
        if exchange is not None:
            self._by_exchange.setdefault(exchange, set()).add(session)
        session.exchange = exchange
