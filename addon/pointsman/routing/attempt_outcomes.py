"""What each attempt of an exchange that has ended says about its target.

An exchange is judged as a whole, for the same answer means different things: a 503 is the target's failure, unless
another key of that target then answered. Whatever becomes of several keys, an exchange is one failure of a target at
most.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pointsman.domain.failures import SERVER_FAILURES, Failure
from pointsman.domain.records import AttemptRecord, ExchangeRecord, Outcome


class Verdict(StrEnum):
    """The verdicts."""

    SUCCESS = "success"
    FAILURE = "failure"
    KEY = "key"
    """It concerns one key of the target, not the target."""
    CENSORED = "later"
    """Nothing is known but that the first content would have come later than the attempt was cancelled."""
    NOTHING = "nothing"
    """The client disconnected, or the failure concerns only its request, or the router."""


RATE_FAILURES = frozenset({Failure.RATE_LIMIT, Failure.KEY_RATE_LIMIT, Failure.CONCURRENCY})
KEY_FAILURES = RATE_FAILURES | {
    Failure.QUOTA,
    Failure.KEY_QUOTA,
    Failure.ACCOUNT,
    Failure.KEY_INVALID,
    Failure.NO_ACCESS,
    Failure.REGION,
}
"""Unless it was the last key that was left."""
UNCLEAR_FAILURES = frozenset({Failure.FORBIDDEN, Failure.NOT_FOUND})
"""These concern the request, unless another target has then answered it."""
TARGET_FAILURES = SERVER_FAILURES | {
    Failure.CONNECT,
    Failure.TIMEOUT,
    Failure.NO_ANSWER,
    Failure.MODEL_GONE,
    Failure.BROKEN,
}
"""Every other failure concerns the request, or the router."""
MAX_TOKENS = 10_000_000
"""Tokens of one answer that a provider may claim and be believed."""
MIN_STREAM_SECONDS = 0.1
"""Seconds. What takes less from its first content to its end came in one piece, and has no pace of its own."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one attempt shows about the target with this label. `wall` is Unix time, durations are seconds.

    `first_content` is the wait for the first content; with `Verdict.CENSORED` what the wait was longer than. It is None
    where there was none, and for a whole answer, which comes all at once. `tokens` are those that the provider reports,
    or that are estimated, which took `seconds`.
    """

    label: str
    wall: float
    verdict: Verdict
    first_content: float | None = None
    tokens: int = 0
    seconds: float = 0.0
    rate_limited: bool = False


def attempt_verdicts(attempts: Sequence[AttemptRecord]) -> tuple[Verdict, ...]:
    """The verdict on each attempt of one exchange, which are in the order in which they settled."""
    if len(attempts) == 1:
        return (_verdict_alone(attempts[0], ()),)  # as nearly always
    verdicts = [_verdict_alone(attempt, attempts[place + 1 :]) for place, attempt in enumerate(attempts)]
    blamed: set[tuple[str, str]] = set()
    for place in reversed(range(len(attempts))):
        if verdicts[place] is Verdict.FAILURE:
            target = _target(attempts[place])
            if target in blamed:
                verdicts[place] = Verdict.KEY
            blamed.add(target)
    return tuple(verdicts)


def observations(record: ExchangeRecord, known: Collection[str]) -> Iterator[Observation]:
    """What an exchange teaches about the targets that are known."""
    for attempt, verdict in zip(record.attempts, attempt_verdicts(record.attempts), strict=True):
        observed = observation_of(attempt, verdict, record.streamed)
        if observed.label in known and verdict is not Verdict.NOTHING:
            yield observed


def observation_of(attempt: AttemptRecord, verdict: Verdict, streamed: bool) -> Observation:
    tokens, seconds = generation(attempt, streamed) if verdict is Verdict.SUCCESS else (0, 0.0)
    return Observation(
        label="/".join(_target(attempt)),
        wall=attempt.ended,
        verdict=verdict,
        first_content=_content_wait(attempt, verdict, streamed),
        tokens=tokens,
        seconds=seconds,
        rate_limited=attempt.failure in RATE_FAILURES and verdict is Verdict.FAILURE,
    )


def generation(attempt: AttemptRecord, streamed: bool) -> tuple[int, float]:
    """The tokens of an answer, reported or estimated, and the seconds that they took; zeros where neither is known."""
    tokens = attempt.usage.output if attempt.usage else 0
    whole = (attempt.settled_ms or 0.0) / 1000
    flowing = whole - (attempt.first_content_ms or 0.0) / 1000
    seconds = flowing if streamed and flowing >= MIN_STREAM_SECONDS else whole
    return (tokens, seconds) if 0 < tokens <= MAX_TOKENS and seconds > 0 else (0, 0.0)


def _verdict_alone(attempt: AttemptRecord, later: Sequence[AttemptRecord]) -> Verdict:
    """The verdict on an attempt, as far as it does not depend on who else is blamed."""
    if attempt.outcome.is_success:
        return Verdict.SUCCESS
    if attempt.outcome is Outcome.HEDGE_LOSER_CANCELLED:
        return Verdict.CENSORED
    if attempt.outcome is Outcome.CLIENT_ABORT or attempt.failure is None:
        return Verdict.NOTHING
    if attempt.failure in UNCLEAR_FAILURES:
        return Verdict.FAILURE if any(other.outcome.is_success for other in later) else Verdict.NOTHING
    if attempt.failure in KEY_FAILURES | SERVER_FAILURES and any(_answers_instead(other, attempt) for other in later):
        return Verdict.KEY
    if attempt.failure in KEY_FAILURES:
        return Verdict.FAILURE if attempt.was_last_key else Verdict.KEY
    return Verdict.FAILURE if attempt.failure in TARGET_FAILURES else Verdict.NOTHING


def _answers_instead(other: AttemptRecord, failed: AttemptRecord) -> bool:
    """Whether `other` got content with another key of the target that `failed` used."""
    return _target(other) == _target(failed) and other.key != failed.key and other.first_content_ms is not None


def _content_wait(attempt: AttemptRecord, verdict: Verdict, streamed: bool) -> float | None:
    if not streamed:
        return None
    waited = attempt.settled_ms if verdict is Verdict.CENSORED else attempt.first_content_ms
    return None if waited is None else waited / 1000


def _target(attempt: AttemptRecord) -> tuple[str, str]:
    return attempt.provider, attempt.model
