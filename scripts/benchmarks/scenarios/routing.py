"""The cost of choosing one of many targets when all tables are full.

It is CPU time, so other work of the machine does not count. Skipping cooling targets dominates: here they come first.
"""

import random
from dataclasses import replace
from statistics import median, quantiles
from time import perf_counter, thread_time

from benchmarks.ab_rounds import Rounds
from benchmarks.figures import Figure, Report
from benchmarks.testbed import Versions
from pointsman import config
from pointsman.config import Settings
from pointsman.config.enums import Dialect
from pointsman.domain.failures import Scope
from pointsman.domain.records import AttemptRecord, Outcome
from pointsman.routing.cooldowns import MAX_STATED, Wait
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.sessions.key_sources import Caller
from pointsman.sessions.store import Pin
from pointsman.wire.frames import Usage
from pointsman.wire.request_facts import RequestFacts

PROVIDERS, MODELS, KEYS = 50, 10, 3
SESSIONS = 10_000
COOLING_TARGETS, COOLING_KEYS = 150, 50
FACTS = RequestFacts(model="auto", stream=True, needs=frozenset(), tokens=2000)
RECORD = AttemptRecord(
    n=1,
    provider="",
    base_url="",
    model="",
    model_sent="",
    redirect=None,
    key=None,
    outcome=Outcome.REQUEST_SUCCESS,
    status=200,
    error=None,
    message="",
    failure=None,
    selection_reason="",
    started=0.0,
    connected_ms=1.0,
    first_byte_ms=1.0,
    first_content_ms=1.0,
    settled_ms=1.0,
    bytes_received=0,
    usage=Usage(100, 100, 0),
    finish_reason="stop",
)


class FullRouter:
    """A router with full tables, and a clock that advances a little with each exchange."""

    def __init__(self) -> None:
        self.chance = random.Random(7)
        self.now = 100_000.0
        self.router = Router(settings(), b"the secret of this installation")
        inventory, cooldowns, day = self.router.inventory, self.router.cooldowns, Wait(MAX_STATED)
        for target in inventory.targets[:COOLING_TARGETS]:
            cooldowns.cool(inventory.keys[target][0], Scope.TARGET, "503", day, self.now)
        for number in range(COOLING_KEYS):
            target = inventory.by_label[f"p{number % PROVIDERS}/m0"]
            cooldowns.cool(inventory.keys[target][0], Scope.KEY, "rate_limit", day, self.now)
        for number in range(SESSIONS):
            candidate = inventory.keys[self.chance.choice(inventory.targets)][0]
            target = candidate.target
            pin = Pin(target.provider.name, target.model.id, candidate.key_id[1])
            self.plan(number).binding.set_pin(pin, self.now)

    def plan(self, session: int) -> Plan:
        client = Caller({"x-session-id": f"conversation-{session}"}, None, "", list, lambda: None)
        return self.router.plan(FACTS, Dialect.OPENAI_CHAT, client, self.now)

    def exchange(self, pinned: bool) -> tuple[float, float, float]:
        """CPU seconds for choosing, for a whole attempt, and for listing the excluded targets."""
        self.now += 0.001
        session = self.chance.randrange(SESSIONS) if pinned else SESSIONS + self.chance.randrange(100)
        began = thread_time()
        plan = self.plan(session)
        candidate = plan.next_candidate(self.now)
        chosen = thread_time()
        assert candidate
        plan.on_launched(1, candidate, self.now)
        plan.on_settled(candidate, replace(RECORD, key=candidate.key_label), None, self.now + 0.01)
        settled = thread_time()
        plan.exclusion_dicts(self.now, self.now)
        return chosen - began, settled - began, thread_time() - settled


def settings() -> Settings:
    models = [{"id": f"m{number}", "limits": {"rpm": 600, "tpm": 10_000_000}} for number in range(MODELS)]
    keys = [f"bench-secret-{number}" for number in range(KEYS)]
    providers = {
        f"p{number}": {"base_url": f"https://p{number}.test/v1", "keys": keys, "models": models}
        for number in range(PROVIDERS)
    }
    return config.build({"providers": providers, "sticky": {"max_sessions": SESSIONS}}, {})


async def run(rounds: Rounds, versions: Versions) -> Report:
    full = FullRouter()
    figures: dict[tuple[str, str], list[float | None]] = {}
    for _ in range(rounds.count):
        for setting, pinned in (("pinned session", True), ("new session", False)):
            times = list(zip(*measured(full, pinned, rounds.seconds / 2), strict=True))
            for name, taken in zip(("choosing", "a whole attempt", "listing exclusions"), times, strict=True):
                figures.setdefault((setting, f"{name}"), []).append(median(taken) * 1000)
                figures.setdefault((setting, f"{name}, p99"), []).append(quantiles(taken, n=100)[98] * 1000)
    conditions = (
        f"{PROVIDERS * MODELS} targets with {KEYS} keys each, {SESSIONS} sessions, {COOLING_TARGETS + COOLING_KEYS}"
        f" cooldowns; ms of CPU time, median and p99, not compared; {rounds}"
    )
    return Report(conditions, [Figure(setting, name, values) for (setting, name), values in figures.items()])


def measured(full: FullRouter, pinned: bool, seconds: float) -> list[tuple[float, float, float]]:
    until = perf_counter() + seconds
    taken: list[tuple[float, float, float]] = []
    while perf_counter() < until or len(taken) < 2:
        taken.append(full.exchange(pinned))
    return taken
