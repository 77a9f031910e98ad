"""Reads the statistics of earlier runs: sums for each target and hour, and its latest waits."""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from heapq import merge
from pathlib import Path
from typing import Any

from pointsman.history.database import open_to_read
from pointsman.routing.attempt_outcomes import Verdict
from pointsman.routing.recent_outcomes import MAX_RESTORED_ATTEMPTS
from pointsman.routing.statistics import MAX_WAITS, WEEK, ContentWait, HourlySums

KINDS_QUERY = "SELECT id, provider || '/' || model, key, seen FROM kinds"
FROM_CLAUSE = "FROM log WHERE kind = :kind AND ended > :since AND id <= :upto"
WAITED_EXPRESSION = "CASE WHEN NOT :later THEN first_content_ms WHEN streamed THEN duration_ms END / 1000"
SUMS_QUERY = f"""
SELECT CAST(ended / 3600 AS INTEGER), COUNT(*),
    SUM(CASE WHEN paced_seconds > 0 THEN tokens_out END), SUM(max(paced_seconds, 0)), SUM(paced_seconds > 0),
    SUM(max({WAITED_EXPRESSION}, 0)), SUM({WAITED_EXPRESSION} >= 0)
{FROM_CLAUSE} GROUP BY 1
"""
ATTEMPTS_QUERY = f"SELECT ended {FROM_CLAUSE} ORDER BY ended DESC LIMIT {MAX_RESTORED_ATTEMPTS}"
WAITS_QUERY = (
    f"SELECT ended, {WAITED_EXPRESSION} AS waited {FROM_CLAUSE} AND waited >= 0 ORDER BY ended DESC LIMIT {MAX_WAITS}"
)


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """As `Statistics.restore`, `RecentOutcomes.restore` and `Tallies.restore` take it."""

    hours: dict[tuple[str, int], HourlySums] = field(default_factory=dict)
    waits: dict[str, list[ContentWait]] = field(default_factory=dict)
    attempts: dict[str, list[tuple[float, bool]]] = field(default_factory=dict)
    of_keys: dict[tuple[str, str | None], list[tuple[float, bool]]] = field(default_factory=dict)


def read_earlier_runs(path: Path, labels: Collection[str], upto: int, wall: float) -> EarlierRuns:
    """Reads the last week, from rows no newer than `upto`. Raises sqlite3.Error."""
    memory = EarlierRuns()
    with closing(open_to_read(path)) as db:
        for kind, label, key, verdict in db.execute(KINDS_QUERY).fetchall():
            if label in labels and verdict != Verdict.NOTHING:
                asked = {"kind": kind, "later": verdict == Verdict.CENSORED, "since": wall - WEEK, "upto": upto}
                for hour, sums in _sums(db, asked, verdict):
                    memory.hours.setdefault((label, hour), HourlySums()).add(sums)
                if verdict in (Verdict.SUCCESS, Verdict.FAILURE, Verdict.KEY) and (ended := _ended(db, asked)):
                    seen = [(each, verdict == Verdict.SUCCESS) for each in ended]
                    memory.of_keys.setdefault((label, key), []).extend(seen)
                    if verdict != Verdict.KEY:
                        memory.attempts.setdefault(label, []).extend(seen)
                if waits := _waits(db, asked):
                    memory.waits[label] = list(merge(memory.waits.get(label, ()), waits))[-MAX_WAITS:]
    return memory


def _sums(db: sqlite3.Connection, asked: dict[str, Any], verdict: str) -> Iterator[tuple[int, HourlySums]]:
    for hour, count, *found in db.execute(SUMS_QUERY, asked):
        tokens, seconds, paced, waited, waits = map(_number, found)
        cut_off = verdict == Verdict.CENSORED
        sums = HourlySums(
            successes=count * (verdict == Verdict.SUCCESS),
            failures=count * (verdict == Verdict.FAILURE),
            tokens=tokens,
            seconds=seconds,
            paced=paced,
            waited=waited,
            contents=0 if cut_off else waits,
            censored=waits if cut_off else 0,
        )
        yield hour, sums.sanitized()


def _ended(db: sqlite3.Connection, asked: dict[str, Any]) -> list[float]:
    """Unix times at which the latest attempts ended, newest first."""
    return [_number(ended) for (ended,) in db.execute(ATTEMPTS_QUERY, asked)]


def _waits(db: sqlite3.Connection, asked: dict[str, Any]) -> list[ContentWait]:
    """The latest, oldest first."""
    found = [
        ContentWait(_number(ended), _number(waited), asked["later"]) for ended, waited in db.execute(WAITS_QUERY, asked)
    ]
    return found[::-1]


def _number(column: object) -> float:
    """An old file may hold anything."""
    return float(column) if isinstance(column, int | float) else 0.0
