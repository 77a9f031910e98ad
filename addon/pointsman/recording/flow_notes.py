"""What is written on flows: a line for people, a mark for the eye, and plain metadata for the views.

The metadata stands under one name, `NOTE`, and is saved with the flow, so that a flow file shows what mitmweb showed.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, cast

from mitmproxy import flow, http

from pointsman.admission import EntryMode
from pointsman.domain.records import AttemptRecord, ExchangeRecord, Outcome
from pointsman.exchange.summary import summary
from pointsman.transport.body_capture import BodyCapture
from pointsman.wire.errors import Problem

NOTE = "pointsman"
MAX_EXCLUDED = 50
"""Excluded candidates listed in a flow, at most; `/internal/exchanges/<id>` lists all."""


class NoteKind(StrEnum):
    EXCHANGE = "exchange"
    """A client's flow that was routed."""
    REFUSAL = "refusal"
    """A client's flow that was not."""
    ATTEMPT = "attempt"


class Mark(StrEnum):
    """Names of mitmproxy's emoji. A plain success has none: the eye is for what is out of the ordinary."""

    FAILOVER = ":twisted_rightwards_arrows:"
    HEDGE = ":racing_car:"
    FAILURE = ":x:"
    ABORT = ":door:"
    WINNER = ":white_check_mark:"
    LOSER = ":turtle:"
    NONE = ""


ATTEMPT_MARKS: Mapping[Outcome, Mark] = {
    Outcome.HEDGE_TRIGGERED: Mark.HEDGE,
    Outcome.HEDGE_WINNER: Mark.WINNER,
    Outcome.RETRY_SUCCESS: Mark.WINNER,
    Outcome.REQUEST_SUCCESS: Mark.WINNER,
    Outcome.HEDGE_LOSER_CANCELLED: Mark.LOSER,
    Outcome.RETRY_FAILED: Mark.FAILURE,
    Outcome.CLIENT_ERROR_NON_RETRYABLE: Mark.FAILURE,
    Outcome.CLIENT_ABORT: Mark.ABORT,
    Outcome.STREAM_STALLED: Mark.FAILURE,
    Outcome.STREAM_BROKEN: Mark.FAILURE,
    Outcome.STREAM_CONTINUED: Mark.WINNER,
}
HEDGED = frozenset({Outcome.HEDGE_TRIGGERED, Outcome.HEDGE_WINNER, Outcome.HEDGE_LOSER_CANCELLED})


def mark_of(record: ExchangeRecord) -> Mark:
    """The most telling thing about an exchange."""
    outcomes = {attempt.outcome for attempt in record.attempts}
    if Outcome.CLIENT_ABORT in outcomes or record.status is None:
        return Mark.ABORT
    if record.error or not any(outcome.is_success for outcome in outcomes):
        return Mark.FAILURE
    if outcomes & HEDGED:
        return Mark.HEDGE
    return Mark.FAILOVER if len(record.attempts) > 1 else Mark.NONE


def note_exchange(shown: http.HTTPFlow, record: ExchangeRecord) -> None:
    """On a client's flow, once its exchange has ended: the note is its audit, with what else belongs to the flow."""
    shown.comment = summary(record)
    audit = record.to_dict()
    excluded = cast(Sequence[object], audit["excluded"])
    audit["excluded"], audit["excluded_count"] = list(excluded[:MAX_EXCLUDED]), len(excluded)
    _note(shown, NoteKind.EXCHANGE, mark_of(record), **audit)


def note_refusal(shown: http.HTTPFlow, problem: Problem) -> None:
    """On a client's flow for which no exchange begins."""
    shown.comment = f"{problem.status} refused: {problem.code.value}"
    _note(shown, NoteKind.REFUSAL, Mark.FAILURE)


def note_attempt(shown: http.HTTPFlow, record: AttemptRecord, request_id: str, client_flow: str) -> None:
    """On the flow of a settled attempt."""
    settled = f"{(record.settled_ms or 0) / 1000:.2f} s"
    said = [f"attempt {record.n}", f"{record.provider}/{record.model}", record.outcome.value]
    said += [word for word in (record.error, record.message[:200]) if word]
    shown.comment = " · ".join([*said, settled, f"exchange {request_id}"])
    mark = ATTEMPT_MARKS[record.outcome]
    _note(shown, NoteKind.ATTEMPT, mark, request_id=request_id, client_flow=client_flow, attempt=record.to_dict())


def _note(shown: http.HTTPFlow, kind: NoteKind, mark: Mark, **more: object) -> None:
    """A marker set by the user is kept."""
    if not is_marked_by_hand(shown):
        shown.marked = mark.value
    shown.metadata[NOTE] = {**note(shown), "kind": kind.value, "mark": mark.value, **more}


def note_entry_mode(shown: http.HTTPFlow, entry_mode: EntryMode) -> None:
    """On a client's flow, when its exchange begins: how it arrived, in case it is replayed."""
    shown.metadata[NOTE] = {"door": entry_mode.name, "mark": note(shown).get("mark", "")}


def entry_mode_of(shown: http.HTTPFlow) -> EntryMode | None:
    """How this flow arrived; None if it is not noted."""
    return EntryMode.__members__.get(str(note(shown).get("door")))


def note_capture(shown: http.HTTPFlow, capture: BodyCapture) -> None:
    """When the pieces of the response's body came, and how many bytes it had."""
    shown.metadata[NOTE] = {**note(shown), "marks": capture.chunk_times, "size": capture.size}


def note(shown: flow.Flow | None) -> dict[str, Any]:
    """The router's note on a flow; empty if there is none, or if the value there is not ours."""
    found = shown.metadata.get(NOTE) if shown is not None else None
    return found if isinstance(found, dict) else {}


def is_attempt(shown: flow.Flow) -> bool:
    return note(shown).get("kind") == NoteKind.ATTEMPT


def is_marked_by_hand(shown: flow.Flow) -> bool:
    return bool(shown.marked) and shown.marked != note(shown).get("mark")
