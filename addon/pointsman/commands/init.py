"""`pointsman init`: finds API keys and model servers on this machine, and writes a configuration file for them.

Keys are looked for in the environment, and in the files of other tools if you agree. No key is ever written to
the configuration: it refers to the environment. A key from another tool's file is stored encrypted, like one that is
added on the dashboard.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

from pointsman import catalog, config, private_files
from pointsman.commands import check
from pointsman.commands.admin_client import DEFAULT_ROUTER_URL
from pointsman.commands.config_args import print_config_error
from pointsman.commands.own_name import tell_own_name
from pointsman.config import ConfigError, document
from pointsman.config.loading import VARIABLE
from pointsman.config.runtime_overrides import NO_OVERRIDES, AddedKey, RuntimeOverrides
from pointsman.onboarding.config_text import config_text
from pointsman.onboarding.draft import Draft, draft_of, examined, stored_keys
from pointsman.onboarding.installed_clients import command_for, installed_clients
from pointsman.onboarding.key_files import KeyFile, key_files, keys_of
from pointsman.onboarding.keys import FoundKey, FoundKeys, distinct, keys_in
from pointsman.onboarding.local_servers import FoundServers, find_servers
from pointsman.overrides import OverrideStore, data_folder
from pointsman.overrides.atomic_file import write_beside, write_new

DATA_VARIABLE = "POINTSMAN_DATA"
NOTHING = """\
No API key and no model server was found, so nothing was written.

  - Set the key of a provider, for example:  export GROQ_API_KEY=…  (free: console.groq.com, aistudio.google.com,
    openrouter.ai, cloud.cerebras.ai). pointsman models lists all providers that are known.
  - Or start a server on this machine: Ollama, LM Studio, vLLM, llama.cpp or Jan.
  - Or start pointsman without a configuration, to see it with demo providers.

