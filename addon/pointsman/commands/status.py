"""`pointsman status`: shows the state of the running router, its providers and its keys."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from pointsman.commands.admin_client import AdminApiError, add_router, connect
from pointsman.commands.explain import AGAINST
from pointsman.commands.terminal import printable

STYLES = {
    "works": "green", "worked": "green", "cooling": "yellow", "limited": "yellow", "disabled": "dim", "untried": "dim",
    "unclear": "dim",
}  # fmt: skip
"""How a state is shown; any other is red."""
QUIET = ("works", "worked", "untried", "unclear", "disabled")
"""States that call for nothing."""
MAX_KEYS = 30
MAX_TARGETS = 20
"""Models that are listed with what is wrong with them."""
ABSOLUTE = ("output_length", "speed")
"""Signals whose figures are no shares."""
WIDTH = 160
"""Columns if the output is not a terminal."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pointsman status", description=__doc__)
    add_router(parser)
    parser.add_argument("--json", action="store_true", help="print the full answer as JSON")
    given = parser.parse_args(arguments)
    try:
        router = connect(given)
        overview, keys = router.get("/api/overview"), router.get("/api/keys")["keys"]
        targets = [] if given.json else router.get("/api/fallback")["targets"]
    except AdminApiError as error:
        print(f"pointsman status: {error}", file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps({**overview, "keys": keys}, indent=2))
    else:
        console().print(render(overview, keys, targets, time.time()))
    return 0


def console() -> Console:
    found = Console()
    return found if found.is_terminal else Console(width=WIDTH)


def render(
    overview: dict[str, Any], keys: list[dict[str, Any]], targets: list[dict[str, Any]], wall: float
) -> RenderableType:
    """`wall` is the current Unix time. Of the targets, those are shown that call for attention."""
    overview, keys, targets = printable([overview, keys, targets])
    lines = [Text(line) for line in (*_summary(overview), *_problems(overview, wall), *_ill_targets(targets))]
    tables = [providers(overview, wall), *([key_table(keys, wall)] if keys else ())]
    return Group(lines[0], *tables, *lines[1:])


def _summary(overview: dict[str, Any]) -> Iterator[str]:
    waits = overview["first_content_ms"]
    yield (
        f"{overview['requests_per_minute']} requests in the last minute, {overview['running']} running,"
        f" {overview['sessions']} sessions; success {rate(overview['success_rate'])}"
        f" ({rate(overview['first_attempt_success_rate'])} on the first attempt);"
        f" first content {milliseconds(waits['p50'])} median, {milliseconds(waits['p95'])} p95"
    )
    if problem := overview["history_problem"]:
        yield f"the history cannot be written: {problem}"
    shared = overview["shared"]
    if shared["state"] == "connected":
        yield f"state shared by {shared['instances']} instances"
    elif shared["state"] == "degraded":
        yield f"state not shared: {shared['reason']}; {shared['instances']} instances before"


def providers(overview: dict[str, Any], wall: float) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for column in ("provider", "status", "targets", "usable keys", "tokens", "cost", "last used", "last error"):
        is_number = column in ("targets", "usable keys", "tokens", "cost")
        table.add_column(column, justify="right" if is_number else "left")
    for each in overview["providers"]:
        keys, condition, totals = each["keys"], each["condition"], each["totals"]
        usable = f"{keys['usable']} of {keys['total']}" if keys["total"] else "not needed"
        word = Text(condition["text"], style=STYLES.get(condition["state"], "red"))
        table.add_row(Text(each["name"]), word, str(each["targets"]), usable, *_used(totals, wall))
    return table


def key_table(keys: list[dict[str, Any]], wall: float) -> Table:
    """At most MAX_KEYS, those that call for attention first."""
    table = Table(box=SIMPLE_HEAD)
    for column in ("key", "status", "tokens", "cost", "last used", "last error"):
        table.add_column(column, justify="right" if column in ("tokens", "cost") else "left")
    for each in sorted(keys, key=lambda key: key["condition"]["state"] in QUIET)[:MAX_KEYS]:
        condition = each["condition"]
        word = Text(condition["text"], style=STYLES.get(condition["state"], "red"))
        table.add_row(Text(f"{each['provider']} {each['label']}"), word, *_used(each["totals"], wall))
    if len(keys) > MAX_KEYS:
        table.caption = f"{MAX_KEYS} of {len(keys)} keys; all are on the dashboard's page Keys"
    return table


def _ill_targets(targets: list[dict[str, Any]]) -> Iterator[str]:
    ill = [each for each in targets if each["condition"]["state"] not in (*QUIET, "cooling", "unreachable")]
    for each in ill[:MAX_TARGETS]:
        yield f"{each['target']}: {each['condition']['text']}"
    if len(ill) > MAX_TARGETS:
        yield f"and {len(ill) - MAX_TARGETS} models more; all are on the dashboard's page Models"


def _used(totals: dict[str, Any], wall: float) -> tuple[str, str, str, Text]:
    """Tokens, cost, last use and last error."""
    tokens = sum(count for kind, count in totals["usage"].items() if kind != "reasoning")
    used, error, cost = totals["last_used"], totals["last_error"], totals["cost_usd"]
    told = f"{error['error']}, {ago(error['time'], wall)}" if error else ""
    price = "–" if not tokens else "unknown" if cost is None else f"${float(cost):.4f}"
    return f"{tokens:,}", price, ago(used, wall) if used else "never", Text(told)


def _problems(overview: dict[str, Any], wall: float) -> Iterator[str]:
    for each in overview["cooldowns"]["targets"]:
        yield f"{each['provider']}/{each['model']} in cooldown for {left(each['until'], wall)}: {each['reason']}"
    for each in overview["cooldowns"]["keys"]:
        of_model = f" for {each['model']}" if each["model"] else ""
        name = f"key {each['key'] or '(none)'} of {each['provider']}{of_model}"
        yield f"{name} in cooldown for {left(each['until'], wall)}: {each['reason']}"
    for each in overview["bans"]:
        scope = "/".join(part for part in (each["provider"], each["model"]) if part)
        yield f"{scope} banned for session {each['session']} for {left(each['until'], wall)}: {each['reason']}"
    for each in overview["drift"]:
        figure, reference = (figure_of(each["signal"], each[name]) for name in ("figure", "reference"))
        yield (
            f"{each['provider']}/{each['model']} has drifted: {each['signal']} {each['direction']} than"
            f" {AGAINST[each['against']]}, {figure} against {reference}, found {ago(each['since'], wall)}"
        )
    for each in overview["quotas"]:
        name = f"key {each['key'] or '(none)'} of {each['provider']} for {each['model']}"
        used = f"{each['used']} of {each['limit']} {each['window']} used"
        pace = f"{each['per_hour']:g} per hour"
        yield f"{name}: {used}, at this pace ({pace}) used up in {left(each['used_up_at'], wall)}"


def figure_of(signal: str, figure: float) -> str:
    return f"{figure:.0f}" if signal in ABSOLUTE else f"{figure:.1%}"


def rate(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def milliseconds(wait: float | None) -> str:
    return "–" if wait is None else f"{wait:.0f} ms" if wait < 10_000 else f"{wait / 1000:.1f} s"


def ago(moment: float, wall: float) -> str:
    seconds = max(0, round(wall - moment))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def left(until: float, wall: float) -> str:
    seconds = max(0, round(until - wall))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
