"""What the log says of a window of time, for people: counts, rates, waits and failures of each group."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Any

from pointsman.history.file import open_to_read
from pointsman.routing.statistics import WEEK

DAY = 86400.0


class Window(StrEnum):
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


SECONDS: Mapping[Window, float] = {Window.DAY: DAY, Window.WEEK: 7 * DAY, Window.MONTH: 30 * DAY}


class By(StrEnum):
    TARGET = "target"
    PROVIDER = "provider"
    KEY = "key"
    MODE = "mode"
    OUTCOME = "outcome"


COLUMNS: Mapping[By, tuple[str, ...]] = {
    By.TARGET: ("provider", "model"),
    By.PROVIDER: ("provider",),
    By.KEY: ("provider", "key"),
    By.MODE: ("mode",),
    By.OUTCOME: ("outcome",),
}
WEIGHT = f"min(1.0, max(0.0, 1.0 - (:now - ended) / {WEEK}))"
"""As in choosing, where hours are summed; here each row has its own age."""
COUNTS = f"""
SELECT {{columns}}, COUNT(*) AS attempts, SUM(seen = 'success') AS successes, SUM(seen = 'failure') AS failures,
    SUM({WEIGHT}) AS weighted_attempts, SUM(CASE WHEN seen = 'success' THEN {WEIGHT} ELSE 0 END) AS weighted_successes,
    SUM(CASE WHEN seen = 'failure' THEN {WEIGHT} ELSE 0 END) AS weighted_failures,
    SUM(tokens_in) AS tokens_in, SUM(tokens_out) AS tokens_out, SUM(tokens_estimated) AS estimated,
    SUM(hedged) AS hedged
FROM attempts WHERE ended > :since GROUP BY {{columns}} ORDER BY attempts DESC, {{columns}}
"""
KINDS = """
SELECT {columns}, failure, COUNT(*) FROM attempts WHERE ended > :since AND failure IS NOT NULL
GROUP BY {columns}, failure ORDER BY COUNT(*) DESC, failure
"""
WAITS = """
WITH placed AS (
    SELECT {columns}, first_content_ms AS waited,
        ROW_NUMBER() OVER (PARTITION BY {columns} ORDER BY first_content_ms) AS place,
        COUNT(*) OVER (PARTITION BY {columns}) AS known
    FROM attempts WHERE ended > :since AND first_content_ms IS NOT NULL)
SELECT {columns}, MAX(CASE WHEN place = (known * 50 + 99) / 100 THEN waited END),
    MAX(CASE WHEN place = (known * 95 + 99) / 100 THEN waited END)
FROM placed GROUP BY {columns}
"""
"""Nearest rank: the smallest wait that at least so many of a hundred did not exceed."""


def analytics(path: Path, window: Window, by: By, now: float) -> list[dict[str, Any]]:
    """A row for each group, those with most attempts first, in plain JSON types. Raises sqlite3.Error."""
    columns = COLUMNS[by]
    given = {"now": now, "since": now - SECONDS[window]}
    with closing(open_to_read(path)) as db:
        db.row_factory = sqlite3.Row
        db.execute("BEGIN")  # one moment for all three questions
        counts, kinds, waits = (
            db.execute(question.format(columns=", ".join(columns)), given).fetchall()
            for question in (COUNTS, KINDS, WAITS)
        )
    width = len(columns)
    kinds_of: dict[tuple[Any, ...], dict[str, int]] = {}
    for row in kinds:
        kinds_of.setdefault(tuple(row[:width]), {})[row[width]] = row[width + 1]
    waits_of = {tuple(row[:width]): tuple(row[width:]) for row in waits}
    return [
        {by.value: _name(row[:width])}
        | dict(zip(columns, row[:width], strict=True))
        | _counts(row)
        | {"first_content_ms": dict(zip(("p50", "p95"), waits_of.get(group, (None, None)), strict=True))}
        | {"failures_by_kind": kinds_of.get(group, {})}
        for row in counts
        for group in [tuple(row[:width])]
    ]


def _counts(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "raw": {each: row[each] for each in ("attempts", "successes", "failures")},
        "weighted": {each: row[f"weighted_{each}"] for each in ("attempts", "successes", "failures")},
        "success_rate": _rate(row["successes"], row["failures"]),
        "weighted_success_rate": _rate(row["weighted_successes"], row["weighted_failures"]),
        "hedged": row["hedged"],
        "tokens": {"in": row["tokens_in"], "out": row["tokens_out"], "estimated_attempts": row["estimated"]},
    }


def _rate(successes: float, failures: float) -> float | None:
    told = successes + failures
    return successes / told if told > 0 else None


def _name(group: tuple[str | None, ...]) -> str:
    """A provider without keys is a group of its own too."""
    return "/".join(part for part in group if part is not None)