Then run pointsman init again."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pointsman init", description=__doc__.split("\n\n")[0].partition(": ")[2])
    parser.add_argument("--yes", action="store_true", help="do not ask; write what was found")
    parser.add_argument("--path", metavar="FILE", help="file to write (default: the one that the router uses)")
    parser.add_argument("--force", action="store_true", help="replace an existing file; a backup is kept beside it")
    parser.add_argument(
        "--read-files", action="store_true", help="read keys in the files of other tools without asking for each"
    )
    parser.add_argument("--no-check", action="store_true", help="contact no provider, only servers on this machine")
    parser.add_argument(
        "--port", action="append", default=[], type=_port, metavar="NAME=PORT",
        help=f"where a server on this machine listens; NAME is one of {', '.join(catalog.local_servers())}",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    path = _target(given.path)
    if os.path.lexists(path) and not given.force:
        print(
            f"pointsman init: {path} exists, and was left alone. --force replaces it and keeps a backup; --path writes "
            "another file; pointsman check says whether it is in order.",
            file=sys.stderr,
        )
        return 1
    try:
        return _run(given, path)
    except ConfigError as error:
        return print_config_error("init", error)
    except KeyboardInterrupt:
        print("\nNothing was written.", file=sys.stderr)
        return 130


def _run(given: argparse.Namespace, path: Path) -> int:
    keys, servers = keys_in(os.environ), asyncio.run(find_servers(os.environ, dict(given.port)))
    _tell(keys, servers)
    from_files = _keys_from_files(keys, without_asking=given.read_files, may_ask=not given.yes)
    draft = draft_of((*keys.keys, *from_files), servers.servers, os.environ)
    for note in draft.notes:
        print(f"  note: {note}")
    if not draft.providers:
        print(f"\n{NOTHING}")
        return 1
    if not given.no_check:
        if any(each.name not in catalog.local_servers() for each in draft.providers):
            print("\nRequesting the models of the providers …", flush=True)
        draft = asyncio.run(examined(draft, os.environ))
        for each in draft.providers:
            print(f"  {each.name}: {each.comment}")
    text = config_text(draft)
    config.build(document.parse(text, str(path)).tree, os.environ)
    if not (given.yes or _agrees(f"\nWrite {path} with {_count(len(draft.providers), 'provider')}?", default=True)):
        print("Nothing was written." + ("" if _has_terminal() else " Give --yes to write without being asked."))
        return 1
    return _write(path, text, draft, contact=not given.no_check)


def _target(named: str | None) -> Path:
    """What is named, else the file that the router would use, else the one in the home directory."""
    env, cwd, home = os.environ, Path.cwd(), Path.home()
    if chosen := named or env.get(VARIABLE):
        return cwd / (home / chosen[2:] if chosen.startswith("~/") else chosen)
    return config.find_file(None, env, cwd, home) or home / ".pointsman" / "pointsman.yaml"


def _port(text: str) -> tuple[str, int]:
    name, _, port = text.partition("=")
    if name not in catalog.local_servers() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PORT with one of {', '.join(catalog.local_servers())}")
    return name, int(port)


def _tell(keys: FoundKeys, servers: FoundServers) -> None:
    print("Found on this machine:")
    for key in keys.keys:
        print(f"  {key.provider}: a key in {key.variable}")
    for server in servers.servers:
        print(f"  {server.name}: {server.title} at {server.base_url}, {_count(len(server.models), 'model')}")
    if not keys.keys and not servers.servers:
        print("  no key in the environment, and no model server")
    for note in (*keys.notes, *servers.notes):
        print(f"  note: {note}")


def _keys_from_files(known: FoundKeys, *, without_asking: bool, may_ask: bool) -> list[FoundKey]:
    found: list[FoundKey] = []
    for file in key_files(os.environ, Path.home()):
        if without_asking or (may_ask and _agrees(f"Read API keys in {file.path} ({file.tool})?", default=False)):
            found += _keys_from(file, (*known.keys, *found))
    return found


def _keys_from(file: KeyFile, known: tuple[FoundKey, ...]) -> list[FoundKey]:
    read = keys_of(file)
    new = list(distinct(iter(read.keys), known))
    for key in new:
        print(f"  {key.provider}: a key in {file.path}")
    for note in read.notes:
        print(f"  note: {note}")
    return new


def _write(path: Path, text: str, draft: Draft, *, contact: bool) -> int:
    try:
        backup = _write_file(path, text.encode())
        overrides = _store(draft)
    except OSError as error:
        print(f"pointsman init: {path} could not be written: {error}", file=sys.stderr)
        return 1
    print(f"\nWrote {path}." + (f" The former file is {backup.name}." if backup else ""))
    written = config.read_file(path)
    settings = config.build(written.tree, os.environ, written.issues, overrides, written.warnings)
    if settings.providers and draft.usable:
        check.report(path, settings, contact=contact)
    else:
        print("No provider in it can be used yet: see its comments.")
    _tell_next(path, draft)
    return 0 if draft.usable else 1


def _write_file(path: Path, data: bytes) -> Path | None:
    """The backup of what was there. Raises OSError."""
    if os.path.exists(path):
        return write_beside(path, data)
    if path.parent == Path.home() / ".pointsman":
        private_files.make_folder(path.parent)
    write_new(path, data)
    return None


def _store(draft: Draft) -> RuntimeOverrides:
    """Keys of files, with the changes that are stored already. Raises OSError."""
    keys = list(stored_keys(draft))
    if not keys:
        return NO_OVERRIDES
    history = config.build(draft.tree, os.environ).history.path
    store = OverrideStore(data_folder(os.environ.get(DATA_VARIABLE), history, Path.home()))
    had = store.load()
    values = {(key.provider, key.value) for key in had.added}
    taken = {(key.provider, key.label) for key in had.added}
    added = list(had.added)
    for key in keys:
        if (key.provider, key.value) not in values:
            label = _label(key, taken)
            taken.add((key.provider, label))
            added.append(AddedKey(token_hex(6), key.provider, label, key.value))
    overrides = replace(had, added=tuple(added))
    store.save(overrides)
    return overrides


def _label(key: FoundKey, taken: set[tuple[str, str]]) -> str:
    label, number = f"from {key.tool}", 2
    while (key.provider, label) in taken:
        label, number = f"from {key.tool} ({number})", number + 1
    return label


def _tell_next(path: Path, draft: Draft) -> None:
    variables = [name for each in draft.providers for name in _variables(each.entry)]
    print()
    if variables:
        print(f"Keep in the environment of the router: {', '.join(dict.fromkeys(variables))}")
    start = "pointsman"
    if config.find_file(None, os.environ, Path.cwd(), Path.home()) != path:
        start = f"{VARIABLE}={path} pointsman"
    print("Start:")
    steps = [
        ("the router", f"{start}   (its dashboard is at {DEFAULT_ROUTER_URL}/)"),
        *((client.title, command_for(client)) for client in installed_clients(os.environ.get("PATH"), Path.home())),
        ("any other client", f"base URL {DEFAULT_ROUTER_URL}/v1, any API key, model auto"),
    ]
    width = max(len(title) for title, _ in steps)
    for title, step in steps:
        print(f"  {title:<{width}}  {step}")
    print("pointsman setup lists all clients that it knows.")
    tell_own_name()


def _variables(entry: Mapping[str, object]) -> list[str]:
    return document.REFERENCE.findall(str(entry))


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _agrees(question: str, *, default: bool) -> bool:
    """Asks; without a terminal the answer is no."""
    if not _has_terminal():
        return False
    try:
        answer = input(f"{question} [{'Y/n' if default else 'y/N'}] ").strip().lower()
    except EOFError:
        return False
    return default if not answer else answer in ("y", "yes")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
