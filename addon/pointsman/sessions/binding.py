"""What one exchange knows of its session: the pin to prefer, and what to tell the client and the store afterwards."""

from dataclasses import dataclass, field
from enum import StrEnum

from pointsman.config.enums import KeySource
from pointsman.sessions.key_sources import Key
from pointsman.sessions.penalties import Past
from pointsman.sessions.request_fingerprint import Turn
from pointsman.sessions.store import Pin, Session, Store
from pointsman.wire.headers import Headers


class Stickiness(StrEnum):
    """How an exchange ended with regard to its session."""

    HIT = "hit"
    MISS = "miss"
    REPIN = "repin"
    DISABLED = "disabled"


@dataclass(slots=True, eq=False)
class Ticket:
    """`key` is None where nothing names a conversation, `store` where stickiness is off altogether.

    `prefers` is false in modes where the pin is kept but not preferred, `rests` while this pin is left in peace.
    """

    store: Store | None
    key: Key | None = None
    session: Session | None = None
    prefers: bool = True
    pin: Pin | None = field(default=None)
    """The session's pin when the exchange began."""
    turn: Turn | None = None
    rests: bool = False
    past_elsewhere: Past | None = None
    """What counts where there is no session: that of the exchange itself, or of a session that it only looks at."""

    @property
    def preferred(self) -> Pin | None:
        """The pin that goes to the front of the ranking."""
        return self.pin if self.prefers and not self.rests else None

    @property
    def known_by_words(self) -> bool:
        """Only the words of the conversation tell it from others."""
        return self.key is not None and self.key.source is KeySource.PREFIX_HASH

    @property
    def label(self) -> str | None:
        return self.session.label if self.session else None

    def stickiness(self, answered: tuple[str, str] | None) -> Stickiness:
        """`answered` is the provider and model that answered, None if nobody did."""
        if self.session is None or not self.prefers:
            return Stickiness.DISABLED
        if self.pin is None:
            return Stickiness.MISS
        return Stickiness.HIT if answered == (self.pin.provider, self.pin.model) else Stickiness.REPIN

    def told(self, answered: tuple[str, str] | None) -> None:
        """The client has been told, once, of how its session fared: it counts."""
        if self.store is None or self.key is None:
            return
        counts, source = self.store.counts, self.key.source
        counts.by_source[source] = counts.by_source.get(source, 0) + 1
        match self.stickiness(answered):
            case Stickiness.HIT:
                counts.hits += 1
            case Stickiness.MISS:
                counts.misses += 1
            case Stickiness.REPIN:
                counts.repins += 1

    def pin_to(self, pin: Pin, now: float) -> None:
        """The client has seen this target's answer begin: here its cache is warm now."""
        if self.session is not None and self.store is not None:
            self.session.pin, self.session.pin_used = pin, now
            self.store.touch(self.session, now)

    def in_use(self, now: float, served: tuple[str, str] | None = None) -> None:
        """Something of the exchange has just ended; `served` is the provider and model that had to do with it."""
        if self.session is not None and self.store is not None:
            self.store.touch(self.session, now)
            if self.session.pin and served == (self.session.pin.provider, self.session.pin.model):
                self.session.pin_used = now

    def unpin(self, provider: str, model: str) -> None:
        """The pinned target broke off in the middle of an answer."""
        pin = self.session.pin if self.session else None
        if self.session and pin and (pin.provider, pin.model) == (provider, model):
            self.session.pin = None

    def drop_pin(self) -> None:
        """The next turn chooses anew."""
        if self.session is not None:
            self.session.pin = None

    # What the session has suffered.

    @property
    def past(self) -> Past | None:
        return self.session.past if self.session else self.past_elsewhere

    @property
    def own_past(self) -> Past:
        """To write to."""
        past = self.past or Past()
        if self.session:
            self.session.past = past
        else:
            self.past_elsewhere = past
        return past

    @property
    def expires(self) -> float | None:
        """When its bans end; None where they last as long as the exchange."""
        if self.session is None or self.store is None or self.session not in self.store:
            return None
        return self.store.expires(self.session)

    @property
    def holder(self) -> object:
        """Who uses what the exchange uses: its session, or a stranger."""
        return self.session or self

    @property
    def asker(self) -> bytes:
        """Who asks, to tell repeated requests by: its session, else the client."""
        if self.session is not None:
            return self.session.id
        return self.turn.asker if self.turn else b""

    def ban_on(self, provider: str, label: str) -> str | None:
        """Why this target is banned here; None if it is not."""
        past = self.past
        return past.ban_on(provider, label) if past else None

    def ban(self, scope: str, why: str) -> None:
        self.own_past.bans[scope] = why
        pin = self.session.pin if self.session else None
        if self.session and pin and scope in (pin.provider, f"{pin.provider}/{pin.model}"):
            self.session.pin = None

    def failures(self, scope: str) -> int:
        """In a row, in this session."""
        return self.past.count(scope) if self.past else 0

    def failed(self, scope: str, streamed: bool) -> None:
        """One more failure counts against the scope in this session, but not twice for one turn."""
        if self.session is None:
            return
        turn = self.turn.digest if self.turn else b""
        self.own_past.failed(scope, turn, self._asks_again(turn, streamed))

    def succeeded(self, scope: str) -> None:
        if self.past:
            self.past.succeeded(scope)

    def ended_badly(self, streamed: bool) -> None:
        """The client has been told of a failure."""
        if self.session is not None and self.turn and streamed:
            self.own_past.broken = self.turn.digest

    def may_show(self, scope: str, key: str | None) -> bool:
        """A guarded scope is shown one key."""
        past = self.past
        return past is None or past.keys.get(scope, key) == key

    def shows(self, scope: str, key: str | None) -> None:
        self.own_past.keys.setdefault(scope, key)

    def _asks_again(self, turn: bytes, streamed: bool) -> bool:
        """The client repeats a turn by itself: its SDK counts, or it wants whole what broke off as a stream."""
        if self.turn is None:
            return False
        return self.turn.is_counted_retry or (not streamed and self.own_past.broken == turn)

    # What is told of it.

    def early_headers(self, prefix: str) -> Headers:
        """What is known before anybody has answered."""
        if self.key is None or self.session is None:
            return ()
        echo = ((f"{prefix}Session-ID", self.key.echo),) if self.key.echo else ()
        return ((f"{prefix}Sticky-Key-Source", self.key.source.value), *echo)

    def headers(self, prefix: str, answered: tuple[str, str] | None) -> Headers:
        return ((f"{prefix}Sticky-Session", self.stickiness(answered).value), *self.early_headers(prefix))
