"""The command line: which scenarios and strategies, how many seeds, and where the results go."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from itertools import chain
from pathlib import Path

from pointsman.config import ConfigError
from pointsman.config.enums import Mode
from simulation import instances
from simulation.caches import table
from simulation.drift_detection import report
from simulation.drivers import DRIVERS
from simulation.foresight import no_foresight
from simulation.plot import plot, shares
from simulation.providers import HOUR, Span
from simulation.report import Row, lines
from simulation.run import Step, configured, simulate
from simulation.scenarios import DEATH, RETURN, SCENARIOS
from simulation.strategies import BASELINES, ROUTER, strategy_names


def parse(arguments: list[str]) -> argparse.Namespace:
    rows = "\n".join(f"  {name:<10}  {scenario.summary}" for name, scenario in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="scripts/simulate",
        description="Compares the router with other strategies, with simulated providers in virtual time.",
        epilog=f"scenarios:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="which ones to run (default: all)")
    parser.add_argument("--seeds", type=int, default=5, help="runs for each row (default: 5)")
    parser.add_argument("--modes", nargs="+", type=Mode, default=list(Mode), metavar="MODE", help="default: all three")
    parser.add_argument(
        "--strategies", nargs="+", choices=strategy_names(), default=[ROUTER, *BASELINES], metavar="STRATEGY",
        help=f"of {', '.join(strategy_names())} (default: all except 'average of all')",
    )  # fmt: skip
    parser.add_argument(
        "--driver",
        choices=DRIVERS,
        default="exchange",
        help="routing alone, or whole exchanges byte by byte (default)",
    )
    parser.add_argument(
        "--hedge", nargs="+", default=["off"], metavar="AFTER", help="off (default), auto, durations: a row for each"
    )
    parser.add_argument(
        "--drift-detection",
        type=int,
        metavar="RUNS",
        help="instead: how soon drift is found, in so many runs without any, and a tenth as many with it",
    )
    parser.add_argument(
        "--caches", action="store_true", help="what conversations cost with and without their caches, as a table"
    )
    parser.add_argument(
        "--first-seed", type=int, default=0, metavar="N", help="of --caches: other runs than those of the table"
    )
    parser.add_argument(
        "--instances",
        nargs="*",
        type=int,
        metavar="N",
        help="instead: what so many routers cost that share their state over a real server, in real time"
        f" (default: {' '.join(map(str, instances.COUNTS))})",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rows to FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write shares around the outage to FILE, as SVG")
    given = parser.parse_args(arguments)
    if fault := _fault(given):
        parser.error(fault)
    return given


def _fault(given: argparse.Namespace) -> str | None:
    if unknown := [name for name in given.scenarios if name not in SCENARIOS]:
        return f"there is no scenario {unknown[0]!r}; there are: {', '.join(SCENARIOS)}"
    if given.hedge != ["off"] and given.driver != "exchange":
        return "--hedge needs whole exchanges: leave out --driver routing"
    if given.instances and min(given.instances) < 1:
        return "--instances must be at least 1"
    if given.seeds < 1:
        return "--seeds must be at least 1"
    try:
        for after in given.hedge:
            configured({}, after)
    except ConfigError as error:
        return f"--hedge: {error}"
    return None


def main() -> int:
    given = parse(sys.argv[1:])
    if given.drift_detection:
        for line in report(max(1, given.drift_detection // 10), given.drift_detection):
            print(line, flush=True)
        return 0
    if given.caches:
        for line in chain(table(range(given.first_seed, given.first_seed + given.seeds)), [""], no_foresight()):
            print(line, flush=True)
        return 0
    if given.instances is not None:
        asyncio.run(print_all(instances.table(given.instances or instances.COUNTS)))
        return 0
    found: list[dict[str, object]] = []
    for name in given.scenarios or SCENARIOS:
        for mode in given.modes:
            rows = [
                Row.of(strategy, runs(name, strategy, mode, given, hedge), hedge)
                for strategy in given.strategies
                for hedge in given.hedge
            ]
            found += [{"scenario": name, "mode": mode.value, **row.plain()} for row in rows]
            print(f"\n{name}, {mode}: {SCENARIOS[name].summary}", *lines(rows), sep="\n", flush=True)
    if given.json:
        given.json.write_text(json.dumps({"seeds": given.seeds, "rows": found}, indent=2) + "\n")
    if given.plot:
        given.plot.write_text(_plot(given))
    return 0


async def print_all(lines: AsyncIterator[str]) -> None:
    async for line in lines:
        print(line, flush=True)


def runs(
    name: str, strategy: str, mode: Mode, given: argparse.Namespace, hedge: str = "off"
) -> Sequence[Sequence[Step]]:
    return [
        list(simulate(SCENARIOS[name], strategy, mode, seed, DRIVERS[given.driver], hedge))
        for seed in range(given.seeds)
    ]


def _plot(given: argparse.Namespace) -> str:
    until = 2.5 * HOUR
    played = runs("outage", ROUTER, Mode.BALANCED, given)
    title = f"First choices around an outage of the favourite (mode balanced, {given.seeds} runs)"
    return plot(title, shares(played, until), Span(DEATH, RETURN), until)


if __name__ == "__main__":
    sys.exit(main())
