"""What sharing costs with more and more routers: everything that a router shares, over a real Valkey server, under a
synthetic load. Sixteen routers and their load share a process, and nothing is sent to a provider.

Conversations move between routers at random; some providers fail for a while, a provider's limit and a client's budget
are asked for more than they allow.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from random import Random
from typing import Any

from redis.asyncio import Redis

from pointsman import config
from pointsman.admission import ChatRequest, EntryMode
from pointsman.clients.clients import Clients
from pointsman.config import Settings
from pointsman.config.enums import Dialect
from pointsman.overrides.shared_secret import SharedSecretFile
from pointsman.request_reader import ParsedRequest
from pointsman.routing.client_spending import expected_tokens
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.sessions.key_sources import Caller
from pointsman.shared.leases.ceiling_lease import CeilingLease
from pointsman.shared.leases.sharing import Leased
from pointsman.shared.leases.window_lease import WindowLease
from pointsman.shared.part import Call, Delta, SharedTime
from pointsman.shared_routing import SharedRouting
from pointsman.wire.errors import Problem
from pointsman.wire.frames import Usage
from pointsman.wire.request_facts import RequestFacts
from pointsman.workers.embedded_valkey import embedded_valkey
from simulation.drivers import settle
from simulation.providers import Reply

COUNTS = (1, 2, 4, 8, 16, 32, 64)
SECONDS, WARM_UP, STARTS = 10.0, 3.0, 6.0
"""Seconds: of the figures, of the load before them, and until all processes run."""
IN_ONE_PROCESS = 16
"""Routers; more of them would delay each other."""
RATE = 4.0
"""Requests a second for each router."""
SESSIONS = 50
"""Conversations for each router."""
TAKES = 0.2, 1.0
"""Seconds that an answer takes."""
FAILS, ATTEMPTS = 0.02, 3
PROBE_EVERY = 0.5
"""Seconds between two messages of each router whose delay is measured."""
CHAT = ChatRequest(Dialect.OPENAI_CHAT, EntryMode.REVERSE)
PROMPT, ANSWER = 500, 200
"""Tokens."""
COLUMNS = (
    "routers", "requests/s", "scripts/s", "messages/s", "KB/s in", "KB/s out", "server CPU", "server MiB",
    "router CPU", "delay p50", "delay p99", "limit unused", "budget unused", "busy",
)  # fmt: skip


@dataclass(slots=True)
class Figures:
    """Of one number of routers, while the load ran."""

    served: int = 0
    delays: list[float] = field(default_factory=list)
    unused: dict[str, list[float]] = field(default_factory=lambda: {"limit": [], "budget": []})
    """The share of a limit that lay unused in leases, at each moment when a request was refused for it."""
    cpu: float = 0.0
    """Seconds of the processes with the routers."""
    is_counting: bool = False

    def add(self, other: "Figures") -> None:
        self.served += other.served
        self.delays += other.delays
        self.cpu += other.cpu
        for kind, found in other.unused.items():
            self.unused[kind] += found


class Probe:
    """A part that publishes when it does, and notes how late the others' messages come."""

    name = "probe"

    def __init__(self, figures: Figures, first: float) -> None:
        self._figures, self._due = figures, first

    def deltas(self, now: SharedTime) -> Iterator[Delta]:
        if now.now >= self._due:
            yield Delta(self.name, f"{self._due}".encode())
            self._due = now.now + PROBE_EVERY

    def on_delta(self, delta: Delta, now: SharedTime) -> None:
        if self._figures.is_counting:
            self._figures.delays.append(time.monotonic() - float(delta.body))

    def calls(self, now: SharedTime) -> Sequence[Call]:
        return ()

    def publish_all(self, now: SharedTime) -> None:
        pass

    def on_connected(self, now: SharedTime, is_new_engine: bool) -> None:
        pass

    def on_disconnected(self, now: SharedTime) -> None:
        pass


def settings_for(routers: int, url: str | None = None) -> Settings:
    """Limits are for all of them, and used up within a few seconds."""
    price = {"input": 1, "output": 2}
    providers = {
        "one": {"base_url": "https://one.test/v1", "keys": ["sk-one"], "models": [{"id": "m"}], "prices": {"m": price}},
        "two": {"base_url": "https://two.test/v1", "keys": ["sk-two"], "models": [{"id": "m"}], "prices": {"m": price}},
        "narrow": {
            "base_url": "https://narrow.test/v1",
            "keys": ["sk-narrow"],
            "models": [{"id": "n", "limits": {"rpm": 6 * routers}}],
        },
    }
    clients = {
        "rich": {"key": "sk-rich-client-key", "limits": {"concurrency": 10 * routers}},
        "poor": {"key": "sk-poor-client-key", "budgets": [{"tokens": 6000 * routers, "per": "month"}]},
    }
    shared = {"url": url}
    return config.build({"providers": providers, "clients": clients, "shared": shared}, {})


