"""`pointsman requests`: lists the requests on record at the running router, refused ones too, newest first."""

import argparse
import json
import sys
import time
from collections.abc import Collection
from functools import partial
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from pointsman.commands.admin_client import AdminApiError, AdminClient, add_router, connect, history_of
from pointsman.commands.fitting import print_fitting
from pointsman.commands.request_args import add_filters, add_times, query
from pointsman.commands.status import console, milliseconds
from pointsman.commands.terminal import printable

DEFAULT_LIMIT, PAGE = 50, 1000
COLUMNS = (
    "time",
    "status",
    "reason",
    "client",
    "model",
    "target",
    "attempts",
    "tokens",
    "cost",
    "first",
    "total",
    "id",
)
NUMBERS = frozenset({"attempts", "tokens", "cost", "first", "total"})
WHOLE_ID = "whole id"
LEFT_OUT = (WHOLE_ID, "first", "attempts", "total", "tokens", "client", "cost", "target")
"""What a narrow terminal goes without, in this order."""
SHORT_ID = 8
"""Characters of a request id that are left then; `--q` finds a request by them."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pointsman requests", description=__doc__)
    add_router(parser)
    add_times(parser)
    add_filters(parser)
    parser.add_argument("--limit", type=_positive, default=None, metavar="N", help="at most N (default: 50; CSV: all)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a JSON object on each line")
    form.add_argument("--csv", action="store_true", help="print CSV")
    given = parser.parse_args(arguments)
    try:
        if given.csv:
            _print_csv(connect(given), given)
        else:
            _print(read(connect(given), given), given.json)
    except AdminApiError as error:
        print(f"pointsman requests: {error}", file=sys.stderr)
        return 1
    return 0


def read(router: AdminClient, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Raises AdminApiError."""
    rows: list[dict[str, Any]] = []
    cursor, left = None, given.limit or DEFAULT_LIMIT
    while left > 0:
        page = history_of(router.get(f"/api/requests?{query(given, limit=min(left, PAGE), cursor=cursor)}"))
        rows += page["requests"]
        cursor, left = page["next"], left - len(page["requests"])
        if cursor is None:
            break
    return rows


def _print_csv(router: AdminClient, given: argparse.Namespace) -> None:
    """All of it, page by page, under one header line. Raises AdminApiError."""
    cursor, is_first = None, True
    while is_first or cursor:
        text, cursor = router.get_text(f"/api/requests.csv?{query(given, limit=given.limit, cursor=cursor)}")
        print(text if is_first else text.partition("\r\n")[2], end="")
        is_first = False
        if given.limit:
            break


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    if not rows:
        print("No request on record matches.")
        return
    print_fitting(console(), partial(_table, rows), LEFT_OUT)


def _table(rows: list[dict[str, Any]], left_out: Collection[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    columns = [column for column in COLUMNS if column not in left_out]
    for column in columns:
        justify: JustifyMethod = "right" if column in NUMBERS else "left"
        table.add_column(column, justify=justify, no_wrap=column in ("time", "status", "id"), overflow="fold")
    id_length = SHORT_ID if WHOLE_ID in left_out else None
    for row in rows:
        words = dict(zip(COLUMNS, cells(row | {"request_id": row["request_id"][:id_length]}), strict=True))
        table.add_row(*(words[column] for column in columns))
    return table


def cells(row: dict[str, Any]) -> list[Text]:
    """One for each column."""
    row = printable(row)
    status, usage = row["status"], row["usage"]
    colour = "green" if status and status < 400 and not row["reason"] else "red"
    tokens = (
        sum(usage[name] for name in ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output"))
        if usage
        else ""
    )
    words = (
        time.strftime("%m-%d %H:%M:%S", time.localtime(row["time"])),
        Text(str(status or "left"), style=colour),
        row["reason"],
        row["client"],
        row["model"] or row["path"],
        row["target"],
        row["attempts"],
        tokens,
        f"${row['cost_usd']}" if row["cost_usd"] is not None else None,
        milliseconds(row["first_content_ms"]),
        milliseconds(row["duration_ms"]),
        row["request_id"],
    )
    return [word if isinstance(word, Text) else Text("" if word is None else str(word)) for word in words]


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 6 or int(text) == 0:
        raise argparse.ArgumentTypeError("must be a positive integer")
    return int(text)
