"""Whether a broken answer is continued, where, and how. Called once its stream has begun and broken off."""

from collections.abc import Callable, Collection
from dataclasses import replace

from pointsman.config.enums import Kind, Prefill, Recover
from pointsman.domain.failures import CONTENT_FAILURES, classify
from pointsman.domain.targets import Target
from pointsman.exchange.attempt import Attempt
from pointsman.exchange.client_request import ClientRequest, Planner
from pointsman.exchange.continuation import Continuation
from pointsman.model_facts import facts_of
from pointsman.wire import jsontext
from pointsman.wire.continuation.base import Method, SeenAnswer, is_whole_text
from pointsman.wire.continuation.reader import Break
from pointsman.wire.continuation.reasons import NotContinued
from pointsman.wire.continuation.request import continued_body, why_not
from pointsman.wire.conversion.unsupported import spoken_to
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.errors import Fault, Problem


class Recovery:
    """Decides, for one exchange, whether a broken answer is continued."""

    def __init__(self, client_request: ClientRequest, plan: Planner, policy: Recover) -> None:
        self.seen: SeenAnswer | None = None
        """What the client has seen; None where nothing can be continued."""
        self.problem: Problem | None = None
        """Of the attempt that broke, for the client if the continuation fails."""
        self.said = b""
        """The provider's own error frames about it, which the client has not got yet."""
        self._client_request, self._plan, self._policy = client_request, plan, policy
        self._reason: NotContinued | None = None
        """Why this answer can never be continued; None if it can, and where recovery is off."""
        if policy is not Recover.OFF:
            self._reason = self._why_never()
            if self._reason is None and (continuation := client_request.dialect.continuation):
                self.seen = continuation.seen(client_request.facts)

    def _why_never(self) -> NotContinued | None:
        call = self._client_request
        if not call.facts.options.recover:
            return NotContinued.OFF
        continuation, is_chat = call.dialect.continuation, call.is_chat and call.facts.kind is Kind.CHAT
        if not (call.facts.stream and is_chat and continuation):
            return NotContinued.NOT_STREAMED
        return continuation.obstacle(call.facts.document)

    def after(self, attempt: Attempt, fault: Fault, now: float) -> Continuation | NotContinued | None:
        """How the answer of an attempt goes on that is about to settle; or why it does not. None: recovery is off."""
        if self.seen is None:
            return self._reason
        if attempt.continuation:
            return NotContinued.ALREADY_CONTINUED
        if classify(fault) in CONTENT_FAILURES:
            return NotContinued.FILTERED
        if obstacle := self.seen.obstacle():
            return obstacle
        text = self.seen.text
        if not is_whole_text(text):
            return NotContinued.NOT_TEXT
        return self._choose(attempt, self.seen, text, now)

    def _choose(self, attempt: Attempt, seen: SeenAnswer, text: str, now: float) -> Continuation | NotContinued:
        call = self._client_request
        reasons = {each: why_not(call.dialect, call.facts.document, text, each) for each in self._methods}
        possible = [method for method, reason in reasons.items() if reason is None]
        chosen = self._plan.next_continuation(attempt.candidate, self._takes(possible), now) if possible else None
        if chosen is None:
            return next((reason for reason in reversed(reasons.values()) if reason), NotContinued.NO_CANDIDATE)
        prefill = self._prefill(chosen.target)
        method = Method.ANCHOR if prefill is Prefill.NO or Method.PREFILL not in possible else Method.PREFILL
        body = continued_body(call.dialect, jsontext.loads_exactly(call.body), text, method)
        usage = attempt.reader.usage if attempt.reader else None
        broken = Break(seen, text, usage, call.facts.tokens)
        return Continuation(chosen, self._request(body), broken, attempt.n, method, prefill)

    @property
    def _methods(self) -> tuple[Method, ...]:
        return (Method.PREFILL, Method.ANCHOR) if self._policy is Recover.ANY else (Method.PREFILL,)

    def _takes(self, possible: Collection[Method]) -> Callable[[Target], bool]:
        """Whether a target can be asked in one of these ways."""
        return lambda target: Method.ANCHOR in possible or self._prefill(target) is not Prefill.NO

    def _prefill(self, target: Target) -> Prefill:
        """How it is asked to go on after a text of its own; NO where it is not known to do that."""
        call, facts, configured = self._client_request, facts_of(target.model.id), target.model.prefill
        spoken, _ = spoken_to(call.dialect.name, target.spoken_dialects, call.facts)
        if spoken is None or facts.prefill is False:
            return Prefill.NO
        continuation, is_client = DIALECTS[spoken].continuation, spoken is call.dialect.name
        if continuation is None or (is_client and not continuation.may_prefill(call.facts.document)):
            return Prefill.NO
        if configured is None and continuation.heeds_model_facts and facts.prefill:
            return Prefill.YES
        return configured or Prefill.NO

    def _request(self, body: bytes) -> ClientRequest:
        """The answer to it is a stream of events, whatever form the client's has."""
        call = self._client_request
        facts = replace(call.dialect.facts(body, call.path), options=call.facts.options)
        return replace(call, body=body, facts=call.dialect.conversion.asked_in_path(facts))
