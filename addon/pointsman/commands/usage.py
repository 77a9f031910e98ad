"""`pointsman usage`: shows what the running router's requests have used and cost, by client, model, day and so on."""

import argparse
import json
import sys
from collections.abc import Collection
from functools import partial
from typing import Any
from urllib.parse import urlencode

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from pointsman.commands.admin_client import AdminApiError, add_router, connect, history_of
from pointsman.commands.fitting import print_fitting
from pointsman.commands.status import console, milliseconds, rate
from pointsman.commands.terminal import printable
from pointsman.history.analytics import GroupBy, TimeWindow

WINDOWS = {**{each.value: each.value for each in TimeWindow}, "1d": TimeWindow.DAY.value}
LEFT_OUT = ("reasoning", "cache write", "cache read", "unpriced", "from cache", "attempts", "first content", "success")
"""Columns that a narrow terminal goes without, in this order."""
TOKENS = ("input", "cache_read", "cache_write", "output", "reasoning")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pointsman usage", description=__doc__)
    add_router(parser)
    groups = [each.value for each in GroupBy]
    parser.add_argument("--by", choices=groups, default="client", help="what to group by (default: client)")
    parser.add_argument("--client", metavar="NAME", help="only this client's requests")
    parser.add_argument("--since", choices=list(WINDOWS), default="24h", help="how far back (default: 24h)")
    parser.add_argument(
        "--reference",
        metavar="MODEL",
        help="also show what the same would have cost with this model, such as openai/gpt-4o",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the full answer as JSON")
    form.add_argument("--csv", action="store_true", help="print CSV")
    given = parser.parse_args(arguments)
    asked = {"by": given.by, "window": WINDOWS[given.since]}
    asked |= {"client": given.client} if given.client else {}
    asked |= {"reference": given.reference} if given.reference else {}
    try:
        router = connect(given)
        if given.csv:
            print(router.get_text(f"/api/analytics.csv?{urlencode(asked)}")[0], end="")
            return 0
        answer = history_of(router.get(f"/api/analytics?{urlencode(asked)}"))
    except AdminApiError as error:
        print(f"pointsman usage: {error}", file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps(answer, indent=2))
    else:
        print_fitting(console(), partial(render, answer), LEFT_OUT)
    return 0


def render(answer: dict[str, Any], left_out: Collection[str] = ()) -> Table:
    by, answered = answer["by"], printable(answer["rows"])
    has_reference = any("reference_cost_usd" in row for row in answered)
    rows = [_cells(by, row, has_reference) for row in answered]
    columns = [column for column in (rows[0] if rows else (by,)) if column not in left_out]
    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", justify="left" if column == by else "right")
    for cells in rows:
        table.add_row(*(Text(cells[column]) for column in columns))
    return table


def _cells(by: str, row: dict[str, Any], has_reference: bool) -> dict[str, str]:
    """By the titles of their columns."""
    usage = {**row["usage"], "cache_write": row["usage"]["cache_write_5m"] + row["usage"]["cache_write_1h"]}
    return {
        by: row[by] or "(none)",
        "requests": str(row.get("requests", "–")),
        "attempts": str(row["raw"]["attempts"]),
        "success": rate(row["success_rate"]),
        **{name.replace("_", " "): str(usage[name]) for name in TOKENS},
        "from cache": rate(row["cache_hit_share"]),
        "cost": _dollars(row["cost_usd"]),
        "unpriced": str(row["unpriced"]),
        **({"at reference": _dollars(row["reference_cost_usd"])} if has_reference else {}),
        "first content": milliseconds(row["first_content_ms"]["p50"]),
    }


def _dollars(text: str | None) -> str:
    return "–" if text is None else f"${text}"
