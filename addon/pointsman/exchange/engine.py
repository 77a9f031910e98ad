"""The exchange: one client request and everything done to answer it. Inputs go in with the time, effects come out;
nothing else happens.

Theory of operation. Each attempt's bytes become frames. Until one attempt shows *content*, its frames are held, and
whatever goes wrong is that attempt's own affair: it settles, and `_advance` (the one place that asks "what now?")
launches the next candidate or, when none is left, lets the router speak for itself. A stream that shows nothing for a
while gets company: the next candidate, of another provider, starts beside it. The first content commits: the other
attempts are cancelled, the held frames go out, and from then on the winner's whole events pass through as they
come. From here nothing can be taken back, so what breaks now ends in one error frame. Timers are dates, compared in
`tick`; `deadline` names the next one. They stand still while the client does not read.

An input about an attempt that has settled is a late word and changes nothing. The tables in `lifecycle` say which
moves exist.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pointsman.exchange.attempt import Attempt
from pointsman.exchange.audit import AttemptRecord, ExchangeRecord, Outcome
from pointsman.exchange.call import Call, Planner, Rules
from pointsman.exchange.effects import Abort, Cancel, Effect, Launch, Outbound, Release, Settled
from pointsman.exchange.front import CLIENT_PATIENCE, ClientFront
from pointsman.exchange.lifecycle import AttemptMove, Phase
from pointsman.exchange.setbacks import Setbacks
from pointsman.routing.targets import Candidate
from pointsman.wire.error_reader import ErrorReader
from pointsman.wire.faults import Code, Fault, FaultKind, Problem
from pointsman.wire.frames import Frame, FrameKind, Reader
from pointsman.wire.headers import completed
from pointsman.wire.waits import dated


class Exchange:
    """Feed it what happens, carry out what it returns.

    `now` is seconds on any steady clock, the same one throughout.
    """

    def __init__(self, call: Call, plan: Planner, rules: Rules) -> None:
        self.call = call
        self.plan = plan
        self.rules = rules
        self.records: list[AttemptRecord] = []
        self._effects: list[Effect] = []
        self._front = ClientFront(call, plan, rules, self._effects)
        self._running: dict[int, Attempt] = {}
        self._winner: Attempt | None = None
        self._raced = False
        """There was, at some time before commit, a reason to run two attempts beside each other."""
        self._launched = 0
        self._setbacks = Setbacks()
        self._began = 0.0

    # Inputs.

    def begin(self, now: float) -> list[Effect]:
        """The client's request is whole."""
        self._began = now
        self._front.begin(now)
        self._advance(now)
        return self._take_effects()

    def dialling(self, n: int, now: float) -> list[Effect]:
        """Attempt `n` makes a new connection, perhaps because a kept one was closed."""
        if attempt := self._running.get(n):
            attempt.dial(now)
        return self._take_effects()

    def connected(self, n: int, now: float) -> list[Effect]:
        """Attempt `n` has a connection, new or kept."""
        if (attempt := self._running.get(n)) and attempt.phase in (Phase.LAUNCHED, Phase.CONNECTED):
            attempt.connect(now)
        return self._take_effects()

    def head(self, n: int, status: int, headers: dict[str, str], now: float) -> list[Effect]:
        """The provider's status and headers, names in lower case."""
        if attempt := self._running.get(n):
            attempt.head(status, headers, self._reader(status, headers), now)
            self.plan.heard(attempt.candidate, headers, now, self._wall(now))
        return self._take_effects()

    def data(self, n: int, data: bytes, now: float) -> list[Effect]:
        """Bytes of the provider's body, decoded, in order."""
        if attempt := self._running.get(n):
            self._take_frames(attempt, attempt.read(data), now)
        return self._take_effects()

    def end(self, n: int, now: float) -> list[Effect]:
        """The provider's body has ended the way its framing promised."""
        if attempt := self._running.get(n):
            attempt.over = True
            assert attempt.reader
            self._take_frames(attempt, attempt.reader.close(), now)
            if attempt.n in self._running:
                self._take_silent_end(attempt, now)
        return self._take_effects()

    def failed(self, n: int, kind: FaultKind, message: str, now: float) -> list[Effect]:
        """The connection to the provider failed or broke."""
        if attempt := self._running.get(n):
            attempt.over = True
            self._break_off(attempt, attempt.fault_so_far(Fault(kind, message)), now)
        return self._take_effects()

    def tick(self, now: float) -> list[Effect]:
        """Time has passed, perhaps past `deadline`."""
        if self._front.is_slow:
            if not self.ended and now >= self._front.patience_ends:
                self._lose_client(now)
                self._effects.append(Abort(f"the client took nothing for {CLIENT_PATIENCE:g} s"))
            return self._take_effects()
        for attempt in list(self._running.values()):
            self._tick_attempt(attempt, now)
        for attempt in list(self._running.values()):
            self._hedge(attempt, now)
        if not self.ended:
            self._front.tick(now)
        return self._take_effects()

    def client_slow(self, waiting: int, now: float) -> list[Effect]:
        """So many bytes wait to be written to the client. While it is slow, only its own patience runs out."""
        if stood := self._front.slow(waiting, now):
            for attempt in self._running.values():
                attempt.stand_still(stood, now)
        return self._take_effects()

    def client_gone(self, now: float) -> list[Effect]:
        """The client has left. Nobody is to blame."""
        if not self.ended:
            self._lose_client(now)
        return self._take_effects()

    def give_up(self, problem: Problem, now: float) -> list[Effect]:
        """The router cannot go on with this: it says so itself and blames nobody."""
        if not self.ended:
            self._settle_all(Outcome.RETRY_FAILED, now, Fault(FaultKind.INTERNAL, problem.message))
            self._front.speak(problem, self._attempts(), now)
        return self._take_effects()

    # What others may ask.

    @property
    def ended(self) -> bool:
        return self._front.ended

    @property
    def deadline(self) -> float | None:
        """When the next `tick` is wanted; None when nothing is in flight."""
        if self.ended:
            return None
        if self._front.is_slow:
            return self._front.patience_ends
        return min(self._dates(), default=None)

    @property
    def stands_still(self) -> bool:
        """The client does not read, and no timer runs but its own."""
        return self._front.is_slow

    @property
    def running(self) -> Sequence[Candidate]:
        return [attempt.candidate for attempt in self._running.values()]

    @property
    def winning(self) -> int | None:
        """The number of the attempt that the client sees."""
        return self._winner.n if self._winner else None

    def record(self) -> ExchangeRecord:
        """What is known of the exchange; final once it has ended."""
        facts, ended = self.call.facts, self._front.ended_at
        return ExchangeRecord(
            request_id=self.call.request_id,
            session=self.plan.session,
            sticky=self.plan.stickiness(self._front.answered),
            mode=self.plan.mode,
            model=facts.model or "auto",
            status=self._front.status,
            error=self._front.error,
            started=self.call.started,
            ended_ms=round((ended - self._began) * 1000, 1),
            streamed=facts.stream,
            attempts=tuple(self.records),
            excluded=tuple(self.plan.excluded(ended, self._wall(ended))),
        )

    # What now?

    def _advance(self, now: float) -> None:
        """The one place that decides how an exchange without a winner goes on."""
        if self.ended or self._winner:
            return
        if candidate := self._next_candidate(now):
            self._launch(candidate, now)
        elif not self._running:
            self._give_in(now)

    def _give_in(self, now: float) -> None:
        """Nobody is left."""
        if empty := self._setbacks.empty_answer():
            attempt, data = empty
            self._front.open(attempt, data, self._passed_over(attempt), now)
            self._front.end(now)
        elif refusal := self._setbacks.refusal():
            attempt, fault = refusal
            self._front.pass_client_error(attempt, fault, self._passed_over(attempt), now)
        elif self.call.fallback is not None:
            self._front.answer_ourselves(self.call.fallback, self._attempts(), now)
        else:
            self._front.speak(self.plan.exhausted(now, self._wall(now)), self._attempts(), now)

    def _next_candidate(self, now: float) -> Candidate | None:
        if self._launched >= self.rules.max_attempts or now - self._began >= self.rules.deadline:
            return None
        return self.plan.next(now, self.running)

    def _hedge(self, attempt: Attempt, now: float) -> None:
        """A stream that is slow to begin gets company, as long as there is room for one more."""
        if attempt.hedge_due is None or now < attempt.hedge_due or self._winner or self.ended:
            return
        attempt.hedge_due = None
        if attempt.n not in self._running or len(self._running) >= attempt.max_parallel:
            return
        if candidate := self._next_candidate(now):
            attempt.hedged = True
            self.records.append(self._record(attempt, Outcome.HEDGE_TRIGGERED, None, now))
            self._launch(candidate, now)

    def _launch(self, candidate: Candidate, now: float) -> None:
        self._launched += 1
        target, dialect, facts = candidate.target, self.call.dialect, self.call.facts
        base_url = target.address(dialect.name)
        assert base_url
        attempt = Attempt(self._launched, candidate, base_url, target.provider.timeouts, facts.stream, now)
        attempt.why = self.plan.why(candidate, now, self._wall(now))
        attempt.redirect = self.plan.redirect(candidate)
        if facts.stream and (after := self.plan.hedge_after(candidate, self._wall(now))) is not None:
            attempt.hedge_due = now + after
        self._running[attempt.n] = attempt
        self.plan.launched(attempt.n, candidate, now)
        body, path = dialect.outbound(self.call.body, facts, attempt.model_sent)
        auth = dialect.auth_headers(candidate.key.value.get_secret_value()) if candidate.key else []
        headers = (*completed(self.call.headers, dialect.own_headers), ("Accept-Encoding", "identity"), *auth)
        self._effects.append(Launch(attempt.n, Outbound(base_url + path, headers, body)))

    # Frames.

    def _reader(self, status: int, headers: dict[str, str]) -> Reader:
        dialect, content_type = self.call.dialect, headers.get("content-type", "")
        if 200 <= status < 300:
            return dialect.reader(self.call.facts, content_type)
        return ErrorReader(dialect, status, content_type)

    def _take_frames(self, attempt: Attempt, frames: Sequence[Frame], now: float) -> None:
        for place, frame in enumerate(frames):
            if attempt.phase is Phase.WINNER:
                self._relay(attempt, frames[place:], now)
                return
            if attempt.phase is Phase.SETTLED:
                return
            self._weigh(attempt, frame, now)

    def _weigh(self, attempt: Attempt, frame: Frame, now: float) -> None:
        """A frame before commit: it is held, it commits, or it is the attempt's failure."""
        match frame.kind:
            case FrameKind.PING:
                pass
            case FrameKind.NEUTRAL:
                if not attempt.hold(frame.data):
                    self._fail(attempt, Fault(FaultKind.MALFORMED, "too much before the first content"), now)
            case FrameKind.CONTENT:
                self._commit(attempt, frame.data, now)
            case FrameKind.ERROR | FrameKind.MALFORMED:
                assert frame.fault
                self._fail(attempt, frame.fault, now)
            case FrameKind.END:
                self._take_empty(attempt, frame.data, now)

    def _take_empty(self, attempt: Attempt, data: bytes, now: float) -> None:
        """A whole answer without content. Cut short by a limit or a filter it is the answer; a plain stop is a
        failure.
        """
        assert attempt.reader
        finish = attempt.reader.finish_reason
        if finish not in (None, "stop"):
            self._commit(attempt, data, now)
            self._conclude(attempt, now)
            return
        if finish == "stop":
            self._setbacks.empties.append((attempt, attempt.take_held() + data))
        self._fail(attempt, Fault(FaultKind.EMPTY, "the answer had no content"), now)

    def _take_silent_end(self, attempt: Attempt, now: float) -> None:
        """The body ended, and no frame said so."""
        assert attempt.reader
        if attempt.phase is Phase.WINNER and attempt.reader.finished:
            self._conclude(attempt, now)
        elif attempt.reader.finished:
            self._take_empty(attempt, b"", now)
        else:
            self._break_off(attempt, Fault(FaultKind.BROKEN, "the answer ended without a finish reason"), now)

    def _relay(self, attempt: Attempt, frames: Sequence[Frame], now: float) -> None:
        """The winner's frames go out as they are, in one piece for one read."""
        out: list[bytes] = []
        last: Frame | None = None
        for frame in frames:
            if frame.kind is FrameKind.MALFORMED:
                last = frame
                break
            if frame.kind is FrameKind.PING:
                attempt.last_ping = now
            else:
                attempt.last_event = now
            out.append(self.rules.masker.data(frame.data) if frame.kind is FrameKind.ERROR else frame.data)
            if frame.kind is FrameKind.ERROR or frame.kind is FrameKind.END:
                last = frame
                break
        self._front.show(b"".join(out), now)
        if last is None:
            return
        if last.kind is FrameKind.END:
            self._conclude(attempt, now)
        elif last.kind is FrameKind.ERROR:
            assert last.fault
            self._end_broken(attempt, last.fault, now, has_said_so=True)
        else:
            self._break_off(attempt, Fault(FaultKind.BROKEN, last.fault.message if last.fault else ""), now)

    # Endings of attempts.

    def _commit(self, attempt: Attempt, data: bytes, now: float) -> None:
        """From here the client sees this attempt, and no other."""
        attempt.commit(now)
        self._winner = attempt
        self._raced = len(self._running) > 1 or any(record.is_informational for record in self.records)
        for other in [each for each in self._running.values() if each is not attempt]:
            self._settle(other, Outcome.HEDGE_LOSER_CANCELLED, None, now)
        self.plan.committed(attempt.candidate, now, attempt.hedged)
        self._front.open(attempt, attempt.take_held() + data, self._passed_over(attempt), now)

    def _conclude(self, attempt: Attempt, now: float) -> None:
        """The winner's answer is whole."""
        passed = self._passed_over(attempt)
        if attempt.reader and attempt.reader.opening:
            self.plan.answer_named(str(attempt.reader.opening.answer.get("id") or ""))
        unraced = Outcome.RETRY_SUCCESS if passed else Outcome.REQUEST_SUCCESS
        outcome = Outcome.HEDGE_WINNER if self._raced else unraced
        self._settle(attempt, outcome, None, now)
        self._front.end(now)

    def _fail(self, attempt: Attempt, fault: Fault, now: float) -> None:
        """An attempt that the client has seen nothing of has failed.

        The next one follows, unless the request itself is at fault.
        """
        fault = dated(fault, attempt.headers, self._wall(now))
        self._setbacks.faults += 1
        if self.plan.is_refusal(fault):
            self._setbacks.refusals.append((attempt, fault))
        if not self.plan.is_final(fault):
            self._settle(attempt, Outcome.RETRY_FAILED, fault, now)
            self._advance(now)
            return
        self._settle(attempt, Outcome.CLIENT_ERROR_NON_RETRYABLE, fault, now)
        self._settle_all(Outcome.HEDGE_LOSER_CANCELLED, now)
        self._front.pass_client_error(attempt, fault, self._passed_over(attempt), now)

    def _break_off(self, attempt: Attempt, fault: Fault, now: float) -> None:
        """A provider broke off.

        Before commit that is a failure like any other; after it, an answer that was already whole stays whole.
        """
        if attempt.phase is not Phase.WINNER:
            self._fail(attempt, fault, now)
        elif attempt.reader and attempt.reader.finished:
            self._conclude(attempt, now)
        else:
            self._end_broken(attempt, fault, now)

    def _end_broken(self, attempt: Attempt, fault: Fault, now: float, has_said_so: bool = False) -> None:
        """The winner's answer stays half an answer, and the client is told, unless the provider has done so."""
        if fault.kind is FaultKind.STALLED:
            outcome, code = Outcome.STREAM_STALLED, Code.STREAM_TIMEOUT
        else:
            outcome, code, fault = Outcome.STREAM_BROKEN, Code.STREAM_BROKEN, replace(fault, kind=FaultKind.BROKEN)
        self._settle(attempt, outcome, fault, now)
        problem = Problem(code, f"The provider's answer broke off: {fault.message or fault.label}.")
        self._front.end_broken(problem, now, has_said_so)

    def _settle(self, attempt: Attempt, outcome: Outcome, fault: Fault | None, now: float) -> None:
        attempt.move(AttemptMove.SETTLE)
        del self._running[attempt.n]
        if not attempt.over:
            whole = attempt.reader is not None and attempt.reader.finished
            self._effects.append(Release(attempt.n) if whole else Cancel(attempt.n))
        record = self._record(attempt, outcome, fault, now)
        self.records.append(record)
        self._effects.append(Settled(record, self.plan.settled(attempt.candidate, record, fault, now)))

    def _settle_all(self, outcome: Outcome, now: float, fault: Fault | None = None) -> None:
        for attempt in list(self._running.values()):
            self._settle(attempt, outcome, fault, now)

    def _lose_client(self, now: float) -> None:
        self._settle_all(Outcome.CLIENT_ABORT, now)
        self._front.lose(now)

    # Time.

    def _dates(self) -> Iterator[float]:
        for attempt in self._running.values():
            yield attempt.stall_due() if attempt is self._winner else attempt.due()
        yield from self._front.dates()

    def _tick_attempt(self, attempt: Attempt, now: float) -> None:
        if attempt.phase is Phase.SETTLED:
            return
        if attempt is not self._winner:
            if fault := attempt.late(self.call.facts.stream, now):
                self._fail(attempt, fault, now)
        elif now >= attempt.stall_due():
            self._break_off(attempt, Fault(FaultKind.STALLED, f"no data for {attempt.timeouts.stall:g} s"), now)

    # Small things.

    def _passed_over(self, attempt: Attempt) -> list[AttemptRecord]:
        return [record for record in self._attempts() if record.n != attempt.n]

    def _attempts(self) -> list[AttemptRecord]:
        """How those that have ended did."""
        return [record for record in self.records if not record.is_informational]

    def _record(self, attempt: Attempt, outcome: Outcome, fault: Fault | None, now: float) -> AttemptRecord:
        return attempt.record(outcome, fault, self._wall(attempt.launched), now, self.rules.masker)

    def _wall(self, moment: float) -> float:
        return self.call.started + (moment - self._began)

    def _take_effects(self) -> list[Effect]:
        effects = self._effects.copy()
        self._effects.clear()
        return effects
