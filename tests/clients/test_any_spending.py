"""Whatever is launched, ends, crashes or is reloaded, in whatever order: the ledger is the sum of the bills."""

from typing import Any

from hypothesis import settings as run_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from exchange.exchange_harness import DONE, JSON, ROLE, SSE, STOP, ExchangeHarness, event
from pointsman.clients.budgets import Window
from pointsman.clients.clients import Clients, RunningRequest
from pointsman.config import Settings
from pointsman.config.enums import Dialect
from pointsman.domain.records import AttemptRecord
from pointsman.exchange.effects import Launch
from pointsman.routing.client_spending import expected_tokens
from pointsman.routing.router import Router
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.errors import FaultKind, Problem
from support.clients_in_core import SECRET
from support.settings import provider, settings

DAY = 86_400.0
PRICES = {"a": (3_000, 15_000), "b": (500, 1_000), "c": (0, 0)}
"""Nano-dollars for a token of the prompt and of the answer, by provider; that of d is not known."""
PROVIDERS: dict[str, dict[str, Any]] = {
    name: provider(f"http://{name}.test/v1", prices={"m": {"input": each[0] / 1000, "output": each[1] / 1000}})
    | {"models": [{"id": "m", "prefill": True}]}
    for name, each in PRICES.items()
} | {"d": provider("http://d.test/v1", "n")}
BUDGETS = {
    "ample": [{"usd": 100, "per": "day"}],
    "small": [{"usd": 0.04, "per": "day"}, {"tokens": 3000, "per": "week", "zone": "Europe/Berlin"}],
    "none left": [{"usd": 0, "per": "day"}, {"tokens": 5000, "per": "day"}],
}
"""All of them have a budget for each day."""


def configured(budgets: str, on_exhausted: str, concurrency: int) -> Settings:
    client = {
        "key": "the-key-of-a-client",
        "budgets": BUDGETS[budgets],
        "on_exhausted": on_exhausted,
        "limits": {"concurrency": concurrency},
    }
    hedge, server = {"after": "5s", "max_parallel": 3}, {"client_key": "the-key-of-everyone"}
    return settings(PROVIDERS, clients={"ci": client}, hedge=hedge, server=server, stream={"recover": "prefill"})


def bill(record: AttemptRecord) -> int:
    """What its provider asks for it, in nano-dollars."""
    if record.usage is None or record.provider not in PRICES:
        return 0
    prompt, answer = PRICES[record.provider]
    return record.usage.prompt * prompt + record.usage.output * answer


