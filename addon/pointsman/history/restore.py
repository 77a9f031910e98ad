"""What statistics get back of earlier runs: sums for each target and hour, and its latest waits."""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from heapq import merge
from pathlib import Path
from typing import Any

from pointsman.history.database import open_to_read
from pointsman.routing.attempt_outcomes import Seen
from pointsman.routing.recent_outcomes import ENOUGH
from pointsman.routing.statistics import RECENT, WEEK, Sums, Wait

KINDS = "SELECT id, provider || '/' || model, seen FROM kinds"
FROM = "FROM log WHERE kind = :kind AND ended > :since AND id <= :upto"
WAITED = "CASE WHEN NOT :later THEN first_content_ms WHEN streamed THEN duration_ms END / 1000"
SUMS = f"""
SELECT CAST(ended / 3600 AS INTEGER), COUNT(*),
    SUM(CASE WHEN paced_seconds > 0 THEN tokens_out END), SUM(max(paced_seconds, 0)), SUM(paced_seconds > 0),
    SUM(max({WAITED}, 0)), SUM({WAITED} >= 0)
{FROM} GROUP BY 1
"""
ATTEMPTS = f"SELECT ended {FROM} ORDER BY ended DESC LIMIT {ENOUGH}"
WAITS = f"SELECT ended, {WAITED} AS waited {FROM} AND waited >= 0 ORDER BY ended DESC LIMIT {RECENT}"


@dataclass(frozen=True, slots=True)
class Memory:
    """As `Statistics.restore` and `Recent.restore` take it."""

    hours: dict[tuple[str, int], Sums] = field(default_factory=dict)
    waits: dict[str, list[Wait]] = field(default_factory=dict)
    attempts: dict[str, list[tuple[float, bool]]] = field(default_factory=dict)


def recall(path: Path, labels: Collection[str], upto: int, wall: float) -> Memory:
    """Of the last week, from rows no newer than `upto`. Raises sqlite3.Error."""
    memory = Memory()
    with closing(open_to_read(path)) as db:
        for kind, label, seen in db.execute(KINDS).fetchall():
            if label in labels and seen != Seen.NOTHING:
                asked = {"kind": kind, "later": seen == Seen.LATER, "since": wall - WEEK, "upto": upto}
                for hour, sums in _sums(db, asked, seen):
                    memory.hours.setdefault((label, hour), Sums()).add(sums)
                if seen in (Seen.SUCCESS, Seen.FAILURE) and (ended := _ended(db, asked)):
                    memory.attempts.setdefault(label, []).extend((each, seen == Seen.SUCCESS) for each in ended)
                if waits := _waits(db, asked):
                    memory.waits[label] = list(merge(memory.waits.get(label, ()), waits))[-RECENT:]
    return memory


def _sums(db: sqlite3.Connection, asked: dict[str, Any], seen: str) -> Iterator[tuple[int, Sums]]:
    for hour, count, *found in db.execute(SUMS, asked):
        tokens, seconds, paced, waited, waits = map(_number, found)
        cut_off = seen == Seen.LATER
        sums = Sums(
            successes=count * (seen == Seen.SUCCESS),
            failures=count * (seen == Seen.FAILURE),
            tokens=tokens,
            seconds=seconds,
            paced=paced,
            waited=waited,
            contents=0 if cut_off else waits,
            cut_offs=waits if cut_off else 0,
        )
        yield hour, sums.sane()


def _ended(db: sqlite3.Connection, asked: dict[str, Any]) -> list[float]:
    """When the latest attempts ended."""
    return [_number(ended) for (ended,) in db.execute(ATTEMPTS, asked)]


def _waits(db: sqlite3.Connection, asked: dict[str, Any]) -> list[Wait]:
    """The latest, oldest first."""
    found = [Wait(_number(ended), _number(waited), asked["later"]) for ended, waited in db.execute(WAITS, asked)]
    return found[::-1]


def _number(column: object) -> float:
    """An old file may hold anything."""
    return float(column) if isinstance(column, int | float) else 0.0
