"""Injects every known fault, with all kinds of clients, and checks each answer.

The seed determines all requests and what each provider does with them, so a request that went wrong can be repeated:
`--only` sends only the requests with these numbers.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.processes import ProcessFailed, log_tail

from robustness.chaos_run import ChaosRun, RunResult
from robustness.deployment import deployment
from robustness.faults import FAULTS

STARTING, EACH = 240.0, 0.5
"""Limit of a run in seconds: to start and to ask once more, and for each request."""
SHOWN = 200
"""Violations printed for one run."""


def report(run: RunResult) -> Iterator[str]:
    outcomes = ", ".join(f"{count} × {name}" for name, count in sorted(run.outcomes.items()))
    total = sum(run.outcomes.values())
    verdict = "FAILED" if run.violations else "passed"
    yield f"seed {run.seed}: {verdict}; {total} requests in {run.seconds:.0f} s: {outcomes}"
    if run.before and run.after:
        grown = (run.after.memory - run.before.memory) / 2**20
        yield f"  {len(run.met)} of {len(FAULTS)} faults met, {run.met.total()} attempts; memory {grown:+.0f} MiB"
    if run.asked_to_go_on:
        yield f"  {run.asked_to_go_on} requests for the rest of an answer, {run.went_on} of them went on to the end"
    if run.waited:
        yield f"  {run.waited} requests waited in line"
    if run.ledger.attempts:
        yield f"  {run.ledger}"
        yield from (f"  {line}" for line in run.ledger.budgets.shown)
    if run.served:
        yield f"  {run.served} conversations served after all faults had ended"
    for fault in run.violations[:SHOWN]:
        yield f"  {fault}"
    if len(run.violations) > SHOWN:
        yield f"  and {len(run.violations) - SHOWN} more"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seed", type=seeds, default=range(1, 2), help="one, or several as in 1..20 (default: 1)")
    parser.add_argument("--requests", type=int, default=2000, help="for each seed (default: 2000)")
    parser.add_argument("--hedge", default="400ms", help="when a second attempt starts: a duration, auto or off")
    parser.add_argument(
        "--instances", type=int, default=1, metavar="N", help="so many routers behind a balancer, with one Valkey"
    )
    parser.add_argument("--only", type=int, nargs="+", metavar="N", help="only these requests of each seed")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the logs of all processes there")
    given = parser.parse_args(arguments)
    if given.requests < 1:
        parser.error("--requests must be positive")
    return given


def seeds(text: str) -> Sequence[int]:
    """One number, or a range as in 1..20. Raises ValueError."""
    first, dots, last = text.partition("..")
    chosen = range(int(first), int(last if dots else first) + 1)
    if not chosen:
        raise ValueError(text)
    return chosen


async def run_all(given: argparse.Namespace) -> bool:
    """Whether every seed passed."""
    passed = True
    for seed in given.seed:
        async with deployment(given.keep, given.instances) as deployed:
            numbers = given.only or range(given.requests)
            chaos_run = ChaosRun(deployed, seed, given.hedge, budgets_for=len(numbers))
            try:
                await chaos_run.open("mitmdump", "--set", "flow_detail=0")
                async with asyncio.timeout(STARTING + EACH * len(numbers)):
                    await chaos_run.send(numbers)
                    await chaos_run.lift_limits()
                    await chaos_run.ask_once_more()
                await chaos_run.close()
            except (ProcessFailed, OSError, TimeoutError) as error:
                log = log_tail("router", deployed.folder)
                text = f"the run could not be completed: {type(error).__name__} {error}\n{log}"
                chaos_run.result.violations.append(text)
        print("\n".join(report(chaos_run.result)), flush=True)
        passed = passed and not chaos_run.result.violations
    return passed


def main() -> int:
    given = parse(sys.argv[1:])
    try:
        return 0 if asyncio.run(run_all(given)) else 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
