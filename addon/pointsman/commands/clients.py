"""`pointsman clients`: lists the named clients of the running router. Those that are not in the configuration file can
be changed here.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pointsman.commands.admin_client import AdminApiError, AdminClient, add_router, connect
from pointsman.commands.terminal import printable

WIDTH = 200
"""Columns if the output is not a terminal."""
BUDGET = re.compile(r"(?P<amount>[0-9.]+) ?(?P<unit>usd|tokens)/(?P<per>day|week|month)(?:@(?P<zone>\S+))?", re.ASCII)
LIMITS = ("rpm", "tpm", "concurrency")

type Handler = Callable[[AdminClient, argparse.Namespace], int]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pointsman clients", description=__doc__)
    add_router(parser)
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument(
        "action", nargs="?", default="list", choices=list(ACTIONS), metavar="ACTION",
        help=f"{', '.join(ACTIONS)} (default: list); all but list need a name",
    )  # fmt: skip
    parser.add_argument("name", nargs="?", metavar="NAME", help="of the client")
    own = parser.add_argument_group("for add and change")
    own.add_argument(
        "--models",
        nargs="+",
        metavar="GLOB",
        help="models that it may use, as names or globs, such as 'groq/*' or auto-fast",
    )
    own.add_argument("--rpm", type=int, metavar="N", help="requests a minute")
    own.add_argument("--tpm", type=int, metavar="N", help="tokens a minute")
    own.add_argument("--concurrency", type=int, metavar="N", help="requests at once")
    own.add_argument(
        "--budget", type=_budget, action="append", metavar="BUDGET",
        help="such as 5usd/day or 2000000tokens/month@Europe/Berlin; repeatable",
    )  # fmt: skip
    own.add_argument("--on-exhausted", metavar="NAME", help="refuse, or a mode or model to use instead")
    given = parser.parse_args(arguments)
    if (given.action == "list") is (given.name is not None):
        parser.error("list takes no name" if given.name else f"{given.action} needs the name of a client")
    try:
        return ACTIONS[given.action](connect(given), given)
    except AdminApiError as error:
        print(f"pointsman clients: {error}", file=sys.stderr)
        return 1


def _budget(text: str) -> dict[str, Any]:
    found = BUDGET.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"must be such as 5usd/day or 2000000tokens/month@Europe/Berlin, not {text!r}")
    amount: str | int = found["amount"]
    if found["unit"] == "tokens" and found["amount"].isdecimal():
        amount = int(found["amount"])
    zone = {"zone": found["zone"]} if found["zone"] else {}
    return {found["unit"]: amount, "per": found["per"], **zone}


def _list(client: AdminClient, given: argparse.Namespace) -> int:
    clients = client.get("/api/clients")["clients"]
    if given.json:
        print(json.dumps({"clients": clients}, indent=2))
    elif clients:
        _show(printable(clients))
    else:
        print("No clients. Clients on the router's machine need no key; `pointsman clients add NAME` adds one.")
    return 0


def _add(client: AdminClient, given: argparse.Namespace) -> int:
    return _show_key(client.change("POST", "/api/clients", {"name": given.name, **_wanted(given)}), given)


def _rotate(client: AdminClient, given: argparse.Namespace) -> int:
    return _show_key(client.change("POST", f"{_path(given)}/rotate", {}), given)


def _change(client: AdminClient, given: argparse.Namespace) -> int:
    return _show_changed(client.change("PATCH", _path(given), _wanted(given)), given, "changed")


def _disable(client: AdminClient, given: argparse.Namespace) -> int:
    return _show_changed(client.change("PATCH", _path(given), {"disabled": True}), given, "disabled")


def _enable(client: AdminClient, given: argparse.Namespace) -> int:
    return _show_changed(client.change("PATCH", _path(given), {"disabled": False}), given, "enabled")


def _remove(client: AdminClient, given: argparse.Namespace) -> int:
    client.change("DELETE", _path(given), {})
    return _show_changed({}, given, "removed")


ACTIONS: Mapping[str, Handler] = {
    "list": _list,
    "add": _add,
    "change": _change,
    "rotate": _rotate,
    "disable": _disable,
    "enable": _enable,
    "remove": _remove,
}


def _path(given: argparse.Namespace) -> str:
    return f"/api/clients/{quote(given.name, safe='')}"


def _wanted(given: argparse.Namespace) -> dict[str, Any]:
    limits = {name: value for name in LIMITS if (value := getattr(given, name)) is not None}
    wanted = {
        "models": given.models,
        "limits": limits or None,
        "budgets": given.budget,
        "on_exhausted": given.on_exhausted,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _show_key(answer: dict[str, Any], given: argparse.Namespace) -> int:
    """The key alone on the standard output, for scripts."""
    if given.json:
        print(json.dumps(answer, indent=2))
    else:
        print(f"The key of {given.name} is shown this once; only its hash is kept:", file=sys.stderr)
        print(answer["key"])
    return 0


def _show_changed(answer: dict[str, Any], given: argparse.Namespace, done: str) -> int:
    print(json.dumps(answer, indent=2) if given.json else f"{given.name} is {done}.")
    return 0


def _show(clients: list[dict[str, Any]]) -> None:
    table = Table(box=SIMPLE_HEAD)
    for column in ("client", "models", "limits", "budgets left", "requests", "cost", "last used", "state"):
        table.add_column(column, justify="right" if column in ("requests", "cost") else "left")
    for client in clients:
        table.add_row(*_cells(client))
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    console.print(table, markup=False)


def _cells(client: dict[str, Any]) -> list[str]:
    limits = ", ".join(f"{name} {value}" for name, value in client["limits"].items() if value is not None)
    budgets = "\n".join(_budget_left(budget) for budget in client["budgets"])
    used = client["last_used"]
    source = "" if client["editable"] else ", in the file"
    return [
        client["name"],
        ", ".join(client["models"]),
        limits or "–",
        budgets or "–",
        str(client["requests"]),
        "–" if client["cost_usd"] is None else f"${client['cost_usd']}",
        datetime.fromtimestamp(used).isoformat(" ", "seconds") if used else "never",
        ("disabled" if client["disabled"] else "enabled") + source,
    ]


def _budget_left(budget: dict[str, Any]) -> str:
    if "usd" in budget:
        return f"${budget['left']} of ${budget['usd']} a {budget['per']}"
    return f"{budget['left']} of {budget['tokens']} tokens a {budget['per']}"
