"""The exchange: one client request and everything done to answer it. Inputs go in with the time, effects come out; nothing else happens.

Theory of operation. Each attempt's bytes become frames. Until one attempt shows *content*, its frames are held, and whatever goes wrong
is that attempt's own affair: it settles, and `_advance` (the one place that asks "what now?") launches the next candidate or, when none
is left, lets the router speak for itself. The first content commits: the other attempts are cancelled, the held frames go out, and from
then on the winner's whole events pass through as they come. From here nothing can be taken back, so what breaks now ends in one error
frame. Timers are dates, compared in `tick`; `deadline` names the next one. They stand still while the client does not read.

An input about an attempt that has settled is a late word and changes nothing. The tables in `lifecycle` say which moves exist.
"""

from collections.abc import Iterator, Sequence

from pointsman.exchange.answer import SSE_HEADERS, body_headers, retry_after_headers, routing_headers, trail
from pointsman.exchange.attempt import Attempt
from pointsman.exchange.audit import AttemptRecord, ExchangeRecord, Outcome
from pointsman.exchange.call import Call, Planner, Rules
from pointsman.exchange.effects import Abort, Cancel, Effect, End, Launch, Outbound, Release, Respond, Send, Settled
from pointsman.exchange.lifecycle import FRONT, AttemptMove, Front, FrontMove, Phase, move
from pointsman.routing.targets import Candidate, Target
from pointsman.wire.error_reader import ErrorReader
from pointsman.wire.faults import Code, Fault, FaultKind, Problem
from pointsman.wire.frames import Frame, FrameKind, Reader
from pointsman.wire.headers import retry_after, to_client

HIGH_WATER = 64 * 1024
"""Bytes waiting to be written to the client above which it counts as slow."""
CLIENT_PATIENCE = 300.0
"""Seconds after which a client that takes nothing is given up."""


