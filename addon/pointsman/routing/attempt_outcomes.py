"""What each attempt of an exchange that has ended says about its target, and about nobody else.

An exchange is judged as a whole, for the same answer means different things: a 503 is the target's failure, unless
another key of that target then answered. Whatever becomes of several keys, an exchange is one failure of a target at
most.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pointsman.domain.failures import SERVERS, Failure
from pointsman.domain.records import AttemptRecord, ExchangeRecord, Outcome


class Seen(StrEnum):
    """The verdicts."""

    SUCCESS = "success"
    FAILURE = "failure"
    KEY = "key"
    """It speaks of one key of the target, and not of the target."""
    LATER = "later"
    """Nothing is known but that the first content would have come later than the attempt was cancelled."""
    NOTHING = "nothing"
    """The client left, or its request was at fault."""


OF_ONE_KEY = frozenset({Failure.RATE_LIMIT, Failure.QUOTA, Failure.KEY_INVALID, Failure.FORBIDDEN})
"""Unless it was the last key that was left."""
OF_THE_TARGET = SERVERS | {Failure.CONNECT, Failure.TIMEOUT, Failure.NO_ANSWER, Failure.GONE, Failure.BROKEN}
"""Every other failure speaks of the request, or of the router."""
MOST = 10_000_000
"""Tokens of one answer that a provider may claim and be believed."""
SHORTEST = 0.1
"""Seconds. What takes less from its first content to its end came in one piece, and has no pace of its own."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one attempt tells of the target that is called `label`. `wall` is Unix time, durations are seconds.

    `first_content` is the wait for the first content; with `Seen.LATER` what the wait was longer than. It is None where
    there was none, and for a whole answer, which comes all at once. `tokens` are those that the provider reports, which
    took `seconds`.
    """

    label: str
    wall: float
    seen: Seen
    first_content: float | None = None
    tokens: int = 0
    seconds: float = 0.0
    rate_limited: bool = False


def judged(attempts: Sequence[AttemptRecord]) -> tuple[Seen, ...]:
    """The verdict on each attempt of one exchange, which are in the order in which they settled."""
    seen = [_alone(attempt, attempts[place + 1 :]) for place, attempt in enumerate(attempts)]
    blamed: set[tuple[str, str]] = set()
    for place in reversed(range(len(attempts))):
        if seen[place] is Seen.FAILURE:
            target = _target(attempts[place])
            if target in blamed:
                seen[place] = Seen.KEY
            blamed.add(target)
    return tuple(seen)


def observations(record: ExchangeRecord, known: Collection[str]) -> Iterator[Observation]:
    """What an exchange teaches about the targets that are known."""
    for attempt, seen in zip(record.attempts, judged(record.attempts), strict=True):
        observed = observation(attempt, seen, record.streamed)
        if observed.label in known and seen is not Seen.NOTHING:
            yield observed


def observation(attempt: AttemptRecord, seen: Seen, streamed: bool) -> Observation:
    tokens, seconds = _pace(attempt, streamed) if seen is Seen.SUCCESS else (0, 0.0)
    return Observation(
        label="/".join(_target(attempt)),
        wall=attempt.ended,
        seen=seen,
        first_content=_waited(attempt, seen, streamed),
        tokens=tokens,
        seconds=seconds,
        rate_limited=attempt.failure is Failure.RATE_LIMIT,
    )


def _pace(attempt: AttemptRecord, streamed: bool) -> tuple[int, float]:
    """The reported tokens of an answer and the seconds that they took; nothing where nobody reports any."""
    tokens = attempt.usage.completion if attempt.usage else 0
    whole = (attempt.settled_ms or 0.0) / 1000
    flowing = whole - (attempt.first_content_ms or 0.0) / 1000
    seconds = flowing if streamed and flowing >= SHORTEST else whole
    return (tokens, seconds) if 0 < tokens <= MOST and seconds > 0 else (0, 0.0)


def _alone(attempt: AttemptRecord, later: Sequence[AttemptRecord]) -> Seen:
    """The verdict on an attempt, as far as it does not depend on who else is blamed."""
    if attempt.outcome.is_success:
        return Seen.SUCCESS
    if attempt.outcome is Outcome.HEDGE_LOSER_CANCELLED:
        return Seen.LATER
    if attempt.outcome is Outcome.CLIENT_ABORT or attempt.failure is None:
        return Seen.NOTHING
    if attempt.failure in OF_ONE_KEY:
        return Seen.FAILURE if attempt.was_last_key else Seen.KEY
    if attempt.failure in SERVERS and any(_answers_instead(other, attempt) for other in later):
        return Seen.KEY
    return Seen.FAILURE if attempt.failure in OF_THE_TARGET else Seen.NOTHING


def _answers_instead(other: AttemptRecord, failed: AttemptRecord) -> bool:
    """With another key of the same target."""
    return _target(other) == _target(failed) and other.key != failed.key and other.first_content_ms is not None


def _waited(attempt: AttemptRecord, seen: Seen, streamed: bool) -> float | None:
    if not streamed:
        return None
    waited = attempt.settled_ms if seen is Seen.LATER else attempt.first_content_ms
    return None if waited is None else waited / 1000


def _target(attempt: AttemptRecord) -> tuple[str, str]:
    return attempt.provider, attempt.model
