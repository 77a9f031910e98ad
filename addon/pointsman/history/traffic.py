"""Time series from the log, for charts: attempts, success rates and waits by target."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pointsman.history.analytics import COUNTS_BY_VERDICT, TimeWindow, percentile
from pointsman.history.database import open_to_read

STEPS: Mapping[TimeWindow, tuple[float, int]] = {
    TimeWindow.HOUR: (60.0, 60),
    TimeWindow.DAY: (1800.0, 48),
    TimeWindow.WEEK: (3 * 3600.0, 56),
    TimeWindow.MONTH: (12 * 3600.0, 60),
}
"""Seconds of one step, and how many there are. Steps begin at full multiples of their length."""
MAX_SERIES = 8
"""Targets with a series of their own; the others are summed."""
OTHERS = "others"
SUMS_QUERY = """
SELECT {name}, seen, group_concat(CAST(ended / :step AS INTEGER) - :first) AS places,
    group_concat(ifnull(first_content_ms, '')) AS waits
FROM kinds JOIN log ON kind = kinds.id AND ended >= :since GROUP BY kinds.id
"""
"""One pass over the index by kind. Grouping by step as well would sort every attempt."""
TARGET, PROVIDER = "provider || '/' || model", "provider"


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

    def add(self, verdict: str, places: Sequence[str], waits: Sequence[str]) -> None:
        """Each attempt's step and wait, the wait empty where there was none."""
        last = self.length - 1  # what a clock that went back has put into the future belongs there too
        names, lists = ("attempts", *COUNTS_BY_VERDICT.get(verdict, ())), dict[str, list[float]]()
        for place, attempts in Counter(places).items():
            at = min(int(place), last)
            lists[place] = self.waits[at]
            for name in names:
                self.counts[at][name] += attempts
        for place, wait in zip(places, waits, strict=True):
            if wait:
                lists[place].append(float(wait))

    def merge(self, other: "Series") -> None:
        for place in range(self.length):
            self.counts[place] += other.counts[place]
            self.waits[place] += other.waits[place]

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "attempts": [count["attempts"] for count in self.counts],
            "success_rate": [_rate(count) for count in self.counts],
            "first_content_ms": [percentile(sorted(waits), 50) for waits in self.waits],
        }


def traffic(path: Path, window: TimeWindow, now: float) -> dict[str, Any]:
    """In plain JSON types; the targets with most attempts first. Raises sqlite3.Error."""
    step, length = STEPS[window]
    first = int(now // step) - length + 1
    return _response(window, step, first, length, _series(path, TARGET, step, first, length))


def availability(path: Path, now: float) -> dict[str, Any]:
    """Each provider's success in the last day, by half hours, in plain JSON types. Raises sqlite3.Error."""
    step, length = STEPS[TimeWindow.DAY]
    first = int(now // step) - length + 1
    return _availability(first, _series(path, PROVIDER, step, first, length))


def empty_availability(now: float) -> dict[str, Any]:
    step, length = STEPS[TimeWindow.DAY]
    return _availability(int(now // step) - length + 1, ())


def _availability(first: int, series: Collection[Series]) -> dict[str, Any]:
    step, length = STEPS[TimeWindow.DAY]
    by_name = sorted((each.to_dict() for each in series), key=lambda each: each["name"])
    return {"step_seconds": step, "at": [(first + place) * step for place in range(length)], "providers": by_name}


def _series(path: Path, name: str, step: float, first: int, length: int) -> Collection[Series]:
    """One for each name, which is an expression over the columns of a kind. Raises sqlite3.Error."""
    series: dict[str, Series] = {}
    with closing(open_to_read(path)) as db:
        alike: dict[tuple[str, str], list[tuple[str, str]]] = {}
        query = SUMS_QUERY.format(name=name)
        for called, verdict, *lists in db.execute(query, {"step": step, "first": first, "since": first * step}):
            alike.setdefault((called, verdict), []).append((lists[0], lists[1]))
    for (called, verdict), parts in alike.items():
        places, waits = (",".join(part).split(",") for part in zip(*parts, strict=True))
        series.setdefault(called, Series(called, length)).add(verdict, places, waits)
    return series.values()


def empty_traffic(window: TimeWindow, now: float) -> dict[str, Any]:
    """The answer without a history: no data, with the reason."""
    step, length = STEPS[window]
    return _response(window, step, int(now // step) - length + 1, length, ())


def _response(window: TimeWindow, step: float, first: int, length: int, series: Collection[Series]) -> dict[str, Any]:
    in_order = sorted(series, key=lambda each: (-each.total, each.name))
    shown, rest = in_order[:MAX_SERIES], in_order[MAX_SERIES:]
    if rest:
        shown.append(_merged(OTHERS, length, rest))
    return {
        "window": window.value,
        "step_seconds": step,
        "at": [(first + place) * step for place in range(length)],
        "total": _merged("total", length, shown).to_dict(),
        "series": [each.to_dict() for each in shown],
    }


def _merged(name: str, length: int, series: Iterable[Series]) -> Series:
    total = Series(name, length)
    for each in series:
        total.merge(each)
    return total


def _rate(count: Mapping[str, int]) -> float | None:
    told = count["successes"] + count["failures"]
    return count["successes"] / told if told else None
