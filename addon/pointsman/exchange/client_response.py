"""The client's side of an exchange: what it has been shown, in whose voice, and how fast it takes it.

The front owns the head of the answer, the keep-alives between, the words of the router itself, and the client's
patience. It knows nothing of how attempts are chosen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pointsman.domain.records import AttemptRecord
from pointsman.domain.targets import Target
from pointsman.exchange.attempt import Attempt
from pointsman.exchange.client_request import Call, Planner, Rules
from pointsman.exchange.effects import Abort, Effect, End, Respond, Send
from pointsman.exchange.response_headers import (
    body_headers,
    retry_after_headers,
    routing_headers,
    stream_headers,
    trail,
)
from pointsman.exchange.state_machines import FRONT, Front, FrontMove, move
from pointsman.wire import jsontext
from pointsman.wire.dialects.base import Listener
from pointsman.wire.errors import Code, Fault, Problem
from pointsman.wire.frames import Opening, Reader
from pointsman.wire.headers import Headers, safe_type, to_client

HIGH_WATER = 64 * 1024
"""Bytes waiting to be written to the client above which it counts as slow."""
KEPT_ANSWER = 1 << 20
"""Bytes of an answer kept to know the conversation by; a longer one is not."""
CLIENT_PATIENCE = 300.0
"""Seconds after which a client that takes nothing is given up."""


class ClientFront:
    """Appends what the client is to see to `effects`; the exchange is the only one to call it."""

    def __init__(self, call: Call, plan: Planner, rules: Rules, effects: list[Effect]) -> None:
        self.state = Front.SILENT
        self.status: int | None = None
        self.error: str | None = None
        self.ended_at = 0.0
        self.answered: Target | None = None
        self._call, self._plan, self._rules, self._effects = call, plan, rules, effects
        self._voice = call.dialect.control_events(Listener(call.facts, call.headers, call.request_id, call.started))
        self._stream_form = stream_headers(self._voice.stream_type)
        self._source: Reader | None = None
        self._is_whole = False
        """The client got a whole answer of a provider's."""
        self._kept: list[bytes] | None = [] if plan.keeps_answer else None
        self._kept_bytes = 0
        self._last_sent = 0.0
        self._early_due: float | None = None
        self._slow_since: float | None = None
        self._waiting = 0
        self._progress = 0.0

    @property
    def ended(self) -> bool:
        return self.state is Front.ENDED

    # A provider's answer.

    def open(self, attempt: Attempt, data: bytes, passed: Sequence[AttemptRecord], now: float) -> None:
        """The committed attempt's head, or what stands for it when an early head is out, and its first `data`."""
        early, target = self.state is Front.HEADERS_OUT, attempt.candidate.target
        self._move(FrontMove.COMMIT, now)
        self.answered, self._source = target, attempt.reader
        self._plan.told(target)
        if early:
            said = f"routed-via {target.label} attempts={len(passed)} sticky={self._plan.stickiness(target)}"
            self.send(self._voice.comment(self._rules.masker.line(said)), now)
        else:
            assert attempt.status
            said_type = safe_type(attempt.headers.get("content-type", ""), is_json=True)
            form = self._stream_form if self._call.facts.stream else body_headers(said_type, data)
            self._respond(attempt.status, (*form, *to_client(attempt.headers), *self._routing(target, passed)), now)
        self.show(data, now)

    def show(self, data: bytes, now: float) -> None:
        """The provider's own words."""
        if self._kept is not None and data:
            self._kept.append(data)
            self._kept_bytes += len(data)
            if self._kept_bytes > KEPT_ANSWER:
                self._kept = None
        self.send(data, now)

    def send(self, data: bytes, now: float) -> None:
        if data:
            self._last_sent = now
            self._effects.append(Send(data))

    def end(self, now: float) -> None:
        """The answer is whole."""
        self._is_whole = True
        self._finish(FrontMove.END, now)

    def remember(self, now: float) -> None:
        """The session is to be known by this answer. The client need not wait for that."""
        if self._is_whole and self._kept:
            self._plan.answered(b"".join(self._kept), now)
            self._kept = None

    def end_broken(self, problem: Problem, now: float, has_said_so: bool) -> None:
        """The answer cannot go on: one error frame, unless the provider has sent one, and the end marker."""
        self.error = problem.code
        self.send(self._voice.end_marker() if has_said_so else self._error_frames(problem), now)
        self._finish(FrontMove.END, now)

    def pass_client_error(self, attempt: Attempt, fault: Fault, passed: Sequence[AttemptRecord], now: float) -> None:
        """The provider's word on the client's request goes out as it is, secrets masked."""
        target = self.answered = attempt.candidate.target
        if self.state is not Front.SILENT or fault.body is None:
            message = fault.message or "The provider refused the request."
            self.speak(Problem(Code.INVALID_REQUEST, message), passed, now, target)
            return
        assert fault.status
        self.error = fault.label
        body = self._rules.masker.piece(fault.body)
        form = body_headers(safe_type(fault.content_type, is_json=jsontext.is_document(fault.body)), body)
        self._refuse(fault.status, (*form, *to_client(attempt.headers), *self._routing(target, passed)), body, now)

    # The router's own voice.

    def answer_ourselves(self, body: bytes, records: Sequence[AttemptRecord], now: float) -> None:
        """What no provider could tell, and the router can."""
        self._refuse(200, (*body_headers("application/json", body), *self._routing(None, records)), body, now)

    def speak(
        self, problem: Problem, records: Sequence[AttemptRecord], now: float, target: Target | None = None
    ) -> None:
        """As a response while that is still possible, else as an error frame."""
        self.error = problem.code
        if self.state is Front.ANSWERING and not self._call.facts.stream:
            self._effects.append(Abort("the rest of a whole answer cannot be told otherwise"))
            self.lose(now)
            return
        problem = replace(problem, message=self._rules.masker.text(problem.message))
        if words := trail(records):
            problem = replace(problem, details=(("trail", words), *problem.details))
        if self.state is Front.SILENT:
            body = self._rules.masker.data(self._call.dialect.error_body(problem))
            form = (*body_headers("application/json", body), *retry_after_headers(problem.retry_after))
            self._refuse(problem.status, (*form, *self._routing(target, records)), body, now)
            return
        self.send(self._error_frames(problem), now)
        self._finish(FrontMove.END if self.state is Front.ANSWERING else FrontMove.REFUSE, now)

    def lose(self, now: float) -> None:
        self._move(FrontMove.LOSE_CLIENT, now)

    # Time.

    def begin(self, now: float) -> None:
        if self._call.facts.stream and self._rules.stream.early_headers is not None:
            self._early_due = now + self._rules.stream.early_headers

    def dates(self) -> Iterator[float]:
        """When this side wants a tick."""
        if self.state is Front.SILENT and self._early_due is not None:
            yield self._early_due
        elif self.state is not Front.SILENT and self._call.facts.stream:
            yield self._last_sent + self._rules.stream.heartbeat

    def tick(self, now: float) -> None:
        """A keep-alive may go out here: only whole events are ever sent, so this is always between two of them."""
        if not any(now >= date for date in self.dates()):
            return
        if self.state is Front.SILENT:
            self._move(FrontMove.EARLY_HEAD, now)
            sticky = self._plan.early_headers(self._rules.prefix)
            self._respond(200, (*self._stream_form, ("X-Request-ID", self._call.request_id), *sticky), now)
        self.send(self._voice.keep_alive(self._opening), now)

    # The client's pace.

    @property
    def is_slow(self) -> bool:
        return self._slow_since is not None

    @property
    def patience_ends(self) -> float:
        return self._progress + CLIENT_PATIENCE

    def slow(self, waiting: int, now: float) -> float:
        """So many bytes wait to be written. Returns for how many seconds timers stood still, once they run again."""
        before, self._waiting = self._waiting, waiting
        if waiting > HIGH_WATER:
            if self._slow_since is None:
                self._slow_since = self._progress = now
            elif waiting < before:
                self._progress = now
            return 0.0
        if self._slow_since is None:
            return 0.0
        stood, self._slow_since = now - self._slow_since, None
        self._last_sent = min(now, self._last_sent + stood)
        return stood

    # Small things.

    def _routing(self, target: Target | None, passed: Sequence[AttemptRecord]) -> Headers:
        prefix = self._rules.prefix
        routed = routing_headers(self._call.request_id, prefix, target, passed)
        return (*routed, *self._plan.headers(prefix, target))

    def _error_frames(self, problem: Problem) -> bytes:
        return self._rules.masker.data(self._voice.error_event(problem, self._opening)) + self._voice.end_marker()

    @property
    def _opening(self) -> Opening | None:
        """What the client has been told of the answer, should the router have to end it."""
        return self._source.opening if self._source else None

    def _refuse(self, status: int, headers: Headers, body: bytes, now: float) -> None:
        self._move(FrontMove.REFUSE, now)
        self._respond(status, headers, now)
        self.send(body, now)
        self._effects.append(End())
        self._plan.told(self.answered)

    def _finish(self, step: FrontMove, now: float) -> None:
        self._move(step, now)
        self._effects.append(End())

    def _respond(self, status: int, headers: Headers, now: float) -> None:
        self.status = status
        self._last_sent = now
        self._effects.append(Respond(status, headers))

    def _move(self, step: FrontMove, now: float) -> None:
        self.state = move(FRONT, self.state, step)
        self.ended_at = now
        if self.ended:
            self._plan.ended(self.error is not None, now)
