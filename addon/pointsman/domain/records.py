"""The record that every attempt leaves when it settles, and the exchange's own. Immutable, plain, without secrets."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from pointsman.config.enums import Kind
from pointsman.domain.failures import Failure
from pointsman.prices.rates import dollars
from pointsman.wire.frames import Usage


class Outcome(StrEnum):
    HEDGE_TRIGGERED = "hedge_triggered"
    """Informational: this attempt was slow, so another one was started beside it."""
    HEDGE_WINNER = "hedge_winner"
    RETRY_SUCCESS = "retry_success"
    REQUEST_SUCCESS = "request_success"
    HEDGE_LOSER_CANCELLED = "hedge_loser_cancelled"
    RETRY_FAILED = "retry_failed"
    CLIENT_ERROR_NON_RETRYABLE = "client_error_non_retryable"
    CLIENT_ABORT = "client_abort"
    STREAM_STALLED = "stream_stalled"
    STREAM_BROKEN = "stream_broken"
    STREAM_CONTINUED = "stream_continued"
    """It has ended the answer of another attempt, which broke off."""

    @property
    def is_success(self) -> bool:
        """Whether the answer ended well; that it began is not enough."""
        return self in SUCCESSES


SUCCESSES = frozenset({Outcome.HEDGE_WINNER, Outcome.RETRY_SUCCESS, Outcome.REQUEST_SUCCESS, Outcome.STREAM_CONTINUED})
BROKEN = frozenset({Outcome.STREAM_BROKEN, Outcome.STREAM_STALLED})
"""The client has seen a part of such an answer."""


@dataclass(frozen=True, slots=True)
class AppliedRedirect:
    """The redirect that one attempt applied, with the rule that matched."""

    original_model: str
    redirected_model: str
    match: str
    source: str


@dataclass(frozen=True, slots=True)
class ContinuationRecord:
    """How one attempt went on with the answer of attempt `continues`, after `prefix_chars` characters. `trimmed`:
    characters of what it wrote that its client had already.
    """

    continues: int
    method: str
    prefix_chars: int
    trimmed: int


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt. Times are seconds on the wall clock (`started`) or milliseconds after the attempt's start; None:
    it never happened.
    """

    n: int
    provider: str
    base_url: str
    model: str
    model_sent: str
    redirect: AppliedRedirect | None
    key: str | None
    outcome: Outcome
    status: int | None
    error: str | None
    message: str
    failure: Failure | None
    """The row of the failure table; None if the attempt did not fail."""
    selection_reason: str
    """How the candidate came to be chosen: `rank 1, score 0.81` or `pin`, with what else had a say, or `last_resort`
    and what gave way to it.
    """
    started: float
    connected_ms: float | None
    first_byte_ms: float | None
    first_content_ms: float | None
    settled_ms: float | None
    bytes_received: int
    usage: Usage | None
    """None where there is no answer. What a provider does not report is estimated."""
    finish_reason: str | None
    was_last_key: bool = False
    """When it settled, no other key of its target could have been tried."""
    cost: int | None = None
    """Nano-dollars; None: its price is not known."""
    is_unknown_path: bool = False
    """Its provider has no such path, whatever the model."""
    recovery: str | None = None
    """Why its answer, which broke off, was not continued; None if it was, or did not break off."""
    continuation: ContinuationRecord | None = None
    """None: it began an answer of its own."""

    @property
    def ended(self) -> float:
        """Seconds on the wall clock."""
        return self.started + (self.settled_ms or 0) / 1000

    @property
    def is_informational(self) -> bool:
        """The record is informational: the attempt went on, and another record has its end."""
        return self.outcome is Outcome.HEDGE_TRIGGERED

    @property
    def trail_entry(self) -> str:
        """This attempt for the trail of headers and errors."""
        return f"{self.provider}/{self.model}@{self.ending}"

    @property
    def ending(self) -> str:
        """How it ended."""
        return self.error or {Outcome.HEDGE_LOSER_CANCELLED: "hedge_loser"}.get(self.outcome, self.outcome.value)

    def to_dict(self) -> dict[str, object]:
        """This record in plain JSON types."""
        redirect = self.redirect
        return {
            "n": self.n,
            "provider": self.provider,
            "base_url": self.base_url,
            "model": self.model,
            "model_sent": self.model_sent,
            "redirect": redirect
            and {
                "original_model": redirect.original_model,
                "redirected_model": redirect.redirected_model,
                "match": redirect.match,
                "source": redirect.source,
            },
            "key": self.key,
            "outcome": self.outcome.value,
            "status": self.status,
            "error": self.error,
            "message": self.message,
            "failure": self.failure and self.failure.value,
            "why": self.selection_reason,
            "started": self.started,
            "connected_ms": self.connected_ms,
            "first_byte_ms": self.first_byte_ms,
            "first_content_ms": self.first_content_ms,
            "settled_ms": self.settled_ms,
            "bytes": self.bytes_received,
            "usage": self.usage and self.usage.to_dict(),
            "cost_usd": dollars(self.cost),
            "finish_reason": self.finish_reason,
            **({"recovery": self.recovery} if self.recovery else {}),
            **(asdict(self.continuation) if self.continuation else {}),
        }


