"""One exchange's view of its session: the pin to prefer, and what to report to the client and the store afterwards."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from pointsman.config.enums import KeySource
from pointsman.sessions.key_sources import SessionKey
from pointsman.sessions.penalties import SessionPenalties
from pointsman.sessions.request_fingerprint import RequestFingerprint
from pointsman.sessions.store import Pin, Session, SessionStore
from pointsman.wire.headers import Headers


class Stickiness(StrEnum):
    """How an exchange ended with regard to its session."""

    HIT = "hit"
    MISS = "miss"
    REPIN = "repin"
    DISABLED = "disabled"


@dataclass(slots=True, eq=False)
class SessionBinding:
    """`key` is None if nothing identifies the conversation, `store` if sticky sessions are off.

    `prefers_pin` is false in modes that keep the pin but do not prefer it, `pin_paused` while the pin is not used.
    """

    store: SessionStore | None
    key: SessionKey | None = None
    session: Session | None = None
    prefers_pin: bool = True
    pin: Pin | None = field(default=None)
    """The session's pin when the exchange began."""
    fingerprint: RequestFingerprint | None = None
    pin_paused: bool = False
    unbound_penalties: SessionPenalties | None = None
    """What counts where there is no session: that of the exchange itself, or of a session that it only looks at."""

    @property
    def preferred_pin(self) -> Pin | None:
        """The pin that goes to the front of the ranking."""
        return self.pin if self.prefers_pin and not self.pin_paused else None

    @property
    def is_prefix_keyed(self) -> bool:
        """Only the words of the conversation tell it from others."""
        return self.key is not None and self.key.source is KeySource.PREFIX_HASH

    @property
    def label(self) -> str | None:
        return self.session.label if self.session else None

    def stickiness(self, answered: tuple[str, str] | None) -> Stickiness:
        """`answered` is the provider and model that answered, None if there was no answer."""
        if self.session is None or not self.prefers_pin:
            return Stickiness.DISABLED
        if self.pin is None:
            return Stickiness.MISS
        return Stickiness.HIT if answered == (self.pin.provider, self.pin.model) else Stickiness.REPIN

    def count_outcome(self, answered: tuple[str, str] | None) -> None:
        """Counts the sticky result, once, when the client has received it."""
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
            case Stickiness.DISABLED:
                pass
            case _ as never:
                assert_never(never)

    def set_pin(self, pin: Pin, now: float) -> None:
        """The client has seen this target's answer begin: here its cache is warm now."""
        if self.session is not None and self.store is not None:
            self.session.pin, self.session.pin_used = pin, now
            self.store.touch(self.session, now)

    def touch(self, now: float, served: tuple[str, str] | None = None) -> None:
        """Something of the exchange has just ended; `served` is the provider and model that had to do with it."""
        if self.session is not None and self.store is not None:
            self.store.touch(self.session, now)
            if self.session.pin and served == (self.session.pin.provider, self.session.pin.model):
                self.session.pin_used = now

    def clear_pin_on(self, provider: str, model: str) -> None:
        """The pinned target broke off in the middle of an answer."""
        pin = self.session.pin if self.session else None
        if self.session and pin and (pin.provider, pin.model) == (provider, model):
            self.session.pin = None

    def clear_pin(self) -> None:
        """The next turn chooses its candidate again."""
        if self.session is not None:
            self.session.pin = None

    # What the session has suffered.

    @property
    def penalties(self) -> SessionPenalties | None:
        return self.session.penalties if self.session else self.unbound_penalties

    @property
    def mutable_penalties(self) -> SessionPenalties:
        """The session's penalties, created and stored if there are none yet."""
        penalties = self.penalties or SessionPenalties()
        if self.session:
            self.session.penalties = penalties
        else:
            self.unbound_penalties = penalties
        return penalties

    @property
    def bans_end_at(self) -> float | None:
        """When its bans end, on the routing clock; None if they last as long as the exchange."""
        if self.session is None or self.store is None or self.session not in self.store:
            return None
        return self.store.expires_at(self.session)

    @property
    def holder(self) -> object:
        """Who uses what the exchange uses: its session, or a stranger."""
        return self.session or self

    @property
    def client_id(self) -> bytes:
        """Who asks, to tell repeated requests by: its session, else the client."""
        if self.session is not None:
            return self.session.id
        return self.fingerprint.client_id if self.fingerprint else b""

    def ban_reason(self, provider: str, label: str) -> str | None:
        """Why this target is banned here; None if it is not."""
        penalties = self.penalties
        return penalties.ban_reason(provider, label) if penalties else None

    def ban(self, scope: str, why: str) -> None:
        self.mutable_penalties.bans[scope] = why
        pin = self.session.pin if self.session else None
        if self.session and pin and scope in (pin.provider, f"{pin.provider}/{pin.model}"):
            self.session.pin = None

    def failure_count(self, scope: str) -> int:
        """Consecutive failures of that provider or target in this session."""
        return self.penalties.failure_count(scope) if self.penalties else 0

    def record_failure(self, scope: str, streamed: bool) -> None:
        """One more failure counts against the scope in this session, but not twice for one turn."""
        if self.session is None:
            return
        fingerprint = self.fingerprint.digest if self.fingerprint else b""
        self.mutable_penalties.record_failure(scope, fingerprint, self._is_retry(fingerprint, streamed))

    def record_success(self, scope: str) -> None:
        if self.penalties:
            self.penalties.record_success(scope)

    def record_broken_stream(self, streamed: bool) -> None:
        """The client has received an error."""
        if self.session is not None and self.fingerprint and streamed:
            self.mutable_penalties.broken_stream = self.fingerprint.digest

    def may_use_key(self, scope: str, key: str | None) -> bool:
        """A guarded scope is shown one key."""
        penalties = self.penalties
        return penalties is None or penalties.used_keys.get(scope, key) == key

    def record_key(self, scope: str, key: str | None) -> None:
        self.mutable_penalties.used_keys.setdefault(scope, key)

    def _is_retry(self, fingerprint: bytes, streamed: bool) -> bool:
        """The client repeats a turn by itself: its SDK counts, or it wants whole what broke off as a stream."""
        if self.fingerprint is None:
            return False
        return self.fingerprint.is_declared_retry or (
            not streamed and self.mutable_penalties.broken_stream == fingerprint
        )

    # What is told of it.

    def early_headers(self, prefix: str) -> Headers:
        """What is known before a provider has answered."""
        if self.key is None or self.session is None:
            return ()
        echo = ((f"{prefix}Session-ID", self.key.echo),) if self.key.echo else ()
        return ((f"{prefix}Sticky-Key-Source", self.key.source.value), *echo)

    def headers(self, prefix: str, answered: tuple[str, str] | None) -> Headers:
        return ((f"{prefix}Sticky-Session", self.stickiness(answered).value), *self.early_headers(prefix))
