"""What the log says over time, for charts: how much went where, how well, and how long people waited."""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pointsman.history.analytics import SAID, Window, percentile
from pointsman.history.file import open_to_read

STEPS: Mapping[Window, tuple[float, int]] = {
    Window.DAY: (1800.0, 48),
    Window.WEEK: (3 * 3600.0, 56),
    Window.MONTH: (12 * 3600.0, 60),
}
"""Seconds of one step, and how many there are. Steps begin at full multiples of their length."""
MOST = 8
"""Targets with a series of their own; the rest are added up."""
OTHERS = "others"
SUMS = """
SELECT provider || '/' || model AS target, seen, CAST(ended / :step AS INTEGER) - :first AS place,
    COUNT(*) AS attempts, group_concat(first_content_ms) AS waits
FROM kinds JOIN log ON kind = kinds.id AND ended >= :since GROUP BY kinds.id, place
"""


@dataclass(slots=True)
class Series:
    """One value for each step."""

    name: str
    length: int
    counts: list[Counter[str]] = field(init=False)
    waits: list[list[float]] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = [Counter() for _ in range(self.length)]
        self.waits = [[] for _ in range(self.length)]

    @property
    def total(self) -> int:
        return sum(count["attempts"] for count in self.counts)

    def add(self, place: int, seen: str, attempts: int, waits: Iterable[float]) -> None:
        for name in ("attempts", *SAID.get(seen, ())):
            self.counts[place][name] += attempts
        self.waits[place] += waits

    def take_in(self, other: "Series") -> None:
        for place in range(self.length):
            self.counts[place] += other.counts[place]
            self.waits[place] += other.waits[place]

    def plain(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "attempts": [count["attempts"] for count in self.counts],
            "success_rate": [_rate(count) for count in self.counts],
            "first_content_ms": [percentile(sorted(waits), 50) for waits in self.waits],
        }


def traffic(path: Path, window: Window, now: float) -> dict[str, Any]:
    """In plain JSON types; the targets with most attempts first. Raises sqlite3.Error."""
    step, length = STEPS[window]
    first = int(now // step) - length + 1
    total, series = Series("total", length), dict[str, Series]()
    with closing(open_to_read(path)) as db:
        for target, seen, place, attempts, waits in db.execute(
            SUMS, {"step": step, "first": first, "since": first * step}
        ):
            place = min(place, length - 1)  # a clock that went back
            known = [float(wait) for wait in waits.split(",")] if waits else []
            series.setdefault(target, Series(target, length)).add(place, seen, attempts, known)
            total.add(place, seen, attempts, known)
    return _told(window, step, first, total, series)


def nothing(window: Window, now: float) -> dict[str, Any]:
    """The same, of a history that tells nothing."""
    step, length = STEPS[window]
    return _told(window, step, int(now // step) - length + 1, Series("total", length), {})


def _told(window: Window, step: float, first: int, total: Series, series: Mapping[str, Series]) -> dict[str, Any]:
    in_order = sorted(series.values(), key=lambda each: (-each.total, each.name))
    shown, rest = in_order[:MOST], in_order[MOST:]
    if rest:
        others = Series(OTHERS, total.length)
        for each in rest:
            others.take_in(each)
        shown.append(others)
    return {
        "window": window.value,
        "step_seconds": step,
        "at": [(first + place) * step for place in range(total.length)],
        "total": total.plain(),
        "series": [each.plain() for each in shown],
    }


def _rate(count: Mapping[str, int]) -> float | None:
    told = count["successes"] + count["failures"]
    return count["successes"] / told if told else None
