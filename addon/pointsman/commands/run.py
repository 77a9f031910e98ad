"""`pointsman run CLIENT [ARGUMENTS…]`: starts a client that uses the router, and the router if none runs.

The client's own settings are not changed. Without CLIENT, the router itself is started, with
mitmproxy's arguments.
"""

import argparse
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from secrets import token_hex

from pointsman import private_files
from pointsman.client_setup import CLIENTS, ClientSetup, child, setup_of
from pointsman.client_setup.background_router import RouterError, router_at
from pointsman.client_setup.files import is_written, write_run_files
from pointsman.client_setup.registry import name_of
from pointsman.commands.client_args import (
    add_client_arguments,
    load_settings,
    missing_aliases,
    router_key,
)
from pointsman.overrides import data_folder

NOT_INSTALLED = 127
"""The exit status of a shell for a program that is not there."""
OWN_OPTIONS = ("-h", "--help", "--router", "--config", "--key")


def starts_router(arguments: list[str]) -> bool:
    """Whether the arguments name no client: there are none, or they are mitmproxy's."""
    return not arguments or (arguments[0].startswith("-") and arguments[0].partition("=")[0] not in OWN_OPTIONS)


def main(arguments: list[str]) -> int:
    """Runs the client; returns its exit status."""
    runnable = [name for name, client in CLIENTS.items() if client.start]
    parser = argparse.ArgumentParser(prog="pointsman run", description=__doc__)
    add_client_arguments(parser)
    parser.add_argument("client", type=name_of, choices=runnable, help=", ".join(runnable), metavar="CLIENT")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on to the client", metavar="ARGUMENTS")
    given = parser.parse_args(arguments)
    url = given.router
    found = load_settings(given.config)
    router = router_key(given.key, found[1] if found else None)
    if router.is_missing:
        _say(router.note)
        return 2
    with _run_folder() as folder:
        session = f"{given.client}-{token_hex(8)}"
        setup = setup_of(given.client, url, router.used, run_folder=Path(folder), session=session)
        program = shutil.which(setup.start[0])
        if program is None:
            _say(f"{setup.client.title} is not installed: there is no {setup.start[0]!r} on PATH.")
            _say(f"To install it: {setup.client.install}")
            return NOT_INSTALLED
        if setup.client.needs_files and not is_written(setup):
            _say(f"{setup.client.title} takes its settings only from a file. First run: {_write_command(given, setup)}")
            return 2
        for note in missing_aliases(setup.client, *found) if found else ():
            _say(note)
        return _run(setup, program, given, url)


def _run(setup: ClientSetup, program: str, given: argparse.Namespace, url: str) -> int:
    write_run_files(setup)
    command = [program, *setup.start[1:], *given.arguments]
    data = data_folder(None, None, Path.home())
    try:
        with child.forwarded_signals() as children, router_at(url, given.config, data, partial(_say_start, url)):
            return child.run(command, child.environment(setup, url, os.environ), children)
    except RouterError as error:
        _say(str(error))
        return 1
    except OSError as error:
        _say(f"{program} cannot be started: {error.strerror or error}")
        return 126


def _run_folder() -> tempfile.TemporaryDirectory[str]:
    """In the data folder: some clients read no settings below a folder that others may write, such as /tmp."""
    data = data_folder(None, None, Path.home())
    with suppress(OSError):
        private_files.make_folder(data)
        return tempfile.TemporaryDirectory(prefix="run-", dir=data)
    return tempfile.TemporaryDirectory(prefix="pointsman-run-")


def _write_command(given: argparse.Namespace, setup: ClientSetup) -> str:
    router = f" --router {given.router}" if given.router else ""
    return f"pointsman setup {setup.client.name} --write{router}"


def _say_start(url: str, log: Path) -> None:
    _say(f"starting the router at {url}; its log is {log}")


def _say(text: str) -> None:
    print(f"pointsman run: {text}", file=sys.stderr, flush=True)