class Exchange:
    """Feed it what happens, carry out what it returns. `now` is seconds on any steady clock, the same one throughout."""

    def __init__(self, call: Call, plan: Planner, rules: Rules) -> None:
        self.call = call
        self.plan = plan
        self.rules = rules
        self.records: list[AttemptRecord] = []
        self.status: int | None = None
        self.error: str | None = None
        self._front = Front.SILENT
        self._running: dict[int, Attempt] = {}
        self._winner: Attempt | None = None
        self._launched = 0
        self._faults: list[Fault] = []
        self._empty_answer: tuple[Attempt, bytes] | None = None
        self._began = 0.0
        self._ended = 0.0
        self._last_sent = 0.0
        self._early_due: float | None = None
        self._slow_since: float | None = None
        self._waiting = 0
        self._progress = 0.0
        self._effects: list[Effect] = []

    # Inputs.

    def begin(self, now: float) -> list[Effect]:
        """The client's request is whole."""
        self._began = now
        if self.call.facts.stream and self.rules.stream.early_headers is not None:
            self._early_due = now + self.rules.stream.early_headers
        self._advance(now)
        return self._take_effects()

    def connected(self, n: int, now: float) -> list[Effect]:
        """Attempt `n` has a connection, new or kept."""
        if (attempt := self._running.get(n)) and attempt.phase in (Phase.LAUNCHED, Phase.CONNECTED):
            attempt.connect(now)
        return self._take_effects()

    def head(self, n: int, status: int, headers: dict[str, str], now: float) -> list[Effect]:
        """The provider's status and headers, names in lower case."""
        if attempt := self._running.get(n):
            attempt.head(status, headers, self._reader(status, headers, now), now)
        return self._take_effects()

    def data(self, n: int, data: bytes, now: float) -> list[Effect]:
        """Bytes of the provider's body, decoded, in order."""
        if attempt := self._running.get(n):
            self._take_frames(attempt, attempt.read(data, now), now)
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
        if self._slow_since is not None:
            if now >= self._progress + CLIENT_PATIENCE:
                self._lose_client(now)
                self._effects.append(Abort(f"the client took nothing for {CLIENT_PATIENCE:g} s"))
        elif self._front is not Front.ENDED:
            self._tick_attempts(now)
            self._tick_front(now)
        return self._take_effects()

    def client_slow(self, waiting: int, now: float) -> list[Effect]:
        """So many bytes wait to be written to the client. While it is slow, only its own patience runs out."""
        if waiting > HIGH_WATER:
            if self._slow_since is None:
                self._slow_since = self._progress = now
            elif waiting < self._waiting:
                self._progress = now
        elif self._slow_since is not None:
            self._stand_still(now - self._slow_since)
            self._slow_since = None
        self._waiting = waiting
        return self._take_effects()

    def client_gone(self, now: float) -> list[Effect]:
        """The client has left. Nobody is to blame."""
        self._lose_client(now)
        return self._take_effects()

    def crashed(self, now: float) -> list[Effect]:
        """Routing itself failed: end the exchange, blame nobody."""
        if self._front is Front.ENDED:
            return self._take_effects()
        self._settle_all(Outcome.CLIENT_ABORT, now)
        self._speak(Problem(Code.INTERNAL_ERROR, f"The router failed on this request; its log has more under {self.call.request_id}."), now)
        return self._take_effects()

    # What others may ask.

    @property
    def ended(self) -> bool:
        return self._front is Front.ENDED

    @property
    def deadline(self) -> float | None:
        """When the next `tick` is wanted; None when nothing is in flight."""
        if self._front is Front.ENDED:
            return None
        if self._slow_since is not None:
            return self._progress + CLIENT_PATIENCE
        return min(self._dates(), default=None)

    @property
    def running(self) -> Sequence[Candidate]:
        return [attempt.candidate for attempt in self._running.values()]

    @property
    def winner(self) -> Target | None:
        return self._winner.candidate.target if self._winner else None

    def record(self) -> ExchangeRecord:
        facts = self.call.facts
        return ExchangeRecord(
            request_id=self.call.request_id,
            session=None,
            mode=self.plan.mode,
            model=facts.model or "auto",
            status=self.status,
            error=self.error,
            started=self.call.started,
            ended_ms=round((self._ended - self._began) * 1000, 1),
            streamed=facts.stream,
            attempts=tuple(self.records),
            excluded=tuple(self.plan.excluded(self._ended)),
        )

    # What now?

    def _advance(self, now: float) -> None:
        """The one place that decides how an exchange without a winner goes on."""
        if self._front is Front.ENDED or self._winner or self._running:
            return
        candidate = self._next_candidate(now)
        if candidate:
            self._launch(candidate, now)
        elif self._empty_answer and all(fault.kind is FaultKind.EMPTY for fault in self._faults):
            self._answer_empty(*self._empty_answer, now)
        else:
            self._speak(self.plan.exhausted(now), now)

    def _next_candidate(self, now: float) -> Candidate | None:
        if self._launched >= self.rules.max_attempts or now - self._began >= self.rules.deadline:
            return None
        return self.plan.next(now, self.running)

    def _launch(self, candidate: Candidate, now: float) -> None:
        self._launched += 1
        target, dialect = candidate.target, self.call.dialect
        base_url = target.address(dialect.name)
        assert base_url
        attempt = Attempt(self._launched, candidate, base_url, self.rules.timeouts(target.provider), self.call.facts.stream, now)
        self._running[attempt.n] = attempt
        body, path = dialect.outbound(self.call.body, self.call.facts, target.model.id)
        auth = dialect.auth_headers(candidate.key.value.get_secret_value()) if candidate.key else []
        request = Outbound(base_url + path, (*self.call.headers, ("Accept-Encoding", "identity"), *auth), body)
        self._effects.append(Launch(attempt.n, request))

    # Frames.

    def _reader(self, status: int, headers: dict[str, str], now: float) -> Reader:
        dialect, content_type = self.call.dialect, headers.get("content-type", "")
        if 200 <= status < 300:
            return dialect.reader(streamed=self.call.facts.stream, content_type=content_type)
        return ErrorReader(dialect, status, content_type, retry_after(headers, self._wall(now)))

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
        """A whole answer without content. Cut short by a limit or a filter it is the answer; a plain stop is a failure."""
        assert attempt.reader
        finish = attempt.reader.finish_reason
        if finish not in (None, "stop"):
            self._commit(attempt, data, now)
            self._conclude(attempt, now)
            return
        if finish == "stop":
            self._empty_answer = (attempt, attempt.take_held() + data)
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
            out.append(frame.data)
            if frame.kind is FrameKind.ERROR or frame.kind is FrameKind.END:
                last = frame
                break
        self._send(b"".join(out), now)
        if last is None:
            return
        if last.kind is FrameKind.END:
            self._conclude(attempt, now)
        elif last.kind is FrameKind.ERROR:
            assert last.fault
            self._end_broken(attempt, last.fault, Outcome.STREAM_BROKEN, self.call.dialect.end_marker(), now)
        else:
            self._break_off(attempt, Fault(FaultKind.BROKEN, last.fault.message if last.fault else ""), now)

    # Endings of attempts.

    def _commit(self, attempt: Attempt, data: bytes, now: float) -> None:
        """From here the client sees this attempt, and no other."""
        assert attempt.reader
        attempt.move(AttemptMove.COMMIT)
        attempt.reader.committed = True
        attempt.first_content = attempt.last_event = attempt.last_ping = now
        self._winner = attempt
        for other in [a for a in self._running.values() if a is not attempt]:
            self._settle(other, Outcome.HEDGE_LOSER_CANCELLED, None, now)
        data = attempt.take_held() + data
        self._open(attempt, data, FrontMove.COMMIT, now)
        self._send(data, now)

    def _open(self, attempt: Attempt, data: bytes, step: FrontMove, now: float) -> None:
        """The head of a provider's answer, or what stands for it when an early head is out."""
        target, passed = attempt.candidate.target, self._passed_over(attempt)
        early = self._front is Front.HEADERS_OUT
        self._move(step, now)
        if early:
            self._send(self.call.dialect.comment(f"routed-via {target.label} attempts={len(passed)}"), now)
            return
        headers = routing_headers(self.call.request_id, self.rules.prefix, target, len(passed), passed)
        if self.call.facts.stream:
            form = SSE_HEADERS
        else:
            form = body_headers(attempt.headers.get("content-type") or "application/json", data)
        assert attempt.status
        self._respond(attempt.status, (*form, *to_client(attempt.headers), *headers), now)

    def _conclude(self, attempt: Attempt, now: float) -> None:
        """The winner's answer is whole."""
        passed = self._passed_over(attempt)
        if any(record.outcome is Outcome.HEDGE_LOSER_CANCELLED for record in passed):
            outcome = Outcome.HEDGE_WINNER
        else:
            outcome = Outcome.RETRY_SUCCESS if passed else Outcome.REQUEST_SUCCESS
        self._settle(attempt, outcome, None, now)
        self._end(FrontMove.END, now)

    def _fail(self, attempt: Attempt, fault: Fault, now: float) -> None:
        """An attempt the client has seen nothing of has failed: the next one, unless the request itself is at fault."""
        self._faults.append(fault)
        if not self.plan.is_final(fault):
            self._settle(attempt, Outcome.RETRY_FAILED, fault, now)
            self._advance(now)
            return
        self._settle(attempt, Outcome.CLIENT_ERROR_NON_RETRYABLE, fault, now)
        self._settle_all(Outcome.HEDGE_LOSER_CANCELLED, now)
        self._pass_client_error(attempt, fault, now)

    def _break_off(self, attempt: Attempt, fault: Fault, now: float) -> None:
        """A provider broke off. Before commit that is a failure like any other; after it, an answer that was already whole stays whole."""
        if attempt.phase is not Phase.WINNER:
            self._fail(attempt, fault, now)
        elif attempt.reader and attempt.reader.finished:
            self._conclude(attempt, now)
        else:
            stalled = fault.kind is FaultKind.STALLED
            code = Code.STREAM_TIMEOUT if stalled else Code.STREAM_BROKEN
            problem = Problem(code, f"The provider's answer broke off: {fault.message or fault.label}.")
            outcome = Outcome.STREAM_STALLED if stalled else Outcome.STREAM_BROKEN
            kind = FaultKind.STALLED if stalled else FaultKind.BROKEN
            self._end_broken(attempt, Fault(kind, fault.message), outcome, self._error_frames(problem), now)

    def _end_broken(self, attempt: Attempt, fault: Fault, outcome: Outcome, last_words: bytes, now: float) -> None:
        self.error = Code.STREAM_TIMEOUT if outcome is Outcome.STREAM_STALLED else Code.STREAM_BROKEN
        self._settle(attempt, outcome, fault, now)
        self._send(last_words, now)
        self._end(FrontMove.END, now)

    def _settle(self, attempt: Attempt, outcome: Outcome, fault: Fault | None, now: float) -> None:
        attempt.move(AttemptMove.SETTLE)
        del self._running[attempt.n]
        if not attempt.over:
            whole = attempt.reader is not None and attempt.reader.finished
            self._effects.append(Release(attempt.n) if whole else Cancel(attempt.n))
        record = attempt.record(outcome, fault, self._wall(attempt.launched), now, self.rules.masker)
        self.records.append(record)
        self.plan.settled(attempt.candidate, record, fault, now)
        self._effects.append(Settled(record))

    def _settle_all(self, outcome: Outcome, now: float) -> None:
        for attempt in list(self._running.values()):
            self._settle(attempt, outcome, None, now)

    # Endings of the exchange.

    def _answer_empty(self, attempt: Attempt, data: bytes, now: float) -> None:
        """Every candidate had nothing to say: the last one's empty answer is the truth."""
        self._open(attempt, data, FrontMove.COMMIT, now)
        self._send(data, now)
        self._end(FrontMove.END, now)

    def _pass_client_error(self, attempt: Attempt, fault: Fault, now: float) -> None:
        """The provider's word on the client's request goes out as it is, secrets masked."""
        assert fault.status
        if self._front is Front.HEADERS_OUT or fault.body is None:
            self._speak(Problem(Code.INVALID_REQUEST, fault.message or "The provider refused the request."), now, attempt.candidate.target)
            return
        self.error = fault.label
        body = self.rules.masker.data(fault.body)
        passed = self._passed_over(attempt)
        headers = routing_headers(self.call.request_id, self.rules.prefix, attempt.candidate.target, len(passed), passed)
        self._move(FrontMove.REFUSE, now)
        form = body_headers(fault.content_type or "application/json", body)
        self._respond(fault.status, (*form, *to_client(attempt.headers), *headers), now)
        self._send(body, now)
        self._effects.append(End())

    def _speak(self, problem: Problem, now: float, target: Target | None = None) -> None:
        """The router answers in its own voice, as a response while it still can, else as an error frame."""
        self.error = problem.code
        if words := trail(self.records):
            problem = Problem(problem.code, problem.message, problem.retry_after, problem.param, (("trail", words), *problem.details))
        if self._front is not Front.SILENT:
            self._send(self._error_frames(problem), now)
            self._end(FrontMove.END if self._front is Front.ANSWERING else FrontMove.REFUSE, now)
            return
        self._move(FrontMove.REFUSE, now)
        body = self.rules.masker.data(self.call.dialect.error_body(problem))
        headers = routing_headers(self.call.request_id, self.rules.prefix, target, len(self.records), self.records)
        form = (*body_headers("application/json", body), *retry_after_headers(problem.retry_after))
        self._respond(problem.status, (*form, *headers), now)
        self._send(body, now)
        self._effects.append(End())

    def _lose_client(self, now: float) -> None:
        if self._front is Front.ENDED:
            return
        self._settle_all(Outcome.CLIENT_ABORT, now)
        self._move(FrontMove.LOSE_CLIENT, now)

    # Timers.

    def _dates(self) -> Iterator[float]:
        if self._winner:
            yield self._winner.stall_due()
        else:
            yield from (attempt.due() for attempt in self._running.values())
            if self._early_due is not None and self._front is Front.SILENT:
                yield self._early_due
        if self._front is not Front.SILENT and self.call.facts.stream:
            yield self._last_sent + self.rules.stream.heartbeat

    def _tick_attempts(self, now: float) -> None:
        for attempt in list(self._running.values()):
            if attempt is self._winner:
                if now >= attempt.stall_due():
                    fault = Fault(FaultKind.STALLED, f"no data for {attempt.timeouts.stall:g} s", status=504)
                    self._break_off(attempt, fault, now)
            elif fault := attempt.late(self.call.facts.stream, now):
                self._fail(attempt, fault, now)

    def _tick_front(self, now: float) -> None:
        if self._front is Front.SILENT and self._early_due is not None and now >= self._early_due:
            self._move(FrontMove.EARLY_HEAD, now)
            self._respond(200, (*SSE_HEADERS, ("X-Request-ID", self.call.request_id)), now)
            self._send(self.call.dialect.keep_alive(), now)
        elif self._front in (Front.HEADERS_OUT, Front.ANSWERING) and now >= self._last_sent + self.rules.stream.heartbeat:
            self._send(self.call.dialect.keep_alive(), now)

    def _stand_still(self, seconds: float) -> None:
        self._last_sent += seconds
        for attempt in self._running.values():
            attempt.stand_still(seconds)

    # Small things.

    def _passed_over(self, attempt: Attempt) -> list[AttemptRecord]:
        return [record for record in self.records if record.n != attempt.n]

    def _error_frames(self, problem: Problem) -> bytes:
        dialect = self.call.dialect
        return self.rules.masker.data(dialect.error_event(problem)) + dialect.end_marker()

    def _respond(self, status: int, headers: tuple[tuple[str, str], ...], now: float) -> None:
        self.status = status
        self._last_sent = now
        self._effects.append(Respond(status, headers))

    def _send(self, data: bytes, now: float) -> None:
        if data:
            self._last_sent = now
            self._effects.append(Send(data))

    def _end(self, step: FrontMove, now: float) -> None:
        self._move(step, now)
        self._effects.append(End())

    def _move(self, step: FrontMove, now: float) -> None:
        self._front = move(FRONT, self._front, step)
        self._ended = now

    def _wall(self, moment: float) -> float:
        return self.call.started + (moment - self._began)

    def _take_effects(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects
