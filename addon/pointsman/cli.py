"""The `pointsman` command: starts mitmweb or mitmdump with the addon and suitable defaults, and inspects the
configuration and the running router.

A command is one row in `COMMANDS`. It parses the arguments after its name itself.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import platform
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from pointsman import __version__

# Option of mitmproxy -> the arguments that set it, unless the user's own arguments do.
DEFAULTS: Mapping[str, tuple[str, ...]] = {
    # As an argument, not later by the addon: by then the sockets are open on every interface.
    "listen_host": ("--listen-host", "127.0.0.1"),
    # An eager mitmproxy dials the original destination before anything has been routed.
    "connection_strategy": ("--set", "connection_strategy=lazy"),
}
WEB_DEFAULTS: Mapping[str, tuple[str, ...]] = {**DEFAULTS, "web_open_browser": ("--no-web-open-browser",)}
CANNOT_LISTEN = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES})


@dataclass(frozen=True)
class Command:
    """One command: `run` takes the arguments after its name and returns the exit status."""

    run: Callable[[list[str]], int]
    summary: str


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (default: the process's arguments) names, `web` if it names none.

    Returns the exit status. mitmproxy itself may raise SystemExit instead.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    match arguments:
        case ["-h" | "--help", *_]:
            return show_help()
        case ["--version", *_]:
            return show_version()
        case ["--dump", *rest]:
            return start_mitmdump(rest)
        case [name, *rest] if name in COMMANDS:
            return run_command(COMMANDS[name], rest)
        case [name, *_] if not name.startswith("-"):
            print(f"pointsman: unknown command {name!r} (pointsman --help lists them)", file=sys.stderr)
            return 2
        case _:
            return start_mitmweb(arguments)


def run_command(command: Command, arguments: list[str]) -> int:
    """A reader of the output that has left, such as `head`, is no error to tell of."""
    try:
        status = command.run(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to flush must go somewhere
        return 1


def start_mitmweb(arguments: list[str]) -> int:
    return start_workers("web", arguments, _mitmweb)


def start_mitmdump(arguments: list[str]) -> int:
    return start_workers("dump", arguments, _mitmdump)


def start_workers(command: str, arguments: list[str], start_one: Callable[[list[str]], int]) -> int:
    """As many processes as `--workers` says; without it this process becomes the router."""
    if not any(each.startswith("--workers") for each in arguments):
        return start_one(arguments)
    from pointsman.commands import workers

    return workers.main(command, arguments, start_one)


def _mitmweb(arguments: list[str]) -> int:
    gc.disable()  # for the imports; the addon turns it on again
    from mitmproxy.tools.main import mitmweb  # here, because it takes a second and not every command needs it

    load_scripts_first()
    show_log_at_once()
    sys.argv[0] = "pointsman web"  # the name mitmproxy gives itself in its usage and errors
    try:
        return mitmweb(mitmproxy_arguments(WEB_DEFAULTS, arguments)) or 0
    except OSError as error:
        if error.errno not in CANNOT_LISTEN:
            raise
        print(f"pointsman web: {error.strerror}", file=sys.stderr)  # of mitmweb's own page; it names the option
        return 1


def _mitmdump(arguments: list[str]) -> int:
    gc.disable()
    from mitmproxy.tools.main import mitmdump

    load_scripts_first()
    show_log_at_once()
    sys.argv[0] = "pointsman dump"
    return mitmdump(mitmproxy_arguments(DEFAULTS, arguments)) or 0


def show_log_at_once() -> None:
    """In a file or a pipe too, where a service's log goes: Python would keep it until some kilobytes have gathered."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def load_scripts_first() -> None:
    from pointsman.transport.mitm_patches import first_listen, shared_port
    from pointsman.workers.this_worker import worker_number

    first_listen.load_scripts_first()
    if worker_number() is not None:
        shared_port.install()
    logging.getLogger("mitmproxy.addons.script").addFilter(_is_about_another_script)


def _is_about_another_script(record: logging.LogRecord) -> bool:
    """That the addon itself loads need not be said; what the log is to look like is not known by then."""
    return record.getMessage() != f"Loading script {script_path()}"


def write_configuration(arguments: list[str]) -> int:
    from pointsman.commands import init

    return init.main(arguments)


def list_models(arguments: list[str]) -> int:
    from pointsman.commands import models

    return models.main(arguments)


def manage_clients(arguments: list[str]) -> int:
    from pointsman.commands import clients

    return clients.main(arguments)


def show_status(arguments: list[str]) -> int:
    from pointsman.commands import status

    return status.main(arguments)


def show_dashboard(arguments: list[str]) -> int:
    from pointsman.commands import dashboard

    return dashboard.main(arguments)


def show_top(arguments: list[str]) -> int:
    from pointsman.commands import top

    return top.main(arguments)


