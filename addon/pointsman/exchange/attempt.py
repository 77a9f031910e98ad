"""One upstream request made for an exchange: its phase, what it holds back, and the times it leaves in the record."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from pointsman.config import Timeouts
from pointsman.domain.failures import classify
from pointsman.domain.records import AppliedRedirect, AttemptRecord, Outcome
from pointsman.domain.targets import Candidate
from pointsman.exchange.continuation import Continuation
from pointsman.exchange.state_machines import ATTEMPT_TRANSITIONS, AttemptMove, AttemptState, next_state
from pointsman.masking import Masker
from pointsman.prices.rates import cost
from pointsman.wire.continuation.reasons import NotContinued
from pointsman.wire.conversion.codec import Codec
from pointsman.wire.error_reader import ErrorReader
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.frames import Frame, FrameKind, Reader, Usage
from pointsman.wire.thinking_signatures import PartId
from pointsman.wire.unknown_path import is_unknown_path

MAX_HELD_EVENTS = 64
MAX_HELD_BYTES = 1 << 20
ERROR_BODY_TIMEOUT = 5.0
"""Seconds for the body of an answer with an error status."""
END_GRACE = 2.0
"""Seconds after the finish reason in which usage and the end marker may come."""
PING_GRACE = 300.0
"""Seconds for which a committed attempt's own comments and pings may stand in for data."""