class SimulatedRouter:
    """All of a router between a parsed request and its provider. Without the address of a server it is alone.
    `local_routers` are the routers in this process, of which there are `elsewhere` times as many in all.
    """

    def __init__(
        self,
        settings: Settings,
        figures: Figures,
        local_routers: "list[SimulatedRouter]",
        chance: Random,
        elsewhere: float = 1.0,
    ) -> None:
        self.router, self.clients = Router(settings, os.urandom(16)), Clients(settings)
        self.shared: SharedRouting | None = None
        if settings.shared.url:
            self.shared = SharedRouting(self.router, self.clients, settings.shared, SharedSecretFile(None))
            self.shared.hub.register(Probe(figures, time.monotonic() + chance.uniform(0, PROBE_EVERY)))
        self._figures, self._local_routers, self._chance, self._elsewhere = figures, local_routers, chance, elsewhere

    async def ask(self, session: int) -> None:
        """One request of that conversation, to the end of its answer."""
        model, client = self._chance.choices((("m", "rich"), ("n", "rich"), ("m", "poor")), (2, 1, 1))[0]
        caller = Caller({"x-session-id": f"session-{session:08}"}, None, "", list, lambda: None, client=client)
        facts = RequestFacts(model, True, frozenset(), PROMPT, document={"max_tokens": ANSWER})
        chat = replace(CHAT, client=client)
        if self.shared and (waits := self.shared.prepare(chat, ParsedRequest(b"", facts, caller))):
            await waits
        with suppress(Problem):
            now, wall = time.monotonic(), time.time()
            charged = self.clients.begin(client, expected_tokens(facts), now, wall)
            plan = self.router.plan(facts, Dialect.OPENAI_CHAT, caller, now, wall, charged)
            try:
                if not await self._answer(plan):
                    self._note_refusal("limit" if model == "n" else "budget" if client == "poor" else "")
            finally:
                plan.on_ended(False, time.monotonic())
                charged.end()

    async def _answer(self, plan: Plan) -> int:
        """How many attempts were launched."""
        for n in range(1, ATTEMPTS + 1):
            began = time.monotonic()
            candidate = plan.next_candidate(began)
            if candidate is None:
                return n - 1
            plan.on_launched(n, candidate, began)
            await asyncio.sleep(self._chance.uniform(*TAKES))
            took, is_good = time.monotonic() - began, self._chance.random() >= FAILS
            reply = Reply(200 if is_good else 503, took, took, ANSWER, usage=Usage(PROMPT, ANSWER, 0))
            settle(plan, n, candidate, reply, began, time.time() - time.monotonic())
            if is_good:
                self._figures.served += 1
                break
        return n

    def _note_refusal(self, kind: str) -> None:
        if kind and self._figures.is_counting and self.shared:
            leased, now = [each for router in self._local_routers for each in router.leased(kind)], time.monotonic()
            used = sum(unused(each, now) for each in leased) * self._elsewhere
            self._figures.unused[kind].append(used / max(1, *(each.limit for each in leased)))

    def leased(self, kind: str) -> Iterator[WindowLease | CeilingLease]:
        assert self.shared
        names = {"limit": ":limits:", "budget": ":budgets:poor:"}
        for each in self.shared.leases.all():
            if isinstance(each, WindowLease | CeilingLease) and names[kind] in each.key:
                yield each


def unused(leased: Leased, now: float) -> int:
    if isinstance(leased, WindowLease):
        return max(0, leased.left(now))
    assert isinstance(leased, CeilingLease)
    return max(0, leased.ceiling - leased.used)


async def load(routers: Sequence[SimulatedRouter], count: int, until: float, chance: Random) -> None:
    """Requests at random times, each of any conversation of all `count` routers, at one of these."""
    at = time.monotonic()
    async with asyncio.TaskGroup() as running:
        while (at := at + chance.expovariate(RATE * len(routers))) < until:
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            running.create_task(chance.choice(routers).ask(chance.randrange(SESSIONS * count)))


@dataclass(frozen=True, slots=True)
class Used:
    """What the server has used so far."""

    at: float
    engine: Mapping[str, Any]
    scripts: int
    messages: int

    @classmethod
    async def now(cls, client: Redis) -> "Used":
        engine, commands = await client.info(), await client.info("commandstats")

        def calls(name: str) -> int:
            return int(commands.get(f"cmdstat_{name}", {}).get("calls", 0))

        return cls(time.monotonic(), engine, calls("evalsha") + calls("eval"), calls("xadd"))


