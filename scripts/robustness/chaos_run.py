"""One run: providers, a router and clients, all determined by a seed; and everything that was wrong.

It uses none of the router's code: it checks answers, the router's own pages, its process and its log.
"""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any

from pointsman.demo import closed_port
from robustness.answer_check import AnswerCheck, ReceivedAnswer
from robustness.bills import ASKS, PRICES
from robustness.budgets import entries, lifted, midday_zone, not_stored, stored, summed, used
from robustness.clients import ClientPool, RouterAddress
from robustness.deployment import ADMIN_KEY, SETTLING, Deployment, ResourceUsage
from robustness.engine_faults import fail_regularly
from robustness.faults import FAULTY, GUARDED, INVALID, KEYS, LIMITED, RESERVE_KEY, STEADY
from robustness.last_round import LastRound
from robustness.ledger import CUT, Ledger, newest_first, text_size
from robustness.other_clients import OtherClients
from robustness.other_requests import AT_ONCE, provider_entries
from robustness.promise import BAN, FaultPlan, Span, incidents
from robustness.provider import RESETTING
from robustness.requests import RISKY, SAFE, ChatRequest

PREFILLING = ("p2", "p3")
"""Providers whose models go on after a text of their own; others repeat the end of it first."""
FEW, ENOUGH = 7, 12
"""Attempts in one exchange at most: too few for all candidates, for odd seeds, or enough."""
WORKERS = 24
RELOAD_EVERY = 3.0
LEDGER_EVERY = 1.0
"""Seconds between two readings of the ledger; the router remembers 1,000 exchanges."""
OUTAGE_EVERY, OUTAGE = 8.0, 0.7
"""Seconds between outages of the network to all providers, and of each."""
MAX_FAILED = 5000
"""Failed exchanges that are judged; a soak may have more."""
REMEMBERED = 900
"""Exchanges that the router certainly remembers; the record of an answer that is read slowly may be gone."""
LATEST_RECORD = 50
"""Tenths of a second until the router has noticed that a client has left."""
GONE = "gone"
DIALECTS = ("openai-responses", "anthropic", "gemini")
ROW = 6
"""Members of a row about a request for an answer; one for the rest of an answer has one more."""
DROPPED_AT_ONCE = ("hang up", "reset")
"""Faults that look like a stale keep-alive connection: the router repeats such a request once."""


@dataclass(slots=True)
class RunResult:
    """What happened with one seed. `met` counts the faults that providers injected."""

    seed: int
    outcomes: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0
    before: ResourceUsage | None = None
    after: ResourceUsage | None = None
    asked_to_go_on: int = 0
    """Requests to providers for the rest of an answer."""
    went_on: int = 0
    """Answers that broke off and came to their end."""
    served: int = 0
    """Conversations that were served after all faults had ended."""
    waited: int = 0
    """Requests that waited in line."""
    ledger: Ledger = field(default_factory=Ledger)


def max_attempts(seed: int) -> int:
    return FEW if seed % 2 else ENOUGH


def recover(seed: int) -> str:
    """Half of the seeds let broken answers go on, with few attempts and with enough."""
    return "any" if seed // 2 % 2 else "off"


