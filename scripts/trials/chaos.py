"""Chaos: every fault of the table, all kinds of clients, and a judge who looks at each answer. The command.

The seed decides what is asked and what each provider does with it, so that a request that went wrong can be asked again:
`--only` runs through some of them alone.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.processes import Unfit, said
from pointsman.demo import closed_port
from trials.clients import Crowd, Place
from trials.faults import FAULTS, SICK, STEADY
from trials.house import House, Level, house
from trials.judge import Case, Heard
from trials.provider import SLAMMED
from trials.questions import RISKY, SAFE, Question

MAX_ATTEMPTS = 7
WORKERS = 24
RELOAD_EVERY = 3.0
GONE = "gone"
DIALECTS = ("openai-responses", "anthropic", "gemini")
SHOWN = 20
"""Faults shown of one run."""
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


def configuration(urls: Mapping[str, str], hedge: str) -> dict[str, Any]:
    """The router's: impatient, so that every timer has its turn."""

    def entry(name: str, *models: str, **more: Any) -> dict[str, Any]:
        url = urls.get(name) or closed_port()
        models_of = [{"id": model} for model in models]
        return {"base_url": url, "dialects": dict.fromkeys(DIALECTS, url), "models": models_of, "keys": [], **more}

    both = (SAFE, RISKY)
    keys = {name: [f"{name}-secret-key-one", f"{name}-secret-key-two"] for name in SICK[:2]}
    providers = {name: entry(name, *both, keys=keys.get(name, [])) for name in SICK}
    unwell = {GONE: entry(GONE, *both), SLAMMED: entry(SLAMMED, *both)}
    patient = {"first_byte": "30s", "answer": "30s", "stall": "30s"}
    return {
        "providers": {SICK[0]: providers.pop(SICK[0]), **unwell, **providers, STEADY: entry(STEADY, SAFE, timeouts=patient)},
        "routing": {"max_attempts": MAX_ATTEMPTS},
        "stream": {"heartbeat": "300ms", "stall": "1500ms", "first_byte": "1500ms", "answer": "2500ms",
                   "early_headers": "700ms"},
        "hedge": {"after": hedge, "max_parallel": 3},
        "cooldowns": {"transient": "100ms", "rate_limit": "100ms", "key_invalid": "100ms"},
        "sticky": {"max_sessions": 500},
    }  # fmt: skip


class Chaos:
    """One seed."""

    def __init__(self, home: House, seed: int, hedge: str) -> None:
        self._home, self._hedge = home, hedge
        self._launched: Counter[str] = Counter()
        self.run = Run(seed)

    async def play(self, numbers: Sequence[int]) -> Run:
        home, run = self._home, self.run
        await home.start_providers()
        await home.start_router(configuration(home.urls, self._hedge), "mitmdump", "--set", "flow_detail=0")
        run.before = await home.level_alone()
        began = time.monotonic()
        crowd = Crowd(Place("127.0.0.1", home.port, home.ca), run.seed, self._judge, iter(numbers))
        disturbing = asyncio.create_task(self._disturb())
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(WORKERS, len(numbers))):
                    workers.create_task(crowd.worker())
        finally:
            disturbing.cancel()
        run.seconds = time.monotonic() - began
        run.faults += crowd.complaints
        await self._look_afterwards()
        return run

    async def _judge(self, question: Question, heard: Heard | None) -> None:
        if heard is None:
            self.run.outcomes["left early"] += 1
            return
        record = await self._record(question, heard)
        case = Case(question, heard, record, MAX_ATTEMPTS)
        self.run.faults += [f"{question.id} ({question.tongue.name}): {fault}" for fault in case.faults()]
        self.run.outcomes[f"{heard.status}" if heard.ended else f"{heard.status}, left"] += 1

    async def _record(self, question: Question, heard: Heard) -> Mapping[str, Any] | None:
        """Of an exchange whose client has left, it may come a little later, or never."""
        for _ in range(1 if heard.ended else 10):
            status, told = await self._home.page(f"/internal/exchanges/{question.id}")
            if status == 200:
                self._launched[question.id] = len({each["n"] for each in told["attempts"]})
                return dict(told)
            await asyncio.sleep(0.1)
        return None

    async def _disturb(self) -> None:
        """The configuration is read again, again and again."""
        while True:
            await asyncio.sleep(RELOAD_EVERY)
            with suppress(ProcessLookupError):
                self._home.router.send_signal(signal.SIGHUP)

    async def _look_afterwards(self) -> None:
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


def report(run: Run) -> Iterator[str]:
    outcomes = ", ".join(f"{count} × {name}" for name, count in sorted(run.outcomes.items()))
    total = sum(run.outcomes.values())
    yield f"seed {run.seed}: {'FAILED' if run.faults else 'well'}; {total} requests in {run.seconds:.0f} s: {outcomes}"
    if run.before and run.after:
        grown = (run.after.memory - run.before.memory) / 2**20
        yield f"  {len(run.met)} of {len(FAULTS)} faults met, {run.met.total()} attempts; memory {grown:+.0f} MiB"
    for fault in run.faults[:SHOWN]:
        yield f"  {fault}"
    if len(run.faults) > SHOWN:
        yield f"  and {len(run.faults) - SHOWN} more"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seed", type=seeds, default=range(1, 2), help="one, or several as in 1..20 (default: 1)")
    parser.add_argument("--requests", type=int, default=2000, help="for each seed (default: 2000)")
    parser.add_argument("--hedge", default="400ms", help="when a second attempt starts: a duration, auto or off")
    parser.add_argument("--only", type=int, nargs="+", metavar="N", help="these requests of each seed alone")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the processes' logs are left")
    given = parser.parse_args(arguments)
    if given.requests < 1:
        parser.error("--requests must be positive")
    return given


def seeds(text: str) -> Sequence[int]:
    """One number, or the first and the last of several. Raises ValueError."""
    first, dots, last = text.partition("..")
    chosen = range(int(first), int(last if dots else first) + 1)
    if not chosen:
        raise ValueError(text)
    return chosen


async def run_all(given: argparse.Namespace) -> bool:
    """Did every seed go well?"""
    well = True
    for seed in given.seed:
        async with house(given.keep) as home:
            chaos = Chaos(home, seed, given.hedge)
            try:
                await chaos.play(given.only or range(given.requests))
            except (Unfit, OSError, TimeoutError) as error:
                chaos.run.faults.append(f"the run itself failed: {type(error).__name__} {error}\n{said('router', home.folder)}")
        print("\n".join(report(chaos.run)), flush=True)
        well = well and not chaos.run.faults
    return well


def main() -> int:
    given = parse(sys.argv[1:])
    try:
        return 0 if asyncio.run(run_all(given)) else 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