async def table(counts: Sequence[int], seconds: float = SECONDS, seed: int = 1) -> AsyncIterator[str]:
    """A table in Markdown, a row for each number of routers."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|{' --- |' * len(COLUMNS)}"
    for count in counts:
        yield f"| {' | '.join(await _row(count, seconds, seed))} |"


@dataclass(frozen=True, slots=True)
class Span:
    """When the load begins, and when the figures begin and end (steady clock)."""

    begins: float
    counts: float
    ends: float


async def _alone(count: int, seconds: float, seed: int) -> float:
    """Seconds of CPU that each second of the same load takes where nothing is shared."""
    routers, chance = list[SimulatedRouter](), Random(seed)
    routers += [SimulatedRouter(settings_for(count), Figures(), routers, chance) for _ in range(count)]
    began, before = time.monotonic(), time.process_time()
    await load(routers, count, began + seconds, chance)
    return (time.process_time() - before) / (time.monotonic() - began)


async def _part(url: str, count: int, own: int, span: Span, seed: int) -> Figures:
    """So many of the routers, in this process."""
    figures, routers, chance = Figures(), list[SimulatedRouter](), Random(seed)
    settings = settings_for(count, url)
    routers += [SimulatedRouter(settings, figures, routers, chance, count / own) for _ in range(own)]
    shared = [each.shared for each in routers if each.shared]
    await asyncio.gather(*(each.start() for each in shared))
    await asyncio.sleep(span.begins - time.monotonic())
    async with asyncio.TaskGroup() as running:
        running.create_task(load(routers, count, span.ends, chance))
        await asyncio.sleep(span.counts - time.monotonic())
        figures.is_counting, figures.served, before = True, 0, time.process_time()
        await asyncio.sleep(span.ends - time.monotonic())
        figures.is_counting, figures.cpu = False, time.process_time() - before
    await asyncio.gather(*(each.stop() for each in shared))
    return figures


def run_part(url: str, count: int, own: int, span: Span, seed: int) -> Figures:
    return asyncio.run(_part(url, count, own, span, seed))


async def _together(count: int, seconds: float, seed: int) -> tuple[Figures, Used, Used]:
    begins = time.monotonic() + STARTS
    span, processes = Span(begins, begins + WARM_UP, begins + WARM_UP + seconds), -(-count // IN_ONE_PROCESS)
    run_in_executor = asyncio.get_running_loop().run_in_executor
    with embedded_valkey() as valkey, ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        sizes = [count // processes + (n < count % processes) for n in range(processes)]
        url = valkey.url
        parts = [run_in_executor(pool, run_part, url, count, own, span, seed + n) for n, own in enumerate(sizes)]
        async with Redis.from_url(url.replace("valkey", "redis", 1), protocol=2) as client:
            await asyncio.sleep(span.counts - time.monotonic())
            before = await Used.now(client)
            await asyncio.sleep(span.ends - time.monotonic())
            after = await Used.now(client)
        figures = Figures()
        for part in await asyncio.gather(*parts):
            figures.add(part)
    return figures, before, after


async def _row(count: int, seconds: float, seed: int) -> list[str]:
    alone = await _alone(count, seconds / 2, seed)
    figures, before, after = await _together(count, seconds, seed)
    took = after.at - before.at

    def rate(name: str) -> float:
        return float(after.engine[name] - before.engine[name]) / took

    own = figures.cpu / took
    delays = sorted(figures.delays)
    quantiles = [f"{1000 * delays[int(share * (len(delays) - 1))]:.0f} ms" if delays else "–" for share in (0.5, 0.99)]
    means = [f"{100 * sum(found) / len(found):.0f} %" if found else "–" for found in figures.unused.values()]
    return [
        f"{count}",
        f"{figures.served / took:.0f}",
        f"{(after.scripts - before.scripts) / took:.0f}",
        f"{(after.messages - before.messages) / took:.0f}",
        f"{rate('total_net_input_bytes') / 1000:.0f}",
        f"{rate('total_net_output_bytes') / 1000:.0f}",
        f"{100 * (rate('used_cpu_user') + rate('used_cpu_sys')):.0f} %",
        f"{after.engine['used_memory'] / 2**20:.1f}",
        f"{1000 * (own - alone) / count:.0f} ms",
        *quantiles,
        *means,
        f"{100 * own:.0f} %",
    ]
