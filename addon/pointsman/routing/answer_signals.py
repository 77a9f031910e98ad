"""What an exchange that has ended shows of the quality of the answers of its targets."""

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from pointsman.domain.failures import Failure
from pointsman.domain.records import AttemptRecord, ExchangeRecord
from pointsman.routing.attempt_outcomes import MAX_TOKENS, generation
from pointsman.wire.errors import FaultKind
from pointsman.wire.finish_reasons import Finish, finish_of
from pointsman.wire.messages import ToolCalls


class Signal(StrEnum):
    """What may drift."""

    REFUSALS = "refusals"
    """The share of answers that a content filter or a policy refused."""
    MALFORMED_ANSWERS = "malformed_answers"
    """The share of answers that were empty, or none in their dialect."""
    MALFORMED_CALLS = "malformed_calls"
    """The share of answers with tool calls of which one has arguments that are no JSON object."""
    OUTPUT_LENGTH = "output_length"
    """Tokens of an answer."""
    REASONING = "reasoning"
    """The part of these that were thoughts."""
    SPEED = "speed"
    """Tokens per second."""


REFUSED = frozenset({Failure.CONTENT_FILTER, Failure.CONTENT_POLICY})
MALFORMED = frozenset({FaultKind.EMPTY.value, FaultKind.UNUSABLE.value, FaultKind.MALFORMED.value})
"""Errors of attempts."""


class AnswerSignals(NamedTuple):
    """What one answer shows about the target with this label, at that Unix time: which of the shares it adds to, as a
    hit or not, and the values that it has.
    """

    label: str
    model: str
    wall: float
    shares: Mapping[Signal, bool]
    values: Mapping[Signal, float] = {}


def answer_signals(record: ExchangeRecord, calls: ToolCalls, known: Collection[str]) -> Iterator[AnswerSignals]:
    """`calls` are those of the answer that the client got.

    Refusals and malformed answers count for the first target alone: the next one is asked what has failed before, which
    would count against it. The end of an answer that another target began shows nothing.
    """
    attempts = [each for each in record.attempts if not each.is_informational]
    first = [each for each in attempts if _label(each) == _label(attempts[0])]
    answered = next((shares for each in reversed(first) if (shares := _shares(each))), None)
    if answered and _label(attempts[0]) in known:
        yield AnswerSignals(_label(first[0]), first[0].model, first[-1].ended, answered)
    winner = next((each for each in reversed(attempts) if each.outcome.is_success), None)
    if winner and winner.continuation is None and _label(winner) in known:
        called = {Signal.MALFORMED_CALLS: calls.malformed > 0} if calls.total else {}
        yield AnswerSignals(_label(winner), winner.model, winner.ended, called, dict(_values(winner, record.streamed)))


def _shares(attempt: AttemptRecord) -> Mapping[Signal, bool]:
    """Empty for what is no answer."""
    is_refused = attempt.failure in REFUSED or finish_of(attempt.finish_reason) is Finish.CONTENT_FILTER
    is_malformed = attempt.error in MALFORMED
    if not (is_refused or is_malformed or attempt.outcome.is_success):
        return {}
    return {Signal.REFUSALS: is_refused, Signal.MALFORMED_ANSWERS: is_malformed}


def _values(attempt: AttemptRecord, streamed: bool) -> Iterator[tuple[Signal, float]]:
    """Of tokens that are reported: estimates cannot be compared with them."""
    usage = attempt.usage
    if usage is None or usage.is_estimated or not 0 < usage.output <= MAX_TOKENS:
        return
    yield Signal.OUTPUT_LENGTH, float(usage.output)
    yield Signal.REASONING, usage.reasoning / usage.output
    tokens, seconds = generation(attempt, streamed)
    if tokens:
        yield Signal.SPEED, tokens / seconds


def _label(attempt: AttemptRecord) -> str:
    return f"{attempt.provider}/{attempt.model}"
