"""One exchange's view of its session: the pin to prefer, and what to report to the client and the store afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import assert_never

from pointsman.config.enums import KeySource
from pointsman.sessions.key_sources import CLIENT_SOURCES, SessionKey
from pointsman.sessions.penalties import Ban, SessionPenalties
from pointsman.sessions.prompt_caches import PromptCaches
from pointsman.sessions.request_fingerprint import RequestFingerprint
from pointsman.sessions.store import Pin, Session, SessionStore
from pointsman.wire.headers import Headers
from pointsman.wire.thinking_signatures import MAX_PART_IDS, PART_ID_SIZE, PartId


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
        if self.session is not None and answered is not None:
            self.session.turns += 1
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

    @property
    def second_choice(self) -> Pin | None:
        """The target that comes next after the preferred one."""
        if self.session is None or not self.prefers_pin:
            return None
        return self.session.detour if self.pin == self.session.pin else self.session.pin

    def return_home(self) -> None:
        """Prefer the target again that the session was pinned to before it failed."""
        if self.session is not None and self.session.home is not None:
            self.pin = self.session.home

    def set_pin(self, pin: Pin, now: float, has_failed: bool = True) -> None:
        """The client has seen this target's answer begin: here its cache is warm now. `has_failed`: another target that
        was pinned before has failed, so the session may go back to it once it works.
        """
        session = self.session
        if session is None or self.store is None:
            return
        if session.pin is not None and session.pin.label != pin.label and has_failed:
            self._leave_pin(now)
        if session.home is not None and session.home.label == pin.label:
            session.home = None
        is_new = session.pin != pin or session.detour is not None
        session.pin, session.pin_used, session.detour = pin, now, None
        self.store.touch(session, now)
        if is_new:
            self.store.note_change(session)

    def set_detour(self, pin: Pin, now: float) -> None:
        """Another target answers what the pinned one does not take; the pin stays."""
        if self.session is not None and self.store is not None:
            self.session.detour = pin
            self.store.touch(self.session, now)
            self.store.note_change(self.session)

    def _leave_pin(self, now: float) -> None:
        session = self.session
        if session is not None and session.pin is not None:
            if session.home is None:
                session.home, session.home_left = session.pin, now
            session.pin = None

    def touch(self, now: float, served: tuple[str, str] | None = None) -> None:
        """Something of the exchange has just ended; `served` is the provider and model that had to do with it."""
        if self.session is not None and self.store is not None:
            self.store.touch(self.session, now)
            if self.session.pin and served == (self.session.pin.provider, self.session.pin.model):
                self.session.pin_used = now
            self.store.note_change(self.session)

    def clear_pin_on(self, label: str, now: float) -> None:
        """The pinned target broke off in the middle of an answer."""
        if self.session and self.session.pin and self.session.pin.label == label:
            self._leave_pin(now)
            self._note_change()

    def clear_pin(self) -> None:
        """The next turn chooses its candidate again."""
        if self.session is not None:
            self.session.pin = self.session.home = None
            self._note_change()

    def _note_change(self) -> None:
        if self.session is not None and self.store is not None:
            self.store.note_change(self.session)

    # What targets have cached.

    @property
    def is_one_conversation(self) -> bool:
        """The session's key stands for one conversation, not for all of a client."""
        return self.key is not None and self.key.source not in CLIENT_SOURCES

    @property
    def caches(self) -> PromptCaches | None:
        """What targets have cached of the conversation, as far as they have reported it."""
        return self.session.caches if self.session and self.is_one_conversation else None

    def mutable_caches(self) -> PromptCaches | None:
        """The same, created if there are none yet; None without a conversation."""
        if self.session is None or not self.is_one_conversation:
            return None
        if self.session.caches is None:
            self.session.caches = PromptCaches()
        return self.session.caches

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
    def expires_at(self) -> float | None:
        """When the session ends unless it is used again; None where there is none."""
        if self.session is None or self.store is None or self.session not in self.store:
            return None
        return self.store.expires_at(self.session)

    @property
    def holder(self) -> object:
        """The holder of what the exchange uses: its session, or an object that stands for none."""
        return self.session or self

    @property
    def client_id(self) -> bytes:
        """The id by which repeated requests are recognised: the session's, otherwise the client's."""
        if self.session is not None:
            return self.session.id
        return self.fingerprint.client_id if self.fingerprint else b""

    def ban_on(self, provider: str, label: str, now: float) -> Ban | None:
        """The ban on this target of this provider that is in force here."""
        penalties = self.penalties
        return penalties.ban_on(provider, label, now) if penalties else None

    def drop_ban(self, ban: Ban) -> None:
        """Removes a ban that turned out to be unjustified."""
        if self.penalties:
            self.penalties.drop_ban(ban)
            self._note_change()

    def ban(self, scope: str, why: str, seconds: float, gives_way: bool, now: float) -> None:
        """Its end is fixed now; without a session it lasts as long as the exchange."""
        until = now + seconds if self.session else inf
        self.mutable_penalties.ban(scope, why, until, gives_way, now)
        pin = self.session.pin if self.session else None
        if pin and scope in (pin.provider, pin.label):
            self._leave_pin(now)
        self._note_change()

    def failure_count(self, label: str) -> int:
        """Consecutive failures of that target in this session."""
        return self.penalties.failure_count(label) if self.penalties else 0

    def failure_counted_at(self, label: str) -> float | None:
        """When the last failure of this target counted in this session."""
        row = self.penalties.failures.get(label) if self.penalties else None
        return row.at if row else None

    def forget_failures(self, label: str) -> None:
        if self.penalties:
            self.penalties.failures.pop(label, None)

    def record_failure(self, label: str, streamed: bool, launched: float, now: float) -> None:
        """One more failure counts against the target in this session, but not twice for one turn."""
        if self.session is None:
            return
        fingerprint = self.fingerprint.digest if self.fingerprint else b""
        is_retry = self._is_retry(fingerprint, streamed)
        self.mutable_penalties.record_failure(label, fingerprint, is_retry, launched, now)
        self._note_change()

    def record_success(self, label: str) -> bool:
        """Returns whether that lifts a ban on the target."""
        if self.penalties is None:
            return False
        self._note_change()
        return self.penalties.record_success(label)

    def refused_size(self, label: str) -> int | None:
        """A request of so many tokens, or more, is too long for this target."""
        return self.penalties.refused_sizes.get(label) if self.penalties else None

    def record_refused_size(self, label: str, tokens: int) -> None:
        sizes = self.mutable_penalties.refused_sizes
        sizes[label] = min(tokens, sizes.get(label, tokens))

    def record_broken_stream(self, streamed: bool) -> None:
        """The client has received an error."""
        if self.session is not None and self.fingerprint and streamed:
            self.mutable_penalties.broken_stream = self.fingerprint.digest
            self._note_change()

    def may_use_key(self, scope: str, key: str | None) -> bool:
        """Whether the session may use this key: it uses only one key of a guarded scope."""
        penalties = self.penalties
        return penalties is None or penalties.used_keys.get(scope, key) == key

    def record_key(self, scope: str, key: str | None) -> None:
        self.mutable_penalties.used_keys.setdefault(scope, key)

    def refused_parts(self, provider: str) -> frozenset[PartId]:
        """The last of the signed parts of the conversation that this provider has refused."""
        ids = self.penalties.refused_parts.get(provider, b"") if self.penalties else b""
        return frozenset(ids[at : at + PART_ID_SIZE] for at in range(0, len(ids), PART_ID_SIZE))

    def record_refused_parts(self, provider: str, parts: Sequence[PartId]) -> None:
        if parts:
            self.mutable_penalties.refused_parts[provider] = b"".join(parts[-MAX_PART_IDS:])

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
