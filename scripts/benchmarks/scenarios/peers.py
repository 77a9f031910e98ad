"""The router, bare mitmdump and the other routers that are installed (`benchmarks.peers`), under the same loads.

Each of them is measured in turns with the router, in pairs of windows, with nothing else running but the provider and
the load generator. Bare mitmdump and the router must pass the provider's bytes on; other routers write answers in a
form of their own, so that only the text of their first answer is compared.
"""

import platform
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import peers
from benchmarks.ab_rounds import Load, Rounds, compare
from benchmarks.figures import Figure, Report, Spread
from benchmarks.processes import ProcessFailed
from benchmarks.scenarios import startup
from benchmarks.scenarios.streams import AT_ONCE, HUNDRED, LARGE, WHOLE, Case, config
from benchmarks.testbed import Contender, Server, Testbed, Versions, testbed
from pointsman import __version__

START = "start"
RATE, CPU = "answers/s", "CPU per answer"
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Group:
    """Cases that share rows of the table: one row for each of `figures`, in which each case has a number."""

    title: str
    cases: Sequence[Case]
    figures: Sequence[str] = (RATE, CPU)


GROUPS: Mapping[str, Group] = {
    "burst": Group("64 events at once, 1 / 16 / 64 connections", AT_ONCE),
    "paced": Group("100 events/s, 32 / 96 connections", HUNDRED, (CPU,)),
    "whole": Group("whole answers of 2 KB, 1 / 16 connections", WHOLE),
    "large": Group(
        "requests of 80 KB / 800 KB / 5 MB, 4 connections", [case for case in LARGE if case.message_bytes], (RATE, CPU)
    ),
}
STARTS: Mapping[str, str] = {"first answer, ms": "start to first answer", "memory at rest, MiB": "memory at rest"}
CASES = (*GROUPS, START)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of CASES are measured (all by default), and folders with installed peers."""

    cases: Sequence[str] = CASES
    folders: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class Opponent:
    """What the router is measured against: a peer or, without one, bare mitmdump."""

    name: str
    version: str
    peer: peers.Installed | None = None

    def contender(self, waits: bool = True) -> Contender:
        peer = self.peer
        if peer is None:
            return Contender(self.name, lambda bed, provider: bed.bare(provider, waits))
        return Contender(self.name, lambda bed, provider: peer.start(bed, provider, waits))

    def load(self, case: Case, provider: Server) -> Load:
        usual = case.load()
        if self.peer is None:
            return usual
        further = "".join(f"{name}: {value}\r\n" for name, value in self.peer.peer.headers(provider).items())
        requests = tuple(request.replace("\r\n", f"\r\n{further}", 1) for request in usual.requests)
        return replace(usual, requests=requests, exact=False)


@dataclass(slots=True)
class Results:
    """`cells[row][opponent]` is what the table says; `figures` has every round."""

    cells: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, row: str, opponent: str, cell: str) -> None:
        self.cells.setdefault(row, {}).setdefault(opponent, []).append(cell)


async def run(rounds: Rounds, versions: Versions, choice: Choice = Choice()) -> Report:
    found = list(peers.installed(choice.folders))
    bare = Opponent("bare mitmdump", version("mitmproxy"))
    opponents = (bare, *(Opponent(each.peer.name, each.version, each) for each in found))
    results = Results()
    for name in choice.cases:
        for opponent in opponents:
            if name == START:
                await _start(results, opponent, rounds, versions)
            else:
                await _group(results, GROUPS[name], opponent, rounds, versions)
    missing = [peer for peer in peers.PEERS if peer not in [each.peer for each in found]]
    lines = [*markdown(results, opponents, rounds), *not_installed(missing)]
    return Report(f"the router and others; {rounds}", results.figures, results.warnings, lines)


async def _group(results: Results, group: Group, opponent: Opponent, rounds: Rounds, versions: Versions) -> None:
    for case in group.cases:
        try:
            async with testbed(versions) as bed:
                rate, first_byte, cpu, memory = await _measured(results, bed, case, opponent, rounds)
        except ProcessFailed as error:
            results.warnings.append(f"{opponent.name}, {case.load().setting}: {_short(error)}")
            numbers = dict.fromkeys(group.figures, FAILED)
        else:
            numbers = {RATE: _ratio(rate), CPU: _ratio(cpu)}
            results.figures += [rate, first_byte, cpu, memory]
        for figure in group.figures:
            results.add(f"{group.title}: {figure}", opponent.name, numbers[figure])


async def _measured(results: Results, bed: Testbed, case: Case, opponent: Opponent, rounds: Rounds) -> Iterable[Figure]:
    provider = await bed.provider(case.events, case.event_bytes, case.burst, case.pause)
    proxies = (await bed.router(config(provider.url)), await opponent.contender().start(bed, provider))
    compared = await compare(bed, proxies, provider, case.load(), rounds, opponent.load(case, provider))
    results.warnings += [f"{opponent.name}, {warning}" for warning in compared.warnings()]
    return [replace(figure, setting=f"{opponent.name}, {figure.setting}") for figure in compared.figures()]


async def _start(results: Results, opponent: Opponent, rounds: Rounds, versions: Versions) -> None:
    contenders = (
        (startup.COMMAND, lambda _: startup.CASE.load()),
        (opponent.contender(waits=False), lambda provider: opponent.load(startup.CASE, provider)),
    )
    try:
        starts = await startup.in_turns(contenders, rounds.count, versions)
    except ProcessFailed as error:
        results.warnings.append(f"{opponent.name}, {START}: {_short(error)}")
        for row in STARTS.values():
            results.add(row, opponent.name, FAILED)
        return
    for name, row in STARTS.items():
        ours, theirs = ([startup.FIGURES[name](start) for start in each] for each in starts.values())
        figure = Figure(f"{opponent.name}, {START}", name, ours, theirs)
        results.figures.append(figure)
        results.add(row, opponent.name, f"{_ratio(figure)} ({_middle(ours)} : {_middle(theirs)} {name.split()[-1]})")


def markdown(results: Results, opponents: Sequence[Opponent], rounds: Rounds) -> Iterator[str]:
    """The table: the router's figure ÷ the other one's, as medians of the pairs."""
    today = datetime.now(UTC).date()
    yield (
        f"Pointsman {__version__} ÷ the other one, medians of {rounds} each, in turns. {today},"
        f" Python {platform.python_version()}, mitmproxy {version('mitmproxy')}."
    )
    yield ""
    yield f"| case | {' | '.join(f'÷ {each.name} {each.version}' for each in opponents)} |"
    yield f"| --- |{' --- |' * len(opponents)}"
    for row, cells in results.cells.items():
        yield f"| {row} | {' | '.join(' / '.join(cells.get(each.name, [])) for each in opponents)} |"
    for warning in ("", *results.warnings) if results.warnings else ():
        yield f"- {warning}" if warning else ""


def not_installed(missing: Sequence[peers.Peer]) -> Iterator[str]:
    for number, peer in enumerate(missing):
        yield from () if number else [""]
        yield f"{peer.name} is not installed: `{peer.install}`, then `scripts/bench peers --peers peers`."


def _ratio(figure: Figure) -> str:
    spread = Spread.of(figure.ratios())
    return f"{spread.median:.2f}" if spread else "–"


def _middle(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.median(known):.0f}" if known else "–"


def _short(error: ProcessFailed) -> str:
    return " ".join(str(error).split())[:300]