def list_requests(arguments: list[str]) -> int:
    from pointsman.commands import requests

    return requests.main(arguments)


def follow_requests(arguments: list[str]) -> int:
    from pointsman.commands import tail

    return tail.main(arguments)


def show_usage(arguments: list[str]) -> int:
    from pointsman.commands import usage

    return usage.main(arguments)


def check_keys(arguments: list[str]) -> int:
    from pointsman.commands import check

    return check.main(arguments)


def set_up_client(arguments: list[str]) -> int:
    from pointsman.commands import setup

    return setup.main(arguments)


def manage_service(arguments: list[str]) -> int:
    from pointsman.commands import service

    return service.main(arguments)


def print_completion(arguments: list[str]) -> int:
    from pointsman.commands import completion

    return completion.main(arguments, {name: (command.run, command.summary) for name, command in COMMANDS.items()})


def print_script_path(arguments: list[str]) -> int:
    if arguments:
        print('usage: pointsman script\n\nPrints the path of the addon: mitmdump -s "$(pointsman script)"')
        return 0 if arguments in (["-h"], ["--help"]) else 2
    print(script_path())
    return 0


def run_client(arguments: list[str]) -> int:
    from pointsman.commands import run

    if run.starts_router(arguments):
        return start_mitmdump(arguments[1:]) if arguments[:1] == ["--dump"] else start_mitmweb(arguments)
    return run.main(arguments)


def explain_request(arguments: list[str]) -> int:
    from pointsman.commands import explain

    return explain.main(arguments)


def show_help() -> int:
    width = max(map(len, COMMANDS))
    print("usage: pointsman [command] [arguments]\n\ncommands:")
    for name, command in COMMANDS.items():
        print(f"  {name:<{width}}  {command.summary}")
    print("\nWithout a command: web. `--dump` is short for dump; `pointsman web --help` shows mitmproxy's arguments.")
    print("`--workers N` beside them starts N processes on one port.")
    return 0


def show_version() -> int:
    from mitmproxy.version import MITMPROXY

    print(f"pointsman {__version__} ({MITMPROXY}, Python {platform.python_version()})")
    return 0


def mitmproxy_arguments(defaults: Mapping[str, tuple[str, ...]], user: Sequence[str]) -> list[str]:
    """Arguments for mitmproxy: the addon's script, the defaults that `user` does not set, then all of `user`.

    A default is dropped if `user` sets the option in any form: mitmproxy refuses some options that are set twice.
    """
    arguments = ["-s", str(script_path())]
    for option, setting in defaults.items():
        if not any(_sets(argument, option) for argument in user):
            arguments += setting
    return [*arguments, *user]


def script_path() -> Path:
    """The file for mitmproxy's `-s`: a wheel carries it inside the package, a checkout beside it."""
    package = Path(__file__).resolve().parent
    packaged = package / "script" / "main.py"
    return packaged if packaged.is_file() else package.parent / "main.py"


def _sets(argument: str, option: str) -> bool:
    """Whether one command-line argument sets mitmproxy's `option`, as a flag of its own or through `--set`."""
    flag = option.replace("_", "-")
    return re.match(rf"(--(no-)?{flag}|(--set=)?{option})(=|$)", argument) is not None


COMMANDS: Mapping[str, Command] = {
    "web": Command(start_mitmweb, "start mitmweb with Pointsman; arguments are mitmweb's"),
    "dump": Command(start_mitmdump, "start mitmdump with Pointsman; arguments are mitmdump's"),
    "init": Command(write_configuration, "find keys and model servers on this machine, and write a configuration"),
    "status": Command(show_status, "show the state of the running router, its providers and its keys"),
    "dashboard": Command(show_dashboard, "print a link that signs you in to the running router's dashboard"),
    "top": Command(show_top, "show the running router live"),
    "requests": Command(list_requests, "list the requests on record, refused ones too; filters, JSON, CSV"),
    "tail": Command(follow_requests, "show requests as they end, with the same filters"),
    "usage": Command(show_usage, "show tokens and cost by client, model, day and so on"),
    "check": Command(check_keys, "check the configuration, and each key at its provider"),
    "run": Command(run_client, "start a client that uses the router, and the router if none runs; alone: as web"),
    "setup": Command(set_up_client, "print the settings that point a client at the router, or write them to its files"),
    "models": Command(list_models, "list the models usable with the configured keys, and why others are not"),
    "clients": Command(manage_clients, "list the clients of the running router; add, change and remove them"),
    "explain": Command(explain_request, "show the candidates that the running router would choose for a chat request"),
    "service": Command(manage_service, "run the router as a service of your user (systemd, launchd)"),
    "completion": Command(print_completion, "print a script that completes commands in bash, zsh or fish"),
    "script": Command(print_script_path, "print the path of the addon, for mitmproxy's -s"),
}
