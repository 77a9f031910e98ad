"""What counting a client's money and limits adds to a request: the same exchanges with a client and without.

It is CPU time, so other work of the machine does not count. Both take turns, exchange by exchange.
"""

from collections.abc import Mapping
from dataclasses import replace
from statistics import median
from time import perf_counter, thread_time
from typing import Any

from benchmarks.ab_rounds import Rounds
from benchmarks.figures import Figure, Report
from benchmarks.scenarios.routing import RECORD
from benchmarks.testbed import Versions
from pointsman import config
from pointsman.clients.clients import Clients
from pointsman.config import Settings
from pointsman.config.enums import Dialect
from pointsman.routing.client_spending import reserved_usage
from pointsman.routing.router import Router
from pointsman.sessions.key_sources import Caller
from pointsman.wire.request_facts import RequestFacts

CLIENTS, TARGETS = 1000, 20
FACTS = RequestFacts(
    model="auto",
    stream=True,
    needs=frozenset(),
    tokens=2000,
    document={"max_tokens": 4096, "messages": [{"role": "user", "content": "Hi"}]},
)
WALL = 1_700_000_000.0
BUDGETS = (
    {"usd": 1_000_000, "per": "day"},
    {"usd": 9_000_000, "per": "month", "zone": "Europe/Berlin"},
    {"tokens": 10**12, "per": "week"},
)


class Exchanges:
    """A router with many clients, each with three budgets and three limits."""

    def __init__(self) -> None:
        self.settings = settings()
        self.router, self.clients = Router(self.settings, b"the secret of this installation"), Clients(self.settings)
        self.caller = Caller({}, None, "", list, lambda: None)
        self.now = 1000.0

    def run(self, client: str | None) -> float:
        """CPU seconds of one exchange, from its plan to the header of its answer and its end."""
        self.now += 0.001
        now, wall = self.now, WALL + self.now
        began = thread_time()
        charged = self.clients.begin(client, reserved_usage(FACTS), now, wall) if client else None
        plan = self.router.plan(FACTS, Dialect.OPENAI_CHAT, self.caller, now, wall, charged)
        candidate = plan.next_candidate(now)
        assert candidate
        plan.on_launched(1, candidate, now)
        plan.budget_left(now)
        plan.on_settled(candidate, replace(RECORD, cost=123_456), None, now)
        plan.on_ended(False, now)
        taken = thread_time() - began
        if len(self.clients.ledger.take_changes()) > CLIENTS:
            raise AssertionError("more entries than one client has")
        return taken


def settings() -> Settings:
    prices = {f"m{number}": {"input": 1, "output": 2} for number in range(TARGETS)}
    models = [{"id": f"m{number}"} for number in range(TARGETS)]
    providers = {"p": {"base_url": "https://p.test/v1", "keys": [], "models": models, "prices": prices}}
    limits = {"rpm": 10**6, "tpm": 10**9, "concurrency": 1000}
    clients: Mapping[str, Any] = {
        f"c{number}": {"key": f"the-key-of-client-{number}", "limits": limits, "budgets": BUDGETS}
        for number in range(CLIENTS)
    }
    return config.build({"providers": providers, "clients": clients, "sticky": {"enabled": False}}, {})


async def run(rounds: Rounds, versions: Versions) -> Report:
    exchanges = Exchanges()
    figures: dict[str, list[float | None]] = {"without a client": [], "with a client": [], "difference": []}
    for _ in range(rounds.count):
        without, with_client = measured(exchanges, rounds.seconds)
        for name, value in zip(figures, (without, with_client, with_client - without), strict=True):
            figures[name].append(value * 1e6)
    conditions = (
        f"{CLIENTS} clients with {len(BUDGETS)} budgets and 3 limits each, {TARGETS} targets with prices;"
        f" µs of CPU time for the routing of one exchange, median, not compared; {rounds}"
    )
    return Report(conditions, [Figure("one exchange", name, values) for name, values in figures.items()])


def measured(exchanges: Exchanges, seconds: float) -> tuple[float, float]:
    """Medians, without a client and with one."""
    until, turn = perf_counter() + seconds, 0
    without: list[float] = []
    with_client: list[float] = []
    while perf_counter() < until or turn < 2:
        without.append(exchanges.run(None))
        with_client.append(exchanges.run(f"c{turn % CLIENTS}"))
        turn += 1
    return median(without), median(with_client)
