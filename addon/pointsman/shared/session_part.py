"""Sessions over several instances: pins, bans and what else is known of a conversation.

What changes here is written behind, under the names that a later request may find it by. A conversation that is unknown
here, or has had answers elsewhere, is looked up before its request is routed; others never are. Moves of a pin and bans
are also published, since a peer may have the former state.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from itertools import islice
from math import ceil
from typing import Any

import orjson

from pointsman.sessions.key_sources import SessionKey
from pointsman.sessions.penalties import SessionPenalties
from pointsman.sessions.registry import SessionRegistry
from pointsman.sessions.shared_mark import KnownBan, SharedMark
from pointsman.sessions.store import Session
from pointsman.shared.part import Call, Delta, SharedTime
from pointsman.shared.session_fields import (
    BAN,
    COURSE,
    MALFORMED,
    PINS,
    TAG_DIGITS,
    Course,
    Fields,
    decoded,
    encoded,
    pins_of,
    read_ban,
    read_pins,
    stamp,
    stamp_of,
    write_ban,
    write_course,
    write_pins,
)
from pointsman.shared.session_scripts import FIND, FORGET, WRITE

MAX_WRITTEN = 128
"""Sessions that are written in one tick; others wait for the next one."""
MAX_WRITTEN_TOGETHER = 32
"""Sessions in one run of the script."""
MAX_NAMES = 48
"""Names that a session is looked up by, the best ones."""
MAX_LIFTS = 64
"""Lifts by hand that count for sessions which are read later; the oldest goes first."""
GRACE = 60.0
"""Seconds for which the engine keeps a session beyond its end."""

type Lift = tuple[str | None, str | None, float]
"""The label of a session and the scope of a ban, or any; bans that began until then, on the engine's clock."""


