"""The command: which scenarios and players, how many seeds, and where the figures and the picture go."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pointsman.config import ConfigError
from pointsman.config.words import Mode
from simulation.drivers import LANES
from simulation.plot import picture, shares
from simulation.providers import HOUR, Span
from simulation.report import Row, lines
from simulation.run import Step, configured, play
from simulation.scenarios import DEATH, RETURN, SCENARIOS
from simulation.strategies import BASELINES, PLAYERS, ROUTER


def parse(arguments: list[str]) -> argparse.Namespace:
    rows = "\n".join(f"  {name:<10}  {scenario.summary}" for name, scenario in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="scripts/simulate",
        description="Plays the router against other ways of choosing, with made-up providers, in virtual time.",
        epilog=f"scenarios:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="which ones to play (default: all)")
    parser.add_argument("--seeds", type=int, default=5, help="games for each row (default: 5)")
    parser.add_argument("--modes", nargs="+", type=Mode, default=list(Mode), metavar="MODE", help="default: all three")
    parser.add_argument(
        "--players", nargs="+", choices=PLAYERS, default=[ROUTER, *BASELINES], metavar="PLAYER",
        help=f"of {', '.join(PLAYERS)} (default: all but the average that the score once was)",
    )  # fmt: skip
    parser.add_argument(
        "--lane", choices=LANES, default="exchange", help="routing alone, or (default) whole exchanges, byte by byte"
    )
    parser.add_argument(
        "--hedge", nargs="+", default=["off"], metavar="AFTER", help="off (default), auto, durations: a row for each"
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
    if given.hedge != ["off"] and given.lane != "exchange":
        return "--hedge needs whole exchanges: leave out --lane routing"
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
    found: list[dict[str, object]] = []
    for name in given.scenarios or SCENARIOS:
        for mode in given.modes:
            rows = [
                Row.of(player, games(name, player, mode, given, hedge), hedge)
                for player in given.players
                for hedge in given.hedge
            ]
            found += [{"scenario": name, "mode": mode.value, **row.plain()} for row in rows]
            print(f"\n{name}, {mode}: {SCENARIOS[name].summary}", *lines(rows), sep="\n", flush=True)
    if given.json:
        given.json.write_text(json.dumps({"seeds": given.seeds, "rows": found}, indent=2) + "\n")
    if given.plot:
        given.plot.write_text(_picture(given))
    return 0


def games(
    name: str, player: str, mode: Mode, given: argparse.Namespace, hedge: str = "off"
) -> Sequence[Sequence[Step]]:
    assert player in PLAYERS
    return [list(play(SCENARIOS[name], player, mode, seed, LANES[given.lane], hedge)) for seed in range(given.seeds)]


def _picture(given: argparse.Namespace) -> str:
    until = 2.5 * HOUR
    played = games("outage", ROUTER, Mode.BALANCED, given)
    title = f"First choices around an outage of the favourite (mode balanced, {given.seeds} games)"
    return picture(title, shares(played, until), Span(DEATH, RETURN), until)


if __name__ == "__main__":
    sys.exit(main())