class Attempt:
    """Times are the exchange's clock, in seconds; None: it has not happened. The exchange is the only one to change
    an attempt. Thousands may wait at once.
    """

    __slots__ = (
        "_held",
        "_held_bytes",
        "base_url",
        "bytes_received",
        "candidate",
        "codec",
        "connect_deadline",
        "connected_at",
        "content_deadline",
        "continuation",
        "finished_at",
        "first_byte_at",
        "first_content_at",
        "headers",
        "hedge_at",
        "held_bytes",
        "is_over",
        "last_data",
        "last_event",
        "last_ping",
        "launched_at",
        "n",
        "reader",
        "redirect",
        "selection_reason",
        "sends_signed_parts",
        "state",
        "status",
        "timeouts",
        "was_hedged",
    )

    def __init__(
        self, n: int, candidate: Candidate, base_url: str, timeouts: Timeouts, streamed: bool, now: float
    ) -> None:
        self.n = n
        self.selection_reason = ""
        """How the candidate came to be chosen."""
        self.candidate = candidate
        self.base_url = base_url
        self.redirect: AppliedRedirect | None = None
        """The redirect of the model name, None if the target's own name is sent."""
        self.continuation: Continuation | None = None
        """It goes on with the answer of another attempt."""
        self.timeouts = timeouts
        self.state = AttemptState.LAUNCHED
        self.is_over = False
        """The provider's side has ended by itself, so there is nothing to cancel."""
        self.launched_at = now
        self.connected_at: float | None = None
        self.first_byte_at: float | None = None
        self.first_content_at: float | None = None
        self.connect_deadline: float | None = now + timeouts.connect
        self.hedge_at: float | None = None
        """When another attempt is to start beside this one."""
        self.was_hedged = False
        """One has started."""
        self.content_deadline = now + (timeouts.first_byte if streamed else timeouts.answer)
        self.last_event = now
        self.last_ping = now
        self.last_data = now
        """When bytes of the body last arrived, of any kind."""
        self.finished_at: float | None = None
        """When its finish reason came, or content behind it, while no end marker has."""
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.codec: Codec | None = None
        """The way to its provider's dialect and back, once it is launched."""
        self.sends_signed_parts = True
        """Its request has the parts that only their issuer accepts, except those that its provider has refused."""
        self.reader: Reader | None = None
        self.bytes_received = 0
        self.held_bytes = 0
        """Bytes since the last frame: its reader holds them until an event, or the answer, is whole."""
        self._held: list[bytes] = []
        self._held_bytes = 0

    def transition(self, step: AttemptMove) -> None:
        self.state = next_state(ATTEMPT_TRANSITIONS, self.state, step)

    def is_slow_to_make(self, body: bytes) -> bool:
        """Whether converting the client's request takes so long that it needs a thread."""
        if self.codec is None or not self.codec.takes_long(body):
            return False
        self.connect_deadline = None
        return True

    def restart_timers(self, now: float) -> None:
        """Called when its request took a while to prepare, which is not the provider's fault."""
        self.pause(now - self.launched_at, now)
        self.on_connecting(now)

    def on_connecting(self, now: float) -> None:
        self.connect_deadline = now + self.timeouts.connect

    def on_connected(self, now: float) -> None:
        self.transition(AttemptMove.CONNECT)
        self.connected_at = now
        self.connect_deadline = None

    def on_head(self, status: int, headers: dict[str, str], reader: Reader, now: float) -> None:
        self.transition(AttemptMove.HEAD)
        self.status, self.headers, self.reader = status, headers, reader
        self.connect_deadline = None
        self.first_byte_at = now
        if isinstance(reader, ErrorReader):
            self.content_deadline = min(self.content_deadline, now + ERROR_BODY_TIMEOUT)

    def commit(self, now: float) -> None:
        self.transition(AttemptMove.COMMIT)
        self.first_content_at = self.last_event = self.last_ping = now

    def hold_back(self, data: bytes) -> bool:
        """Keep a neutral frame back until commit; False when there is no more room for it."""
        self._held.append(data)
        self._held_bytes += len(data)
        return len(self._held) <= MAX_HELD_EVENTS and self._held_bytes <= MAX_HELD_BYTES

    def take_held(self) -> bytes:
        held = b"".join(self._held)
        self._held.clear()
        return held

    def deadline(self) -> float:
        """When something is to be done about this attempt, not yet committed."""
        due = self.content_deadline
        if self.connect_deadline is not None:
            due = min(due, self.connect_deadline)
        if self.finished_at is not None:
            due = min(due, self.finished_at + END_GRACE)
        return due if self.hedge_at is None else min(due, self.hedge_at)

    def note_finish(self, now: float) -> None:
        """Starts the time for the end of an answer that has said its finish reason."""
        if self.finished_at is None and self.reader and self.reader.finished:
            self.finished_at = now

    def has_ended_silently(self, now: float) -> bool:
        """Whether the finish reason came a while ago, but nothing that ends the answer."""
        return self.finished_at is not None and now >= self.finished_at + END_GRACE

    @property
    def model_sent(self) -> str:
        """The model name that is sent to its provider."""
        return self.redirect.redirected_model if self.redirect else self.candidate.target.model.id

    def removable_parts(self) -> Sequence[PartId] | None:
        """The signed parts that its provider may refuse; None if there are none, or none were sent."""
        return self.codec.removable_parts(self.model_sent) if self.codec and self.sends_signed_parts else None

    @property
    def max_parallel(self) -> int:
        """How many attempts may run beside each other when this one is slow, itself included."""
        return self.candidate.target.provider.hedge.max_parallel

    def stall_deadline(self) -> float:
        """When the committed attempt counts as stalled."""
        by_data = self.last_event + self.timeouts.stall
        by_pings = min(self.last_ping + self.timeouts.stall, self.last_event + PING_GRACE)
        due = max(by_data, by_pings)
        return due if self.finished_at is None else min(due, self.finished_at + END_GRACE)

    def last_activity(self) -> float:
        """When its provider last sent anything, on the exchange's clock."""
        return max(self.last_data, self.first_byte_at or 0.0, self.connected_at or 0.0)

    def pause(self, seconds: float, now: float) -> None:
        """Moves the deadlines: the client was slow for this long, which is not the provider's fault."""
        self.content_deadline += seconds
        if self.hedge_at is not None:
            self.hedge_at += seconds
        if self.finished_at is not None:
            self.finished_at += seconds
        self.last_event = min(now, self.last_event + seconds)
        self.last_ping = min(now, self.last_ping + seconds)

    def fault_so_far(self, fault: Fault) -> Fault:
        """The fault of an attempt that broke off. A status that came before it says more than the break itself."""
        return self.reader.fault() if isinstance(self.reader, ErrorReader) else fault

    def timeout_fault(self, streamed: bool, now: float) -> Fault | None:
        """The timeout that has passed, if one has."""
        if self.connect_deadline is not None and now >= self.connect_deadline:
            return Fault(FaultKind.CONNECT_TIMEOUT, f"no connection within {self.timeouts.connect:g} s", status=504)
        if now < self.content_deadline:
            return None
        if streamed:
            fault = Fault(FaultKind.FIRST_BYTE_TIMEOUT, f"no content within {self.timeouts.first_byte:g} s", status=504)
        else:
            fault = Fault(FaultKind.ANSWER_TIMEOUT, f"no complete answer within {self.timeouts.answer:g} s", status=504)
        return self.fault_so_far(fault)

    def read(self, data: bytes, now: float) -> Sequence[Frame]:
        assert self.reader
        self.last_data = now
        self.bytes_received += len(data)
        frames = self.reader.read(data)
        self.held_bytes = 0 if frames else self.held_bytes + len(data)
        self.note_finish(now)
        return frames

    def relay(self, frames: Sequence[Frame], masker: Masker, now: float) -> tuple[bytes, Frame | None]:
        """The part of the winner's frames that is sent to the client, in one piece, and the frame that ends its answer,
        if there is one. The provider's error is not in that piece.
        """
        out: list[bytes] = []
        for frame in frames:
            match frame.kind:
                case FrameKind.CONTENT | FrameKind.NEUTRAL:
                    self.last_event = now
                    if self.finished_at is not None and frame.kind is FrameKind.CONTENT:
                        self.finished_at = now
                    out.append(frame.data)
                case FrameKind.PING:
                    self.last_ping = now
                    out.append(masker.data(frame.data))
                case FrameKind.ERROR:
                    self.last_event = now
                    return b"".join(out), frame
                case FrameKind.END:
                    self.last_event = now
                    out.append(frame.data)
                    return b"".join(out), frame
                case FrameKind.MALFORMED:
                    return b"".join(out), frame
                case _ as never:
                    assert_never(never)
        return b"".join(out), None

    def _usage(self, estimate: Usage | None) -> Usage | None:
        """What its provider reports; of an answer that was cut off, at least what was estimated of its output."""
        reported = self.reader.usage if self.reader else None
        if reported is None or estimate is None:
            return reported or estimate
        if estimate.output <= reported.output:
            return reported
        reasoning = max(reported.reasoning, estimate.reasoning)
        return replace(reported, output=estimate.output, reasoning=reasoning, is_estimated=True)

    def to_record(
        self,
        outcome: Outcome,
        fault: Fault | None,
        wall: float,
        now: float,
        masker: Masker,
        was_last_key: bool = False,
        estimate: Usage | None = None,
        recovery: NotContinued | None = None,
    ) -> AttemptRecord:
        """`wall` is the wall-clock time of the attempt's launch."""

        def ms(moment: float | None) -> float | None:
            return None if moment is None else round((moment - self.launched_at) * 1000, 1)

        target = self.candidate.target
        finish_reason = self.reader.finish_reason if self.reader else None
        selected = "; ".join(filter(None, (self.selection_reason, self.codec.remark if self.codec else "")))
        base_url, model_sent, why, finish = masker.texts(
            (self.base_url, self.model_sent, selected, finish_reason or "")
        )
        is_informational = outcome is Outcome.HEDGE_TRIGGERED
        usage = None if is_informational else self._usage(estimate)
        return AttemptRecord(
            n=self.n,
            provider=target.provider.name,
            base_url=base_url,
            model=target.model.id,
            model_sent=model_sent,
            redirect=self.redirect,
            key=self.candidate.key_label,
            outcome=outcome,
            status=self.status,
            error=fault.label if fault else None,
            message=masker.text(fault.message) if fault else "",
            failure=classify(fault, committed=self.first_content_at is not None) if fault else None,
            selection_reason=why,
            started=wall,
            connected_ms=ms(self.connected_at),
            first_byte_ms=ms(self.first_byte_at),
            first_content_ms=ms(self.first_content_at),
            settled_ms=ms(now),
            bytes_received=self.bytes_received,
            usage=usage,
            cost=None if is_informational else cost(usage, target.rates.get(self.model_sent), wall),
            finish_reason=finish if finish_reason else finish_reason,
            was_last_key=was_last_key,
            is_unknown_path=fault is not None and is_unknown_path(fault),
            recovery=recovery.value if recovery else None,
            continuation=self.continuation.to_record() if self.continuation else None,
        )
