"""Moderate load for a long time on mitmweb with its list of flows, and nothing may grow.

The load is that of `scripts/chaos` at an even rate, with the same checks. What the process uses is sampled to a CSV and
can be plotted.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from time import monotonic

from benchmarks.processes import ProcessFailed, cpu_seconds, log_tail

from robustness.chaos import report
from robustness.chaos_run import ChaosRun
from robustness.deployment import Deployment, deployment
from robustness.plot import plot
from robustness.samples import Sample, SampleLog, growth, sample, sample_log, since_full

MINUTES, SHORT = 30.0, 2.0
RATE = 20.0
"""Requests a second."""
SEED = 2
"""One whose broken answers go on."""
BUDGET_SHARE = 1.3
"""Budgets are for this many times the requests of a soak, of which about half fit in. So some are exhausted late in it.
"""
CLIENTS = 12
SAMPLES = 360
"""In a whole soak, but at most one a second."""
FLOWS = 500
"""Flows that mitmweb keeps."""
GROWTH_SHARE = 0.1
"""Share by which a figure of the last quarter may be above that of the one before. Quarters are those of the time since
the tables were full.
"""
ALLOWED_GROWTH = {"memory_mib": 64.0, "files": 24.0, "tasks": 48.0}
"""What must not grow, and by how much it may fluctuate."""
KEPT_SECONDS, ALLOWED_IF_KEPT = 45.0, 128.0
"""What large requests have left is kept for so long, in seconds: in shorter quarters memory may grow by so many MiB."""


class PacedNumbers:
    """Request numbers until the time is up, at a fixed rate: so many requests a second."""

    def __init__(self, seconds: float, rate: float) -> None:
        self._began, self._seconds, self._rate = monotonic(), seconds, rate
        self._count = count()
        self.given = 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if self.elapsed > self._seconds:
            raise StopIteration
        self.given += 1
        return next(self._count)

    @property
    def elapsed(self) -> float:
        return monotonic() - self._began

    async def hold_back(self) -> None:
        """Waits as long as the rate is exceeded."""
        await asyncio.sleep(max(0.0, self.given / self._rate - self.elapsed))


@asynccontextmanager
async def sampled(deployed: Deployment, numbers: PacedNumbers, into: SampleLog, every: float) -> AsyncIterator[None]:
    async def look() -> None:
        while True:
            usage = await deployed.usage()
            into.write(sample(numbers.elapsed, numbers.given, cpu_seconds(deployed.router.pid) or 0.0, usage))
            await asyncio.sleep(every)

    async with asyncio.TaskGroup() as group:  # a failed sampler ends the soak
        looking = group.create_task(look())
        yield
        looking.cancel()


async def soak(given: argparse.Namespace, into: SampleLog) -> bool:
    """Whether everything passed."""
    seconds = given.minutes * 60
    async with deployment(given.keep) as deployed:
        budgets_for = int(seconds * given.rate * BUDGET_SHARE)
        chaos_run = ChaosRun(deployed, given.seed, "auto", given.patience, budgets_for)
        try:
            await chaos_run.open(
                "mitmweb", "--no-web-open-browser", "--set", "web_port=0", "--set", f"pointsman_max_flows={FLOWS}"
            )
            numbers = PacedNumbers(seconds, given.rate)
            async with sampled(deployed, numbers, into, max(1.0, seconds / SAMPLES)):
                await chaos_run.send(numbers, CLIENTS, numbers.hold_back)
            await chaos_run.lift_limits()
            await chaos_run.close()
            chaos_run.result.violations += grown(into.samples)
            told = [*table(into.samples)]
        except* (ProcessFailed, OSError, TimeoutError) as group:
            text = f"the run could not be completed: {group.exceptions!r}\n{log_tail('router', deployed.folder)}"
            chaos_run.result.violations.append(text)
            told = []
        print("\n".join([*report(chaos_run.result), *told]), flush=True)
        return not chaos_run.result.violations


def grown(samples: Sequence[Sample]) -> Iterator[str]:
    """What has grown although it must not."""
    since = since_full(samples)
    allowed = dict(ALLOWED_GROWTH)
    if samples[-1]["seconds"] - since[0]["seconds"] < 4 * KEPT_SECONDS:
        allowed["memory_mib"] = ALLOWED_IF_KEPT
    for name, least in allowed.items():
        before, after = growth(since, name)
        if after - before > max(least, before * GROWTH_SHARE):
            yield f"{name} still grows: {before:g}, then {after:g}"
    most = max(each["flows"] for each in samples)
    if most > FLOWS + 4 * CLIENTS:
        yield f"mitmweb had {most:g} flows, more than its limit of {FLOWS}"


def table(samples: Sequence[Sample]) -> Iterator[str]:
    """The samples as a table."""
    first, last, since = samples[0], samples[-1], since_full(samples)
    yield f"  tables full after {since[0]['seconds']:g} s; quarters count from then"
    yield f"{'':<12}{'first':>9}{'3rd quarter':>13}{'4th quarter':>13}{'last':>9}{'most':>9}"
    for name in last:
        if name not in ("seconds", "requests"):
            third, fourth = growth(since, name)
            most = max(each[name] for each in samples)
            yield f"{name:<12}{first[name]:>9g}{third:>13g}{fourth:>13g}{last[name]:>9g}{most:>9g}"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"how long (default: {MINUTES:g})")
    parser.add_argument("--quick", action="store_const", dest="minutes", const=SHORT, help=f"{SHORT:g} minutes")
    parser.add_argument("--rate", type=float, default=RATE, help=f"requests a second (default: {RATE:g})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"decides the load (default: {SEED})")
    parser.add_argument(
        "--patience",
        type=float,
        default=1.0,
        metavar="TIMES",
        help="factor for the router's timeouts: more than 1 if the machine is busy with other work (default: 1)",
    )
    parser.add_argument("--csv", type=Path, default=Path("soak.csv"), help="file for the samples (default: soak.csv)")
    parser.add_argument("--plot", type=Path, help="file for a plot of the samples (SVG)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the logs of all processes there")
    given = parser.parse_args(arguments)
    for name in ("minutes", "patience", "rate"):
        if getattr(given, name) <= 0:
            parser.error(f"--{name} must be positive")
    return given


def main() -> int:
    given = parse(sys.argv[1:])
    with sample_log(given.csv) as samples:
        try:
            passed = asyncio.run(soak(given, samples))
        except KeyboardInterrupt:
            return 130
    if given.plot:
        given.plot.write_text(plot(f"{given.minutes:g} minutes at {given.rate:g} requests a second", samples.samples))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
