"""Soak: moderate load for long, on mitmweb with its list of flows, and nothing may grow. The command.

The load is that of `scripts/chaos`, good answers and every fault, judged in the same way, at an even pace. What the
process holds is sampled to a CSV and drawn.
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
from robustness.chaos_run import Campaign
from robustness.deployment import House, house
from robustness.plot import drawing
from robustness.samples import Book, Sample, book, growth, sample, settled

MINUTES, SHORT = 30.0, 2.0
RATE = 20.0
"""Requests a second."""
CLIENTS = 12
SAMPLES = 360
"""In the whole of a soak, but not more often than once a second."""
FLOWS = 500
"""That mitmweb is to keep."""
ROOM = 0.1
"""Share by which a figure of the last quarter may be above that of the one before. Quarters are those of the time since
the tables were full.
"""
LEAST = {"memory_mib": 16.0, "files": 24.0, "tasks": 48.0}
"""What must not grow, and a growth that is within what comes and goes."""


class Paced:
    """Numbers, until the time is up, for clients that keep to a rate."""

    def __init__(self, seconds: float) -> None:
        self._began, self._seconds = monotonic(), seconds
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
        """Waits until as many numbers are due as have been given."""
        await asyncio.sleep(max(0.0, self.given / RATE - self.elapsed))


@asynccontextmanager
async def sampled(home: House, numbers: Paced, into: Book, every: float) -> AsyncIterator[None]:
    async def look() -> None:
        while True:
            level = await home.level()
            into.write(sample(numbers.elapsed, numbers.given, cpu_seconds(home.router.pid) or 0.0, level))
            await asyncio.sleep(every)

    async with asyncio.TaskGroup() as group:  # who cannot look any more must not go on as if all were well
        looking = group.create_task(look())
        yield
        looking.cancel()


async def soak(given: argparse.Namespace, into: Book) -> bool:
    """Did all go well?"""
    seconds = given.minutes * 60
    async with house(given.keep) as home:
        campaign = Campaign(home, given.seed, "auto", given.patience)
        try:
            await campaign.open(
                "mitmweb", "--no-web-open-browser", "--set", "web_port=0", "--set", f"pointsman_max_flows={FLOWS}"
            )
            numbers = Paced(seconds)
            async with sampled(home, numbers, into, max(1.0, seconds / SAMPLES)):
                await campaign.play(numbers, CLIENTS, numbers.hold_back)
            await campaign.close()
            campaign.run.faults += grown(into.samples)
            told = [*table(into.samples)]
        except* (ProcessFailed, OSError, TimeoutError) as group:
            text = f"the run itself failed: {group.exceptions!r}\n{log_tail('router', home.folder)}"
            campaign.run.faults.append(text)
            told = []
        print("\n".join([*report(campaign.run), *told]), flush=True)
        return not campaign.run.faults


def grown(samples: Sequence[Sample]) -> Iterator[str]:
    """What has grown to the end though it should not."""
    for name, least in LEAST.items():
        before, after = growth(settled(samples), name)
        if after - before > max(least, before * ROOM):
            yield f"{name} still grows: {before:g}, then {after:g}"
    most = max(each["flows"] for each in samples)
    if most > FLOWS + 4 * CLIENTS:
        yield f"mitmweb was to keep {FLOWS} flows and had {most:g}"


def table(samples: Sequence[Sample]) -> Iterator[str]:
    """The same for people."""
    first, last, since = samples[0], samples[-1], settled(samples)
    yield f"  tables full after {since[0]['seconds']:g} s; quarters are those of the time since"
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
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--patience",
        type=float,
        default=1.0,
        metavar="TIMES",
        help="how many times longer than usual the router waits for providers: more than 1 where others keep the"
        " machine busy (default: 1)",
    )
    parser.add_argument("--csv", type=Path, default=Path("soak.csv"), help="where the samples go (default: soak.csv)")
    parser.add_argument("--plot", type=Path, help="where they are drawn, as SVG")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the processes' logs are left")
    given = parser.parse_args(arguments)
    for name in ("minutes", "patience"):
        if getattr(given, name) <= 0:
            parser.error(f"--{name} must be positive")
    return given


def main() -> int:
    given = parse(sys.argv[1:])
    with book(given.csv) as samples:
        try:
            well = asyncio.run(soak(given, samples))
        except KeyboardInterrupt:
            return 130
    if given.plot:
        given.plot.write_text(drawing(f"{given.minutes:g} minutes at {RATE:g} requests a second", samples.samples))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
