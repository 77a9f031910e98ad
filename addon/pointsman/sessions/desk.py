"""The desk where every exchange gets its ticket: settings, cascade and store, kept together across reloads."""

from collections.abc import Collection
from typing import Any

from pointsman.config import Mode, Settings
from pointsman.sessions.digests import Digests
from pointsman.sessions.keys import Caller, Cascade
from pointsman.sessions.store import Store
from pointsman.sessions.ticket import Ticket
from pointsman.wire.conversation import Message


class Desk:
    """The one owner of sessions."""

    def __init__(self, settings: Settings, digests: Digests) -> None:
        self._digests = digests
        self._adopt(settings)
        self._store = Store(settings.sticky.max_sessions, settings.sticky.idle_ttl)

    def _adopt(self, settings: Settings) -> None:
        self._sticky = settings.sticky
        self._cascade = Cascade(settings.sticky, settings.server.header_prefix, self._digests)

    def replace(self, settings: Settings, now: float) -> None:
        """New settings. Sessions stay; where there is less room than before, the most recently used ones do."""
        self._adopt(settings)
        self._store.resize(self._sticky.max_sessions, self._sticky.idle_ttl, now)

    def ticket(self, caller: Caller, mode: Mode, now: float) -> Ticket:
        """The request's session, found or begun."""
        if not self._sticky.enabled:
            return Ticket(None)
        key = self._cascade.key(caller)
        if key is None:
            return Ticket(self._store)
        session = self._store.enter(key, now)
        return Ticket(self._store, key, session, mode in self._sticky.modes, session.pin)

    def glance(self, caller: Caller, mode: Mode, now: float) -> Ticket:
        """What the request's session is, if there is one. Nothing begins, and nothing counts as used."""
        key = self._cascade.key(caller) if self._sticky.enabled else None
        session = self._store.find(key, now) if key else None
        return Ticket(None, key, session, mode in self._sticky.modes, session.pin if session else None)

    def answered(self, ticket: Ticket, message: Message) -> None:
        """The answer that the client got will stand in its next request: the session is found by it."""
        if ticket.session and ticket.key and ticket.key.chain:
            chain = ticket.key.chain
            chain.add(message)
            self._store.go_on(ticket.session, ticket.key.own, chain.exact[-1])
            self._store.note(ticket.session, chain.outlines[-1])

    def answer_named(self, ticket: Ticket, answer_id: str) -> None:
        """A later request may refer to the answer by its id."""
        if ticket.session and ticket.key and answer_id:
            self._store.note(ticket.session, self._cascade.answer_name(ticket.key.scope, answer_id))

    def purge(self, providers: Collection[str]) -> dict[str, int]:
        """Take the pins of these providers back; the sessions stay. Returns how many each one had."""
        gone = dict.fromkeys(providers, 0)
        for session in self._store:
            if session.pin is not None and session.pin.provider in gone:
                gone[session.pin.provider] += 1
                session.pin = None
        return gone

    def stats(self, now: float) -> dict[str, Any]:
        """In plain JSON types."""
        if not self._sticky.enabled:
            return {"enabled": False}
        self._store.settle(now)
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
