"""What usage, prices and named clients cost for each request: with them (router) and without (bare).

Whole processes show the ratio, though an effect of microseconds is within their noise. So the same is measured without
sockets: one exchange, from the client's request to its record, in CPU time of this thread, with and without in turn.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import quantiles
from time import perf_counter, thread_time
from typing import Any

from benchmarks import provider
from benchmarks.ab_rounds import Comparison, Rounds, compare
from benchmarks.figures import Figure, Report
from benchmarks.scenarios.streams import BURST, MODEL, Case, config, request
from benchmarks.testbed import Versions, testbed
from pointsman.clients.clients import Clients
from pointsman.config import build
from pointsman.config.enums import Dialect
from pointsman.exchange.client_request import ClientRequest, ExchangeRules
from pointsman.exchange.engine import Exchange
from pointsman.masking import Masker
from pointsman.prices.rates import Period, Rates, Tier, cost
from pointsman.routing.client_spending import expected_tokens
from pointsman.routing.router import Router
from pointsman.sessions.key_sources import Caller
from pointsman.wire.conversation import answer_message
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.usage_counts import usage_of_counts

CONNECTIONS, EVENTS, EVENT_BYTES = 16, 64, 80
CLIENT, KEY = "bench", "pm-the-key-of-a-benchmark"
PRICES = {"input": 3, "output": 15, "cache_read": 0.3}
CLIENTS = {
    CLIENT: {
        "key": KEY,
        "limits": {"rpm": 10**9, "tpm": 10**9, "concurrency": 10**6},
        "budgets": [{"usd": 10**6, "per": "day"}, {"tokens": 10**12, "per": "month", "zone": "Europe/Berlin"}],
    }
}
"""Limits and budgets that are never reached."""
COUNTS = {
    "prompt_tokens": 500,
    "completion_tokens": 60,
    "total_tokens": 560,
    "prompt_tokens_details": {"cached_tokens": 100},
    "completion_tokens_details": {"reasoning_tokens": 10},
}
REPORT = (
    b'data: {"id":"1","choices":[],"usage":{"prompt_tokens":500,"completion_tokens":60,"total_tokens":560,'
    b'"prompt_tokens_details":{"cached_tokens":100},"completion_tokens_details":{"reasoning_tokens":10}}}\n\n'
)
BATCH = 20
"""Exchanges of one kind in a row."""
PARTS = 2000
"""Calls that are timed together."""


async def run(rounds: Rounds, versions: Versions) -> Report:
    figures = [*exchanges(rounds), *parts(rounds)]
    warnings: list[str] = []
    for case in (Case(CONNECTIONS, events=0, event_bytes=2000, name="whole"), Case(CONNECTIONS, name="streams")):
        result = await processes(case, rounds, versions)
        figures += [
            Figure(f"processes, {case.name}", each.name, each.router, each.bare)
            for each in result.figures()
            if not each.name.startswith("peak")
        ]
        warnings += result.warnings()
    return Report(
        f"with prices and a client with limits and budgets, and without (`bare`); {rounds}", figures, warnings
    )


def settings(url: str, is_on: bool) -> dict[str, Any]:
    """The configuration with everything that costs money, or with nothing of it."""
    document: dict[str, Any] = config(url)
    if not is_on:
        return document
    providers: Mapping[str, dict[str, Any]] = document["providers"]
    priced = {name: {**entry, "prices": {MODEL: PRICES}} for name, entry in providers.items()}
    return {**document, "providers": priced, "clients": CLIENTS}


# Processes.


async def processes(case: Case, rounds: Rounds, versions: Versions) -> Comparison:
    load = case.load()
    known = tuple(each.replace("Accept:", f"Authorization: Bearer {KEY}\r\nAccept:", 1) for each in load.requests)
    async with testbed(versions) as bed:
        upstream = await bed.provider(case.events, case.event_bytes, case.burst)
        proxies = (
            await bed.router(settings(upstream.url, is_on=True), "with"),
            await bed.router(settings(upstream.url, is_on=False), "without"),
        )
        return await compare(bed, proxies, upstream, replace(load, requests=known), rounds)


# One exchange.


class Exchanges:
    """Exchanges of one router, each of which gets this answer."""

    def __init__(self, is_on: bool, answer: bytes) -> None:
        self._settings = build(settings("https://bench.test", is_on), {})
        self._rules = ExchangeRules.from_settings(self._settings, Masker(()))
        self._router = Router(self._settings, b"the secret of a benchmark")
        self._clients, self._client = Clients(self._settings), CLIENT if is_on else None
        self._body = request(1).partition("\r\n\r\n")[2].encode()
        bursts = answer.split(b"\n\n")[:-1]
        self._pieces = [
            b"".join(event + b"\n\n" for event in bursts[start : start + BURST])
            for start in range(0, len(bursts), BURST)
        ]
        self._now = 1000.0

    def one(self) -> float:
        """CPU seconds from the client's request to the record."""
        self._now += 0.01
        now, dialect = self._now, DIALECTS[Dialect.OPENAI_CHAT]
        facts = dialect.facts(self._body, "/v1/chat/completions")
        caller = Caller({"x-session-id": "a session"}, KEY, "127.0.0.1", list, lambda: None, client=self._client)
        began = thread_time()
        call = ClientRequest(
            "bench-1", dialect, facts, "/v1/chat/completions", self._body, (), now, client=self._client
        )
        charged = self._clients.begin(self._client, expected_tokens(facts), now, now) if self._client else None
        plan = self._router.plan(facts, Dialect.OPENAI_CHAT, caller, now, charged=charged)
        exchange = Exchange(call, plan, self._rules)
        exchange.start(now)
        exchange.on_connected(1, now)
        exchange.on_head(1, 200, {"content-type": "text/event-stream"}, now)
        for piece in self._pieces:
            exchange.on_data(1, piece, now)
        exchange.to_record().to_dict()
        taken = thread_time() - began
        assert exchange.ended
        return taken


