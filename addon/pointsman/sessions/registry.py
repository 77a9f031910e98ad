"""Sessions across reloads: settings, key resolver and store. Every exchange gets its session binding here."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from pointsman.config import Mode, Settings
from pointsman.domain.targets import KeyId
from pointsman.sessions.binding import SessionBinding
from pointsman.sessions.digests import Digests
from pointsman.sessions.key_sources import Caller, KeyResolver, RequestWords, SessionKey
from pointsman.sessions.penalties import scope_to_dict
from pointsman.sessions.request_fingerprint import RequestFingerprint
from pointsman.sessions.store import Session, SessionChanges, SessionStore
from pointsman.wire.conversation import Message


class SessionRegistry:
    """The one owner of sessions."""

    def __init__(self, settings: Settings, digests: Digests) -> None:
        self._digests = digests
        self._apply_settings(settings)
        self._store = SessionStore(settings.sticky.max_sessions, settings.sticky.idle_ttl)

    def _apply_settings(self, settings: Settings) -> None:
        self._sticky = settings.sticky
        self._key_resolver = KeyResolver(settings.sticky, settings.server.header_prefix, self._digests)

    def update_settings(self, settings: Settings, now: float) -> None:
        """New settings. Sessions stay; where there is less room than before, the most recently used ones do."""
        self._apply_settings(settings)
        if not self._sticky.show_words:
            for session in self._store:
                session.words = None
        self._store.resize(self._sticky.max_sessions, self._sticky.idle_ttl, now)

    @property
    def store(self) -> SessionStore:
        """The store, for the code that shares sessions with other instances."""
        return self._store

    @property
    def digests(self) -> Digests:
        return self._digests

    @property
    def idle_ttl(self) -> float:
        return self._sticky.idle_ttl

    @property
    def _changes(self) -> SessionChanges | None:
        return self._store.changes

    def key_to_look_up(self, caller: Caller, now: float) -> SessionKey | None:
        """The key of a request whose session is not known here, or has gone on elsewhere; None for others. The words
        of the caller have been found out.
        """
        key = self._words(caller).key if self._sticky.enabled else None
        return key if key and not self._store.is_up_to_date(key, now) else None

    def with_key(self, caller: Caller) -> Caller:
        """The caller, with the key of its session resolved."""
        return caller.with_words(self._words(caller))

    def with_words(self, caller: Caller) -> Caller:
        """The caller, with everything computed that takes long for a long request. May be called in a thread."""
        said = cache(caller.conversation)
        words = self._words(replace(caller, conversation=said))
        words.fingerprint.digest  # noqa: B018 # it is kept
        said.cache_clear()
        return caller.with_words(words)

    def _words(self, caller: Caller) -> RequestWords:
        if caller.words is not None:
            return caller.words
        key = self._key_resolver.resolve(caller) if self._sticky.enabled else None
        said = key.chain.exact[-1] if key and key.chain else None
        return RequestWords(key, RequestFingerprint(caller, self._digests, said))

    def bind(self, caller: Caller, mode: Mode, now: float) -> SessionBinding:
        """The request's session, found or begun."""
        key, turn = self._words(caller)
        if not self._sticky.enabled:
            return SessionBinding(None, fingerprint=turn)
        if key is None:
            return SessionBinding(self._store, fingerprint=turn)
        session = self._store.find_or_begin(key, now, turn.is_declared_retry)
        return SessionBinding(self._store, key, session, mode in self._sticky.modes, session.pin, turn)

    def bind_read_only(self, caller: Caller, now: float) -> SessionBinding:
        """For a request that is not a turn: the session's bans and keys apply to it, and it changes nothing in it."""
        key = self._words(caller).key if self._sticky.enabled else None
        session = self._store.find(key, now) if key else None
        return SessionBinding(None, unbound_penalties=session.penalties if session else None)

    def preview(self, caller: Caller, mode: Mode, now: float) -> SessionBinding:
        """The request's session, if there is one. No session begins, and none counts as used."""
        key = self._words(caller).key if self._sticky.enabled else None
        session = self._store.find(key, now) if key else None
        return SessionBinding(self._store, key, session, mode in self._sticky.modes, session.pin if session else None)

    def on_request(
        self, binding: SessionBinding, client: str | None, model: str | None, first_words: Callable[[], str]
    ) -> None:
        """Records the client and the model of a request in the session. Its first words are read once, if they are to
        be shown at all.
        """
        session = binding.session
        if session is None:
            return
        session.client, session.model = client, model or ""
        if self._sticky.show_words and session.words is None:
            session.words = first_words()

    def on_answer(self, binding: SessionBinding, message: Message) -> None:
        """The answer that the client got will stand in its next request: the session is found by it."""
        if binding.session and binding.key and binding.key.chain:
            chain = binding.key.chain
            exchange = chain.add_answer(message)
            self._store.extend(binding.session, binding.key.own, chain.exact[-1])
            self._store.add_name(binding.session, chain.outlines[-1])
            if exchange:
                self._store.set_exchange(binding.session, exchange)

    def on_answer_id(self, binding: SessionBinding, answer_id: str) -> None:
        """A later request may refer to the answer by its id."""
        if binding.session and binding.key and answer_id:
            self._store.add_name(binding.session, self._key_resolver.answer_key(binding.key.scope, answer_id))

    def remove_pins(self, providers: Collection[str]) -> dict[str, int]:
        """Removes the pins on these providers; the sessions stay. Returns how many each one had."""
        gone = dict.fromkeys(providers, 0)
        for session in self._store:
            if session.pin is not None and session.pin.provider in gone:
                gone[session.pin.provider] += 1
                session.pin = None
                self._store.note_change(session)
        return gone

    def unban(self, label: str, scope: str, now: float) -> bool | None:
        """Lifts a session's ban on a provider or provider/model. Returns whether there was one, None if there is no
        such session.
        """
        self._store.expire(now)
        is_known = any(session.label == label for session in self._store)
        lifted = self.lift_bans(label, scope, now)
        return lifted > 0 if is_known else None

    def lift_bans(self, label: str | None, scope: str | None, now: float) -> int:
        """Lifts bans: those of one session or of all, on one scope or on any, at all instances. Returns how many there
        were here.
        """
        if self._changes:
            self._changes.on_lifted(label, scope, now)
        return self.lift_bans_here(label, scope, now, now)

    def lift_bans_here(self, label: str | None, scope: str | None, since: float, now: float) -> int:
        """Lifts bans that began until `since`, without publishing that to other instances."""
        self._store.expire(now)
        lifted = 0
        for session in self._store:
            if session.penalties and label in (None, session.label):
                count = session.penalties.lift_bans(scope, since, now)
                lifted += count
                if count:
                    self._store.note_change(session)
        return lifted

    def forget(self, label: str, now: float) -> bool:
        """Deletes a session, at all instances. Returns whether there was one here."""
        self._store.expire(now)
        found = self.forget_here(label)
        if self._changes:
            self._changes.on_forgotten(label, found)
        return bool(found)

    def forget_here(self, label: str) -> list[Session]:
        """Deletes sessions without publishing that to other instances. Returns those that there were."""
        found = [session for session in self._store if session.label == label]
        for session in found:
            self._store.forget(session)
        return found

    @property
    def count(self) -> int:
        """The number of sessions."""
        return len(self._store)

    def to_list(
        self, now: float, wall: float, key_labels: Mapping[KeyId, str | None], limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Every session, or so many of them, the last used first, in plain JSON types; `wall` is what the wall's clock
        shows at `now`.
        """
        self._store.expire(now)
        listed = reversed(list(self._store)[-(limit or 0) :])
        return [self._to_dict(session, now, wall, key_labels) for session in listed]

    def bans(self, now: float, wall: float) -> list[dict[str, Any]]:
        """Every ban there is."""
        self._store.expire(now)
        return [{"session": session.label, **ban} for session in self._store for ban in _bans_of(session, now, wall)]

    def _to_dict(
        self, session: Session, now: float, wall: float, key_labels: Mapping[KeyId, str | None]
    ) -> dict[str, Any]:
        pin, past, offset = session.pin, session.penalties, wall - now
        return {
            "session": session.label,
            "source": session.source.value,
            "used": session.used + offset,
            "expires": self._store.expires_at(session) + offset,
            "client": session.client,
            "model": session.model,
            "turns": session.turns,
            "words": session.words,
            "pin": pin and pin.to_dict(key_labels),
            "failures": {scope: row.length for scope, row in past.failures.items()} if past else {},
            "bans": _bans_of(session, now, wall),
        }

    def stats(self, now: float) -> dict[str, Any]:
        """The answer of `/internal/stats/sticky`, in plain JSON types."""
        if not self._sticky.enabled:
            return {"enabled": False}
        self._store.expire(now)
        counts = self._store.counts
        return {
            "enabled": True,
            "active_sessions": len(self._store),
            "insertions": counts.insertions,
            "hits": counts.hits,
            "misses": counts.misses,
            "repins": counts.repins,
            "evictions": counts.evictions,
            "max_sessions": self._sticky.max_sessions,
            "idle_ttl_seconds": self._sticky.idle_ttl,
            "by_source": dict(counts.by_source),
        }


def _bans_of(session: Session, now: float, wall: float) -> list[dict[str, Any]]:
    bans = session.penalties.current_bans(now) if session.penalties else {}
    return [
        scope_to_dict(scope) | {"reason": ban.reason, "until": ban.until + wall - now} for scope, ban in bans.items()
    ]
