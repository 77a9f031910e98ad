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

COLOURS = {"healthy": "green", "busy": "yellow", "unhealthy": "red", "disabled": "dim"}
AGAINST = {"elsewhere": "elsewhere", "past": "before"}
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
        overview = connect(given).get("/api/overview")
    except AdminApiError as error:
        print(f"pointsman status: {error}", file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps(overview, indent=2))
    else:
        console().print(render(overview, time.time()))
    return 0


def console() -> Console:
    found = Console()
    return found if found.is_terminal else Console(width=WIDTH)


def render(overview: dict[str, Any], wall: float) -> RenderableType:
    """`wall` is the current Unix time, for the time left of cooldowns and bans."""
    lines = [Text(line) for line in (*_summary(overview), *_problems(overview, wall))]
    return Group(lines[0], providers(overview), *lines[1:])


def _summary(overview: dict[str, Any]) -> Iterator[str]:
    waits = overview["first_content_ms"]
    yield (
        f"{overview['requests_per_minute']} requests in the last minute, {overview['running']} running,"
        f" {overview['sessions']} sessions; success {rate(overview['success_rate'])}"
        f" ({rate(overview['first_attempt_success_rate'])} on the first attempt);"
        f" first content {milliseconds(waits['p50'])} median, {milliseconds(waits['p95'])} p95"
    )


def providers(overview: dict[str, Any]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for column in ("provider", "status", "targets", "usable keys", "problem"):
        table.add_column(column, justify="right" if column in ("targets", "usable keys") else "left")
    for each in overview["providers"]:
        keys, status = each["keys"], each["status"]
        usable = f"{keys['usable']} of {keys['total']}" if keys["total"] else "not needed"
        word = Text(status, style=COLOURS.get(status, ""))
        table.add_row(Text(each["name"]), word, str(each["targets"]), usable, Text(each["problem"] or ""))
    return table


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
            f" {AGAINST[each['against']]}, {figure} against {reference}, for {ago(each['since'], wall)}"
        )
    for each in overview["quotas"]:
        name = f"key {each['key'] or '(none)'} of {each['provider']} for {each['model']}"
        used = f"{each['used']} of {each['limit']} {each['window']} used"
        pace = f"{each['per_hour']:g} per hour"
        yield f"{name}: {used}, at this pace ({pace}) used up in {left(each['used_up_at'], wall)}"


def figure_of(signal: str, figure: float) -> str:
    return f"{figure:.0f}" if signal in ABSOLUTE else f"{figure:.1%}"


def ago(since: float, wall: float) -> str:
    return left(wall, since)


def rate(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def milliseconds(wait: float | None) -> str:
    return "–" if wait is None else f"{wait:.0f} ms" if wait < 10_000 else f"{wait / 1000:.1f} s"


def left(until: float, wall: float) -> str:
    seconds = max(0, round(until - wall))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
