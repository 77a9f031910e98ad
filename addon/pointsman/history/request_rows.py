"""One row for each request, refused ones too, with its facts and never with what was said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pointsman.domain.records import AttemptRecord, ExchangeRecord, Outcome
from pointsman.exchange.response_headers import attempt_trail
from pointsman.history.columns import nanodollars, text, token_count
from pointsman.wire.errors import Problem
from pointsman.wire.frames import Usage

MAX_MODEL, MAX_PATH, MAX_MESSAGE = 200, 200, 300
"""Characters that are kept."""
REFUSED = "refused"
"""No provider was asked, and the client got an error of the router itself."""
OWN_ANSWER = "own_answer"
"""No provider was asked, and the router answered the question itself."""
ANSWERING = (Outcome.STREAM_BROKEN, Outcome.STREAM_STALLED, Outcome.CLIENT_ABORT, Outcome.CLIENT_ERROR_NON_RETRYABLE)
"""Of attempts that decided what the client got, beside successes."""
OUTCOMES = (*(each.value for each in Outcome if each is not Outcome.HEDGE_TRIGGERED), REFUSED, OWN_ANSWER)
NO_USAGE = Usage()


class RequestKind(NamedTuple):
    """What many requests have in common. `provider` and `target_model` are those of the attempt that decided: it
    answered, or it was the last one.
    """

    client: str | None
    dialect: str | None
    mode: str | None
    kind: str | None
    """Of the models that can answer it."""
    provider: str | None
    target_model: str | None
    model_sent: str | None
    status: int | None
    """What the client saw; None: it left before."""
    reason: str | None
    """The code of the error; None for an answer."""
    outcome: str
    streamed: bool


class RequestRow(NamedTuple):
    """`model` is what the client asked for. `ended` is Unix time. `trail` has the attempts that failed. `cost` is in
    nano-dollars; None: not known.
    """

    request_id: str
    session: str | None
    model: str | None
    path: str | None
    message: str | None
    """Why it was refused, in the router's words."""
    ended: float
    duration_ms: float
    waited_ms: float
    first_content_ms: float | None
    attempts: int
    trail: str | None
    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int
    estimated: bool
    cost: int | None


class Ending(NamedTuple):
    """How a request ends for which no exchange begins; as in `RefusedRequest`."""

    status: int | None
    reason: str
    message: str

    @classmethod
    def of(cls, problem: Problem) -> "Ending":
        return cls(problem.status, problem.code.value, problem.message)


LEFT_EARLY = Ending(None, Outcome.CLIENT_ABORT.value, "The client disconnected before its request was complete.")


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A request for which no exchange begins. Texts are masked; times are Unix time in seconds. `status` is None if the
    client left before it saw any; `path` is empty if the request could not be read.
    """

    request_id: str
    client: str | None
    dialect: str | None
    model: str | None
    path: str
    status: int | None
    reason: str
    message: str
    started: float
    ended: float

    @property
    def outcome(self) -> str:
        return REFUSED if self.status is not None else Outcome.CLIENT_ABORT.value


def refusal_row(refused: RefusedRequest) -> tuple[RequestKind, RequestRow]:
    kind = RequestKind(
        client=refused.client,
        dialect=refused.dialect,
        mode=None,
        kind=None,
        provider=None,
        target_model=None,
        model_sent=None,
        status=refused.status,
        reason=refused.reason,
        outcome=refused.outcome,
        streamed=False,
    )
    row = RequestRow(
        request_id=text(refused.request_id),
        session=None,
        model=refused.model and text(refused.model[:MAX_MODEL]),
        path=text(refused.path[:MAX_PATH]) or None,
        message=text(refused.message[:MAX_MESSAGE]),
        ended=round(refused.ended, 3),
        duration_ms=round(max(0.0, refused.ended - refused.started) * 1000, 1),
        waited_ms=0.0,
        first_content_ms=None,
        attempts=0,
        trail=None,
        input=0,
        cache_read=0,
        cache_write_5m=0,
        cache_write_1h=0,
        output=0,
        reasoning=0,
        estimated=False,
        cost=None,
    )
    return kind, row


def request_row(record: ExchangeRecord, path: str) -> tuple[RequestKind, RequestRow]:
    attempts = [each for each in record.attempts if not each.is_informational]
    decided = deciding_attempt(attempts)
    failed = [each for each in attempts if not each.outcome.is_success]
    used = record.usage or NO_USAGE
    kind = RequestKind(
        client=record.client,
        dialect=record.dialect or None,
        mode=record.mode,
        kind=record.kind and record.kind.value,
        provider=decided.provider if decided else None,
        target_model=text(decided.model) if decided else None,
        model_sent=text(decided.model_sent) if decided else None,
        status=record.status,
        reason=_reason(record, decided),
        outcome=_outcome(record, decided),
        streamed=record.streamed,
    )
    row = RequestRow(
        request_id=text(record.request_id),
        session=record.session,
        model=text(record.model[:MAX_MODEL]),
        path=text(path[:MAX_PATH]),
        message=None,
        ended=round(record.ended, 3),
        duration_ms=record.ended_ms,
        waited_ms=record.waited_ms,
        first_content_ms=_first_content_ms(record, decided) if decided else None,
        attempts=len(attempts),
        trail=attempt_trail(failed) if failed else None,
        input=token_count(used.input),
        cache_read=token_count(used.cache_read),
        cache_write_5m=token_count(used.cache_write_5m),
        cache_write_1h=token_count(used.cache_write_1h),
        output=token_count(used.output),
        reasoning=token_count(used.reasoning),
        estimated=used.is_estimated,
        cost=nanodollars(record.cost),
    )
    return kind, row


def deciding_attempt(attempts: Sequence[AttemptRecord]) -> AttemptRecord | None:
    """The attempt that answered the client, else the one that ended its exchange. None: there was none."""
    if len(attempts) == 1:
        return attempts[0]
    for attempt in attempts:
        if attempt.outcome.is_success:
            return attempt
    answering = [each for each in attempts if each.outcome in ANSWERING]
    failed = [each for each in attempts if each.outcome is not Outcome.HEDGE_LOSER_CANCELLED]
    return next(reversed(answering or failed or list(attempts)), None)


def _first_content_ms(record: ExchangeRecord, decided: AttemptRecord) -> float | None:
    """Since the request came; None for a whole answer, which comes all at once."""
    if not record.streamed or decided.first_content_ms is None:
        return None
    return round(max(0.0, (decided.started - record.started) * 1000 + decided.first_content_ms), 1)


def _outcome(record: ExchangeRecord, decided: AttemptRecord | None) -> str:
    if decided is not None:
        return decided.outcome.value
    if record.status is None:
        return Outcome.CLIENT_ABORT.value
    return OWN_ANSWER if record.status < 400 and record.error is None else REFUSED


def _reason(record: ExchangeRecord, decided: AttemptRecord | None) -> str | None:
    if record.error:
        return record.error
    aborted = record.status is None or (decided is not None and decided.outcome is Outcome.CLIENT_ABORT)
    return Outcome.CLIENT_ABORT.value if aborted else None
