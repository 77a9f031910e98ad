"""`pointsman usage`: shows what the running router's requests have used and cost, by client, model, day and so on."""

import argparse
import json
import sys
from typing import Any
from urllib.parse import urlencode

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from pointsman.commands.admin_client import AdminApiError, add_router, connect, history_of
from pointsman.commands.status import console, milliseconds, rate
from pointsman.history.analytics import GroupBy, TimeWindow

WINDOWS = {**{each.value: each.value for each in TimeWindow}, "1d": TimeWindow.DAY.value}
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
        console().print(render(answer))
    return 0


def render(answer: dict[str, Any]) -> Table:
    by, rows = answer["by"], answer["rows"]
    has_reference = any("reference_cost_usd" in row for row in rows)
    table = Table(box=SIMPLE_HEAD)
    table.add_column(by, overflow="fold")
    columns = [
        "requests",
        "attempts",
        "success",
        *(name.replace("_", " ") for name in TOKENS),
        "from cache",
        "cost",
        "unpriced",
    ]
    for column in [*columns, *(["at reference"] if has_reference else []), "first content"]:
        table.add_column(column, justify="right")
    for row in rows:
        usage = {**row["usage"], "cache_write": row["usage"]["cache_write_5m"] + row["usage"]["cache_write_1h"]}
        words = [
            row[by] or "(none)",
            str(row.get("requests", "–")),
            str(row["raw"]["attempts"]),
            rate(row["success_rate"]),
        ]
        words += [str(usage[name]) for name in TOKENS]
        words += [rate(row["cache_hit_share"]), _dollars(row["cost_usd"]), str(row["unpriced"])]
        words += [_dollars(row["reference_cost_usd"])] if has_reference else []
        table.add_row(*map(Text, [*words, milliseconds(row["first_content_ms"]["p50"])]))
    return table


def _dollars(text: str | None) -> str:
    return "–" if text is None else f"${text}"
