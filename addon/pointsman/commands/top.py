"""`pointsman top`: shows the running router live, until interrupted."""

import argparse
import sys
import time
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pointsman.commands.admin_client import AdminApiError, AdminClient, add_router, connect
from pointsman.commands.status import console, milliseconds, render
from pointsman.commands.terminal import printable

ROWS = 15
"""Exchanges shown."""
GOOD = frozenset({"request_success", "retry_success", "hedge_winner"})


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pointsman top", description=__doc__)
    add_router(parser)
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="refresh interval (default: 1)")
    parser.add_argument("--times", type=int, metavar="N", help="stop after N refreshes")
    given = parser.parse_args(arguments)
    try:
        _watch(connect(given), max(0.1, given.every), given.times)
    except AdminApiError as error:
        print(f"pointsman top: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _watch(router: AdminClient, every: float, times: int | None) -> None:
    """Raises AdminApiError on the first request only; later errors are shown, since the router may be restarting."""
    with Live(snapshot(router), console=console(), auto_refresh=False, screen=False) as live:
        while times is None or (times := times - 1) > 0:
            time.sleep(every)
            try:
                live.update(snapshot(router), refresh=True)
            except AdminApiError as error:
                live.update(Text(str(error), style="red"), refresh=True)


def snapshot(router: AdminClient) -> RenderableType:
    """Status and recent exchanges, to print. Raises AdminApiError."""
    overview, last = router.get("/api/overview"), router.get(f"/api/exchanges?limit={ROWS}")
    keys = router.get("/api/keys")["keys"]
    return Group(render(overview, keys, [], time.time()), exchanges(last["exchanges"]))


def exchanges(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for column in ("ended", "requested", "answered by", "attempts", "status", "first content", "total"):
        table.add_column(column, justify="right" if column in ("attempts", "first content", "total") else "left")
    for row in printable(rows):
        winner = next((each for each in row["attempts"] if each["outcome"] in GOOD), None)
        by = f"{winner['provider']}/{winner['model']}" if winner else row["error"] or "none"
        at = time.strftime("%H:%M:%S", time.localtime(row["started"] + row["ended_ms"] / 1000))
        table.add_row(
            at,
            Text(row["model"]),
            Text(by, style="green" if winner else "red"),
            str(sum(each["outcome"] != "hedge_triggered" for each in row["attempts"])),
            str(row["status"] or "client left"),
            milliseconds(winner and winner["first_content_ms"]),
            milliseconds(row["ended_ms"]),
        )
    return table
