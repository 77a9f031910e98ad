"""The exchange: one client request and everything done to answer it. Inputs go in with the time, effects come out;
nothing else happens.

Theory of operation. Each attempt's bytes become frames. Until one attempt shows *content*, its frames are held, and its
failures stay its own: it settles, and `_advance` (the one place that decides what to do next) launches the next
candidate or, when none is left, answers with an error. If a stream shows nothing for a while, the next candidate, of
another provider, starts beside it. The first content commits: the other attempts are cancelled, the held frames go out,
and from then on the winner's whole events pass through as they arrive. Nothing can be undone from here: a failure
ends the stream with one error frame, unless another attempt goes on with the answer, once (`recovery`). Timers are
deadlines, compared in `on_tick`; `next_tick_at` is the next one. They are paused while the client does not read.

Input for a settled attempt is ignored. The tables in `state_machines` define the legal transitions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import assert_never

from pointsman.domain.records import ExchangeRecord, Outcome
from pointsman.domain.targets import Candidate
from pointsman.exchange.attempt import Attempt
from pointsman.exchange.attempt_log import AttemptLog
from pointsman.exchange.client_request import ClientRequest, ExchangeRules, Planner
from pointsman.exchange.client_response import CLIENT_STALL_TIMEOUT, ClientResponse
from pointsman.exchange.continuation import Continuation
from pointsman.exchange.effects import Abort, Effect
from pointsman.exchange.failed_attempts import FailedAttempts, empty_answer_fault
from pointsman.exchange.limit_wait import LimitWait
from pointsman.exchange.recovery import Recovery
from pointsman.exchange.repeats import Repeat, Repeats
from pointsman.exchange.running_attempts import RunningAttempts
from pointsman.exchange.state_machines import AttemptState
from pointsman.wire.conversion.ir import Inconvertible
from pointsman.wire.errors import Code, Fault, FaultKind, Problem
from pointsman.wire.finish_reasons import gave_up, may_be_empty
from pointsman.wire.frames import Frame, FrameKind
from pointsman.wire.messages import ToolCalls
from pointsman.wire.retry_after import dated

OF_NO_PROVIDER = (FaultKind.INTERNAL, FaultKind.UNUSABLE)
"""What breaks an answer within its stream, and is not its provider's fault."""


