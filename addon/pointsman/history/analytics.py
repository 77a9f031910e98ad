"""Aggregates over a time window of the log: counts, rates, waits, failures, usage and cost of each group."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from math import ceil, inf
from pathlib import Path
from typing import Any, NamedTuple

from pointsman.history.database import open_to_read
from pointsman.prices import Period, Rates, cost, dollars
from pointsman.routing.attempt_outcomes import Verdict
from pointsman.routing.statistics import WEEK
from pointsman.wire.frames import TOKEN_KINDS, Usage

HOUR, DAY = 3600.0, 86400.0


class TimeWindow(StrEnum):
    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


SECONDS: Mapping[TimeWindow, float] = {
    TimeWindow.HOUR: HOUR,
    TimeWindow.DAY: DAY,
    TimeWindow.WEEK: 7 * DAY,
    TimeWindow.MONTH: 30 * DAY,
}


class GroupBy(StrEnum):
    TARGET = "target"
    PROVIDER = "provider"
    MODEL = "model"
    KEY = "key"
    CLIENT = "client"
    MODE = "mode"
    OUTCOME = "outcome"
    DAY = "day"
    ALL = "all"
    """One group, without a name."""


COUNTED = ("attempts", "successes", "failures")
COUNTS_BY_VERDICT: Mapping[str, tuple[str, ...]] = {Verdict.SUCCESS: ("successes",), Verdict.FAILURE: ("failures",)}
GROUP_COLUMNS: Mapping[GroupBy, tuple[str, ...]] = {
    GroupBy.TARGET: ("provider", "model"),
    GroupBy.PROVIDER: ("provider",),
    GroupBy.MODEL: ("model",),
    GroupBy.KEY: ("provider", "key"),
    GroupBy.CLIENT: ("client",),
    GroupBy.MODE: ("mode",),
    GroupBy.OUTCOME: ("outcome",),
    GroupBy.DAY: ("day",),
    GroupBy.ALL: (),
}
"""What a group is called by. A day is one of UTC."""
USED = "tokens_in > 0 OR tokens_out > 0"
SUMS_QUERY = f"""
SELECT kinds.*, COUNT(*) AS attempts, SUM(min(1.0, max(0.0, 1.0 - (:now - ended) / {WEEK}))) AS weight,
    SUM(tokens_in) AS tokens_in, SUM(tokens_out) AS tokens_out, SUM(tokens_estimated) AS estimated,
    SUM(cache_read) AS cache_read, SUM(cache_write_5m) AS cache_write_5m, SUM(cache_write_1h) AS cache_write_1h,
    SUM(reasoning) AS reasoning, total(cost) AS cost, COUNT(cost) AS priced, SUM(cost IS NULL AND ({USED})) AS unpriced,
    SUM(hedged) AS hedged, group_concat(first_content_ms) AS waits
FROM kinds CROSS JOIN log ON kind = kinds.id AND ended > :since AND ended <= :until GROUP BY kinds.id
"""
"""One pass over the index by kind. Attempts weigh as in choosing, but each by its own age instead of its hour's."""
REQUESTS_QUERY = """
SELECT request_kinds.*, target_model AS model, requests, requests * (outcome = 'refused') AS refused
FROM (SELECT kind, COUNT(*) AS requests FROM request_log WHERE ended > :since AND ended <= :until
    GROUP BY kind) AS counted CROSS JOIN request_kinds ON request_kinds.id = counted.kind
"""
BY_WHOM = (GroupBy.CLIENT, GroupBy.DAY, GroupBy.ALL)
"""Where a group may have nothing but requests that were refused."""
COUNTS_REQUESTS = (GroupBy.TARGET, GroupBy.PROVIDER, GroupBy.MODEL, GroupBy.MODE, *BY_WHOM)
"""Where a request belongs to one group: that of the attempt that decided it."""
USAGE_QUERY = """
SELECT kinds.*, SUM(tokens_in) AS tokens_in, SUM(tokens_out) AS tokens_out, SUM(cache_read) AS cache_read,
    SUM(cache_write_5m) AS cache_write_5m, SUM(cache_write_1h) AS cache_write_1h, SUM(reasoning) AS reasoning
FROM kinds CROSS JOIN log ON kind = kinds.id AND ended > :since AND ended <= :until AND {condition} GROUP BY kinds.id
"""
"""Of the attempts that have one price, which depends on the time and on the prompt's length."""


