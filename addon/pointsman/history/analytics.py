"""Aggregates over a time window of the log: counts, rates, waits and failures of each group."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pointsman.history.database import open_to_read
from pointsman.routing.attempt_outcomes import Verdict
from pointsman.routing.statistics import WEEK

DAY = 86400.0


class TimeWindow(StrEnum):
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


SECONDS: Mapping[TimeWindow, float] = {TimeWindow.DAY: DAY, TimeWindow.WEEK: 7 * DAY, TimeWindow.MONTH: 30 * DAY}


class GroupBy(StrEnum):
    TARGET = "target"
    PROVIDER = "provider"
    KEY = "key"
    MODE = "mode"
    OUTCOME = "outcome"


COUNTED = ("attempts", "successes", "failures")
COUNTS_BY_VERDICT: Mapping[str, tuple[str, ...]] = {Verdict.SUCCESS: ("successes",), Verdict.FAILURE: ("failures",)}
GROUP_COLUMNS: Mapping[GroupBy, tuple[str, ...]] = {
    GroupBy.TARGET: ("provider", "model"),
    GroupBy.PROVIDER: ("provider",),
    GroupBy.KEY: ("provider", "key"),
    GroupBy.MODE: ("mode",),
    GroupBy.OUTCOME: ("outcome",),
}
"""What a group is called by."""
SUMS_QUERY = f"""
SELECT kinds.*, COUNT(*) AS attempts, SUM(min(1.0, max(0.0, 1.0 - (:now - ended) / {WEEK}))) AS weight,
    SUM(tokens_in) AS tokens_in, SUM(tokens_out) AS tokens_out, SUM(tokens_estimated) AS estimated,
    SUM(hedged) AS hedged, group_concat(first_content_ms) AS waits
FROM kinds JOIN log ON kind = kinds.id AND ended > :since GROUP BY kinds.id
"""
"""One pass over the index by kind. Attempts weigh as in choosing, but each by its own age instead of its hour's."""


@dataclass(slots=True)
class Tally:
    """Sums of one group. `waits` are milliseconds to first content."""

    raw: Counter[str] = field(default_factory=Counter)
    weighted: dict[str, float] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0.0))
    hedged: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    def add(self, row: sqlite3.Row) -> None:
        counts = "attempts", *COUNTS_BY_VERDICT.get(row["seen"], ())
        for name in counts:
            self.raw[name] += row["attempts"]
            self.weighted[name] += row["weight"]
        self.hedged += row["hedged"]
        self.tokens += Counter({"in": row["tokens_in"], "out": row["tokens_out"], "estimated": row["estimated"]})
        if row["failure"]:
            self.kinds[row["failure"]] += row["attempts"]
        if row["waits"]:
            self.waits += map(float, row["waits"].split(","))

    def to_dict(self) -> dict[str, Any]:
        raw = {name: self.raw[name] for name in COUNTED}
        waits = sorted(self.waits)
        return {
            "raw": raw,
            "weighted": self.weighted,
            "success_rate": _rate(raw),
            "weighted_success_rate": _rate(self.weighted),
            "first_content_ms": {f"p{share}": percentile(waits, share) for share in (50, 95)},
            "tokens": {name: self.tokens[name] for name in ("in", "out")},
            "tokens_estimated_of": self.tokens["estimated"],
            "hedged": self.hedged,
            "failures_by_kind": dict(self.kinds.most_common()),
        }


def analytics(path: Path, window: TimeWindow, by: GroupBy, now: float) -> list[dict[str, Any]]:
    """A row for each group, those with most attempts first, in plain JSON types. Raises sqlite3.Error."""
    groups: dict[tuple[str | None, ...], Tally] = {}
    with closing(open_to_read(path)) as db:
        db.row_factory = sqlite3.Row
        for row in db.execute(SUMS_QUERY, {"now": now, "since": now - SECONDS[window]}):
            groups.setdefault(tuple(row[name] for name in GROUP_COLUMNS[by]), Tally()).add(row)
    in_order = sorted(groups.items(), key=lambda group: (-group[1].raw["attempts"], _name(group[0])))
    return [
        {by.value: _name(group), **dict(zip(GROUP_COLUMNS[by], group, strict=True)), **tally.to_dict()}
        for group, tally in in_order
    ]


def percentile(waits: Sequence[float], share: int) -> float | None:
    """By nearest rank: the smallest of them, in order, that at least so many of a hundred do not exceed."""
    return waits[(len(waits) * share + 99) // 100 - 1] if waits else None


def _rate(counts: Mapping[str, float]) -> float | None:
    told = counts["successes"] + counts["failures"]
    return counts["successes"] / told if told > 0 else None


def _name(group: tuple[str | None, ...]) -> str:
    """A group's name: its values joined by `/`, without those that are None."""
    return "/".join(part for part in group if part is not None)
