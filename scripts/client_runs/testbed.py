"""The processes of one run: the router, four providers in this process, and the client; all end with it."""

import asyncio
import os
import re
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from robustness.deployment import ADMIN_KEY, Deployment, deployment

from client_runs.client import Client, Place
from client_runs.scenarios import SECRETS, Model, Name, Scenario, Turn, providers
from pointsman.config.enums import Dialect
from pointsman.demo import Provider
from support.settings import in_order

MODEL = "demo"
"""What every provider has."""
TIMEOUT = 120.0
"""Seconds for one process of a client, beside what its provider takes."""
SETTLING = 0.5
"""Seconds after a client has ended: side requests may still run."""
ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|\x1b[()][A-Z0-9]")
CLOSED_PROXY = "http://127.0.0.1:9"
"""Nothing listens there: a client that asks for another machine gets no answer."""
QUIET: Mapping[str, str] = {
    "DO_NOT_TRACK": "1",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "CI": "1",
    "LANG": "C.UTF-8",
    "HTTP_PROXY": CLOSED_PROXY,
    "HTTPS_PROXY": CLOSED_PROXY,
    "http_proxy": CLOSED_PROXY,
    "https_proxy": CLOSED_PROXY,
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}
"""No telemetry, no colours, no other machine."""


@dataclass(frozen=True, slots=True)
class Ended:
    """One process of the client. `status` is None if it did not end in time."""

    turns: tuple[Turn, ...]
    status: int | None
    output: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that there is to check. `records` are the router's, oldest first."""

    client: Client
    scenario: Scenario
    first: Dialect
    processes: Sequence[Ended]
    model: Model
    records: Sequence[Mapping[str, Any]]
    router_log: Sequence[str] = field(default=())
    """Lines that show an unexpected error."""
    router_output: str = ""
    """The end of the router's log."""


async def play(client: Client, scenario: Scenario, first: Dialect, places: "Places", first_token: float) -> Outcome:
    """One client through one scenario; the provider of the dialect `first` is asked first."""
    turns = client.turns_of(scenario.turns)
    own = replace(scenario, turns=turns)
    async with AsyncExitStack() as stack:
        deployed = await stack.enter_async_context(deployment())
        place = places(client, deployed)
        model = Model(own, client.is_turn, lambda request, files: client.calls_in(place.folder, request, files), first)
        names = [first, *(each for each in Dialect if each is not first)]
        started = [await stack.enter_async_context(each) for each in providers(model, names, MODEL)]
        await deployed.start_router(config(started, names, own.recover))
        variables = {**QUIET, **environment(place), **client.prepare(place)}
        at_once = client.takes_all_turns and own.name is not Name.CONTINUE
        calls = [turns] if at_once else [(turn,) for turn in turns]
        limit = TIMEOUT + (first_token if own.is_slow else 0)
        processes = [
            await run(client, place, call, variables, is_continued=nth > 0, limit=limit)
            for nth, call in enumerate(calls)
        ]
        await asyncio.sleep(SETTLING)
        _, page = await deployed.page("/internal/exchanges?limit=500")
        (deployed.folder / "providers.log").touch()  # the providers are in this process
        log = deployed.unexpected_log_lines()
        said = (deployed.folder / "router.log").read_text(errors="replace")[-20_000:]
    records = sorted(page["exchanges"], key=lambda record: record["started"])
    return Outcome(client, own, first, processes, model, records, log, said)


def config(started: Sequence[Provider], names: Sequence[Dialect], recover: str = "off") -> dict[str, Any]:
    """The providers are asked in this order, each in its own dialect."""
    entries = {
        name.value: {"base_url": each.base_url, "dialect": name.value, "keys": [], "models": [{"id": MODEL}]}
        for name, each in zip(names, started, strict=True)
    }
    own = {"server": {"admin_key": ADMIN_KEY}, "history": {"path": "off"}, "stream": {"recover": recover}}
    return in_order(entries, **own)


class Places:
    """Makes the folders of runs: a home without any settings, and a folder with the files that are read."""

    def __init__(self, programs: Mapping[str, Path], node: Path | None) -> None:
        self.programs, self.node = programs, node

    def __call__(self, client: Client, deployed: Deployment) -> Place:
        home, folder = deployed.folder / "home", deployed.folder / "work"
        home.mkdir()
        folder.mkdir()
        for name, content in SECRETS.items():
            (folder / name).write_text(f"{content}\n")
        return Place(home, folder, self.programs[client.name], self.node, f"http://127.0.0.1:{deployed.port}")


def environment(place: Place) -> dict[str, str]:
    """Nothing of the user's own, so that no settings and no keys of theirs are used."""
    path = [str(place.programs), *([str(place.node)] if place.node else []), os.environ.get("PATH", os.defpath)]
    folders = {"XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share", "XDG_CACHE_HOME": ".cache"}
    return {
        "HOME": str(place.home),
        "PATH": os.pathsep.join(path),
        "SHELL": "/bin/bash",
        **{name: str(place.home / folder) for name, folder in folders.items()},
    }


async def run(
    client: Client,
    place: Place,
    turns: tuple[Turn, ...],
    variables: Mapping[str, str],
    *,
    is_continued: bool,
    limit: float,
) -> Ended:
    """One process of the client, which asks the questions of these turns; `limit` in seconds."""
    questions = [turn.question for turn in turns]
    command = client.command(place, questions, is_continued)
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=place.folder,
        env=dict(variables),
        stdin=PIPE if client.stdin else DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
    )
    typed = client.stdin(questions).encode() if client.stdin else None
    output, status = b"", None
    try:
        async with asyncio.timeout(limit):
            output, _ = await process.communicate(typed)
        status = process.returncode
    except TimeoutError:
        output = b"It did not end in time."
    finally:
        await end_group(process)
    return Ended(turns, status, ANSI.sub("", output.decode(errors="replace")), time.monotonic() - began)


async def end_group(process: Process) -> None:
    """The client and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
