"""One exchange in one line, for logs and for the comment of its flow."""

from pointsman.config.clients import DEFAULT_CLIENT
from pointsman.domain.records import AttemptRecord, ExchangeRecord, Outcome
from pointsman.prices.rates import dollars

SEEN_BUT_FAILED = frozenset({Outcome.STREAM_STALLED, Outcome.STREAM_BROKEN, Outcome.CLIENT_ERROR_NON_RETRYABLE})
"""The client has seen something of such an attempt, though it did not end well."""


def summary(record: ExchangeRecord) -> str:
    """The result first: `200 groq/llama 0.4 s · 2 attempts · hit · a@503 · sticky hit 1f0c · 0.31 s to first token`,
    and what it cost, where that is known.
    """
    attempts = [attempt for attempt in record.attempts if not attempt.is_informational]
    seen = next((each for each in attempts if each.outcome is Outcome.STREAM_CONTINUED), None)
    seen = seen or next((each for each in attempts if _was_seen(each)), None)
    passed = [attempt for attempt in attempts if attempt is not seen]
    parts = [" ".join((_status(record), _target(seen), duration(record.ended_ms / 1000)))]
    if record.client not in (None, DEFAULT_CLIENT):
        parts.append(f"client {record.client}")
    if record.taken_as:
        parts.append(f"routed as {record.taken_as}")
    if seen and not seen.outcome.is_success:
        parts.append(seen.outcome.value)
    if record.error:
        parts.append(f"error {record.error}")
    if record.recovery not in (None, "off", "continued"):
        parts.append(f"recovery {record.recovery}")
    if len(attempts) > 1:
        parts.append(f"{len(attempts)} attempts")
    if record.session:
        parts.append(record.sticky)
    parts += [f"{attempt.provider}@{attempt.ending}" for attempt in passed]
    parts.append(f"sticky {record.sticky}" + (f" {record.session}" if record.session else ""))
    first = next((each for each in attempts if _was_seen(each)), None)
    if first and first.first_content_ms is not None:
        waited = first.started - record.started + first.first_content_ms / 1000
        parts.append(f"{waited:.2f} s to first token")
    if record.cost:
        parts.append(f"${dollars(record.cost)}")
    return " · ".join(parts)


def duration(seconds: float) -> str:
    """`0.04 s`, `0.4 s`, `12 s`: as exact as people need it."""
    digits = 2 if seconds < 0.095 else 1 if seconds < 9.95 else 0
    return f"{seconds:.{digits}f} s"


def _status(record: ExchangeRecord) -> str:
    return "client left" if record.status is None else str(record.status)


def _target(seen: AttemptRecord | None) -> str:
    return f"{seen.provider}/{seen.model}" if seen else "not answered"


def _was_seen(attempt: AttemptRecord) -> bool:
    """By the client, which may have left in the midst of the answer."""
    has_left = attempt.outcome is Outcome.CLIENT_ABORT and attempt.first_content_ms is not None
    return has_left or attempt.outcome.is_success or attempt.outcome in SEEN_BUT_FAILED
