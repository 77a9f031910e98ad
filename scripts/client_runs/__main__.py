"""Runs the clients that people use, in pinned versions, against the router with scripted providers.

Each client is installed from npm or PyPI into a folder of its own below the cache, and skipped if that fails. Then it
goes through the scenarios:

  turns     three turns, two of them with parallel calls of tools, once for each dialect of the provider
  failover  the provider breaks before the first token, and one of another dialect answers
  slow      the first token takes 45 s
  cut       the answer breaks in the middle
  recover   the same, and another provider goes on with it: `stream.recover: any`
  continue  the second turn is a process of its own

All run on this machine: clients have a home of their own and, where the system lets users make networks, a network of
their own that has no other machine.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from client_runs.agents import AGENTS
from client_runs.client import Client
from client_runs.findings import Finding, finding
from client_runs.installing import Cache, NotInstalled
from client_runs.scenarios import Name, scenarios
from client_runs.sdks import SDKS
from client_runs.table import DIALECT_COLUMNS, MarkersMissing, Row, table, write
from client_runs.testbed import Outcome, Places, play
from pointsman.config.enums import Dialect
from support import namespace

CLIENTS = {each.name: each for each in (*AGENTS, *SDKS)}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
FIRST_TOKEN, SHORT = 45.0, 5.0
"""Seconds that the slow provider takes; with --short."""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="scripts/clients", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = made.add_argument
    add("names", nargs="*", metavar="NAME", help=f"of {', '.join(CLIENTS)}; all without")
    add("--scenario", action="append", choices=[each.value for each in Name], help="only this one; may be repeated")
    add("--provider", action="append", choices=[*DIALECT_COLUMNS], help="turns only with this one; may be repeated")
    add("--short", action="store_true", help=f"the slow provider takes {SHORT:g} s")
    add("--jobs", type=int, default=1, metavar="N", help="clients at the same time; default: 1")
    add("--verbose", action="store_true", help="show what each client printed")
    add("--write", action="store_true", help=f"write the rows into {PAGE.name}; needs every scenario")
    add("--cache", type=Path, help="where clients are installed; default: pointsman-clients in the user's cache")
    add("--missing", type=json.loads, help=argparse.SUPPRESS)  # within the network of its own: what is not installed
    return made


def install(names: Sequence[str], cache: Cache) -> dict[str, str]:
    """Returns why those are missing that could not be installed."""
    missing = {}
    for name in names:
        try:
            cache.install(CLIENTS[name].package)
        except NotInstalled as error:
            print(f"{CLIENTS[name].title}: skipped, {error}", flush=True)
            missing[name] = str(error)
    return missing


async def run_client(client: Client, given: argparse.Namespace, cache: Cache) -> Row:
    today = time.strftime("%Y-%m-%d")
    if reason := given.missing.get(client.name):
        return Row(client, {}, {}, today, skipped=reason)
    places = Places({client.name: cache.install(client.package)}, cache.node)
    first_token = SHORT if given.short else FIRST_TOKEN
    known = scenarios(first_token)
    cells: dict[Name, dict[Dialect, str]] = {}
    for name, first in runs_of(client, given):
        began = time.monotonic()
        outcome = await play(client, known[name], first, places, first_token)
        found = finding(outcome)
        show(outcome, found, time.monotonic() - began, given.verbose)
        cells.setdefault(name, {})[first] = found.cell
    turns = {first.value: cell for first, cell in cells.pop(Name.TURNS, {}).items()}
    return Row(client, turns, {name: cell for name, found in cells.items() for cell in found.values()}, today)


def runs_of(client: Client, given: argparse.Namespace) -> Iterator[tuple[Name, Dialect]]:
    """Each scenario, and the dialect of the provider that is asked first."""
    for name in Name:
        if name not in (given.scenario or Name) or (name is Name.CONTINUE and not client.continues):
            continue
        if name is Name.TURNS:
            yield from ((name, Dialect(each)) for each in given.provider or DIALECT_COLUMNS)
        else:
            yield name, client.dialect


def show(outcome: Outcome, found: Finding, seconds: float, verbose: bool) -> None:
    where = f"{outcome.client.title}, {outcome.scenario.name}, {outcome.first} first"
    lines = [f"{where}: {found.cell} ({seconds:.0f} s)", *(f"    {problem}" for problem in found.problems)]
    print("\n".join([*lines, *(details(outcome) if verbose else [])]), flush=True)


def details(outcome: Outcome) -> Iterator[str]:
    """What the client printed, what the providers were asked, and what the router noted."""
    for ended in outcome.processes:
        yield f"--- status {ended.status}, {ended.seconds:.1f} s\n{ended.output[-3000:]}"
    for request in outcome.model.seen:
        yield f"--- {request.provider}: turn {request.turn.number}, step {request.step}, called {request.called}"
    for aside in outcome.model.asides:
        yield f"--- aside {aside.path} {aside.body[:300]!r}"
    for record in outcome.records:
        attempts = [(each["provider"], each["outcome"], each["error"]) for each in record["attempts"]]
        noted = " ".join(str(record[name]) for name in ("model", "session", "sticky", "status", "error"))
        yield f"--- record {noted} {attempts}"
    if outcome.router_log:
        yield f"--- router\n{outcome.router_output}"


async def run(given: argparse.Namespace, cache: Cache) -> int:
    free = asyncio.Semaphore(given.jobs)

    async def in_turn(client: Client) -> Row:
        async with free:
            return await run_client(client, given, cache)

    rows = await asyncio.gather(*(in_turn(CLIENTS[name]) for name in given.names or CLIENTS))
    print(f"\n{table([row.line for row in rows])}")
    if given.write:
        write(PAGE, rows, [each.title for each in CLIENTS.values()])
    return int(not all(row.is_good for row in rows))


def main(arguments: Sequence[str]) -> int:
    made = parser()
    given = made.parse_args(arguments)
    unknown = [name for name in given.names if name not in CLIENTS]
    if unknown:
        made.error(f"no client is called {', '.join(unknown)}; known are {', '.join(CLIENTS)}")
    if given.write and (given.scenario or given.provider or given.short):
        made.error("--write needs every scenario as it is: leave out --scenario, --provider and --short")
    if given.jobs < 1:
        made.error("--jobs must be at least 1")
    cache = Cache(given.cache.resolve()) if given.cache else Cache.of_user()
    if given.missing is None:
        given.missing = install(given.names or [*CLIENTS], cache)
        if namespace.is_allowed():
            again = [sys.executable, "-P", "-m", "client_runs", *arguments, "--missing", json.dumps(given.missing)]
            return subprocess.run(namespace.command(*again), check=False).returncode
        print("This system lets its users make no networks: a client could reach other machines.", flush=True)
    try:
        return asyncio.run(run(given, cache))
    except MarkersMissing as error:
        print(f"scripts/clients: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
