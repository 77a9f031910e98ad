"""How a request is played: through routing alone, which is quick, or through a whole exchange, byte by byte.

Both drive the code that serves real requests; the first one leaves out what lies between plan and provider.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from pointsman.config.words import Dialect, Mode
from pointsman.exchange.audit import AttemptRecord, ExchangeRecord, Outcome
from pointsman.routing.failures import classify
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.routing.targets import Candidate
from pointsman.sessions.keys import Caller
from pointsman.wire.facts import RequestFacts
from pointsman.wire.faults import Fault, FaultKind
from pointsman.wire.frames import Usage
from simulation.world import Reply, World

WALL = 1_800_000_000.0
"""What the clock on the wall shows at the beginning."""
NOBODY = Caller({}, None, "", list, lambda: None)
MOST = 12
"""Attempts."""


class Told(NamedTuple):
    """What became of a request: the first choice, who answered, and after how many seconds."""

    first: str | None
    answered: str | None
    attempts: int
    waited: float | None


type Lane = Callable[[Router, World, Mode, float], Told]


def through_routing(router: Router, world: World, mode: Mode, t: float) -> Told:
    facts = RequestFacts(model=f"auto-{mode}", stream=True, needs=frozenset(), tokens=500)
    plan = router.plan(facts, Dialect.OPENAI_CHAT, NOBODY, t, WALL + t)
    records: list[AttemptRecord] = []
    answered, waited, now = None, None, t
    while len(records) < MOST and answered is None and (candidate := plan.next(now)):
        n = len(records) + 1
        plan.launched(n, candidate, now)
        reply = world.ask(candidate.target.provider.name, now)
        records.append(_settled(plan, n, candidate, reply, now))
        if reply.is_good:
            answered, waited = candidate.target.provider.name, now + reply.first - t
        now += reply.whole
    router.observe(_exchange(records, mode, t, now))
    return Told(records[0].provider if records else None, answered, len(records), waited)


def _settled(plan: Plan, n: int, candidate: Candidate, reply: Reply, now: float) -> AttemptRecord:
    """The plan is told, as an exchange would tell it."""
    fault = None if reply.is_good else Fault(FaultKind.STATUS, status=reply.status, retry_after=reply.retry_after)
    record = _record(n, candidate, reply, now, fault, plan.is_last_key(candidate, now))
    if reply.is_good:
        plan.committed(candidate, now + reply.first)
    plan.settled(candidate, record, fault, now + reply.whole)
    return record


def _record(
    n: int, candidate: Candidate, reply: Reply, now: float, fault: Fault | None, was_last_key: bool
) -> AttemptRecord:
    provider, model = candidate.target.provider, candidate.target.model.id
    good = Outcome.REQUEST_SUCCESS if n == 1 else Outcome.RETRY_SUCCESS
    return AttemptRecord(
        n=n, provider=provider.name, base_url=provider.base_url, model=model, model_sent=model, redirect=None,
        key=candidate.key_label, outcome=Outcome.RETRY_FAILED if fault else good, status=reply.status,
        error=fault and fault.label, message="", failure=fault and classify(fault), why="", started=WALL + now,
        connected_ms=1.0, first_byte_ms=reply.whole * 1000, settled_ms=reply.whole * 1000, bytes_received=0,
        first_content_ms=None if fault else reply.first * 1000, was_last_key=was_last_key,
        usage=None if fault else Usage(500, reply.tokens, 0), finish_reason=None if fault else "stop",
    )  # fmt: skip


def _exchange(records: list[AttemptRecord], mode: Mode, began: float, ended: float) -> ExchangeRecord:
    return ExchangeRecord(
        request_id="", session=None, sticky="disabled", mode=mode, model=f"auto-{mode}", status=200, error=None,
        started=WALL + began, ended_ms=(ended - began) * 1000, streamed=True, attempts=tuple(records), excluded=(),
    )  # fmt: skip


LANES: Mapping[str, Lane] = {"routing": through_routing}
