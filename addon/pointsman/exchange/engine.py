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
from functools import partial

from pointsman.domain.records import ExchangeRecord, Outcome
from pointsman.domain.targets import Candidate
from pointsman.exchange.attempt import Attempt
from pointsman.exchange.attempt_factory import outbound, prepared
from pointsman.exchange.attempt_log import Journal
from pointsman.exchange.client_request import Call, Planner, Rules
from pointsman.exchange.client_response import CLIENT_PATIENCE, ClientFront
from pointsman.exchange.effects import Abort, Cancel, Effect, Launch, LaunchLarge, Release, Settled
from pointsman.exchange.failed_attempts import Setbacks
from pointsman.exchange.state_machines import AttemptMove, Phase
from pointsman.wire.conversion.ir import Inconvertible
from pointsman.wire.errors import Code, Fault, FaultKind, Problem
from pointsman.wire.frames import Frame, FrameKind
from pointsman.wire.retry_after import dated

NO_ANSWER = (FrameKind.ERROR, FrameKind.PING)
"""What a provider says beside its answer."""


class Exchange:
    """Feed it what happens, carry out what it returns.

    `now` is seconds on any steady clock, the same one throughout.
    """

    def __init__(self, call: Call, plan: Planner, rules: Rules) -> None:
        self.call = call
        self.plan = plan
        self.rules = rules
        self.journal = Journal(call.started, rules.masker)
        self._effects: list[Effect] = []
        self._front = ClientFront(call, plan, rules, self._effects)
        self._running: dict[int, Attempt] = {}
        self._winner: Attempt | None = None
        self._raced = False
        """There was, at some time before commit, a reason to run two attempts beside each other."""
        self._launched = 0
        self._setbacks = Setbacks()

    # Inputs.

    def begin(self, now: float) -> list[Effect]:
        """The client's request is whole."""
        self.journal.began = now
        self._front.begin(now)
        self._advance(now)
        return self._take_effects()

    def made(self, n: int, now: float) -> list[Effect]:
        """The request of attempt `n`, which was large, is ready to be sent."""
        if attempt := self._running.get(n):
            attempt.start_over(now)
        return self._take_effects()

    def not_made(self, n: int, why: str, now: float) -> list[Effect]:
        """The request of attempt `n` cannot be made."""
        if attempt := self._running.get(n):
            self._give_up_on(attempt, why, now)
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
            assert attempt.bridge
            attempt.head(status, headers, attempt.bridge.reader(status, headers.get("content-type", "")), now)
            self.plan.heard(attempt.candidate, headers, now, self.journal.wall(now))
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

    def last_data(self, n: int, data: bytes, now: float) -> list[Effect]:
        """Both: the last bytes of the provider's body, and its end."""
        return self.data(n, data, now) + self.end(n, now)

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
            self._front.speak(problem, self.journal.attempts(), now)
        return self._take_effects()

    def remember(self, now: float) -> None:
        """The exchange has ended, and whoever it was for has been served: what is left to be learnt, is."""
        self._front.remember(now)

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
        return self.journal.exchange(self.call, self.plan, self._front)

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
            self._front.open(attempt, data, self.journal.passed_over(attempt), now)
            self._front.end(now)
        elif refusal := self._setbacks.refusal():
            attempt, fault = refusal
            self._front.pass_client_error(attempt, fault, self.journal.passed_over(attempt), now)
        elif self.call.fallback is not None:
            self._front.answer_ourselves(self.call.fallback, self.journal.attempts(), now)
        else:
            self._front.speak(self.plan.exhausted(now, self.journal.wall(now)), self.journal.attempts(), now)

    def _next_candidate(self, now: float) -> Candidate | None:
        if self._launched >= self.rules.max_attempts or now - self.journal.began >= self.rules.deadline:
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
            self.journal.write(attempt, Outcome.HEDGE_TRIGGERED, None, now)
            self._launch(candidate, now)

    def _launch(self, candidate: Candidate, now: float, asks_usage: bool = True) -> None:
        self._launched += 1
        wall = self.journal.wall(now)
        attempt = prepared(self.call, self.plan, self._launched, candidate, now, wall, asks_usage)
        self._running[attempt.n] = attempt
        self.plan.launched(attempt.n, candidate, now, attempt.last_byte)
        if attempt.takes_long(self.call.body):
            self._effects.append(LaunchLarge(attempt.n, partial(outbound, self.call, attempt)))
            return
        try:
            self._effects.append(Launch(attempt.n, outbound(self.call, attempt)))
        except Inconvertible as error:
            self._give_up_on(attempt, str(error), now)

    def _give_up_on(self, attempt: Attempt, why: str, now: float) -> None:
        """Its provider is sent nothing."""
        attempt.over = True
        self._fail(attempt, Fault(FaultKind.INTERNAL, why), now)

    # Frames.

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
            out.append(self.rules.masker.data(frame.data) if frame.kind in NO_ANSWER else frame.data)
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
            self._end_broken(attempt, last.fault, now, has_said_so=bool(last.data))
        else:
            self._break_off(attempt, Fault(FaultKind.BROKEN, last.fault.message if last.fault else ""), now)

    # Endings of attempts.

    def _commit(self, attempt: Attempt, data: bytes, now: float) -> None:
        """From here the client sees this attempt, and no other."""
        attempt.commit(now)
        self._winner = attempt
        self._raced = len(self._running) > 1 or self.journal.was_race()
        for other in [each for each in self._running.values() if each is not attempt]:
            self._settle(other, Outcome.HEDGE_LOSER_CANCELLED, None, now)
        self.plan.committed(attempt.candidate, now, attempt.hedged)
        self._front.open(attempt, attempt.take_held() + data, self.journal.passed_over(attempt), now)

    def _conclude(self, attempt: Attempt, now: float) -> None:
        """The winner's answer is whole."""
        passed = self.journal.passed_over(attempt)
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
        if attempt.bridge and attempt.bridge.refuses_usage(fault):
            self._settle(attempt, Outcome.RETRY_FAILED, fault, now, is_ours=True)
            self._launch(attempt.candidate, now, asks_usage=False)
            return
        fault = dated(fault, attempt.headers, self.journal.wall(now))
        self._setbacks.faults += 1
        if self.plan.is_refusal(fault):
            self._setbacks.refusals.append((attempt, fault))
        if not self.plan.is_final(fault):
            self._settle(attempt, Outcome.RETRY_FAILED, fault, now)
            self._advance(now)
            return
        self._settle(attempt, Outcome.CLIENT_ERROR_NON_RETRYABLE, fault, now)
        self._settle_all(Outcome.HEDGE_LOSER_CANCELLED, now)
        self._front.pass_client_error(attempt, fault, self.journal.passed_over(attempt), now)

    def _break_off(self, attempt: Attempt, fault: Fault, now: float) -> None:
        """A provider broke off.

        Before commit that is a failure like any other; after it, an answer that was already whole stays whole.
        """
        if attempt.phase is not Phase.WINNER:
            self._fail(attempt, fault, now)
        elif attempt.reader and attempt.reader.finished:
            self._take_frames(attempt, attempt.reader.close(), now)
            if attempt.phase is Phase.WINNER:
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

    def _settle(
        self, attempt: Attempt, outcome: Outcome, fault: Fault | None, now: float, is_ours: bool = False
    ) -> None:
        """`is_ours`: the router itself is to blame for the fault."""
        attempt.move(AttemptMove.SETTLE)
        del self._running[attempt.n]
        if not attempt.over:
            whole = attempt.reader is not None and attempt.reader.finished
            self._effects.append(Release(attempt.n) if whole else Cancel(attempt.n))
        was_last_key = self.plan.is_last_key(attempt.candidate, now)
        record = self.journal.write(attempt, outcome, fault, now, was_last_key)
        learnt = self.plan.settled(attempt.candidate, record, None if is_ours else fault, now)
        self._effects.append(Settled(record, learnt))

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

    def _take_effects(self) -> list[Effect]:
        effects = self._effects.copy()
        self._effects.clear()
        return effects