class Exchange:
    """Call it with each input, and execute the effects it returns.

    `now` is seconds on any steady clock, the same one throughout.
    """

    def __init__(self, client_request: ClientRequest, plan: Planner, rules: ExchangeRules) -> None:
        self.client_request = client_request
        self.plan = plan
        self.rules = rules
        self.attempt_log = AttemptLog(client_request.started, rules.masker)
        self._effects: list[Effect] = []
        self._recovery = Recovery(client_request, plan, rules.stream.recover)
        self._response = ClientResponse(client_request, plan, rules, self._effects, self._recovery.seen)
        self._attempts = RunningAttempts(
            client_request, plan, self.attempt_log, self._effects, self._response.estimated_usage
        )
        self._running = self._attempts.by_number
        self._failed = FailedAttempts()
        self._repeats = Repeats(client_request, plan)
        self.limit_wait = LimitWait(plan)
        """Its `on_wake` is called when the exchange wants a tick at once."""

    # Inputs.

    def start(self, now: float) -> list[Effect]:
        """The client's request is complete."""
        self.attempt_log.started_at = now
        self._response.start(now)
        self._advance(now)
        return self._take_effects()

    def on_request_ready(self, n: int, now: float) -> list[Effect]:
        """The request of attempt `n`, which was large, is ready to be sent."""
        if attempt := self._running.get(n):
            attempt.restart_timers(now)
        return self._take_effects()

    def on_request_failed(self, n: int, why: str, now: float) -> list[Effect]:
        """The request of attempt `n` cannot be made."""
        if attempt := self._running.get(n):
            self._fail_unsent(attempt, why, now)
        return self._take_effects()

    def on_connecting(self, n: int, now: float) -> list[Effect]:
        """Attempt `n` makes a new connection, perhaps because a kept one was closed."""
        if attempt := self._running.get(n):
            attempt.on_connecting(now)
        return self._take_effects()

    def on_connected(self, n: int, now: float) -> list[Effect]:
        """Attempt `n` has a connection, new or kept."""
        if (attempt := self._running.get(n)) and attempt.state in (AttemptState.LAUNCHED, AttemptState.CONNECTED):
            attempt.on_connected(now)
        return self._take_effects()

    def on_head(self, n: int, status: int, headers: dict[str, str], now: float) -> list[Effect]:
        """The provider's status and headers, names in lower case."""
        if attempt := self._running.get(n):
            assert attempt.codec
            attempt.on_head(status, headers, attempt.codec.reader(status, headers.get("content-type", "")), now)
            self.plan.on_head(attempt.candidate, headers, now, self.attempt_log.wall_time(now))
        return self._take_effects()

    def on_data(self, n: int, data: bytes, now: float) -> list[Effect]:
        """Bytes of the provider's body, decoded, in order."""
        if attempt := self._running.get(n):
            self._handle_frames(attempt, attempt.read(data, now), now)
        return self._take_effects()

    def on_end(self, n: int, now: float) -> list[Effect]:
        """The provider's body has ended the way its framing promised."""
        if attempt := self._running.get(n):
            attempt.is_over = True
            self._close(attempt, now)
        return self._take_effects()

    def on_last_data(self, n: int, data: bytes, now: float) -> list[Effect]:
        """Both: the last bytes of the provider's body, and its end."""
        return self.on_data(n, data, now) + self.on_end(n, now)

    def on_connection_error(self, n: int, kind: FaultKind, message: str, now: float) -> list[Effect]:
        """The connection to the provider failed or broke."""
        if attempt := self._running.get(n):
            attempt.is_over = True
            self._on_provider_broken(attempt, attempt.fault_so_far(Fault(kind, message)), now)
        return self._take_effects()

    def on_tick(self, now: float) -> list[Effect]:
        """Time has passed, perhaps past `next_tick_at`."""
        if self._response.is_slow:
            if not self.ended and now >= self._response.stall_deadline:
                self._on_client_lost(now)
                self._effects.append(Abort(f"the client read nothing for {CLIENT_STALL_TIMEOUT:g} s"))
            return self._take_effects()
        if self._content_due is not None and now >= self._content_due and not self._attempts.winner:
            asked = f"{self.client_request.facts.options.timeout:g} s, as the request asks"
            problem = Problem(Code.UPSTREAM_TIMEOUT, f"No content within {asked}.")
            return self.fail_with(problem, now, FaultKind.CLIENT_TIMEOUT)
        for attempt in self._attempts:
            self._tick_attempt(attempt, now)
        for attempt in self._attempts:
            self._hedge(attempt, now)
        if self.limit_wait.due is not None and now >= self.limit_wait.due:
            self._advance(now)
        if not self.ended:
            self._response.on_tick(now)
        return self._take_effects()

    def on_client_backlog(self, waiting: int, now: float) -> list[Effect]:
        """Called with the number of bytes that wait to be written to the client. While it is slow, only its own timeout
        runs.
        """
        if paused_for := self._response.on_backlog(waiting, now):
            for attempt in self._running.values():
                attempt.pause(paused_for, now)
        return self._take_effects()

    def on_client_disconnected(self, now: float) -> list[Effect]:
        """The client has disconnected, which is no attempt's fault."""
        if not self.ended:
            self._on_client_lost(now)
        return self._take_effects()

    def fail_with(self, problem: Problem, now: float, kind: FaultKind = FaultKind.INTERNAL) -> list[Effect]:
        """The router cannot continue: the exchange ends with this error, and no provider is charged."""
        if not self.ended:
            self.limit_wait.end(now)
            self._attempts.settle_all(Outcome.RETRY_FAILED, now, Fault(kind, problem.message))
            self._response.send_error(problem, self.attempt_log.settled(), now)
        return self._take_effects()

    def report_answer(self, now: float) -> ToolCalls:
        """Hand the finished answer to the plan. Called after the client has been served. Returns the answer's calls."""
        return self._response.report_answer(now)

    # What others may ask.

    @property
    def ended(self) -> bool:
        return self._response.ended

    @property
    def next_tick_at(self) -> float | None:
        """When the next `on_tick` is wanted; None when nothing is in flight."""
        if self.ended:
            return None
        if self._response.is_slow:
            return self._response.stall_deadline
        return min(self._deadlines(), default=None)

    @property
    def is_paused(self) -> bool:
        """The client does not read, and no timer runs but its own."""
        return self._response.is_slow

    @property
    def running_candidates(self) -> Sequence[Candidate]:
        return [attempt.candidate for attempt in self._running.values()]

    @property
    def winner_number(self) -> int | None:
        """The number of the attempt that the client sees."""
        return self._attempts.winner.n if self._attempts.winner else None

    def held_bytes(self, n: int) -> int:
        """Bytes of attempt `n` that wait for the rest of an event, or of a whole answer."""
        attempt = self._running.get(n)
        return attempt.held_bytes if attempt else 0

    def to_record(self) -> ExchangeRecord:
        """What is known of the exchange; final once it has ended."""
        return self.attempt_log.exchange_record(self.client_request, self.plan, self._response, self.limit_wait.waited)

    # What now?

    def _advance(self, now: float) -> None:
        """The one place that decides how an exchange without a winner goes on."""
        if self.ended or self._attempts.winner:
            return
        candidate = self._next_candidate(now)
        if not self._running and self._waits_on(candidate, now):
            return
        if candidate:
            self._launch(candidate, now)
        elif not self._running:
            self.limit_wait.end(now)
            self._end_without_candidates(now)

    def _waits_on(self, candidate: Candidate | None, now: float) -> bool:
        """The exchange waits rather than take this candidate. What failed before that no longer decides its answer."""
        if self._is_late(now) or (candidate and not self.plan.is_worth_a_wait(candidate, now)):
            return False
        ends = (self.attempt_log.started_at + self.rules.deadline, self._content_due)
        return self.limit_wait.go_on(min(end for end in ends if end is not None), now)

    def _end_without_candidates(self, now: float) -> None:
        """No candidate is left."""
        if empty := self._failed.empty_answer():
            attempt, data = empty
            self._response.start_answer(attempt, data, self.attempt_log.others(attempt), now)
            self._response.end(now)
        elif refusal := self._failed.refusal():
            attempt, fault = refusal
            self._response.relay_client_error(attempt, fault, self.attempt_log.others(attempt), now)
        elif self.client_request.own_answer is not None:
            self._response.send_own_answer(self.client_request.own_answer, self.attempt_log.settled(), now)
        else:
            self._response.send_error(
                self.plan.final_error(now, self.attempt_log.wall_time(now)), self.attempt_log.settled(), now
            )

    def _next_candidate(self, now: float) -> Candidate | None:
        return None if self._is_late(now) else self.plan.next_candidate(now, self.running_candidates)

    def _is_late(self, now: float) -> bool:
        """Nothing is launched any more."""
        too_late = now - self.attempt_log.started_at >= self.rules.deadline
        return too_late or self._attempts.launched >= self.rules.max_attempts

    def _hedge(self, attempt: Attempt, now: float) -> None:
        """Starts another attempt beside a stream that is slow to begin, if the limit allows it."""
        if attempt.hedge_at is None or now < attempt.hedge_at or self._attempts.winner or self.ended:
            return
        attempt.hedge_at = None
        if self._attempts.may_hedge(attempt) and (candidate := self._next_candidate(now)):
            self._attempts.on_hedged(attempt, now)
            self._launch(candidate, now)

    def _launch(self, candidate: Candidate, now: float, repeat: Repeat | None = None) -> None:
        attempt = self._attempts.launch(candidate, now, repeat)
        self.limit_wait.end(now)  # only now: the next in line has to see this one run
        try:
            self._attempts.send_request(attempt)
        except Inconvertible as error:
            self._fail_unsent(attempt, str(error), now)

    def _fail_unsent(self, attempt: Attempt, why: str, now: float) -> None:
        """Its provider is sent nothing."""
        attempt.is_over = True
        self._fail(attempt, Fault(FaultKind.INCONVERTIBLE, why), now)

    # Frames.

    def _handle_frames(self, attempt: Attempt, frames: Sequence[Frame], now: float) -> None:
        for place, frame in enumerate(frames):
            if attempt.state is AttemptState.WINNER:
                self._relay(attempt, frames[place:], now)
                return
            if attempt.state is AttemptState.SETTLED:
                return
            self._handle_early_frame(attempt, frame, now)

    def _handle_early_frame(self, attempt: Attempt, frame: Frame, now: float) -> None:
        """A frame before commit: it is held, it commits, or it is the attempt's failure."""
        match frame.kind:
            case FrameKind.PING:
                pass
            case FrameKind.NEUTRAL:
                if not attempt.hold_back(frame.data):
                    self._fail(attempt, Fault(FaultKind.MALFORMED, "too much data before the first content"), now)
            case FrameKind.CONTENT:
                self._commit(attempt, frame.data, now)
            case FrameKind.ERROR | FrameKind.MALFORMED:
                assert frame.fault
                self._fail(attempt, frame.fault, now)
            case FrameKind.END:
                self._handle_empty_answer(attempt, frame.data, now)
            case _ as never:
                assert_never(never)

    def _handle_empty_answer(self, attempt: Attempt, data: bytes, now: float) -> None:
        """A whole answer without content. Cut short by a limit or a filter it is the answer; with any other ending it
        is a failure, and one of the model alone where the ending has a word of its own.
        """
        assert attempt.reader
        finish = attempt.reader.finish_reason
        if may_be_empty(finish):
            self._commit(attempt, data, now)
            self._complete(attempt, now)
            return
        if finish and not gave_up(finish):
            self._failed.empty_answers.append((attempt, attempt.take_held() + data))
        self._fail(attempt, empty_answer_fault(finish), now)

    def _close(self, attempt: Attempt, now: float) -> None:
        """The body has ended, or its provider keeps it open behind a whole answer."""
        assert attempt.reader
        self._handle_frames(attempt, attempt.reader.close(), now)
        if attempt.n in self._running:
            self._handle_silent_end(attempt, now)

    def _handle_silent_end(self, attempt: Attempt, now: float) -> None:
        """The body ended without an end frame."""
        assert attempt.reader
        if attempt.state is AttemptState.WINNER and attempt.reader.finished:
            self._complete(attempt, now)
        elif attempt.reader.finished:
            self._handle_empty_answer(attempt, b"", now)
        else:
            self._on_provider_broken(attempt, Fault(FaultKind.BROKEN, "the answer ended without a finish reason"), now)

    def _relay(self, attempt: Attempt, frames: Sequence[Frame], now: float) -> None:
        """The winner's frames go out as they are, in one piece for one read."""
        data, last = attempt.relay(frames, self.rules.masker, now)
        words = self.rules.masker.data(last.data) if last and last.kind is FrameKind.ERROR else b""
        may_go_on = self._recovery.seen is not None
        self._response.send_provider_data(data if may_go_on else data + words, now)
        if last is None:
            return
        if last.kind is FrameKind.END:
            self._complete(attempt, now)
        elif last.kind is FrameKind.ERROR:
            assert last.fault
            self._end_broken(attempt, last.fault, now, words if may_go_on else b"", is_told=bool(words))
        else:
            self._on_provider_broken(attempt, last.fault or Fault(FaultKind.BROKEN), now)

    # Commit and endings.

    def _commit(self, attempt: Attempt, data: bytes, now: float) -> None:
        """From here the client sees this attempt, and no other."""
        self._attempts.commit(attempt, now)
        self.client_request.facts.forget_document()
        if attempt.continuation:
            self._response.continue_answer(attempt, attempt.continuation.characters, data, now)
            return
        if answer_id := _answer_id(attempt):
            self.plan.on_answer_begun(answer_id, attempt.candidate, now)
        self._response.start_answer(attempt, attempt.take_held() + data, self.attempt_log.others(attempt), now)

    def _complete(self, attempt: Attempt, now: float) -> None:
        """The winner's answer is whole."""
        if attempt.reader and attempt.reader.opening and not attempt.continuation:
            self.plan.on_answer_id(_answer_id(attempt), attempt.candidate, now)
        self._attempts.complete(attempt, now)
        self._response.end(now)

    def _fail(self, attempt: Attempt, fault: Fault, now: float) -> None:
        """An attempt failed before its commit.

        The next one follows, unless the request itself is invalid.
        """
        if attempt.continuation:
            self._give_up(attempt, fault, now)
            return
        if repeat := self._repeats.after(attempt, fault, now):
            self._repeat(attempt, fault, repeat, now)
            return
        fault = replace(fault, model=attempt.model_sent)
        fault = dated(fault, attempt.headers, self.attempt_log.wall_time(now))
        if self.plan.is_refusal(fault):
            self._failed.add_refusal(attempt, fault)
        else:
            self._failed.count += 1
        if not self.plan.is_final(fault):
            self._attempts.settle(attempt, Outcome.RETRY_FAILED, fault, now)
            self._advance(now)
            return
        self._attempts.settle(attempt, Outcome.CLIENT_ERROR_NON_RETRYABLE, fault, now)
        self._attempts.settle_all(Outcome.HEDGE_LOSER_CANCELLED, now)
        self._response.relay_client_error(attempt, fault, self.attempt_log.others(attempt), now)

    def _repeat(self, attempt: Attempt, fault: Fault, repeat: Repeat, now: float) -> None:
        """The provider is asked once more, without what it has refused."""
        if not repeat.sends_signed_parts and attempt.sends_signed_parts:
            self._failed.add_refusal(attempt, fault)
        self._attempts.settle(attempt, Outcome.RETRY_FAILED, fault, now, is_ours=True)
        self._launch(attempt.candidate, now, repeat)

    def _on_provider_broken(self, attempt: Attempt, fault: Fault, now: float) -> None:
        """A provider broke off.

        Before commit that is a failure like any other; after it, an answer that was already whole stays whole.
        """
        if attempt.state is not AttemptState.WINNER:
            self._fail(attempt, fault, now)
        elif attempt.reader and attempt.reader.finished:
            self._close(attempt, now)
        else:
            self._end_broken(attempt, fault, now)

    def _end_broken(self, attempt: Attempt, fault: Fault, now: float, said: bytes = b"", is_told: bool = False) -> None:
        """The winner's answer broke off. Another attempt goes on with it; or the client gets an error frame, unless the
        provider's own has told it: what it `said` goes out now.
        """
        fault = dated(fault, attempt.headers, self.attempt_log.wall_time(now))
        step = self._recovery.after(attempt, fault, now)
        if fault.kind is FaultKind.STALLED:
            outcome, code = Outcome.STREAM_STALLED, Code.STREAM_TIMEOUT
        else:
            outcome, code = Outcome.STREAM_BROKEN, Code.STREAM_BROKEN
            if fault.kind not in OF_NO_PROVIDER:
                fault = replace(fault, kind=FaultKind.BROKEN)
        problem = Problem(code, f"The provider's answer was interrupted: {fault.message or fault.label}.")
        if isinstance(step, Continuation):
            self._attempts.settle(attempt, outcome, fault, now)
            self._recovery.problem, self._recovery.said = problem, said
            self._go_on(step, now)
        else:
            self._attempts.settle(attempt, outcome, fault, now, recovery=step)
            self._response.end_broken(problem, now, said, is_told)

    def _go_on(self, continuation: Continuation, now: float) -> None:
        """Another attempt starts, behind the one that broke. Its first words are awaited like those of any other."""
        attempt = self._attempts.launch(continuation.candidate, now, None, continuation)
        try:
            self._attempts.send_request(attempt)
        except Inconvertible as error:
            self._fail_unsent(attempt, str(error), now)

    def _give_up(self, attempt: Attempt, fault: Fault, now: float) -> None:
        """The attempt that was to go on has failed: the answer ends as it broke off."""
        fault = dated(replace(fault, model=attempt.model_sent), attempt.headers, self.attempt_log.wall_time(now))
        self._attempts.settle(attempt, Outcome.RETRY_FAILED, fault, now)
        assert self._recovery.problem
        said = self._recovery.said
        self._response.end_broken(self._recovery.problem, now, said, is_told=bool(said))

    def _on_client_lost(self, now: float) -> None:
        self._attempts.settle_all(Outcome.CLIENT_ABORT, now)
        self.limit_wait.end(now)
        self._response.on_client_disconnected(now)

    # Time.

    @property
    def _content_due(self) -> float | None:
        """By when the client wants the first content; None: it has not said so."""
        timeout = self.client_request.facts.options.timeout
        return None if timeout is None else self.attempt_log.started_at + timeout

    def _deadlines(self) -> Iterator[float]:
        if self.limit_wait.due is not None:
            yield self.limit_wait.due
        if self._content_due is not None and not self._attempts.winner:
            yield self._content_due
        for attempt in self._running.values():
            yield attempt.stall_deadline() if attempt is self._attempts.winner else attempt.deadline()
        yield from self._response.deadlines()

    def _tick_attempt(self, attempt: Attempt, now: float) -> None:
        if attempt.state is AttemptState.SETTLED:
            return
        if attempt.has_ended_silently(now):
            self._close(attempt, now)
        elif attempt is not self._attempts.winner:
            if fault := attempt.timeout_fault(self.client_request.facts.stream, now):
                self._fail(attempt, fault, now)
        elif now >= attempt.stall_deadline():
            self._on_provider_broken(
                attempt, Fault(FaultKind.STALLED, f"no data for {attempt.timeouts.stall:g} s"), now
            )

    # Small things.

    def _take_effects(self) -> list[Effect]:
        effects = self._effects.copy()
        self._effects.clear()
        return effects


def _answer_id(attempt: Attempt) -> str:
    """What the provider calls its answer; empty if it has not said so."""
    opening = attempt.reader.opening if attempt.reader else None
    return str(opening.answer.get("id") or "") if opening else ""
