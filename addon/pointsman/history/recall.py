"""What statistics get back of earlier runs: sums for each target and hour, and its latest waits."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from pointsman.history.file import open_to_read
from pointsman.routing.statistics import RECENT, WEEK, Sums, Wait

SUMS = """
SELECT provider, model, CAST(ended / 3600 AS INTEGER),
    SUM(seen = 'success'), SUM(seen = 'failure'),
    SUM(max(paced_tokens, 0)), SUM(CASE WHEN paced_tokens > 0 THEN max(paced_seconds, 0) ELSE 0 END),
    SUM(paced_tokens > 0),
    SUM(CASE WHEN seen = 'later' THEN max(duration_ms, 0)
             WHEN seen <> 'nothing' THEN max(first_content_ms, 0) END) / 1000,
    SUM(seen NOT IN ('nothing', 'later') AND first_content_ms IS NOT NULL), SUM(seen = 'later' AND streamed)
FROM attempts WHERE ended > ? AND id <= ? GROUP BY 1, 2, 3
"""
WAITS = """
SELECT ended, CASE WHEN seen = 'later' THEN duration_ms ELSE first_content_ms END AS waited, seen = 'later'
FROM (SELECT ended, seen, duration_ms, first_content_ms, streamed FROM attempts
      WHERE provider = ? AND model = ? AND ended > ? AND id <= ? ORDER BY ended DESC LIMIT ?)
WHERE seen <> 'nothing' AND streamed AND waited IS NOT NULL ORDER BY ended DESC LIMIT ?
"""
FAR_ENOUGH = 8 * RECENT
"""Rows of a target that are looked at for its waits."""


@dataclass(frozen=True, slots=True)
class Memory:
    """As `Statistics.restore` takes it."""

    hours: dict[tuple[str, int], Sums] = field(default_factory=dict)
    waits: dict[str, list[Wait]] = field(default_factory=dict)


def recall(path: Path, labels: Iterable[str], upto: int, wall: float) -> Memory:
    """Of the last week, from rows no newer than `upto`. Raises sqlite3.Error."""
    with closing(open_to_read(path)) as db:
        found = db.execute(SUMS, (wall - WEEK, upto)).fetchall()
        hours = {(f"{provider}/{model}", hour): Sums(*map(_number, sums)) for provider, model, hour, *sums in found}
        known = {label for label, _ in hours}
        return Memory(hours, {label: _waits(db, label, upto, wall) for label in labels if label in known})


def _waits(db: sqlite3.Connection, label: str, upto: int, wall: float) -> list[Wait]:
    provider, _, model = label.partition("/")
    found = db.execute(WAITS, (provider, model, wall - WEEK, upto, FAR_ENOUGH, RECENT)).fetchall()
    return [Wait(_number(ended), _number(waited) / 1000, bool(cut_off)) for ended, waited, cut_off in reversed(found)]


def _number(column: object) -> float:
    """An old file may hold anything."""
    return float(column) if isinstance(column, int | float) else 0.0