def configuration(
    urls: Mapping[str, str],
    hedge: str,
    patience: float,
    attempts: int,
    clients: Mapping[str, Any],
    recover: str = "off",
) -> dict[str, Any]:
    """The router's configuration: timeouts so short that each of them expires at times, multiplied by `patience`."""

    def waits(seconds: float) -> str:
        return f"{seconds * patience:g}s"

    def entry(name: str, *models: str, **more: Any) -> dict[str, Any]:
        url = urls.get(name) or closed_port()
        keys = [f"{name}-secret-key-{n}" for n in KEYS.get(name, ()) if n is not None]
        models_of = [{"id": model, "prefill": name in PREFILLING} for model in models]
        paid = {"prices": dict.fromkeys(models, PRICES[name]), "stream_usage": name == ASKS}
        return {
            "base_url": url,
            "dialects": dict.fromkeys(DIALECTS, url),
            "models": models_of,
            "keys": keys,
            **paid,
            **more,
        }

    providers = {name: entry(name, SAFE, RISKY) for name in (FAULTY[0], GONE, RESETTING, *FAULTY[1:])}
    providers |= provider_entries(urls, PRICES)
    providers[STEADY] = entry(STEADY, SAFE, timeouts={"first_byte": "30s", "answer": "30s", "stall": "30s"})
    return {
        "server": {"admin_key": ADMIN_KEY},
        "providers": providers,
        "clients": clients,
        "routing": {"max_attempts": attempts},
        "stream": {"heartbeat": "300ms", "stall": waits(1.5), "first_byte": waits(1.5), "answer": waits(2.5),
                   "early_headers": "700ms", "recover": recover},
        "hedge": {"after": hedge, "max_parallel": 3},
        "cooldowns": {"transient": "100ms", "rate_limit": f"{LIMITED:g}s", "key_invalid": f"{INVALID:g}s"},
        "sticky": {"max_sessions": 500, "ban": f"{BAN:g}s"},
        "protection": {GUARDED: "provider-ban"},
    }  # fmt: skip


