"""What one exchange knows of its session: the pin to prefer, and what to tell the client and the store afterwards."""

from dataclasses import dataclass, field
from enum import StrEnum

from pointsman.config.words import KeySource
from pointsman.sessions.keys import Key
from pointsman.sessions.store import Pin, Session, Store
from pointsman.wire.headers import Headers


class Stickiness(StrEnum):
    """How an exchange ended with regard to its session."""

    HIT = "hit"
    MISS = "miss"
    REPIN = "repin"
    DISABLED = "disabled"


@dataclass(slots=True)
class Ticket:
    """`key` is None where nothing names a conversation, `store` where stickiness is off altogether.

    `prefers` is false in modes where the pin is kept but not preferred.
    """

    store: Store | None
    key: Key | None = None
    session: Session | None = None
    prefers: bool = True
    pin: Pin | None = field(default=None)
    """The session's pin when the exchange began."""

    @property
    def preferred(self) -> Pin | None:
        """The pin that goes to the front of the ranking."""
        return self.pin if self.prefers else None

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
            self.session.pin, self.session.pinned_at = pin, now
            self.store.touch(self.session, now)

    def in_use(self, now: float) -> None:
        """Something of the exchange has just ended."""
        if self.session is not None and self.store is not None:
            self.store.touch(self.session, now)

    def unpin(self, provider: str, model: str) -> None:
        """The pinned target broke off in the middle of an answer."""
        pin = self.session.pin if self.session else None
        if self.session and pin and (pin.provider, pin.model) == (provider, model):
            self.session.pin = None

    def drop_pin(self) -> None:
        """The next turn chooses anew."""
        if self.session is not None:
            self.session.pin = None

    def early_headers(self, prefix: str) -> Headers:
        """What is known before anybody has answered."""
        if self.key is None or self.session is None:
            return ()
        echo = ((f"{prefix}Session-ID", self.key.echo),) if self.key.echo else ()
        return ((f"{prefix}Sticky-Key-Source", self.key.source.value), *echo)

    def headers(self, prefix: str, answered: tuple[str, str] | None) -> Headers:
        return ((f"{prefix}Sticky-Session", self.stickiness(answered).value), *self.early_headers(prefix))
