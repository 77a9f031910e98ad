"""The running attempts of one exchange: how they are launched, how one becomes the winner, and how they settle.

Each step is reported to the plan and the log, and to the driver as an effect.
When to launch, to commit and to settle is the exchange's decision.
"""

from collections.abc import Callable, Iterator
from functools import partial

from pointsman.domain.records import Outcome
from pointsman.domain.targets import Candidate
from pointsman.exchange.attempt import Attempt
from pointsman.exchange.attempt_factory import create_attempt, upstream_request
from pointsman.exchange.attempt_log import AttemptLog
from pointsman.exchange.client_request import ClientRequest, Planner
from pointsman.exchange.continuation import Continuation
from pointsman.exchange.effects import Cancel, Effect, Launch, LaunchLarge, Release, Settled
from pointsman.exchange.repeats import Repeat
from pointsman.exchange.state_machines import AttemptMove
from pointsman.wire.continuation.reasons import NotContinued
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.frames import Usage

CANCELLED = frozenset({Outcome.HEDGE_LOSER_CANCELLED, Outcome.CLIENT_ABORT})
GIVEN_UP = frozenset({FaultKind.FIRST_BYTE_TIMEOUT, FaultKind.ANSWER_TIMEOUT})
"""The router cancels what its provider may still be at work on."""


class RunningAttempts:
    """Appends effects for attempts to `effects`. Only the exchange calls it. `estimate` gives the usage of the answer
    that the client has seen so far.
    """

    def __init__(
        self,
        client_request: ClientRequest,
        plan: Planner,
        log: AttemptLog,
        effects: list[Effect],
        estimate: Callable[[], Usage | None],
    ) -> None:
        self.by_number: dict[int, Attempt] = {}
        self.winner: Attempt | None = None
        """The attempt that the client sees; it stays the winner after it has settled."""
        self.launched = 0
        """How many attempts there have been."""
        self._raced = False
        """There was, at some time before commit, a reason to run two attempts beside each other."""
        self._client_request, self._plan, self._log, self._effects = client_request, plan, log, effects
        self._estimate = estimate

    def __iter__(self) -> Iterator[Attempt]:
        """Those that run now. They may settle meanwhile."""
        return iter(list(self.by_number.values()))

    def launch(
        self, candidate: Candidate, now: float, repeat: Repeat | None, continuation: Continuation | None = None
    ) -> Attempt:
        """A new attempt, running, whose request is still to be sent."""
        self.launched += 1
        wall = self._log.wall_time(now)
        request = continuation.request if continuation else self._client_request
        attempt = create_attempt(request, self._plan, self.launched, candidate, now, wall, repeat, continuation)
        self.by_number[attempt.n] = attempt
        self._plan.on_launched(attempt.n, candidate, now, attempt.last_activity)
        return attempt

    def send_request(self, attempt: Attempt) -> None:
        """A large request is made by the driver, away from the loop. Raises Inconvertible."""
        request = attempt.continuation.request if attempt.continuation else self._client_request
        if attempt.is_slow_to_make(request.body):
            make = partial(upstream_request, request, attempt)
            self._effects.append(LaunchLarge(attempt.n, make))
        else:
            self._effects.append(Launch(attempt.n, upstream_request(request, attempt)))

    def may_hedge(self, attempt: Attempt) -> bool:
        """Another attempt may run beside this one, as far as their number goes."""
        return attempt.n in self.by_number and len(self.by_number) < attempt.max_parallel

    def on_hedged(self, attempt: Attempt, now: float) -> None:
        """This one is so slow that another one starts beside it."""
        attempt.was_hedged = True
        self._log.record(attempt, Outcome.HEDGE_TRIGGERED, None, now)

    def commit(self, attempt: Attempt, now: float) -> None:
        """From here the client sees this attempt, and no other: the others are cancelled."""
        attempt.commit(now)
        self.winner = attempt
        self._raced = len(self.by_number) > 1 or self._log.had_race()
        for other in self:
            if other is not attempt:
                self.settle(other, Outcome.HEDGE_LOSER_CANCELLED, None, now)
        self._plan.on_committed(attempt.candidate, now, attempt.was_hedged)

    def complete(self, attempt: Attempt, now: float) -> None:
        """The winner's answer is complete."""
        if attempt.continuation:
            self.settle(attempt, Outcome.STREAM_CONTINUED, None, now)
            return
        unraced = Outcome.RETRY_SUCCESS if self._log.others(attempt) else Outcome.REQUEST_SUCCESS
        self.settle(attempt, Outcome.HEDGE_WINNER if self._raced else unraced, None, now)

    def settle(
        self,
        attempt: Attempt,
        outcome: Outcome,
        fault: Fault | None,
        now: float,
        is_ours: bool = False,
        recovery: NotContinued | None = None,
    ) -> None:
        """The attempt ends. `is_ours`: the router itself is at fault. `recovery`: why its broken answer is not
        continued.
        """
        attempt.transition(AttemptMove.SETTLE)
        del self.by_number[attempt.n]
        if not attempt.is_over:
            whole = attempt.reader is not None and attempt.reader.finished
            self._effects.append(Release(attempt.n) if whole else Cancel(attempt.n))
        was_last_key = self._plan.is_last_key(attempt.candidate, now)
        estimate = self._estimated_usage(attempt, outcome, fault) if self._client_request.is_chat else None
        record = self._log.record(attempt, outcome, fault, now, was_last_key, estimate, recovery)
        notice = self._plan.on_settled(attempt.candidate, record, None if is_ours else fault, now)
        self._effects.append(Settled(record, notice))

    def _estimated_usage(self, attempt: Attempt, outcome: Outcome, fault: Fault | None) -> Usage | None:
        """Of an answer whose usage was not reported, or not to its end. A provider bills what it was asked even if it
        is cancelled before its first content, by the client or for being slow; a refusal it does not.
        """
        reader = attempt.reader
        if attempt.continuation and attempt.first_content_at is not None:
            return None  # its reader estimates its own part of the answer
        if attempt is self.winner:
            return self._estimate() if reader is None or reader.usage is None or not reader.finished else None
        was_cancelled = outcome in CANCELLED or (fault is not None and fault.kind in GIVEN_UP)
        was_refused = attempt.status is not None and attempt.status >= 400
        if not was_cancelled or attempt.connected_at is None or was_refused:
            return None
        request = attempt.continuation.request if attempt.continuation else self._client_request
        return Usage(request.facts.tokens, is_estimated=True)

    def settle_all(self, outcome: Outcome, now: float, fault: Fault | None = None) -> None:
        for attempt in self:
            self.settle(attempt, outcome, fault, now)
