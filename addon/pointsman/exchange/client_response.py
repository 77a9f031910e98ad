"""The client's side of an exchange: what has been sent, in which form, and how fast the client reads it.

It owns the response's headers, the keep-alives, the router's own errors and the timeout of a client that does not read.
It knows nothing of how attempts are chosen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pointsman.config.enums import KINDS_WITHOUT_OUTPUT, Capability, Kind
from pointsman.domain.records import AttemptRecord
from pointsman.domain.targets import Target
from pointsman.exchange.attempt import Attempt
from pointsman.exchange.client_request import ClientRequest, ExchangeRules, Planner
from pointsman.exchange.effects import Abort, Effect, End, Respond, Send
from pointsman.exchange.response_headers import (
    attempt_trail,
    body_headers,
    budget_headers,
    permanence_headers,
    retry_after_headers,
    routing_headers,
    stream_headers,
    taken_as_headers,
)
from pointsman.exchange.state_machines import RESPONSE_TRANSITIONS, ResponseMove, ResponseState, next_state
from pointsman.wire import jsontext
from pointsman.wire.continuation.base import SeenAnswer
from pointsman.wire.conversation import draft_in
from pointsman.wire.dialects.base import Listener
from pointsman.wire.errors import Code, Fault, Problem
from pointsman.wire.frames import Opening, Reader, Usage
from pointsman.wire.headers import Headers, safe_media_type, safe_type, to_client
from pointsman.wire.messages import NO_CALLS, MessageDraft, ToolCalls
from pointsman.wire.request_facts import estimated_tokens
from pointsman.wire.sse import EVENT_STREAM
from pointsman.wire.whole_reader import media_type

HIGH_WATER = 64 * 1024
"""Bytes waiting to be written to the client above which it counts as slow."""
KINDS_OF_TEXT = (Kind.CHAT, Kind.COMPLETION)
"""What is answered with a text."""
MAX_KEPT_ANSWER_BYTES = 1 << 20
"""Bytes of an answer kept to recognise the conversation and to estimate its tokens; of a longer one, its beginning."""
CLIENT_STALL_TIMEOUT = 300.0
"""Seconds after which a client that takes nothing is given up."""
CODE_OF_REFUSAL = {403: Code.FORBIDDEN, 404: Code.NOT_FOUND, 410: Code.NOT_FOUND, 413: Code.REQUEST_TOO_LARGE}
"""By the provider's status, where its own body cannot go out; any other is an `invalid_request`."""


