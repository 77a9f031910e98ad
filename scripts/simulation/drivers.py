"""How a request is simulated: through routing alone, which is fast, or through a whole exchange, byte by byte.

Both run the code that serves real requests; the first skips everything between plan and provider.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from heapq import heappop, heappush
from itertools import count
from math import ceil
from typing import NamedTuple

from pointsman.config.enums import Dialect, Mode
from pointsman.domain.failures import classify
from pointsman.domain.records import AttemptRecord, ExchangeRecord, Outcome
from pointsman.domain.targets import Candidate
from pointsman.exchange.client_request import ClientRequest, ExchangeRules
from pointsman.exchange.effects import Cancel, Effect, Launch, Release
from pointsman.exchange.engine import Exchange
from pointsman.masking import Masker
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.sessions.key_sources import Caller
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.frames import Usage
from pointsman.wire.request_facts import RequestFacts
from simulation.providers import Reply, SimulatedProviders

WALL = 1_800_000_000.0
"""The wall clock at the beginning, in seconds since the epoch."""
ANONYMOUS = Caller({}, None, "", list, lambda: None)
MAX_ATTEMPTS = 12
"""Limit for `through_routing`."""


class Result(NamedTuple):
    """The result of a request; the fields are those of `Step`."""

    first: str | None
    answered: str | None
    sent: int
    raced: bool
    waited: float | None


type Driver = Callable[[Router, SimulatedProviders, Mode, float], Result]


def through_routing(router: Router, providers: SimulatedProviders, mode: Mode, t: float) -> Result:
    facts = RequestFacts(model=f"auto-{mode}", stream=True, needs=frozenset(), tokens=500)
    return route(router, facts, ANONYMOUS, providers.ask, mode, t)


def route(
    router: Router, facts: RequestFacts, caller: Caller, ask: Callable[[str, float], Reply], mode: Mode, t: float
) -> Result:
    """One request at `t`; `ask` says what a provider answers at a time."""
    plan = router.plan(facts, Dialect.OPENAI_CHAT, caller, t, WALL + t)
    records: list[AttemptRecord] = []
    answered, waited, now = None, None, t
    while len(records) < MAX_ATTEMPTS and answered is None and (candidate := plan.next_candidate(now)):
        n = len(records) + 1
        plan.on_launched(n, candidate, now)
        reply = ask(candidate.target.provider.name, now)
        records.append(settle(plan, n, candidate, reply, now))
        if reply.is_good:
            answered, waited = candidate.target.provider.name, now + reply.first - t
        now += reply.whole
    router.observe(_exchange(records, mode, t, now))
    return Result(records[0].provider if records else None, answered, len(records), False, waited)


def settle(plan: Plan, n: int, candidate: Candidate, reply: Reply, now: float, ahead: float = WALL) -> AttemptRecord:
    """Reports the attempt that began at `now` to the plan, as an exchange would. The wall's clock is `ahead`."""
    fault = None if reply.is_good else Fault(FaultKind.STATUS, status=reply.status, retry_after=reply.retry_after)
    record = _record(n, candidate, reply, now + ahead, fault, plan.is_last_key(candidate, now))
    if reply.is_good:
        plan.on_committed(candidate, now + reply.first)
    plan.on_settled(candidate, record, fault, now + reply.whole)
    return record


def _record(
    n: int, candidate: Candidate, reply: Reply, started: float, fault: Fault | None, was_last_key: bool
) -> AttemptRecord:
    provider, model = candidate.target.provider, candidate.target.model.id
    good = Outcome.REQUEST_SUCCESS if n == 1 else Outcome.RETRY_SUCCESS
    return AttemptRecord(
        n=n,
        provider=provider.name,
        base_url=provider.base_url,
        model=model,
        model_sent=model,
        redirect=None,
        key=candidate.key_label,
        outcome=Outcome.RETRY_FAILED if fault else good,
        status=reply.status,
        error=fault.label if fault else None,
        message="",
        failure=classify(fault) if fault else None,
        selection_reason="",
        started=started,
        connected_ms=1.0,
        first_byte_ms=reply.whole * 1000,
        settled_ms=reply.whole * 1000,
        bytes_received=0,
        first_content_ms=None if fault else reply.first * 1000,
        was_last_key=was_last_key,
        usage=None if fault else reply.usage or Usage(500, reply.tokens, 0),
        finish_reason=None if fault else "stop",
    )


def _exchange(records: list[AttemptRecord], mode: Mode, began: float, ended: float) -> ExchangeRecord:
    return ExchangeRecord(
        request_id="", session=None, sticky="disabled", mode=mode, model=f"auto-{mode}", status=200, error=None,
        started=WALL + began, ended_ms=(ended - began) * 1000, streamed=True, attempts=tuple(records), excluded=(),
    )  # fmt: skip


