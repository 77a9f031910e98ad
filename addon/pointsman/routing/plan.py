"""The plan of one exchange: it is asked for the next candidate at each launch, and notified of settled attempts.

Each question is answered from the current state; nothing is patched in between. So a plan never returns a candidate
that has just been excluded, by this exchange or by another one. A candidate is chosen in these steps:

1. the targets that the name and the mode select (`pools`): the pinned one first, then in the order of the
   strategy (`strategies`), guarded ones that are serving another session last;
2. without those excluded (`exclusions` has the reasons);
3. for each, its keys: the session's own first, then those whose quota lasts longest, in turn; without those excluded;
4. if nothing is left: what may work all the same, in the order of `LAST_RESORT` (`candidate_order`).
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from random import Random

from pointsman.clients.access import ModelAccess
from pointsman.clients.clients import RunningRequest
from pointsman.config.clients import Budget
from pointsman.config.enums import ContentFilter, Dialect, Kind, Mode
from pointsman.domain.failures import (
    ALIKE_REFUSALS,
    CONTENT_FAILURES,
    FAILURE_POLICIES,
    REFUSALS,
    Failure,
    SkipScope,
    classify,
)
from pointsman.domain.records import AppliedRedirect, AttemptRecord
from pointsman.domain.targets import Candidate, Inventory, Target
from pointsman.routing.attempts_in_flight import AttemptsInFlight
from pointsman.routing.cache_choice import CacheEstimator
from pointsman.routing.candidate_order import CandidateOrder
from pointsman.routing.client_spending import ClientSpending
from pointsman.routing.exclusion_reasons import Exclusion, ExclusionReason
from pointsman.routing.exclusions import ONE_TEXT, Exclusions
from pointsman.routing.final_error import final_error
from pointsman.routing.issued_ids import Holder
from pointsman.routing.model_redirects import apply_redirects
from pointsman.routing.pin_choice import PinChoice
from pointsman.routing.pools import CandidateSet
from pointsman.routing.ranking import Ranking, ScoreSample
from pointsman.routing.request_wait import RequestWait
from pointsman.routing.resolve import Resolution, resolve
from pointsman.routing.session_outcomes import SessionOutcomes, pin_on
from pointsman.routing.state import RoutingState
from pointsman.routing.strategies.base import OrderFacts, TargetOrder
from pointsman.sessions.binding import SessionBinding
from pointsman.wire.conversation import Message
from pointsman.wire.conversion.unsupported import empty_member
from pointsman.wire.errors import Code, Fault, FaultKind, Problem
from pointsman.wire.headers import Headers
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.retry_after import stated_limits
from pointsman.wire.thinking_signatures import LeftOut, PartId


@dataclass(slots=True)
class Plan:
    """`dialect` is the client's: a target must take it, or another one that can express the request. `inventory` is
    the one in force when the exchange began.

    `wall_offset` is what the clock on the wall is ahead of the routing clock. `rng` is the state's unless given.
    """

    resolution: Resolution
    facts: RequestFacts
    dialect: Dialect
    inventory: Inventory
    binding: SessionBinding
    state: RoutingState
    retry_wait: float | None = None
    """Seconds the client has to wait because it repeats a failing request; no attempt is made."""
    wall_offset: float = 0.0
    rng: Random | None = None
    holder: Holder | None = None
    """The account that alone can serve the request, as it holds what the request refers to."""
    access: ModelAccess | None = None
    """What the client may use; None: every target of this request."""
    client: str | None = None
    """The name of the client."""
    charged: RunningRequest | None = None
    """The client's request, at whose expense attempts are; None: their cost is not counted."""
    faults: list[tuple[Failure, Fault]] = field(default_factory=list)
    candidates: CandidateSet = field(init=False)
    """The targets that take part."""
    scores: ScoreSample = field(init=False)
    _ranking: Ranking = field(init=False)
    """That of the inventory."""
    _order: CandidateOrder = field(init=False)
    _strategy: TargetOrder = field(init=False)
    _exclusions: Exclusions = field(init=False)
    _outcomes: SessionOutcomes = field(init=False)
    _spending: ClientSpending | None = field(init=False, default=None)
    _fallback: str | None = field(init=False, default=None)
    """The name that is asked instead, once a budget is exhausted."""
    _launched: int = 0
    """How many attempts there have been."""
    _attempts: AttemptsInFlight = field(init=False)
    _wait: RequestWait = field(init=False)

    def __post_init__(self) -> None:
        if self.charged:
            self._spending = ClientSpending(self.charged, self.facts, self.wall_offset, self._model_sent)
        self._exclusions = Exclusions(
            self.facts, self.dialect, self.inventory, self.state, self.binding, self.holder, self.access, self._spending
        )
        self._attempts = AttemptsInFlight(self.facts, self.binding, self.state, self._exclusions)
        self._wait = RequestWait(self.facts, self.state, self._exclusions, self.charged)
        self._ranking = self.state.ranking
        self._select(self.resolution)
        self._outcomes = SessionOutcomes(self.facts, self.binding, self.state, self._order, self._exclusions)

    def _select(self, resolution: Resolution) -> None:
        """The targets of that name take part, in an order of their own."""
        self.resolution = resolution
        ranking, rng = self._ranking, self.rng or self.state.rng
        self.candidates = ranking.candidate_set(self.resolution)
        self.scores = ranking.sample(self.mode, rng, self.dialect)
        facts = OrderFacts(self.mode, self.dialect, ranking, self.scores, rng, self.state.load)
        strategy = self.state.strategy(self.mode)
        strategy = deepcopy(strategy) if self.rng else strategy  # a preview must not count
        self._strategy = strategy.for_exchange(facts)
        self._order = CandidateOrder(
            self.resolution,
            self.facts,
            self.inventory,
            self.binding,
            self.state,
            self.holder,
            self.candidates,
            self._exclusions,
            self._strategy,
            PinChoice(self.mode, self.facts, self.dialect, self.binding, self.state, self.candidates, self._strategy),
            self.wall_offset,
        )

    # Asked.

    @property
    def mode(self) -> Mode:
        return self.resolution.mode

    @property
    def taken_as(self) -> str | None:
        return self._fallback or self.resolution.taken_as

    @property
    def session(self) -> str | None:
        return self.binding.label

    @property
    def pinned_target(self) -> Target | None:
        """The target of the session's pin, whether it is kept or not."""
        return self._order.pinned_target()

    def cache_estimator(self, now: float, wall: float) -> CacheEstimator | None:
        """What the conversation costs at each target; None where none has reported a usage of it."""
        return self._order.pin_choice.estimator(now, wall)

    def next_candidate(self, now: float, running: Collection[Candidate] = ()) -> Candidate | None:
        """The best candidate that may be launched beside those running, or None."""
        if self.retry_wait is not None or self._was_only_attempt:
            return None
        if self._wait.is_in_line and self.inventory is not self.state.inventory:
            self._adopt_reload()
        if not running:
            return self._first_candidate(now) or self._fallback_candidate(now)
        taken = {candidate.target.provider.name for candidate in running}
        return next((each for each in self.ranked_candidates(now) if self._may_hedge(each, taken, now)), None)

    @property
    def _was_only_attempt(self) -> bool:
        return bool(self._launched) and not self.facts.options.fallback

    def _adopt_reload(self) -> None:
        """A reload has replaced the configuration while the request waited: what it waits for may be gone, or have
        another limit. Its place in line stays.
        """
        self.inventory = self._exclusions.inventory = self.state.inventory
        self._ranking = self.state.ranking
        settings, facts = self.state.settings, self.facts
        try:
            found = resolve(facts.model, settings, self.inventory, facts.kind or Kind.CHAT, facts.options)
        except Problem:
            found = replace(self.resolution, targets=(), automatic=False, chain=())
        self._select(found)
        self._outcomes.order = self._order

    def next_continuation(self, broken: Candidate, can_go_on: Callable[[Target], bool], now: float) -> Candidate | None:
        """Another target to go on with an answer that broke off: one with the same model before all others."""
        if not self.facts.options.fallback:
            return None
        usable = (each for each in self.ranked_candidates(now) if each.target is not broken.target)
        found = [each for each in usable if can_go_on(each.target)]
        model = bare_name(broken.target.model.id)
        return min(found, key=lambda each: bare_name(each.target.model.id) != model, default=None)

    def _first_candidate(self, now: float) -> Candidate | None:
        return next(self.ranked_candidates(now), None) or self._order.last_resort(now)

    def _fallback_candidate(self, now: float) -> Candidate | None:
        """Where budgets keep every candidate of the requested name from being used, one of the name that the client
        asks instead; what is exhausted does not count there.
        """
        spending = self._spending
        name = spending.request.settings.fallback if spending else None
        if spending is None or name is None or self._fallback:
            return None
        unpaid = [each.target for each in self.exclusions(now) if each.reason is ExclusionReason.BUDGET]
        exhausted = [short.budget for target in unpaid for short in spending.shortages(target, now)]
        if not exhausted:
            return None
        requested = self.resolution
        try:
            self._select(resolve(name, self.state.settings, self.inventory, self.facts.kind or Kind.CHAT))
        except Problem:  # a reload has removed what the name meant, or it is of another kind
            return None
        self._set_fallback(name, exhausted)
        if (candidate := self._first_candidate(now)) is None:
            self._set_fallback(None, ())
            self._select(requested)
        return candidate

    def _set_fallback(self, name: str | None, lifted: Collection[Budget]) -> None:
        """The name is the operator's choice: the client need not be allowed to ask for it."""
        assert self._spending
        self._fallback, self._spending.lifted = name, lifted
        self._outcomes.has_fallback = name is not None
        self._exclusions.access = None if name else self.access

    def is_worth_a_wait(self, candidate: Candidate, now: float) -> bool:
        """The candidate is a last resort of which another request is about to show whether it works."""
        return self._wait.is_worth_it(candidate, now)

    def wait_until(self, waited: float, latest: float, wake: Callable[[], None], now: float) -> float | None:
        """Nothing can be launched now, or only what is worth a wait. When to ask again, where the request waits; None
        where it does not wait, or has waited `waited` seconds and may not wait on. It does not wait for what ends after
        `latest`. `wake` is called when it is worth asking before the time that is returned.
        """
        if self.retry_wait is not None or self._was_only_attempt:
            return None
        due = self._wait.until(self._order, waited, latest, wake, now)
        if due is None and self._launched:
            return self._wait.until_leased(self._order, waited, latest, now)
        return due

    def end_wait(self) -> None:
        """The request waits no longer, whatever has come of it."""
        self._wait.end()

    def _may_hedge(self, candidate: Candidate, taken: Collection[str], now: float) -> bool:
        """A provider other than those running; a guarded one is not used while it serves another session."""
        target = candidate.target
        busy = self.state.in_flight.serves_another_session(target, self.binding.holder, now)
        return target.provider.name not in taken and not busy

    def ranked_candidates(self, now: float) -> Iterator[Candidate]:
        """The candidates that may take the request, best first."""
        return self._order.usable(now)

    def selection_reason(self, candidate: Candidate, now: float, wall: float) -> str:
        """Why it was chosen: its rank and the reason for it, or `pin` with what else mattered, or `last_resort` and the
        exclusion that was ignored.
        """
        lifted = (f"{self._fallback}, as a budget is exhausted",) if self._fallback else ()
        return self._order.selection_reason(candidate, lifted, now, wall)

    def redirect(self, candidate: Candidate) -> AppliedRedirect | None:
        """The rule that led to this target, or else its provider's rule for its name."""
        return self._redirect_of(candidate.target)

    def hedge_delay(self, candidate: Candidate, wall: float) -> float | None:
        options = self.facts.options
        if self.facts.kind not in ONE_TEXT or not (options.hedge and options.fallback):
            return None  # what it makes costs too much to be made twice
        return self.state.hedge_delay(candidate.target, wall)

    def exclusions(self, now: float) -> list[Exclusion]:
        """Every excluded candidate, with its reason."""
        pinned = self._order.pinned_target()
        outside = [exclusion for exclusion in self.candidates.excluded if exclusion.target is not pinned]
        return [*self._exclusions.every_exclusion(self._order.all_targets(), now), *outside]

    def exclusion_dicts(self, now: float, wall: float) -> list[dict[str, object]]:
        """The exclusions in plain JSON types; `wall` is what the clock on the wall shows at `now`."""
        return [exclusion.to_dict(wall - now) for exclusion in self.exclusions(now)]

    def is_final(self, fault: Fault) -> bool:
        """The provider refused the request itself, so its answer is the client's."""
        failure, setting = classify(fault), self.state.settings.routing.content_filter
        if failure in CONTENT_FAILURES and setting is not None:
            return setting is ContentFilter.FINAL
        if not self.facts.options.fallback and fault.kind is FaultKind.STATUS:
            return True
        return FAILURE_POLICIES[failure].skip is SkipScope.ALL

    def is_refusal(self, fault: Fault) -> bool:
        """Another target may take what this one refused; if none can, its answer is the client's. So is any answer of
        the only one that knows what the request refers to.
        """
        failure = classify(fault)
        is_last_word = self.holder is not None and fault.kind is FaultKind.STATUS and failure is not Failure.KEY_INVALID
        return failure in REFUSALS | ALIKE_REFUSALS or is_last_word

    def is_last_key(self, candidate: Candidate, now: float) -> bool:
        """No other key of its target may take the request."""
        return not self._exclusions.has_other_key(candidate, now)

    def final_error(self, now: float, wall: float) -> Problem:
        """The error for the client when no candidate is left."""
        if self.retry_wait is not None:
            message = "This request keeps failing and is repeated too fast; wait before retrying."
            return Problem(Code.RATE_LIMITED, message, retry_after=self.retry_wait)
        free = self._exclusions.first_available(self._order.all_targets(), now)
        problem = final_error(self.faults, self.exclusions(now), None if free is None else free - now, wall - now)
        if self._spending and problem.code is Code.BUDGET_EXHAUSTED:
            self._spending.is_refused = True
        if problem.code is Code.INVALID_REQUEST:
            problem.param = empty_member(self.dialect, self.facts)
        return problem

    # Told.

    def on_launched(
        self, n: int, candidate: Candidate, now: float, last_byte: Callable[[], float] | None = None
    ) -> None:
        self.binding.touch(now)
        self._launched += 1
        if self._launched == 1 and not self._order.is_pinned(candidate.target):
            self._strategy.on_launched(candidate.target)
        if self._spending:
            self._spending.on_launched(n, candidate, now)
        self._attempts.begin(n, candidate, last_byte, now)
        self.inventory.advance_turn(candidate)

    def on_head(self, candidate: Candidate, headers: Mapping[str, str], now: float, wall: float) -> None:
        """The head of an answer: providers state their limits there."""
        self.state.on_stated_limits(candidate, stated_limits(headers, wall), now)

    def on_committed(self, candidate: Candidate, now: float, was_slow: bool = False) -> None:
        """The client sees this attempt's answer from here on. `was_slow`: another one was started beside it."""
        self._attempts.on_content(candidate)
        self._outcomes.on_committed(candidate, now, was_slow)

    def on_settled(self, candidate: Candidate, record: AttemptRecord, fault: Fault | None, now: float) -> str | None:
        """An attempt has ended; `fault` is None when the attempt is not at fault. Returns what this changes for all
        exchanges, for the log.
        """
        attempt = self._attempts.end(record.n)
        if self._spending:
            self._spending.on_settled(record)
        target = candidate.target
        self.binding.touch(now, _target_name(target))
        self._attempts.settle_lease(attempt, record)
        if record.first_byte_ms is not None:
            self.state.on_reached(target)
        if fault is None:
            return self._on_success(candidate, record, attempt.launched, now) if record.outcome.is_success else None
        assert record.failure
        failure = record.failure
        self.faults.append((failure, fault))
        self._exclusions.skip(candidate, failure, fault)
        self._outcomes.note_failure(target, failure, now)
        has_untried_key = not (self.is_last_key(candidate, now) or self._exclusions.many_keys_failed(target))
        notice = self.state.on_failure(candidate, failure, fault, has_untried_key, record.ended, now)
        is_local = failure is Failure.CONNECT and self.state.is_network_down(target, now)
        banned = None if is_local else self._outcomes.apply_protection(target, failure, fault, attempt.launched, now)
        return "; ".join(filter(None, (notice, banned))) or None

    def on_ended(self, failed: bool, now: float) -> None:
        """The exchange has ended; `failed`: the client received an error."""
        turn, is_refused = self.binding.fingerprint, self.retry_wait is not None
        if self._spending:
            self._spending.end()
            is_refused = is_refused or self._spending.is_refused
        if failed and turn is not None and not is_refused:
            self.state.retry_storms.on_failure(self.binding.client_id, turn.digest, now)
            self.binding.record_broken_stream(self.facts.stream)

    def discard(self) -> None:
        """The exchange ends without further calls."""
        self._attempts.end_all()
        if self._spending:
            self._spending.end()
        self.end_wait()

    @property
    def needs_answer(self) -> bool:
        return self.binding.is_prefix_keyed

    def parts_left_out(self, candidate: Candidate) -> LeftOut:
        return LeftOut(self.binding.refused_parts(candidate.target.provider.name))

    def on_parts_refused(self, candidate: Candidate, parts: Sequence[PartId]) -> None:
        self.binding.record_refused_parts(candidate.target.provider.name, parts)

    def on_answer_begun(self, answer_id: str, candidate: Candidate, now: float) -> None:
        if self.facts.stores_answer:
            self._record_issued((answer_id,), candidate, self.client, now)

    def on_answer_id(self, answer_id: str, candidate: Candidate, now: float) -> None:
        self.state.sessions.on_answer_id(self.binding, answer_id)
        if answer_id:
            self.on_answer_begun(answer_id, candidate, now)

    def _record_issued(self, ids: Sequence[str], candidate: Candidate, client: str | None, now: float) -> None:
        """Its account holds them for this client, unless the answer is a converted one."""
        target = candidate.target
        if ids and not target.needs_conversion(self.dialect):
            self.state.issued_ids.record(ids, pin_on(candidate), now, client)

    def on_answer(self, message: Message, now: float) -> None:
        """The session will be found by this answer too."""
        self.state.sessions.on_answer(self.binding, message)

    def on_response_started(self, answered: Target | None) -> None:
        """The response headers were sent; counts their sticky result."""
        self.binding.count_outcome(_target_name(answered))

    def early_session_headers(self, prefix: str) -> Headers:
        return self.binding.early_headers(prefix)

    def session_headers(self, prefix: str, answered: Target | None) -> Headers:
        return self.binding.headers(prefix, _target_name(answered))

    def budget_left(self, now: float) -> str:
        """For the header `X-Budget-Left`; empty while much is left, and where nothing is limited."""
        return self._spending.budget_left(now) if self._spending else ""

    def stickiness(self, answered: Target | None) -> str:
        return self.binding.stickiness(_target_name(answered)).value

    # How.

    def _redirect_of(self, target: Target) -> AppliedRedirect | None:
        return self.resolution.redirects.get(target) or apply_redirects(target.provider, target.model.id)

    def _model_sent(self, target: Target) -> str:
        redirect = self._redirect_of(target)
        return redirect.redirected_model if redirect else target.model.id

    def _on_success(self, candidate: Candidate, record: AttemptRecord, launched: float, now: float) -> str | None:
        """An answer has ended well."""
        held = self.facts.held
        self.state.observe_cache(candidate, record, self.binding, self.facts.tokens, launched, self.facts.stream)
        self._record_issued((*held.own, *held.shared), candidate, None, now)
        lifted = self._outcomes.on_success(candidate, now)
        return "; ".join(filter(None, (self.state.on_success(candidate, launched), lifted))) or None


def bare_name(model: str) -> str:
    """A model's name without what stands before its last slash: hosts of the same model differ in that."""
    return model.rpartition("/")[2].lower()


def _target_name(target: Target | None) -> tuple[str, str] | None:
    return (target.provider.name, target.model.id) if target else None