class ChaosRun:
    """One seed against one router: first `open`, then `send`, perhaps `ask_once_more`, then `close`; see `result`.
    Budgets are for so many requests; 0: nothing is limited.
    """

    def __init__(
        self, deployed: Deployment, seed: int, hedge: str, patience: float = 1.0, budgets_for: int = 0
    ) -> None:
        self._deployed, self._hedge, self._patience = deployed, hedge, patience
        self._clients = entries(budgets_for, midday_zone(time.time()))
        self._are_limited = budgets_for > 0
        self._latest = 0
        self._max_attempts, self._recover = max_attempts(seed), recover(seed)
        self._plan = FaultPlan()
        self._failed: list[tuple[ChatRequest, Mapping[str, Any]]] = []
        """Exchanges that no provider answered."""
        self._conversations: dict[tuple[str, ...], ChatRequest] = {}
        """The last request of each. Bounded by the requests of a run."""
        self._asked_last: frozenset[str] = frozenset()
        """Ids of requests that may be repeated."""
        self.result = RunResult(seed)
        self.result.ledger.budgets.routers = deployed.number

    async def open(self, tool: str, *arguments: str) -> None:
        """Starts providers and router."""
        await self._deployed.start_providers()
        await self._deployed.start_router(self._configuration(self._clients), tool, *arguments)
        self.result.before = await self._deployed.idle_usage()

    @property
    def _leases_above(self) -> int:
        """Requests above a limit that routers may let through while they are cut off: one lease each, which is one."""
        return len(self._deployed.instances) if self._deployed.engine else 0

    def _configuration(self, clients: Mapping[str, Any]) -> dict[str, Any]:
        attempts, urls = self._max_attempts, self._deployed.urls
        return configuration(urls, self._hedge, self._patience, attempts, clients, self._recover)

    async def send(
        self, numbers: Iterable[int], workers: int = WORKERS, hold_back: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Sends the requests with these numbers from `workers` clients; awaits `hold_back` after each answer."""
        deployed, run, began = self._deployed, self.result, time.monotonic()

        async def told(request: ChatRequest, answer: ReceivedAnswer | None) -> None:
            await self._judge(request, answer)
            if hold_back:
                await hold_back()

        async def told_of_other(outcome: str) -> None:
            run.outcomes[outcome] += 1
            if hold_back:
                await hold_back()

        others = OtherClients(deployed.page, self._plan.outages)
        address = RouterAddress("127.0.0.1", deployed.port, deployed.ca)
        pool = ClientPool(address, run.seed, told, iter(numbers), kinds=others.kinds, others=told_of_other)
        acts = [self._reload_regularly(), self._cut_off_regularly(), self._read_ledger_regularly()]
        if deployed.engine:
            acts.append(fail_regularly(deployed.engine, run.seed))
        disturbing = [asyncio.create_task(act) for act in acts]
        try:
            async with asyncio.TaskGroup() as clients:
                for _ in range(workers):
                    clients.create_task(pool.worker())
        finally:
            for each in disturbing:
                each.cancel()
            await asyncio.gather(*disturbing, return_exceptions=True)
        run.seconds = time.monotonic() - began
        run.waited = len(others.waited)
        run.violations += pool.complaints

    async def lift_limits(self) -> None:
        """Checks that budgets were kept, then raises them and ends other limits of clients. What is spent stays."""
        self.result.ledger.hold_against(await self._idle_clients(), limits_hold=True)
        self._are_limited = False
        deployed, raised = self._deployed, lifted(self._clients)
        deployed.write(self._configuration(raised))
        deployed.tell_routers(signal.SIGHUP)
        async with asyncio.timeout(SETTLING):
            while any(each["limits"]["rpm"] for told in await self._told_clients() for each in told):
                await asyncio.sleep(0.1)

    async def _idle_clients(self) -> Sequence[Mapping[str, Any]]:
        """What is shown of all clients, as soon as none of their requests runs, and all routers show the same; and the
        ledger is as new as that.
        """
        for _ in range(100):
            told = await self._told_clients()
            if not any(each["running"] for one in told for each in one) and len(set(map(used, told))) == 1:
                break
            await asyncio.sleep(0.1)
        else:
            if len(different := set(map(used, told))) > 1:
                self.result.violations.append(f"the routers tell different sums: {sorted(different)}")
        await self._read_ledger()
        return summed(told)

    async def _told_clients(self) -> Sequence[Sequence[Mapping[str, Any]]]:
        """By each router."""
        found: list[Sequence[Mapping[str, Any]]] = []
        for each in self._deployed.instances:
            status, told = await self._deployed.page_of(each, "/api/clients")
            if status != 200:
                raise OSError(f"/api/clients: {status} {told}")
            found.append(told["clients"])
        return found

    async def ask_once_more(self) -> None:
        """Now that the faults have ended, every conversation has to be served."""
        last_round = LastRound(self._deployed, self._max_attempts)
        newest_first = sorted(self._conversations.values(), key=lambda each: -each.n)
        last = [each.last for each in newest_first]
        self._asked_last = frozenset(each.id for each in last)
        self.result.violations += await last_round.ask(last)
        self.result.served = last_round.served

    async def _judge(self, request: ChatRequest, answer: ReceivedAnswer | None) -> None:
        self._conversations[request.conversation] = request
        if answer is None:
            self.result.outcomes["left early"] += 1
            return
        record = await self._record(request, answer)
        self._latest = max(self._latest, request.n)
        may_be_forgotten = self._latest - request.n > REMEMBERED
        if record and self._are_limited:
            self.result.ledger.budgets.note_refusals(request, record)
        case = AnswerCheck(
            request,
            answer,
            record,
            self._max_attempts,
            may_be_forgotten,
            self._plan.outages,
            self._are_limited,
            shares_limits=self._deployed.engine is not None,
        )
        self.result.went_on += case.went_on
        if record and answer.ended and any(each["outcome"] in CUT for each in record["attempts"]):
            self.result.ledger.said[request.id] = text_size(request, answer.body)
        if record and case.has_no_answer and len(self._failed) < MAX_FAILED:
            self._failed.append((request, record))
        self.result.violations += [f"{request.id} ({request.dialect.name}): {fault}" for fault in case.violations()]
        self.result.outcomes[f"{answer.status}" if answer.ended else f"{answer.status}, left"] += 1

    async def _record(self, request: ChatRequest, answer: ReceivedAnswer) -> Mapping[str, Any] | None:
        """If the client has left, the record may come a little later, or never."""
        for _ in range(1 if answer.ended else LATEST_RECORD):
            status, told = await self._deployed.page(f"/internal/exchanges/{request.id}")
            if status == 200:
                return dict(told)
            await asyncio.sleep(0.1)
        return None

    async def _reload_regularly(self) -> None:
        """Reloads the configuration at regular intervals, and ends what only an operator ends."""
        while True:
            await asyncio.sleep(RELOAD_EVERY)
            self._deployed.tell_routers(signal.SIGHUP)
            for name in (name for name, keys in KEYS.items() if RESERVE_KEY in keys):
                path = f"/api/cooldowns?provider={name}&key=key-{RESERVE_KEY + 1}"
                for each in self._deployed.instances:  # one may be cut off from the others
                    status, told = await self._deployed.page_of(each, path, "DELETE")
                    if status != 200:
                        self.result.violations.append(f"DELETE {path}: {status} {told}")
            self._plan.lifted.append(time.time())

    async def _cut_off_regularly(self) -> None:
        """At regular intervals, no provider accepts connections for a while."""
        while True:
            await asyncio.sleep(OUTAGE_EVERY)
            began = time.time()
            self._plan.outages.append(Span(began, inf))
            try:
                await asyncio.shield(self._deployed.outage(OUTAGE))
            finally:
                self._plan.outages[-1] = Span(began, time.time() + OUTAGE)

    async def _read_ledger_regularly(self) -> None:
        while True:
            await asyncio.sleep(LEDGER_EVERY)
            await self._read_ledger()

    async def _read_ledger(self) -> None:
        ledger = self.result.ledger
        for each in self._deployed.instances:
            page = partial(self._deployed.page_of, each)
            ledger.add(await newest_first(page, ledger.last(each.name)), each.name)

    async def close(self) -> None:
        """Checks that nothing is left over, and ends the router."""
        run, deployed = self.result, self._deployed
        seen = await self._check_providers()
        clients = await self._idle_clients()
        run.ledger.settle(seen)
        run.ledger.hold_against(clients, limits_hold=False)
        run.violations += run.ledger.violations
        await deployed.end_providers()
        assert run.before
        run.after = await deployed.usage_after(run.before)
        run.violations += deployed.left_over(run.before, run.after)
        if status := await deployed.end_router():
            run.violations.append(f"the router ended with status {status}")
        run.violations += not_stored(clients, stored(deployed.folder))
        run.violations += deployed.unexpected_log_lines()

    async def _check_providers(self) -> Mapping[str, Sequence[Sequence[Any]]]:
        """Checks that no request had too many attempts, that none failed without need, and that none is still being
        answered. Returns what the providers have seen.
        """
        told = await self._deployed.report()
        seen: Mapping[str, Sequence[Sequence[Any]]] = told["seen"]
        for n, rows in seen.items():
            if n in self._asked_last:
                continue
            self.result.met.update(fault for _, fault, *_ in rows)
            repeats = sum(used and fault in DROPPED_AT_ONCE for _, fault, used, *_ in rows)
            going_on = sum(len(row) > ROW and not (row[2] and row[1] in DROPPED_AT_ONCE) for row in rows)
            self.result.asked_to_go_on += going_on
            if len(rows) - repeats - going_on > self._max_attempts or going_on > 1:
                self.result.violations.append(f"{n}: {len(rows)} attempts at providers: {rows}")
        most = AT_ONCE + self._leases_above
        if told["most_in_line"] > most:
            self.result.violations.append(f"{told['most_in_line']} requests at once, although {most} are the limit")
        self._plan.add(incidents(seen))
        for request, record in self._failed:
            untried = self._plan.untried(request, record)
            self.result.violations += [f"{request.id} ({request.dialect.name}): {each}" for each in untried]
        for _ in range(50):
            if not told["unfinished"]:
                return seen
            await asyncio.sleep(0.1)
            told = await self._deployed.report()
        self.result.violations += [f"still being answered without a client: {each}" for each in told["unfinished"]]
        return seen