class SessionsPart:
    """A `shared.part.Part`. `key` makes keys of the engine, as `Hub.key` does. `hasten` is called when a conversation
    has a new pin: its next request may come to a peer at once.
    """

    name = "sessions"

    def __init__(
        self,
        registry: SessionRegistry,
        key: Callable[..., str],
        instance: str,
        hasten: Callable[[], None] = lambda: None,
    ) -> None:
        self._registry, self._store, self._key, self._hasten = registry, registry.store, key, hasten
        digest = blake2b(instance.encode(), digest_size=16).digest()
        self._tag = digest.hex()[:TAG_DIGITS]
        self._changed: dict[Session, None] = {}  # sessions of the store, which bounds them
        self._written: dict[Session, None] = {}  # the same, without a reply so far
        self._calls: list[Call] = []
        self._by_hand: deque[Callable[[SharedTime], Delta]] = deque(maxlen=MAX_LIFTS)
        """Changes made by hand that have not been published yet."""
        self._lifts: deque[Lift] = deque(maxlen=MAX_LIFTS)
        self._republished: list[Session] = []
        self.malformed = 0
        """Replies of the engine that could not be read."""
        self._store.share(digest, self)

    # Changes here, as the store reports them.

    def on_changed(self, session: Session) -> None:
        self._changed[session] = None
        if session.pin and (session.mark is None or session.pin != session.mark.pins.pin):
            self._hasten()

    def on_gone(self, session: Session) -> None:
        self._changed.pop(session, None)

    def on_lifted(self, label: str | None, scope: str | None, now: float) -> None:
        def delta(time: SharedTime) -> Delta:
            lift = label, scope, time.to_server(now)
            self._lifts.append(lift)
            return self._delta({"lift": lift})

        self._by_hand.append(delta)

    def on_forgotten(self, label: str, sessions: Sequence[Session]) -> None:
        self._by_hand.append(lambda _: self._delta({"forget": label}))
        self._calls += map(self._forget, sessions)

    # Ticks.

    def deltas(self, now: SharedTime) -> Iterator[Delta]:
        while self._by_hand:
            yield self._by_hand.popleft()(now)
        republished, self._republished = self._republished, []
        for session in republished:
            if session.mark and session in self._store:
                yield self._session_delta(session, self._known(session.mark, now))
        by_shard: dict[int, list[tuple[Session, Fields]]] = {}
        for session in list(islice(self._changed, MAX_WRITTEN)):
            del self._changed[session]
            if session in self._store:
                fields, published = self._stamped(session, now)
                by_shard.setdefault(session.shard, []).append((session, fields))
                if published:
                    yield self._session_delta(session, published)
        for shard, writes in by_shard.items():
            self._calls += (
                self._write(shard, writes[at : at + MAX_WRITTEN_TOGETHER], now)
                for at in range(0, len(writes), MAX_WRITTEN_TOGETHER)
            )

    def calls(self, now: SharedTime) -> Iterable[Call]:
        calls, self._calls = self._calls, []
        return calls

    def on_delta(self, delta: Delta, now: SharedTime) -> None:
        match orjson.loads(delta.body):
            case {"id": id, "fields": fields}:
                if session := self._store.by_id(decoded(id)):
                    self._apply(session, {name: value.encode() for name, value in fields.items()}, now)
            case {"lift": [label, scope, at]}:
                self._lifts.append((label, scope, at))
                self._registry.lift_bans_here(label, scope, now.to_local(at), now.now)
            case {"forget": label}:
                self._calls += map(self._forget, self._registry.forget_here(label))

    def publish_all(self, now: SharedTime) -> None:
        """What peers may have in an older version. The rest is at the engine."""
        self._republished = [session for session in self._store if session.mark and session.mark.has_moved]

    def on_connected(self, now: SharedTime, is_new_engine: bool) -> None:
        if is_new_engine:
            for session in self._store:
                self._write_again(session)

    def on_disconnected(self, now: SharedTime) -> None:
        self._calls.clear()
        for session in self._written:
            self._write_again(session)
            if session.mark:  # it may have replaced what a peer has
                session.mark.has_moved = True
                self._republished.append(session)
        self._written.clear()

    def _write_again(self, session: Session) -> None:
        if session.mark:
            session.mark.names = ()
        self._changed[session] = None

    # Looking up.

    def look_up(self, key: SessionKey) -> Call:
        """A call that finds a session that is unknown here. Its reply adds the session to the store."""
        tag = self._shard_key(key.scope[0])
        exchanges = list(map(encoded, key.chain.exchange_names())) if key.chain else []
        names = list(map(encoded, key.names[:MAX_NAMES]))
        keys = [*(f"{tag}:n:{name}" for name in names), *(f"{tag}:x:{name}" for name in exchanges)]
        return Call(FIND, keys, [f"{tag}:s:", *names, *exchanges], partial(self._on_found, key))

    def _on_found(self, key: SessionKey, reply: Any, now: SharedTime) -> None:
        try:
            found = self._adopt(reply, key.scope[0], now) if reply else False
        except MALFORMED:
            self.malformed += 1
            return
        if not found and (session := self._store.find(key, now.now)):
            session.mark = session.mark or SharedMark()
            session.mark.is_alone = True

    def _adopt(self, reply: Any, shard: int, now: SharedTime) -> bool:
        """Returns whether anything was newer than what is known here."""
        id, flat = decoded(reply[0]), iter(reply[1])
        fields = {name.decode(): value for name, value in zip(flat, flat, strict=True)}
        course, before = Course.read(fields[COURSE], now), self._store.by_id(id)
        if course.used + self._registry.idle_ttl <= now.now:
            return False
        known = before.mark.course_stamp if before and before.mark else b""
        session = self._store.adopt(id, course.source, shard, course.used)
        self._apply(session, fields, now)
        for label, scope, at in self._lifts:
            if session.penalties and label in (None, session.label):
                session.penalties.lift_bans(scope, now.to_local(at), now.now)
                self._changed[session] = None
        return stamp_of(fields[COURSE]) > known

    # What peers have changed.

    def _apply(self, session: Session, fields: Fields, now: SharedTime) -> None:
        """Applies the fields that are newer than those known here. A local change that is not written yet is newest."""
        mark = session.mark = session.mark or SharedMark()
        for name, value in fields.items():
            version = stamp_of(value)
            if name == PINS and version > mark.pins_stamp:
                self._apply_pins(session, mark, value, now)
            elif name == COURSE and version > mark.course_stamp:
                self._apply_course(session, mark, value, now)
            elif name.startswith(BAN):
                scope = name.removeprefix(BAN)
                known = mark.bans.get(scope)
                if known is None or version > known.stamp:
                    self._apply_ban(session, mark, scope, read_ban(value, now), now)

    def _apply_pins(self, session: Session, mark: SharedMark, value: bytes, now: SharedTime) -> None:
        pins, is_known = read_pins(value, now), pins_of(session) == mark.pins
        mark.pins_stamp = stamp_of(value)
        if is_known:
            mark.pins = pins
            session.pin, session.home, session.home_left, session.detour = pins

    def _apply_course(self, session: Session, mark: SharedMark, value: bytes, now: SharedTime) -> None:
        course = Course.read(value, now)
        names = course.names
        if session not in self._changed:
            course.apply(session)
            self._store.set_names(session, *names)
            mark.names, mark.names_at, mark.is_alone = self._names(session), now.now, False
        mark.course_stamp = stamp_of(value)

    def _apply_ban(self, session: Session, mark: SharedMark, scope: str, known: KnownBan, now: SharedTime) -> None:
        past, before = session.penalties, mark.bans.get(scope)
        current = past.current_bans(now.now).get(scope) if past else None
        mark.bans[scope] = known
        mark.has_moved = True
        if known.until <= now.now:
            del mark.bans[scope]
        elif current != (before.ban if before else None):
            return
        elif known.ban:
            past = session.penalties = past or SessionPenalties()
            past.bans[scope] = known.ban
        elif past:
            past.lift_ban(scope)

    # What is written.

    def _stamped(self, session: Session, now: SharedTime) -> tuple[Fields, Fields]:
        """The state of a session, with new stamps for what has changed, and what of it peers have to know."""
        mark = session.mark = session.mark or SharedMark()
        published = self._stamp_bans(session, mark, now)
        pins, before = pins_of(session), mark.pins
        if pins != before:
            mark.pins, mark.pins_stamp = pins, stamp(now.server, self._tag, mark.pins_stamp)
            mark.has_moved = mark.has_moved or (before.pin is not None and before.pin != pins.pin)
        elif not mark.pins_stamp:
            mark.pins_stamp = stamp(0.0, self._tag)  # never pinned: any pin of a peer is newer
        is_move = mark.has_moved and pins.pin != before.pin
        mark.course_stamp = stamp(now.server, self._tag, mark.course_stamp)
        fields = self._known(mark, now)
        if is_move or published:
            published[PINS] = fields[PINS]
        return fields | {COURSE: mark.course_stamp + write_course(session, now)}, published

    def _stamp_bans(self, session: Session, mark: SharedMark, now: SharedTime) -> Fields:
        """Returns those that have begun or were lifted."""
        bans = session.penalties.current_bans(now.now) if session.penalties else {}
        changed: dict[str, KnownBan] = {}
        for scope in {**bans, **mark.bans}:
            ban, known = bans.get(scope), mark.bans.get(scope)
            if known and known.until <= now.now and ban is None:
                del mark.bans[scope]
            elif ban != (known.ban if known else None):
                until = ban.until if ban else known.until if known else now.now
                version = stamp(now.server, self._tag, known.stamp if known else b"")
                changed[scope] = mark.bans[scope] = KnownBan(version, ban, until)
                mark.has_moved = True
        return self._bans(changed, now)

    def _known(self, mark: SharedMark, now: SharedTime) -> Fields:
        """All but the course, as it was last stamped or read."""
        return {PINS: mark.pins_stamp + write_pins(mark.pins, now), **self._bans(mark.bans, now)}

    def _bans(self, bans: dict[str, KnownBan], now: SharedTime) -> Fields:
        return {BAN + scope: each.stamp + write_ban(each.ban, each.until, now) for scope, each in bans.items()}

    def _write(self, shard: int, writes: Sequence[tuple[Session, Fields]], now: SharedTime) -> Call:
        tag, keys = self._shard_key(shard), []
        args: list[str | bytes | int] = [ceil(self._registry.idle_ttl + GRACE)]
        for session, fields in writes:
            id, mark = encoded(session.id), session.mark
            assert mark
            if now.now - mark.names_at > self._registry.idle_ttl / 2:
                mark.names, mark.names_at = (), now.now
            names = [name for name in session.names if name not in mark.names]
            exchanges = [session.exchange] if session.exchange and session.exchange not in mark.names else []
            mark.names = self._names(session)
            keys += [f"{tag}:s:{id}", *(f"{tag}:n:{encoded(name)}" for name in names)]
            keys += [f"{tag}:x:{encoded(name)}" for name in exchanges]
            args += (id, len(fields), len(names), len(exchanges))
            for field, value in fields.items():
                args += (field, value)
            self._written[session] = None
        return Call(WRITE, keys, args, partial(self._on_written, [session for session, _ in writes]))

    def _on_written(self, sessions: Sequence[Session], reply: Any, now: SharedTime) -> None:
        for each in sessions:
            self._written.pop(each, None)
        newer = iter(reply)
        for id, field, value in zip(newer, newer, newer, strict=True):
            if session := self._store.by_id(decoded(id)):
                self._on_kept(session, {field.decode(): value}, now)

    def _on_kept(self, session: Session, kept: Fields, now: SharedTime) -> None:
        """The engine has a newer version; or an empty one: our pins have replaced those of a peer."""
        if kept.get(PINS) == b"":
            session.mark = session.mark or SharedMark()
            session.mark.has_moved = True
            self._republished.append(session)
            return
        try:
            self._apply(session, kept, now)
        except MALFORMED:
            self.malformed += 1

    def _forget(self, session: Session) -> Call:
        return Call(FORGET, [f"{self._shard_key(session.shard)}:s:{encoded(session.id)}"])

    def _names(self, session: Session) -> tuple[bytes, ...]:
        """All that lead to it at the engine."""
        return (*session.names, session.exchange) if session.exchange else session.names

    def _shard_key(self, shard: int) -> str:
        return self._key(self.name, f"{shard:02x}")

    def _session_delta(self, session: Session, fields: Fields) -> Delta:
        return self._delta(
            {"id": encoded(session.id), "fields": {name: each.decode() for name, each in fields.items()}}
        )

    def _delta(self, said: dict[str, Any]) -> Delta:
        return Delta(self.name, orjson.dumps(said))
