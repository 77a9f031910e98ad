"""The command line: which scenarios, how long, and where the figures go."""

import argparse
import asyncio
import json
import os
import platform
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

from benchmarks.ab_rounds import Rounds
from benchmarks.figures import Report, document, table
from benchmarks.processes import ProcessFailed
from benchmarks.scenarios import SCENARIOS, peers
from benchmarks.testbed import ROUTER, SCRIPT, Versions

ROUNDS = Rounds(count=6, seconds=2.2, warm_up=0.5)
QUICK = Rounds(count=3, seconds=0.35, warm_up=0.2)
COMPARING = tuple(name for name, scenario in SCENARIOS.items() if scenario.compares)
"""The scenarios in which another version can take part."""


def parse(arguments: list[str]) -> argparse.Namespace:
    rows = "\n".join(f"  {name:<10}  {scenario.summary}" for name, scenario in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures the router in turns with bare mitmdump. What counts is the ratio within a round.",
        epilog=f"scenarios:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="which ones to run (default: all)")
    parser.add_argument("--quick", action="store_true", help="a few seconds per scenario, for rough figures")
    parser.add_argument("--rounds", type=int, help=f"how often each proxy is measured (default: {ROUNDS.count})")
    parser.add_argument("--seconds", type=float, help=f"how long each measurement takes (default: {ROUNDS.seconds})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures of every round to FILE")
    parser.add_argument("--addon", type=Path, default=ROUTER, help="the script that mitmdump loads as the router")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="CHECKOUT",
        help="another checkout of this project, measured in the same rounds; the table then shows router/other too"
        f" (scenarios: {', '.join(COMPARING)})",
    )
    parser.add_argument(
        "--cases",
        nargs="+",
        metavar="CASE",
        choices=peers.CASES,
        default=peers.CASES,
        help=f"peers: which cases to run (default: {' '.join(peers.CASES)})",
    )
    parser.add_argument(
        "--peers",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        default=(),
        help="peers: virtual environments and npm folders with other routers, or a folder of these (default: PATH)",
    )
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.scenarios if name not in SCENARIOS]:
        parser.error(f"there is no scenario {unknown[0]!r}; there are: {', '.join(SCENARIOS)}")
    if (given.rounds is not None and given.rounds < 1) or (given.seconds is not None and given.seconds <= 0):
        parser.error("--rounds and --seconds must be positive")
    if given.against is not None:
        if not (given.against / SCRIPT).is_file():
            parser.error(f"--against {given.against}: not a checkout of this project, there is no {SCRIPT} in it")
        if alone := [name for name in given.scenarios if name not in COMPARING]:
            parser.error(f"{alone[0]} cannot compare two versions; these scenarios can: {', '.join(COMPARING)}")
    return given


def scenario(name: str, given: argparse.Namespace) -> Callable[[Rounds, Versions], Awaitable[Report]]:
    """With the options that are for it alone."""
    if name == "peers":
        return partial(peers.run, choice=peers.Choice(given.cases, given.peers))
    return SCENARIOS[name].run


def rounds(given: argparse.Namespace) -> Rounds:
    usual = QUICK if given.quick else ROUNDS
    return Rounds(given.rounds or usual.count, given.seconds or usual.seconds, usual.warm_up)


def versions(given: argparse.Namespace) -> Versions:
    other = (given.against / SCRIPT).resolve() if given.against else None
    return Versions(given.addon.resolve(), other)


async def run(given: argparse.Namespace) -> dict[str, Report]:
    """Runs the scenarios one after the other and prints each report as soon as it is there."""
    task = asyncio.current_task()
    assert task
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    reports = {}
    for name in given.scenarios or (COMPARING if given.against else SCENARIOS):
        reports[name] = await scenario(name, given)(rounds(given), versions(given))
        print("\n".join(table(name, reports[name])), flush=True)
    return reports


def machine() -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "mitmproxy": version("mitmproxy"),
        "aiohttp": version("aiohttp"),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
    }


def main() -> int:
    given = parse(sys.argv[1:])
    try:
        reports = asyncio.run(run(given))
    except ProcessFailed as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    if given.json:
        given.json.write_text(json.dumps(document(machine(), reports), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