def exchanges(rounds: Rounds) -> list[Figure]:
    events = provider.events(EVENTS, EVENT_BYTES)
    answers = {"reported": b"".join([*events[:-1], REPORT, events[-1]]), "not reported": b"".join(events)}
    figures = []
    for name, answer in answers.items():
        sides = (Exchanges(True, answer), Exchanges(False, answer))
        rows = [low_times(sides, rounds.seconds) for _ in range(rounds.count)]
        with_it, without = [row[0] for row in rows], [row[1] for row in rows]
        figures.append(Figure(f"an exchange, {name}", "cpu, µs", with_it, without))
        more = [one - other for one, other in rows]
        figures.append(Figure(f"an exchange, {name}", "difference, µs", more))
    return figures


def low_times(sides: tuple[Exchanges, Exchanges], seconds: float) -> tuple[float, float]:
    """Microseconds for an exchange of each, in batches that take turns. Of all times, a tenth is shorter: other work of
    the machine makes the rest longer.
    """
    taken: tuple[list[float], list[float]] = ([], [])
    until = perf_counter() + seconds
    while perf_counter() < until or not taken[0]:
        for side, times in zip(sides, taken, strict=True):
            times += [side.one() for _ in range(BATCH)]
    with_it, without = (quantiles(times, n=10)[0] * 1e6 for times in taken)
    return with_it, without


# The parts of it.


def parts(rounds: Rounds) -> list[Figure]:
    rates = Rates((Period((Tier(0, 3_000_000, 15_000_000, 300_000, 3_000_000, 3_000_000, 15_000_000),)),))
    usage, answer = usage_of_counts(COUNTS), b"".join(provider.events(EVENTS, EVENT_BYTES))
    timed: dict[str, Callable[[], object]] = {
        "reading a report, µs": lambda: usage_of_counts(COUNTS),
        "pricing it, µs": lambda: cost(usage, rates, 1000.0),
        "reading an answer without a report, µs": lambda: answer_message(Dialect.OPENAI_CHAT, answer, True),
    }
    return [Figure("parts", name, [each(part) for _ in range(rounds.count)]) for name, part in timed.items()]


def each(part: Callable[[], object]) -> float:
    """Microseconds of CPU time for one call."""
    began = thread_time()
    for _ in range(PARTS):
        part()
    return (thread_time() - began) / PARTS * 1e6
