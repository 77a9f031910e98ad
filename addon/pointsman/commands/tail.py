"""`pointsman tail`: shows requests at the running router as they end, refused ones too, until interrupted."""

import argparse
import json
import sys
import time
from typing import Any

from rich.console import Console

from pointsman.commands.admin_client import AdminApiError, AdminClient, add_router, connect, history_of
from pointsman.commands.request_args import add_filters, query
from pointsman.commands.requests import PAGE, cells

SHOWN_AT_FIRST = 10
OVERLAP = 10.0
"""Seconds that are asked for again: a row is on record a moment after its time."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pointsman tail", description=__doc__)
    add_router(parser)
    add_filters(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object on each line")
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="refresh interval (default: 1)")
    parser.add_argument("--times", type=int, metavar="N", help="stop after N refreshes")
    given = parser.parse_args(arguments)
    try:
        _follow(connect(given), given)
    except AdminApiError as error:
        print(f"pointsman tail: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _follow(router: AdminClient, given: argparse.Namespace) -> None:
    """Raises AdminApiError on the first request only; later errors are shown, since the router may be restarting."""
    tail, times = Tail(router, given), given.times
    _print(tail.latest(), given.json)
    while times is None or (times := times - 1) > 0:
        time.sleep(max(0.1, given.every))
        try:
            _print(tail.new(), given.json)
        except AdminApiError as error:
            print(f"pointsman tail: {error}", file=sys.stderr)


class Tail:
    """The rows that come in. Those of the last seconds are remembered, and no row is shown twice."""

    def __init__(self, router: AdminClient, given: argparse.Namespace) -> None:
        self._router, self._given = router, given
        self._since = 0.0
        self._shown: dict[int, float] = {}
        """The times of rows by id, none older than `_since`."""

    def latest(self) -> list[dict[str, Any]]:
        """The last rows, oldest first. Raises AdminApiError."""
        return self._take(self._page(limit=SHOWN_AT_FIRST)["requests"], time.time())

    def new(self) -> list[dict[str, Any]]:
        """The rows that have come since, oldest first. Raises AdminApiError."""
        rows, cursor, now = [], None, time.time()
        while True:
            page = self._page(limit=PAGE, since=f"{self._since:.3f}", cursor=cursor)
            rows += page["requests"]
            cursor = page["next"]
            if cursor is None:
                return self._take(rows, now)

    def _page(self, **more: Any) -> dict[str, Any]:
        page: dict[str, Any] = history_of(self._router.get(f"/api/requests?{query(self._given, **more)}"))
        return page

    def _take(self, rows: list[dict[str, Any]], now: float) -> list[dict[str, Any]]:
        new = [row for row in reversed(rows) if row["id"] not in self._shown]
        latest = max((row["time"] for row in rows), default=now)
        self._since = max(self._since, min(latest, now) - OVERLAP)
        self._shown |= {row["id"]: row["time"] for row in rows}
        self._shown = {id: at for id, at in self._shown.items() if at >= self._since}
        return new


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    console = Console(soft_wrap=True)
    for row in rows:
        if as_json:
            print(json.dumps(row), flush=True)
        else:
            console.print(*(cell for cell in cells(row) if cell.plain))