class AnySpending(RuleBasedStateMachine):
    """`windows` are all periods of a day that the ledger has ever changed."""

    @initialize(budgets=st.sampled_from(sorted(BUDGETS)), on_exhausted=st.sampled_from(["refuse", "n", "c/m"]))
    def open(self, budgets: str, on_exhausted: str) -> None:
        self.now = 10 * DAY
        self.settings = configured(budgets, on_exhausted, 3)
        self.clients, self.router = Clients(self.settings), Router(self.settings, SECRET)
        self.exchanges: list[ExchangeHarness] = []
        self.requests: list[RunningRequest] = []
        self.lost: set[ExchangeHarness] = set()
        self.windows: set[Window] = set()

    @rule(tokens=st.integers(1, 400), longest=st.sampled_from([None, 1, 700]))
    def begin(self, tokens: int, longest: int | None) -> None:
        limit = b"" if longest is None else b'"max_tokens":%d,' % longest
        body = b'{"model":"m","stream":true,%s"messages":[{"role":"user","content":"%s"}]}' % (limit, b"x" * 4 * tokens)
        facts = DIALECTS[Dialect.OPENAI_CHAT].facts(body, "/v1/chat/completions")
        running = [each for each in self.requests if each._slot.is_open]
        try:
            client = self.clients.begin("ci", expected_tokens(facts), self.now, self.now)
        except Problem:
            assert len(running) >= (self.settings.clients["ci"].limits.concurrency or 0)
            return
        assert len(running) < (self.settings.clients["ci"].limits.concurrency or 0)
        self.requests.append(client)
        made = ExchangeHarness(4, request=body, router=self.router, client=client, now=self.now)
        self.exchanges.append(made)
        self.step(made, made.start)

    def step(self, exchange: ExchangeHarness, happens: Any, *given: Any) -> None:
        exchange.now = self.now
        launched = len(exchange.effects_of(Launch))
        happens(*given)
        if len(exchange.effects_of(Launch)) > launched:
            self.check_room(exchange)

    def check_room(self, exchange: ExchangeHarness) -> None:
        """What was launched had room, unless it costs nothing or stands in for what had none."""
        spending = exchange.exchange.plan._spending  # type: ignore[attr-defined]
        account = self.clients.ledger["ci"]
        candidate = exchange.exchange.running_candidates[-1]
        estimate = spending._estimate(candidate.target, self.now)
        for line in account.lines(self.now):
            if line.budget not in spending.lifted and (estimate.cost if line.is_money else estimate.tokens):
                assert line.left >= 0

    def chosen(self, data: st.DataObject) -> ExchangeHarness:
        return data.draw(st.sampled_from([each for each in self.exchanges if each not in self.lost]))

    @precondition(lambda self: set(self.exchanges) - self.lost)
    @rule(data=st.data(), n=st.integers(1, 4), status=st.sampled_from([200, 200, 200, 429, 500, 400]))
    def head(self, data: st.DataObject, n: int, status: int) -> None:
        exchange = self.chosen(data)
        attempt = exchange.exchange._running.get(n)
        if attempt and attempt.status is None:
            self.step(exchange, exchange.connected, n)
            self.step(exchange, exchange.head, n, status, SSE if status == 200 else JSON)

    @precondition(lambda self: set(self.exchanges) - self.lost)
    @rule(
        data=st.data(),
        n=st.integers(1, 4),
        said=st.lists(st.sampled_from(["role", "content", "stop", "usage", "done"]), min_size=1, max_size=5),
        prompt=st.integers(1, 2000),
        answer=st.integers(0, 2000),
    )
    def answers(self, data: st.DataObject, n: int, said: list[str], prompt: int, answer: int) -> None:
        exchange = self.chosen(data)
        attempt = exchange.exchange._running.get(n)
        if not attempt or attempt.status is None:
            return
        usage = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}\n\n'
        pieces = {"role": ROLE, "content": event("word"), "stop": STOP, "usage": usage % (prompt, answer), "done": DONE}
        self.step(exchange, exchange.data, n, b"".join(pieces[each] for each in said))

    @precondition(lambda self: set(self.exchanges) - self.lost)
    @rule(data=st.data(), n=st.integers(1, 4), is_broken=st.booleans())
    def ends(self, data: st.DataObject, n: int, is_broken: bool) -> None:
        exchange = self.chosen(data)
        attempt = exchange.exchange._running.get(n)
        if attempt and is_broken:
            self.step(exchange, exchange.failed, n, FaultKind.RESET)
        elif attempt and attempt.status is not None:
            self.step(exchange, exchange.end, n)

    @precondition(lambda self: set(self.exchanges) - self.lost)
    @rule(data=st.data())
    def client_leaves(self, data: st.DataObject) -> None:
        self.chosen(data).client_gone()

    @precondition(lambda self: set(self.exchanges) - self.lost)
    @rule(data=st.data())
    def router_fails(self, data: st.DataObject) -> None:
        exchange = self.chosen(data)
        exchange.exchange.plan.discard()
        self.lost.add(exchange)

    @rule(seconds=st.sampled_from([1.0, 6.0, 40.0, 0.6 * DAY, 2 * DAY]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for exchange in self.exchanges:
            if exchange not in self.lost and not exchange.exchange.ended:
                due = exchange.exchange.next_tick_at
                if due is not None and due <= self.now:
                    self.step(exchange, exchange.wait, 0.0)

    @rule(
        budgets=st.sampled_from(sorted(BUDGETS)),
        on_exhausted=st.sampled_from(["refuse", "n"]),
        concurrency=st.integers(1, 5),
    )
    def reload(self, budgets: str, on_exhausted: str, concurrency: int) -> None:
        self.settings = configured(budgets, on_exhausted, concurrency)
        self.clients.update_settings(self.settings)
        self.router.update_settings(self.settings, self.now)

    @invariant()
    def the_ledger_is_the_sum_of_the_bills(self) -> None:
        changed = (each for each in self.clients.ledger.take_changes() if isinstance(each, Window))
        self.windows.update(each for each in changed if each.span.per == "day")
        records = [record for each in self.exchanges for record in each.records]
        assert all(record.cost == bill(record) for record in records if record.provider in PRICES and record.usage)
        owed, totals = sum(map(bill, records)), self.clients.ledger["ci"].totals
        assert totals.cost == owed == sum(window.cost for window in self.windows)
        used = sum(record.usage.total for record in records if record.usage)
        assert totals.tokens["input"] + totals.tokens["output"] == used == sum(window.tokens for window in self.windows)
        assert totals.requests == len(self.requests)

    @invariant()
    def what_is_reserved_belongs_to_running_attempts(self) -> None:
        is_idle = not any(each.exchange._running for each in self.exchanges if each not in self.lost)
        assert not is_idle or self.clients.ledger["ci"].reserved == 0
        assert all(window.reserved_cost >= 0 <= window.reserved_tokens for window in self.windows)

    def teardown(self) -> None:
        for exchange in getattr(self, "exchanges", []):
            if exchange not in self.lost:
                exchange.client_gone()
        if hasattr(self, "clients"):
            self.the_ledger_is_the_sum_of_the_bills()
            assert self.clients.ledger["ci"].reserved == 0
            assert self.clients.limits.running("ci") == 0
            assert not any(window.reserved_cost or window.reserved_tokens for window in self.windows)


TestAnySpending = AnySpending.TestCase
TestAnySpending.settings = run_settings(max_examples=60, stateful_step_count=40, deadline=None)