class ClientResponse:
    """Appends effects for the client to `effects`. Only the exchange calls it."""

    def __init__(
        self,
        client_request: ClientRequest,
        plan: Planner,
        rules: ExchangeRules,
        effects: list[Effect],
        seen: SeenAnswer | None = None,
    ) -> None:
        self.state = ResponseState.NOTHING_SENT
        self.status: int | None = None
        self.error: str | None = None
        self.ended_at = 0.0
        self.answered_by: Target | None = None
        self._client_request, self._plan, self._rules, self._effects = client_request, plan, rules, effects
        self._voice = client_request.dialect.control_events(
            Listener(client_request.facts, client_request.headers, client_request.request_id, client_request.started)
        )
        self._stream_headers = stream_headers(self._voice.stream_type)
        self._seen = seen
        """Reads along what the client gets, should the answer have to go on elsewhere."""
        self._source: Reader | None = None
        self._is_whole = False
        """The client got a whole answer of a provider's."""
        self._is_refused = False
        """The error for the client says that its request will never be served."""
        self._draft: tuple[int, MessageDraft] | None = None
        """What the first so many bytes of the answer say."""
        self._answer_parts: list[bytes] | None = [] if client_request.facts.kind in KINDS_OF_TEXT else None
        """The provider's words, up to MAX_KEPT_ANSWER_BYTES; None for an answer that is no text."""
        self._kept_bytes = self._answer_bytes = 0
        self._last_sent = 0.0
        self._early_headers_due: float | None = None
        self._slow_since: float | None = None
        self._backlog = 0
        self._last_progress = 0.0

    @property
    def ended(self) -> bool:
        return self.state is ResponseState.ENDED

    # A provider's answer.

    def start_answer(self, attempt: Attempt, data: bytes, passed: Sequence[AttemptRecord], now: float) -> None:
        """The committed attempt's head, or what stands for it when an early head is out, and its first `data`."""
        early, target = self.state is ResponseState.HEADERS_SENT, attempt.candidate.target
        self._move(ResponseMove.COMMIT, now)
        self.answered_by, self._source = target, attempt.reader
        self._plan.on_response_started(target)
        if early:
            comment = f"routed-via {target.label} attempts={len(passed)} sticky={self._plan.stickiness(target)}"
            self.send(self._voice.comment(self._rules.masker.line(comment)), now)
        else:
            assert attempt.status
            form = self._form(attempt.headers.get("content-type", ""), data)
            self._respond(
                attempt.status, (*form, *to_client(attempt.headers), *self._routing_headers(target, passed, now)), now
            )
        self.send_provider_data(data, now)

    def continue_answer(self, attempt: Attempt, characters: int, data: bytes, now: float) -> None:
        """Another attempt goes on with the answer, after so many characters of it."""
        target = self.answered_by = attempt.candidate.target
        self._source = attempt.reader
        comment = f"continued-on {target.label} after={characters}"
        self.send(self._voice.comment(self._rules.masker.line(comment)), now)
        self.send_provider_data(data, now)

    def _form(self, content_type: str, data: bytes) -> Headers:
        """Content type, and length where `data` is the whole body."""
        facts = self._client_request.facts
        if facts.stream:
            return self._stream_headers
        if facts.passes_bytes:
            return (("Content-Type", safe_media_type(content_type)),)
        is_json = facts.kind is Kind.CHAT or data[:64].lstrip().startswith((b"{", b"["))
        said_type = safe_type(content_type, is_json)
        if media_type(said_type) == EVENT_STREAM:  # it was joined
            said_type = "application/json"
        return body_headers(said_type, data)

    def send_provider_data(self, data: bytes, now: float) -> None:
        """Sends the provider's own bytes."""
        if self._seen is not None:
            self._seen.feed(data)
        if self._answer_parts is not None and data:
            self._answer_bytes += len(data)
            if self._answer_bytes <= MAX_KEPT_ANSWER_BYTES:
                self._answer_parts.append(data)
                self._kept_bytes = self._answer_bytes
        self.send(data, now)

    def send(self, data: bytes, now: float) -> None:
        if data:
            self._last_sent = now
            self._effects.append(Send(data))

    def end(self, now: float) -> None:
        """The answer is complete."""
        self._is_whole = True
        self._finish(ResponseMove.END, now)

    def report_answer(self, now: float) -> ToolCalls:
        """The session is to be known by this answer. The client need not wait for that. Returns the answer's calls."""
        is_kept = bool(self._answer_parts) and self._kept_bytes == self._answer_bytes
        may_call, calls = Capability.TOOLS in self._client_request.facts.needs, NO_CALLS
        if self._is_whole and is_kept and (self._plan.needs_answer or may_call):
            said = self._answer_draft()
            calls = said.calls
            if self._plan.needs_answer and not said.is_empty():
                self._plan.on_answer(said.message(), now)
        self._answer_parts = self._draft = None
        return calls

    def estimated_usage(self) -> Usage | None:
        """The tokens of the request and of what the provider has answered so far, by the bytes of their texts; None for
        images and sound. An answer too long to be kept counts as if it went on as it began.
        """
        facts = self._client_request.facts
        if facts.kind in KINDS_WITHOUT_OUTPUT:
            return Usage(max(1, facts.tokens), is_estimated=True)
        if self._answer_parts is None:
            return None
        said = self._answer_draft()
        size, thoughts = 0 if said.is_empty() else len(said.message().content), said.thoughts
        if not self._kept_bytes:
            size = self._answer_bytes
        elif self._kept_bytes < self._answer_bytes:
            size, thoughts = (each * self._answer_bytes // self._kept_bytes for each in (size, thoughts))
        reasoning = estimated_tokens(thoughts)
        output = estimated_tokens(size) + reasoning
        return Usage(facts.tokens, output, reasoning=reasoning, is_estimated=True)

    def _answer_draft(self) -> MessageDraft:
        """What has been kept of the answer, read once for as many bytes."""
        assert self._answer_parts is not None
        if self._draft is None or self._draft[0] != self._kept_bytes:
            call, answer = self._client_request, b"".join(self._answer_parts)
            self._draft = self._kept_bytes, draft_in(call.dialect, answer, call.facts.stream)
        return self._draft[1]

    def end_broken(self, problem: Problem, now: float, said: bytes, is_told: bool) -> None:
        """The answer cannot go on: one error frame, unless the provider sent one, of which `said` goes out now; and the
        end marker. Bytes that are no stream of events have no place for an error: the connection is cut.
        """
        self.error = problem.code
        if not self._client_request.facts.stream:
            self._effects.append(Abort(problem.message))
            self.on_client_disconnected(now)
            return
        self.send(said + self._voice.end_marker() if is_told else self._error_frames(problem), now)
        self._finish(ResponseMove.END, now)

    def relay_client_error(self, attempt: Attempt, fault: Fault, passed: Sequence[AttemptRecord], now: float) -> None:
        """Sends the provider's own error about the client's request unchanged, with secrets masked."""
        target = self.answered_by = attempt.candidate.target
        if self.state is not ResponseState.NOTHING_SENT or fault.body is None:
            message = fault.message or "The provider refused the request."
            status = fault.status or 0
            code = Code.UPSTREAM_ERROR if status >= 500 else CODE_OF_REFUSAL.get(status, Code.INVALID_REQUEST)
            self.send_error(Problem(code, message), passed, now, target)
            return
        assert fault.status
        self.error = fault.label
        body = self._rules.masker.cut_data(fault.body)
        form = body_headers(safe_type(fault.content_type, is_json=jsontext.is_document(fault.body)), body)
        self._send_whole(
            fault.status, (*form, *to_client(attempt.headers), *self._routing_headers(target, passed, now)), body, now
        )

    # The router's own voice.

    def send_own_answer(self, body: bytes, records: Sequence[AttemptRecord], now: float) -> None:
        """Sends an answer that the router gives itself, because no provider could."""
        self._send_whole(
            200, (*body_headers("application/json", body), *self._routing_headers(None, records, now)), body, now
        )

    def send_error(
        self, problem: Problem, records: Sequence[AttemptRecord], now: float, target: Target | None = None
    ) -> None:
        """As a response while that is still possible, else as an error frame."""
        self.error, self._is_refused = problem.code, problem.is_permanent
        if self.state is ResponseState.ANSWERING and not self._client_request.facts.stream:
            self._effects.append(Abort("an answer that is not streamed cannot be replaced midway"))
            self.on_client_disconnected(now)
            return
        problem = replace(problem, message=self._rules.masker.text(problem.message))
        problem = problem.with_request_id(self._client_request.request_id)
        if words := attempt_trail(records):
            problem = replace(problem, details=(("trail", words), *problem.details))
        if self.state is ResponseState.NOTHING_SENT:
            body = self._rules.masker.data(self._client_request.dialect.error_body(problem))
            form = (*body_headers("application/json", body), *retry_after_headers(problem.retry_after))
            form += permanence_headers(problem.is_permanent)
            self._send_whole(problem.status, (*form, *self._routing_headers(target, records, now)), body, now)
            return
        self.send(self._error_frames(problem), now)
        self._finish(ResponseMove.END if self.state is ResponseState.ANSWERING else ResponseMove.SEND_WHOLE, now)

    def on_client_disconnected(self, now: float) -> None:
        self._move(ResponseMove.CLIENT_DISCONNECTED, now)

    # Time.

    def start(self, now: float) -> None:
        if self._client_request.facts.stream and self._rules.stream.early_headers is not None:
            self._early_headers_due = now + self._rules.stream.early_headers

    def deadlines(self) -> Iterator[float]:
        """When this side needs a tick."""
        if self.state is ResponseState.NOTHING_SENT and self._early_headers_due is not None:
            yield self._early_headers_due
        elif self.state is not ResponseState.NOTHING_SENT and self._client_request.facts.stream:
            yield self._last_sent + self._rules.stream.heartbeat

    def on_tick(self, now: float) -> None:
        """A keep-alive may go out here: only whole events are ever sent, so this is always between two of them."""
        if not any(now >= date for date in self.deadlines()):
            return
        if self.state is ResponseState.NOTHING_SENT:
            self._move(ResponseMove.SEND_EARLY_HEADERS, now)
            sticky = self._plan.early_session_headers(self._rules.prefix)
            known = (("X-Request-ID", self._client_request.request_id), *self._plan_headers(now))
            self._respond(200, (*self._stream_headers, *known, *sticky), now)
        self.send(self._voice.keep_alive(self._opening), now)

    # The client's pace.

    @property
    def is_slow(self) -> bool:
        return self._slow_since is not None

    @property
    def stall_deadline(self) -> float:
        return self._last_progress + CLIENT_STALL_TIMEOUT

    def on_backlog(self, waiting: int, now: float) -> float:
        """Called with the number of bytes that wait to be written. Returns for how many seconds timers were paused,
        once they run again.
        """
        before, self._backlog = self._backlog, waiting
        if waiting > HIGH_WATER:
            if self._slow_since is None:
                self._slow_since = self._last_progress = now
            elif waiting < before:
                self._last_progress = now
            return 0.0
        if self._slow_since is None:
            return 0.0
        paused_for, self._slow_since = now - self._slow_since, None
        self._last_sent = min(now, self._last_sent + paused_for)
        return paused_for

    # Small things.

    def _routing_headers(self, target: Target | None, passed: Sequence[AttemptRecord], now: float) -> Headers:
        prefix = self._rules.prefix
        routed = routing_headers(self._client_request.request_id, prefix, target, passed)
        return (*routed, *self._plan_headers(now), *self._plan.session_headers(prefix, target))

    def _plan_headers(self, now: float) -> Headers:
        return *taken_as_headers(self._plan.taken_as), *budget_headers(self._plan.budget_left(now))

    def _error_frames(self, problem: Problem) -> bytes:
        return self._rules.masker.data(self._voice.error_event(problem, self._opening)) + self._voice.end_marker()

    @property
    def _opening(self) -> Opening | None:
        """What the client has been told of the answer, should the router have to end it."""
        return self._source.opening if self._source else None

    def _send_whole(self, status: int, headers: Headers, body: bytes, now: float) -> None:
        self._move(ResponseMove.SEND_WHOLE, now)
        self._respond(status, headers, now)
        self.send(body, now)
        self._effects.append(End())
        self._plan.on_response_started(self.answered_by)

    def _finish(self, step: ResponseMove, now: float) -> None:
        self._move(step, now)
        self._effects.append(End())

    def _respond(self, status: int, headers: Headers, now: float) -> None:
        self.status = status
        self._last_sent = now
        self._effects.append(Respond(status, headers))

    def _move(self, step: ResponseMove, now: float) -> None:
        self.state = next_state(RESPONSE_TRANSITIONS, self.state, step)
        self.ended_at = now
        if self.ended:
            self._plan.on_ended(self.error is not None and not self._is_refused, now)