OPENAI = DIALECTS[Dialect.OPENAI_CHAT]
PATH = "/v1/chat/completions"
SSE, JSON = {"content-type": "text/event-stream"}, {"content-type": "application/json"}
MASKER = Masker([])
ASKED = b'{"model":"auto-%s","stream":true,"messages":[{"role":"user","content":"%s"}]}'
WORDS = b"which track " * 160

type Input = Callable[[Exchange, float], list[Effect]]


def through_an_exchange(router: Router, providers: SimulatedProviders, mode: Mode, t: float) -> Result:
    """The simulated providers carry out the effects of the exchange; its timers follow the clock of the run."""
    body = ASKED % (mode.encode(), WORDS)
    call = ClientRequest("", OPENAI, OPENAI.facts(body, PATH), PATH, body, (), WALL + t)
    plan = router.plan(call.facts, Dialect.OPENAI_CHAT, ANONYMOUS, t, WALL + t)
    exchange = Exchange(call, plan, ExchangeRules.from_settings(router.settings, MASKER))
    pending = PendingInputs(providers)
    pending.execute(exchange.start(t), t)
    while not exchange.ended:
        timer = exchange.next_tick_at
        if timer is not None and not pending.has_before(timer):
            pending.execute(exchange.on_tick(timer), timer)
        else:
            pending.next(exchange)
    record = exchange.to_record()
    router.observe(record)
    return _result(record)


class PendingInputs:
    """Inputs of one exchange that its attempts will still produce, ordered by time."""

    def __init__(self, providers: SimulatedProviders) -> None:
        self._providers = providers
        self._due: list[tuple[float, int, int, Input]] = []
        self._number = count()
        self._over: set[int] = set()

    def execute(self, effects: list[Effect], now: float) -> None:
        for effect in effects:
            if isinstance(effect, Launch):
                name = effect.request.url.removeprefix("https://").partition(".test/")[0]
                for at, given in _answer(effect.n, self._providers.ask(name, now), now):
                    heappush(self._due, (at, next(self._number), effect.n, given))
            elif isinstance(effect, Cancel | Release):
                self._over.add(effect.n)

    def has_before(self, moment: float) -> bool:
        return bool(self._due) and self._due[0][0] <= moment

    def next(self, exchange: Exchange) -> None:
        now, _, n, given = heappop(self._due)
        if n not in self._over:
            self.execute(given(exchange, now), now)


def _answer(n: int, reply: Reply, now: float) -> Iterator[tuple[float, Input]]:
    """What the exchange hears of an attempt, and when."""
    yield now + 0.01, lambda exchange, at: exchange.on_connected(n, at)
    first, whole = now + reply.first, now + reply.whole
    if not reply.is_good:
        headers = JSON | ({"retry-after": str(ceil(reply.retry_after))} if reply.retry_after is not None else {})
        yield whole, lambda exchange, at: exchange.on_head(n, reply.status, headers, at)
        yield whole, lambda exchange, at: exchange.on_data(n, b'{"error":{"message":"made up"}}', at)
    else:
        yield first, lambda exchange, at: exchange.on_head(n, 200, SSE, at)
        yield first, lambda exchange, at: exchange.on_data(n, _event({"content": "yes"}, None), at)
        usage = {"prompt_tokens": 500, "completion_tokens": reply.tokens}
        end = _event({}, "stop", usage) + b"data: [DONE]\n\n"
        yield whole, lambda exchange, at: exchange.on_data(n, end, at)
    yield whole, lambda exchange, at: exchange.on_end(n, at)


def _event(delta: dict[str, str], finish: str | None, usage: dict[str, int] | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: %s\n\n" % json.dumps({"id": "c", "choices": [choice], "usage": usage}).encode()


def _result(record: ExchangeRecord) -> Result:
    """The first choice is the attempt that was launched first."""
    raced = any(each.is_informational for each in record.attempts)
    attempts = sorted((each for each in record.attempts if not each.is_informational), key=lambda each: each.n)
    winner = next((each for each in attempts if each.outcome.is_success), None)
    first = attempts[0].provider if attempts else None
    if winner is None or winner.first_content_ms is None:
        return Result(first, None, len(attempts), raced, None)
    waited = winner.started - record.started + winner.first_content_ms / 1000
    return Result(first, winner.provider, len(attempts), raced, waited)


DRIVERS: Mapping[str, Driver] = {"routing": through_routing, "exchange": through_an_exchange}
