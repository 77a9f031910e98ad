"""One run: providers, a router and clients, all determined by a seed; and everything that was wrong.

It uses none of the router's code: it checks answers, the router's own pages, its process and its log.
"""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pointsman.demo import closed_port
from robustness.answer_check import AnswerCheck, ReceivedAnswer
from robustness.clients import ClientPool, RouterAddress
from robustness.deployment import Deployment, ResourceUsage
from robustness.faults import FAULTY, STEADY
from robustness.provider import RESETTING
from robustness.requests import RISKY, SAFE, ChatRequest

MAX_ATTEMPTS = 7
WORKERS = 24
RELOAD_EVERY = 3.0
REMEMBERED = 900
"""Exchanges that the router certainly remembers; the record of an answer that is read slowly may be gone."""
GONE = "gone"
DIALECTS = ("openai-responses", "anthropic", "gemini")
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


def configuration(urls: Mapping[str, str], hedge: str, patience: float) -> dict[str, Any]:
    """The router's configuration: timeouts so short that each of them expires at times, multiplied by `patience`."""

    def waits(seconds: float) -> str:
        return f"{seconds * patience:g}s"

    def entry(name: str, *models: str, **more: Any) -> dict[str, Any]:
        url = urls.get(name) or closed_port()
        keys = [f"{name}-secret-key-{n}" for n in range(2)] if name in FAULTY[:2] else []
        models_of = [{"id": model} for model in models]
        return {"base_url": url, "dialects": dict.fromkeys(DIALECTS, url), "models": models_of, "keys": keys, **more}

    providers = {name: entry(name, SAFE, RISKY) for name in (FAULTY[0], GONE, RESETTING, *FAULTY[1:])}
    providers[STEADY] = entry(STEADY, SAFE, timeouts={"first_byte": "30s", "answer": "30s", "stall": "30s"})
    return {
        "providers": providers,
        "routing": {"max_attempts": MAX_ATTEMPTS},
        "stream": {"heartbeat": "300ms", "stall": waits(1.5), "first_byte": waits(1.5), "answer": waits(2.5),
                   "early_headers": "700ms"},
        "hedge": {"after": hedge, "max_parallel": 3},
        "cooldowns": {"transient": "100ms", "rate_limit": "100ms", "key_invalid": "100ms"},
        "sticky": {"max_sessions": 500},
    }  # fmt: skip


class ChaosRun:
    """One seed against one router: first `open`, then `send`, then `close`; see `result`."""

    def __init__(self, deployed: Deployment, seed: int, hedge: str, patience: float = 1.0) -> None:
        self._deployed, self._hedge, self._patience = deployed, hedge, patience
        self._latest = 0
        self.result = RunResult(seed)

    async def open(self, tool: str, *arguments: str) -> None:
        """Starts providers and router."""
        await self._deployed.start_providers()
        await self._deployed.start_router(
            configuration(self._deployed.urls, self._hedge, self._patience), tool, *arguments
        )
        self.result.before = await self._deployed.idle_usage()

    async def send(
        self, numbers: Iterable[int], workers: int = WORKERS, hold_back: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Sends the requests with these numbers from `workers` clients; awaits `hold_back` after each answer."""
        deployed, run, began = self._deployed, self.result, time.monotonic()

        async def told(request: ChatRequest, answer: ReceivedAnswer | None) -> None:
            await self._judge(request, answer)
            if hold_back:
                await hold_back()

        pool = ClientPool(RouterAddress("127.0.0.1", deployed.port, deployed.ca), run.seed, told, iter(numbers))
        reloading = asyncio.create_task(self._reload_regularly())
        try:
            async with asyncio.TaskGroup() as clients:
                for _ in range(workers):
                    clients.create_task(pool.worker())
        finally:
            reloading.cancel()
        run.seconds = time.monotonic() - began
        run.violations += pool.complaints

    async def _judge(self, request: ChatRequest, answer: ReceivedAnswer | None) -> None:
        if answer is None:
            self.result.outcomes["left early"] += 1
            return
        record = await self._record(request, answer)
        self._latest = max(self._latest, request.n)
        case = AnswerCheck(request, answer, record, MAX_ATTEMPTS, self._latest - request.n > REMEMBERED)
        self.result.violations += [f"{request.id} ({request.dialect.name}): {fault}" for fault in case.violations()]
        self.result.outcomes[f"{answer.status}" if answer.ended else f"{answer.status}, left"] += 1

    async def _record(self, request: ChatRequest, answer: ReceivedAnswer) -> Mapping[str, Any] | None:
        """If the client has left, the record may come a little later, or never."""
        for _ in range(1 if answer.ended else 10):
            status, told = await self._deployed.page(f"/internal/exchanges/{request.id}")
            if status == 200:
                return dict(told)
            await asyncio.sleep(0.1)
        return None

    async def _reload_regularly(self) -> None:
        """Reloads the configuration at regular intervals."""
        while True:
            await asyncio.sleep(RELOAD_EVERY)
            with suppress(ProcessLookupError):
                self._deployed.router.send_signal(signal.SIGHUP)

    async def close(self) -> None:
        """Checks that nothing is left over, and ends the router."""
        run, deployed = self.result, self._deployed
        await self._check_providers()
        await deployed.end_providers()
        assert run.before
        run.after = await deployed.usage_after(run.before)
        for name, count in run.after.transient.items():
            if count != run.before.transient[name]:
                run.violations.append(f"{name}: {count} after the run, {run.before.transient[name]} before")
        if status := await deployed.end_router():
            run.violations.append(f"the router ended with status {status}")
        run.violations += deployed.unexpected_log_lines()

    async def _check_providers(self) -> None:
        """Checks that no request had too many attempts and that none is still being answered."""
        told = await self._deployed.report()
        for n, seen in told["seen"].items():
            self.result.met.update(fault for _, fault, _ in seen)
            repeats = sum(used and fault in DROPPED_AT_ONCE for _, fault, used in seen)
            if len(seen) - repeats > MAX_ATTEMPTS:
                self.result.violations.append(f"{n}: {len(seen)} attempts at providers: {seen}")
        for _ in range(50):
            if not told["unfinished"]:
                return
            await asyncio.sleep(0.1)
            told = await self._deployed.report()
        self.result.violations += [f"still being answered without a client: {each}" for each in told["unfinished"]]
