"""A campaign: providers, a router and clients, one seed, and all that is to be found fault with.

Nothing is asked of the router's code: the campaign looks at answers, at the router's own pages, at its process and at
its log.
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
from robustness.answer_check import Case, Heard
from robustness.clients import Crowd, Place
from robustness.deployment import House, Level
from robustness.faults import SICK, STEADY
from robustness.provider import SLAMMED
from robustness.requests import RISKY, SAFE, Question

MAX_ATTEMPTS = 7
WORKERS = 24
RELOAD_EVERY = 3.0
REMEMBERED = 900
"""So many exchanges the router remembers for certain. An answer that is read slowly may be older."""
GONE = "gone"
DIALECTS = ("openai-responses", "anthropic", "gemini")
DROPPED_AT_ONCE = ("hang up", "reset")
"""Faults that look like a kept connection that had been closed: the router repeats such a request once."""


@dataclass(slots=True)
class Run:
    """What one seed has brought to light."""

    seed: int
    outcomes: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    before: Level | None = None
    after: Level | None = None


def configuration(urls: Mapping[str, str], hedge: str, patience: float) -> dict[str, Any]:
    """The router's: impatient, so that every timer has its turn, or so many times more patient."""

    def waits(seconds: float) -> str:
        return f"{seconds * patience:g}s"

    def entry(name: str, *models: str, **more: Any) -> dict[str, Any]:
        url = urls.get(name) or closed_port()
        keys = [f"{name}-secret-key-{n}" for n in range(2)] if name in SICK[:2] else []
        models_of = [{"id": model} for model in models]
        return {"base_url": url, "dialects": dict.fromkeys(DIALECTS, url), "models": models_of, "keys": keys, **more}

    providers = {name: entry(name, SAFE, RISKY) for name in (SICK[0], GONE, SLAMMED, *SICK[1:])}
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


class Campaign:
    """One seed against one router. First `open`, then `play`, then `close`; `run` is what comes of it."""

    def __init__(self, home: House, seed: int, hedge: str, patience: float = 1.0) -> None:
        self._home, self._hedge, self._patience = home, hedge, patience
        self._latest = 0
        self.run = Run(seed)

    async def open(self, tool: str, *arguments: str) -> None:
        """Starts providers and router."""
        await self._home.start_providers()
        await self._home.start_router(configuration(self._home.urls, self._hedge, self._patience), tool, *arguments)
        self.run.before = await self._home.level_alone()

    async def play(
        self, numbers: Iterable[int], workers: int = WORKERS, hold_back: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """All these requests, by so many clients at once; `hold_back` is awaited after each answer."""
        home, run, began = self._home, self.run, time.monotonic()

        async def told(question: Question, heard: Heard | None) -> None:
            await self._judge(question, heard)
            if hold_back:
                await hold_back()

        crowd = Crowd(Place("127.0.0.1", home.port, home.ca), run.seed, told, iter(numbers))
        disturbing = asyncio.create_task(self._disturb())
        try:
            async with asyncio.TaskGroup() as clients:
                for _ in range(workers):
                    clients.create_task(crowd.worker())
        finally:
            disturbing.cancel()
        run.seconds = time.monotonic() - began
        run.faults += crowd.complaints

    async def _judge(self, question: Question, heard: Heard | None) -> None:
        if heard is None:
            self.run.outcomes["left early"] += 1
            return
        record = await self._record(question, heard)
        self._latest = max(self._latest, question.n)
        case = Case(question, heard, record, MAX_ATTEMPTS, self._latest - question.n > REMEMBERED)
        self.run.faults += [f"{question.id} ({question.tongue.name}): {fault}" for fault in case.faults()]
        self.run.outcomes[f"{heard.status}" if heard.ended else f"{heard.status}, left"] += 1

    async def _record(self, question: Question, heard: Heard) -> Mapping[str, Any] | None:
        """Of an exchange whose client has left, it may come a little later, or never."""
        for _ in range(1 if heard.ended else 10):
            status, told = await self._home.page(f"/internal/exchanges/{question.id}")
            if status == 200:
                return dict(told)
            await asyncio.sleep(0.1)
        return None

    async def _disturb(self) -> None:
        """The configuration is read again, again and again."""
        while True:
            await asyncio.sleep(RELOAD_EVERY)
            with suppress(ProcessLookupError):
                self._home.router.send_signal(signal.SIGHUP)

    async def close(self) -> None:
        """Looks at what has stayed, and ends the router."""
        run, home = self.run, self._home
        await self._look_at_providers()
        await home.end_providers()
        assert run.before
        run.after = await home.level_again(run.before)
        for name, count in run.after.passing.items():
            if count != run.before.passing[name]:
                run.faults.append(f"afterwards {name} are {count}, and were {run.before.passing[name]} before")
        if status := await home.end_router():
            run.faults.append(f"the router ended with status {status}")
        run.faults += home.ugly_lines()

    async def _look_at_providers(self) -> None:
        """They have been asked no more often than was allowed, and are left alone now."""
        told = await self._home.report()
        for n, seen in told["seen"].items():
            self.run.met.update(fault for _, fault, _ in seen)
            repeats = sum(used and fault in DROPPED_AT_ONCE for _, fault, used in seen)
            if len(seen) - repeats > MAX_ATTEMPTS:
                self.run.faults.append(f"{n}: providers were asked {len(seen)} times: {seen}")
        for _ in range(50):
            if not told["playing"]:
                return
            await asyncio.sleep(0.1)
            told = await self._home.report()
        self.run.faults += [f"still being answered though nobody hears it: {each}" for each in told["playing"]]
