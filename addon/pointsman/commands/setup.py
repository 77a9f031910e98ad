"""`pointsman setup CLIENT`: prints the settings that point a client at the router, or writes them to its files."""

import argparse
import json
import sys
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pointsman.client_setup import CLIENTS, ClientSetup, setup_of
from pointsman.client_setup.files import BACKUP, CHANGED, FileReport, Outcome, SetupFileError, SetupFiles
from pointsman.client_setup.printing import notes, sections
from pointsman.client_setup.registry import name_of
from pointsman.commands.client_args import (
    add_client_arguments,
    load_settings,
    missing_aliases,
    router_key,
)
from pointsman.commands.own_name import tell_own_name
from pointsman.overrides import data_folder

WIDTH = 160
"""Columns if the output is not a terminal."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pointsman setup", description=__doc__)
    parser.add_argument(
        "client", nargs="?", type=name_of, choices=CLIENTS, help="without one, the clients are listed", metavar="CLIENT"
    )
    add_client_arguments(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--write", action="store_true", help=f"add them to the client's files; see *.{BACKUP} for the former"
    )
    how.add_argument("--undo", action="store_true", help="restore the files that --write has changed")
    how.add_argument("--json", action="store_true", help="print as JSON")
    given = parser.parse_args(arguments)
    if given.client is None:
        return _list_clients()
    if given.undo:
        return _undo(given.client)
    url = given.router
    found = load_settings(given.config)
    key = router_key(given.key, found[1] if found else None)
    if given.write and key.is_missing:
        print(f"pointsman setup: {key.note}", file=sys.stderr)
        return 1
    setup = setup_of(given.client, url, key.used if given.write else key.shown)
    also = [key.note] if key.note and not (given.write and key.used != key.shown) else []
    also += missing_aliases(setup.client, *found) if found else []
    if given.json:
        print(json.dumps({**setup.to_dict(), "notes": also}, indent=2))
        return 0
    return _write(setup, also) if given.write else _print(setup, url, also)


def _print(setup: ClientSetup, url: str, also: list[str]) -> int:
    client = setup.client
    print(f"# {client.title}, with the router at {url}\n")
    for section in sections(setup, Path.home()):
        print(f"# {section.title}\n\n{section.text}")
    for note in (*notes(client), *also):
        print(f"# {note}")
    if setup.files:
        print(f"# `pointsman setup {client.name} --write` adds this to your files; --undo restores them.")
    if setup.start:
        print(f"# `pointsman run {client.name}` starts it, and the router if none runs.")
    return 0


def _write(setup: ClientSetup, also: list[str]) -> int:
    if not setup.files:
        name = setup.client.name
        print(f"pointsman setup: {setup.client.title} has no file to write; pointsman setup {name} prints what to do")
        return 1
    try:
        reports = _files().write(setup)
    except SetupFileError as error:
        return _fail(error)
    for report in reports:
        _show(report)
    for note in also:
        print(note)
    if any(report.outcome is Outcome.WRITTEN for report in reports):
        print(f"pointsman setup {setup.client.name} --undo undoes it.")
    return 0


def _undo(client: str) -> int:
    try:
        reports = _files().undo(client)
    except SetupFileError as error:
        return _fail(error)
    for report in reports:
        _show(report)
    if not reports:
        print(f"Nothing to undo: pointsman setup {client} --write has not changed any file.")
    return 0


def _show(report: FileReport) -> None:
    kept = f" (the former content is in {report.kept})" if report.kept else ""
    if report.kept and CHANGED in report.kept.name:
        kept = f" (it had been changed since; that content is in {report.kept})"
    print(f"{report.path}: {report.outcome}{kept}")


def _list_clients() -> int:
    table = Table(box=SIMPLE_HEAD)
    for column in ("CLIENT", "", "files", "pointsman run"):
        table.add_column(column)
    for client in CLIENTS.values():
        files = len(client.files)
        how = "by hand" if client.steps and not files else "in a program" if client.code else f"{files} (--write)"
        table.add_row(client.name, client.title, how, client.start[0] if client.start else "–")
    console = Console()
    (console if console.is_terminal else Console(width=WIDTH)).print(table)
    print("pointsman setup CLIENT prints the settings of one.")
    tell_own_name()
    return 0


def _files() -> SetupFiles:
    return SetupFiles(data_folder(None, None, Path.home()))


def _fail(error: Exception) -> int:
    print(f"pointsman setup: {error}", file=sys.stderr)
    return 1