@dataclass(slots=True)
class Tally:
    """Sums of one group. `waits` are milliseconds to first content, costs are nano-dollars."""

    raw: Counter[str] = field(default_factory=Counter)
    weighted: dict[str, float] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0.0))
    hedged: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    cost: int = 0
    priced: int = 0
    requests: int = 0
    refused: int = 0
    unpriced: int = 0
    """Attempts that have used something whose price is not known."""
    reference: int | None = 0
    """None: cannot be said."""
    elsewhere: list[tuple[float, float]] = field(default_factory=list)
    """Waits of other instances: each stands for so many."""

    def add(self, row: sqlite3.Row) -> None:
        counts = "attempts", *COUNTS_BY_VERDICT.get(row["seen"], ())
        for name in counts:
            self.raw[name] += row["attempts"]
            self.weighted[name] += row["weight"]
        self.hedged += row["hedged"]
        self.tokens += Counter({"in": row["tokens_in"], "out": row["tokens_out"], "estimated": row["estimated"]})
        self.tokens += Counter(
            {name: row[name] for name in ("cache_read", "cache_write_5m", "cache_write_1h", "reasoning")}
        )
        self.cost, self.priced = self.cost + int(row["cost"]), self.priced + row["priced"]
        self.unpriced += row["unpriced"]
        if row["failure"]:
            self.kinds[row["failure"]] += row["attempts"]
        if row["waits"]:
            self.waits += map(float, row["waits"].split(","))

    def merge(self, other: "Tally") -> None:
        """Adds the sums of the same group at another instance."""
        for name in SUMMED_HERE:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in COUNTED:
            self.weighted[name] += other.weighted[name]
        self.elsewhere += [*((wait, 1.0) for wait in other.waits), *other.elsewhere]
        known = None not in (self.reference, other.reference)
        self.reference = (self.reference or 0) + (other.reference or 0) if known else None

    def to_state(self, most_waits: int) -> dict[str, Any]:
        """In plain JSON types, for `merge` at another instance: of the waits at most so many, evenly chosen."""
        waits = sorted(self.waits)
        step = max(1, ceil(len(waits) / most_waits))
        state = {name: getattr(self, name) for name in (*SUMMED_HERE, "weighted", "reference")}
        return {**state, "waits": waits[step // 2 :: step], "step": step}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Tally":
        """Raises LookupError, TypeError, ValueError."""
        sums: dict[str, Any] = {
            name: Counter(state[name]) if name in COUNTERS else int(state[name]) for name in SUMMED_HERE
        }
        weighted = {name: float(state["weighted"][name]) for name in COUNTED}
        elsewhere = [(float(wait), float(state["step"])) for wait in state["waits"]]
        return cls(**sums, weighted=weighted, reference=state["reference"], elsewhere=elsewhere)

    def add_requests(self, row: sqlite3.Row) -> None:
        self.requests += row["requests"]
        self.refused += row["refused"]

    def add_reference(self, row: sqlite3.Row, rates: Rates) -> None:
        """`rates` have one price, which is that of all in the row."""
        same = cost(usage_of(*(row[name] for name in SUMMED)), rates, 0.0)
        self.reference = None if self.reference is None or same is None else self.reference + same

    @property
    def usage(self) -> Usage:
        return usage_of(*(self.tokens[name] for name in ("in", "out", *CACHES_AND_THOUGHTS)))

    def to_dict(self) -> dict[str, Any]:
        raw, usage = {name: self.raw[name] for name in COUNTED}, self.usage
        return {
            "raw": raw,
            "weighted": self.weighted,
            "success_rate": _rate(raw),
            "weighted_success_rate": _rate(self.weighted),
            "first_content_ms": self._percentiles(),
            "tokens": {name: self.tokens[name] for name in ("in", "out")},
            "usage": {name: getattr(usage, name) for name in TOKEN_KINDS},
            "tokens_estimated_of": self.tokens["estimated"],
            "cache_hit_share": usage.cache_read / usage.prompt if usage.prompt else None,
            "cost_usd": dollars(self.cost if self.priced or not usage.total else None),
            "unpriced": self.unpriced,
            "hedged": self.hedged,
            "failures_by_kind": dict(self.kinds.most_common()),
        }

    def _percentiles(self) -> dict[str, float | None]:
        if self.elsewhere:
            weighted = sorted([*((wait, 1.0) for wait in self.waits), *self.elsewhere])
            return {f"p{share}": weighted_percentile(weighted, share) for share in (50, 95)}
        waits = sorted(self.waits)
        return {f"p{share}": percentile(waits, share) for share in (50, 95)}


COUNTERS = ("raw", "tokens", "kinds")
SUMMED_HERE = (*COUNTERS, "hedged", "cost", "priced", "requests", "refused", "unpriced")
CACHES_AND_THOUGHTS = ("cache_read", "cache_write_5m", "cache_write_1h", "reasoning")
SUMMED = ("tokens_in", "tokens_out", *CACHES_AND_THOUGHTS)

type Tallies = dict[tuple[str | None, ...], Tally]
"""By group."""


def usage_of(prompt: int, output: int, cache_read: int, write_5m: int, write_1h: int, reasoning: int) -> Usage:
    """The usage from columns of the log, of which the first has the whole prompt."""
    return Usage(
        input=max(0, prompt - cache_read - write_5m - write_1h),
        output=output,
        cache_read=cache_read,
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        reasoning=min(reasoning, output),
    )


class Analytics(NamedTuple):
    """In plain JSON types: a row for each group, those with most attempts first, days in order, and one for all of
    them; None: there are none.
    """

    rows: list[dict[str, Any]]
    total: dict[str, Any] | None


@dataclass(slots=True)
class WindowSums:
    """The sums of each group, and of all of them."""

    groups: Tallies = field(default_factory=dict)
    total: Tally = field(default_factory=Tally)

    def merge(self, groups: Iterable[tuple[Sequence[str | None], Mapping[str, Any]]], total: Mapping[str, Any]) -> None:
        """Adds what another instance has told with `Tally.to_state`. Raises LookupError, TypeError, ValueError."""
        others = [(tuple(group), Tally.from_state(state)) for group, state in groups]
        all_others = Tally.from_state(total)
        for group, tally in others:
            self.groups.setdefault(group, Tally()).merge(tally)
        self.total.merge(all_others)

    def to_analytics(self, by: GroupBy, has_reference: bool) -> Analytics:
        in_order = sorted(self.groups.items(), key=lambda group: (-group[1].raw["attempts"], _name(group[0])))
        if by is GroupBy.DAY:
            in_order.sort(key=lambda group: _name(group[0]))
        rows = [
            {by.value: _name(group), **dict(zip(GROUP_COLUMNS[by], group, strict=True))}
            | _figures(tally, by in COUNTS_REQUESTS, has_reference)
            for group, tally in in_order
        ]
        is_empty = not rows and not self.total.requests
        return Analytics(rows, None if is_empty else _figures(self.total, True, has_reference))


def analytics(
    path: Path, window: TimeWindow, by: GroupBy, now: float, reference: Rates | None = None, client: str = ""
) -> Analytics:
    """With the rates of a reference model, each row says what the same would have cost. With a client, of its requests
    alone. Raises sqlite3.Error.
    """
    return window_sums(path, window, by, now, reference, client).to_analytics(by, reference is not None)


def window_sums(
    path: Path, window: TimeWindow, by: GroupBy, now: float, reference: Rates | None = None, client: str = ""
) -> WindowSums:
    """The sums that `analytics` returns. Raises sqlite3.Error."""
    sums = WindowSums()
    groups, total = sums.groups, sums.total
    with closing(open_to_read(path)) as db:
        db.row_factory = sqlite3.Row
        for group, row in _sums(db, SUMS_QUERY, window, by, now, client):
            groups.setdefault(group, Tally()).add(row)
            total.add(row)
        for group, row in _sums(db, REQUESTS_QUERY, window, by if by in COUNTS_REQUESTS else GroupBy.ALL, now, client):
            total.add_requests(row)
            if by in BY_WHOM or group in groups:
                groups.setdefault(group, Tally()).add_requests(row)
        for condition, rates in prices_in_sql(reference) if reference else ():
            for group, row in _sums(db, USAGE_QUERY.format(condition=condition), window, by, now, client):
                groups.setdefault(group, Tally()).add_reference(row, rates)
                total.add_reference(row, rates)
    return sums


def _figures(tally: Tally, counts_requests: bool, has_reference: bool) -> dict[str, Any]:
    requests = {"requests": tally.requests, "refused": tally.refused} if counts_requests else {}
    costs = {"reference_cost_usd": dollars(tally.reference)} if has_reference else {}
    return {**tally.to_dict(), **requests, **costs}


def _sums(
    db: sqlite3.Connection, query: str, window: TimeWindow, by: GroupBy, now: float, client: str
) -> Iterator[tuple[tuple[str | None, ...], sqlite3.Row]]:
    """The sums of each kind with the group that it belongs to; days are asked for one by one."""
    since = now - SECONDS[window]
    ends = [since, inf]  # what a clock that went back has put into the future counts too
    if by is GroupBy.DAY:
        ends[1:1] = [day * DAY for day in range(int(since // DAY) + 1, int(now // DAY) + 1)]
    for begin, end in pairwise(ends):
        day = datetime.fromtimestamp(begin + 0.001, UTC).strftime("%Y-%m-%d")
        for row in db.execute(query, {"now": now, "since": begin, "until": end}):
            if client and row["client"] != client:
                continue
            yield (day,) if by is GroupBy.DAY else tuple(row[name] for name in GROUP_COLUMNS[by]), row


def prices_in_sql(rates: Rates) -> Iterator[tuple[str, Rates]]:
    """Each tier of each period alone, and the condition that an attempt meets which has its price."""
    counts = [_counts_in_sql(period) for period in rates.periods]
    for place, period in enumerate(rates.periods):
        conditions = [f"NOT ({later})" for later in counts[place + 1 :]]
        conditions += [counts[place]] if place else []  # the first one counts where none does
        bounds = [*(tier.above for tier in period.tiers[1:]), None]
        for tier, above, upto in zip(period.tiers, (None, *bounds), bounds, strict=False):
            lengths = [f"tokens_in > {above:d}"] if above is not None else []
            lengths += [f"tokens_in <= {upto:d}"] if upto is not None else []
            yield " AND ".join([*conditions, *lengths]) or "1", Rates((Period((tier._replace(above=0),)),))


def _counts_in_sql(period: Period) -> str:
    """As `Period.counts` says, with an attempt's end as the time."""
    second = "CAST(ended AS INTEGER) % 86400"
    since = f"ended >= {period.since:f} AND " if period.since is not None else ""
    if period.begins <= period.ends:
        return f"{since}{second} >= {period.begins:d} AND {second} < {period.ends:d}"
    return f"{since}({second} >= {period.begins:d} OR {second} < {period.ends:d})"


def percentile(waits: Sequence[float], share: int) -> float | None:
    """By nearest rank: the smallest of them, in order, that at least so many of a hundred do not exceed."""
    return waits[(len(waits) * share + 99) // 100 - 1] if waits else None


def weighted_percentile(waits: Sequence[tuple[float, float]], share: int) -> float | None:
    """The percentile of weighted waits: each counts as often as its weight says."""
    left = sum(weight for _, weight in waits) * share / 100
    for wait, weight in waits:
        left -= weight
        if left <= 0:
            return wait
    return None


def _rate(counts: Mapping[str, float]) -> float | None:
    told = counts["successes"] + counts["failures"]
    return counts["successes"] / told if told > 0 else None


def _name(group: tuple[str | None, ...]) -> str:
    """A group's name: its values joined by `/`, without those that are None."""
    return "/".join(part for part in group if part is not None)