@dataclass(frozen=True, slots=True)
class ExchangeRecord:
    """One exchange, ended. `status` is what the client saw, None if it left before it saw anything."""

    request_id: str
    session: str | None
    sticky: str
    mode: str
    model: str
    status: int | None
    error: str | None
    started: float
    ended_ms: float
    streamed: bool
    attempts: tuple[AttemptRecord, ...]
    excluded: tuple[Mapping[str, object], ...]
    taken_as: str | None = None
    """What was asked instead of the named model: the mode that an unknown name stands for, or what a client asks whose
    budget is exhausted; None: nothing else.
    """
    kind: Kind | None = Kind.CHAT
    """None: it asked no model."""
    client: str | None = None
    """The name of the client that asked; None: it has none."""
    dialect: str = ""
    """The client's."""
    waited_ms: float = 0.0
    """How long it has waited for limits before an attempt."""

    @property
    def ended(self) -> float:
        """Seconds on the wall clock."""
        return self.started + self.ended_ms / 1000

    @property
    def recovery(self) -> str | None:
        """What became of an answer that broke off within its stream: `continued`, `failed` (an attempt was to go on
        with it and could not), or why none was asked to. None: nothing broke off.
        """
        broken = next((each for each in self.attempts if each.outcome in BROKEN), None)
        if broken is None:
            return None
        follower = next((each for each in self.attempts if each.continuation), None)
        if follower is None:
            return broken.recovery
        return "continued" if follower.outcome is Outcome.STREAM_CONTINUED else "failed"

    @property
    def usage(self) -> Usage | None:
        """What all attempts have used; None where none has used anything."""
        if len(self.attempts) == 1:
            return self.attempts[0].usage  # as nearly always
        used = [each.usage for each in self.attempts if each.usage and not each.is_informational]
        return sum(used[1:], used[0]) if used else None

    @property
    def cost(self) -> int | None:
        """Nano-dollars for all attempts; None: one of them has used something whose price is not known."""
        if len(self.attempts) == 1:
            return self.attempts[0].cost
        billed = [each for each in self.attempts if not each.is_informational and (each.usage or each.cost is not None)]
        costs = [each.cost for each in billed if each.cost is not None]
        return sum(costs) if costs and len(costs) == len(billed) else None

    def to_dict(self) -> dict[str, object]:
        return {
            "request_id": self.request_id,
            "client": self.client,
            "dialect": self.dialect,
            "session": self.session,
            "sticky": self.sticky,
            "mode": self.mode,
            "model_kind": self.kind and self.kind.value,
            "model": self.model,
            "taken_as": self.taken_as,
            "status": self.status,
            "error": self.error,
            "started": self.started,
            "ended_ms": self.ended_ms,
            "waited_ms": self.waited_ms,
            "stream": self.streamed,
            "usage": self.usage and self.usage.to_dict(),
            "cost_usd": dollars(self.cost),
            "attempts": [record.to_dict() for record in self.attempts],
            "excluded": list(self.excluded),
        }
