"""Chaos: every fault of the table, all kinds of clients, and a judge who looks at each answer. The command.

The seed decides what is asked and what each provider does with it, so that a request that went wrong can be asked
again: `--only` runs through some of them alone.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.processes import ProcessFailed, log_tail

from robustness.chaos_run import Campaign, Run
from robustness.deployment import house
from robustness.faults import FAULTS

STARTING, EACH = 120.0, 0.5
"""Seconds that a run may take, whatever happens: so many, and so many for each request."""
SHOWN = 20
"""Faults shown of one run."""


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
            campaign = Campaign(home, seed, given.hedge)
            try:
                await campaign.open("mitmdump", "--set", "flow_detail=0")
                numbers = given.only or range(given.requests)
                async with asyncio.timeout(STARTING + EACH * len(numbers)):
                    await campaign.play(numbers)
                await campaign.close()
            except (ProcessFailed, OSError, TimeoutError) as error:
                text = f"the run itself failed: {type(error).__name__} {error}\n{log_tail('router', home.folder)}"
                campaign.run.faults.append(text)
        print("\n".join(report(campaign.run)), flush=True)
        well = well and not campaign.run.faults
    return well


def main() -> int:
    given = parse(sys.argv[1:])
    try:
        return 0 if asyncio.run(run_all(given)) else 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
