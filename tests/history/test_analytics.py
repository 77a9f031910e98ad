"""The figures on the pages equal a recount in plain SQL."""

from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from history.history_builders import KEEP, ask, mixed_exchanges, writing
from pointsman.domain.records import Outcome
from pointsman.history.analytics import (
    GROUP_COLUMNS,
    SECONDS,
    SUMS_QUERY,
    GroupBy,
    TimeWindow,
    analytics,
    percentile,
    usage_of,
)
from pointsman.history.request_rows import RefusedRequest, refusal_row, request_row
from pointsman.history.rows import attempt_rows
from pointsman.prices import Period, Rates, Tier, cost, dollars
from support.audit_records import attempt_record, exchange_record

NOW = 1_800_000_000.0
EXPRESSIONS = {"day": "strftime('%Y-%m-%d', ended, 'unixepoch')"}
"""Of what is no column of an attempt."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three thousand mixed attempts, some of them older than the longest window."""
    path = tmp_path_factory.mktemp("log") / "history.db"
    with writing(path, keep=2 * KEEP, wall=lambda: NOW) as recorder:
        for record in mixed_exchanges(3000, NOW):
            recorder.enqueue(attempt_rows(record, 100))
    assert ask(path, "SELECT count(*) FROM attempts") == [(3000,)]
    return path


def counted(path: Path, what: str, where: str, group: tuple[Any, ...], names: tuple[str, ...], since: float) -> Any:
    same = " AND ".join(["1", *(f"{name} IS ?" for name in names)])
    [(number,)] = ask(path, f"SELECT {what} FROM attempts WHERE ended > ? AND {same} AND {where}", since, *group)
    return number


@pytest.mark.parametrize(("window", "by"), [*product(TimeWindow, GroupBy)])
def test_every_number_equals_a_recount(log: Path, window: TimeWindow, by: GroupBy) -> None:
    names = tuple(EXPRESSIONS.get(name, name) for name in GROUP_COLUMNS[by])
    since = NOW - SECONDS[window]
    told = analytics(log, window, by, NOW).rows
    found = ask(log, f"SELECT DISTINCT {', '.join(('1', *names))} FROM attempts WHERE ended > ?", since)
    groups = [group for _, *group in found]
    assert {tuple(row[name] for name in GROUP_COLUMNS[by]) for row in told} == set(map(tuple, groups))
    assert len(told) == len(groups) >= (1 if by in (GroupBy.DAY, GroupBy.ALL) or window is TimeWindow.HOUR else 2)
    weight = f"total(min(1.0, max(0.0, 1.0 - ({NOW} - ended) / 86400.0 / 7)))"
    for row in told:
        group = tuple(row[name] for name in GROUP_COLUMNS[by])

        def recount(what: str, where: str = "1", group: tuple[Any, ...] = group) -> Any:
            return counted(log, what, where, group, names, since)

        conditions = {"attempts": "1", "successes": "seen = 'success'", "failures": "seen = 'failure'"}
        assert row["raw"] == {name: recount("count(*)", where) for name, where in conditions.items()}
        assert row["weighted"] == pytest.approx({name: recount(weight, where) for name, where in conditions.items()})
        assert row["success_rate"] == pytest.approx(recount("avg(seen = 'success')", "seen IN ('success', 'failure')"))
        assert row["hedged"] == recount("sum(hedged)")
        assert row["tokens"] == {"in": recount("sum(tokens_in)"), "out": recount("sum(tokens_out)")}
        caches = {name: recount(f"sum({name})") for name in ("cache_read", "cache_write_5m", "cache_write_1h")}
        assert row["usage"] == {
            "input": recount("sum(tokens_in)") - sum(caches.values()),
            **caches,
            "output": recount("sum(tokens_out)"),
            "reasoning": recount("sum(reasoning)"),
        }
        used_something = recount("sum(tokens_in + tokens_out)") > 0
        assert row["cost_usd"] == dollars(recount("sum(cost)" if used_something else "coalesce(sum(cost), 0)"))
        assert row["unpriced"] == recount("sum(cost IS NULL AND tokens_in + tokens_out > 0)")
        prompts = recount("sum(tokens_in)")
        assert row["cache_hit_share"] == (pytest.approx(caches["cache_read"] / prompts) if prompts else None)
        assert row["tokens_estimated_of"] == recount("sum(tokens_estimated)")
        assert row["failures_by_kind"] == kinds(log, names, group, since)
        for share in (50, 95):
            assert row["first_content_ms"][f"p{share}"] == nearest_rank(log, share, names, group, since)


def kinds(path: Path, names: tuple[str, ...], group: tuple[Any, ...], since: float) -> dict[str, int]:
    same = " AND ".join(["1", *(f"{name} IS ?" for name in names)])
    found = f"SELECT failure, count(*) FROM attempts WHERE ended > ? AND {same} AND failure NOT NULL GROUP BY failure"
    return dict(ask(path, found, since, *group))


def nearest_rank(path: Path, share: int, names: tuple[str, ...], group: tuple[Any, ...], since: float) -> float | None:
    same = " AND ".join(["1", *(f"{name} IS ?" for name in names)])
    waited = f"FROM attempts WHERE ended > ? AND {same} AND first_content_ms NOT NULL"
    [(count,)] = ask(path, f"SELECT count(*) {waited}", since, *group)
    if not count:
        return None
    place = -(-count * share // 100) - 1
    [(wait,)] = ask(path, f"SELECT first_content_ms {waited} ORDER BY 1 LIMIT 1 OFFSET {place}", since, *group)
    return float(wait)


def test_adding_up_reads_one_index_and_sorts_nothing(log: Path) -> None:
    """A large file is answered for in a moment because of it."""
    query = SUMS_QUERY
    for name in (":now", ":since", ":until"):
        query = query.replace(name, "1")
    plan = [step for *_, step in ask(log, f"EXPLAIN QUERY PLAN {query}")]
    assert plan == ["SCAN kinds", "SEARCH log USING COVERING INDEX log_by_usage (kind=? AND ended>? AND ended<?)"]


def test_those_with_most_attempts_come_first(log: Path) -> None:
    counts = [row["raw"]["attempts"] for row in analytics(log, TimeWindow.MONTH, GroupBy.TARGET, NOW).rows]
    assert counts == sorted(counts, reverse=True)


def test_groups_are_called_by_all_that_makes_them(log: Path) -> None:
    assert {row["key"] for row in analytics(log, TimeWindow.MONTH, GroupBy.KEY, NOW).rows} >= {"key-1", None}
    assert {row["target"] for row in analytics(log, TimeWindow.MONTH, GroupBy.TARGET, NOW).rows} >= {
        "groq/llama",
        "Groq/vendor/qwen",
    }


def test_a_window_in_which_nothing_happened_is_empty(log: Path) -> None:
    assert analytics(log, TimeWindow.DAY, GroupBy.TARGET, NOW + 2 * KEEP).rows == []


@pytest.mark.parametrize(
    ("waits", "p50", "p95"),
    [([], None, None), ([7.0], 7, 7), ([1.0, 2.0], 1, 2), ([*map(float, range(1, 101))], 50, 95)],
)
def test_percentiles_are_by_nearest_rank(waits: list[float], p50: float | None, p95: float | None) -> None:
    assert (percentile(waits, 50), percentile(waits, 95)) == (p50, p95)


def test_requests_are_counted_where_they_were_decided(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    failed = attempt_record(provider="bad", outcome=Outcome.RETRY_FAILED, started=NOW, usage=None)
    retried = exchange_record(client="ci", started=NOW, attempts=(failed, attempt_record(n=2, started=NOW)))
    refused = RefusedRequest("r", None, None, None, "/v1", 401, "invalid_api_key", "", NOW, NOW)
    with writing(path, wall=lambda: NOW) as recorder:
        recorder.enqueue((request_row(retried, ""), *attempt_rows(retried, 10), refusal_row(refused)))
    told = {by: analytics(path, TimeWindow.HOUR, by, NOW).rows for by in GroupBy}
    counts = {by: {row[by]: (row.get("requests"), row.get("refused")) for row in rows} for by, rows in told.items()}
    assert counts[GroupBy.PROVIDER] == {"groq": (1, 0), "bad": (0, 0)}
    assert counts[GroupBy.CLIENT] == {"ci": (1, 0), None: (1, 1)}
    assert counts[GroupBy.DAY] == {"2027-01-15": (2, 1)}
    assert counts[GroupBy.ALL] == {"": (2, 1)}
    assert set(counts[GroupBy.OUTCOME].values()) == {(None, None)}


def spent(path: Path, reference: Rates) -> dict[str, str | None]:
    rows = analytics(path, TimeWindow.MONTH, GroupBy.CLIENT, NOW, reference).rows
    return {row["client"]: row["reference_cost_usd"] for row in rows}


TIERED = (Tier(0, 3_000_000, 15_000_000, 300_000, 4_000_000, 6_000_000, 20_000_000),)
TIERED += (Tier(1500, 6_000_000, 30_000_000, 600_000, 8_000_000, 12_000_000, 40_000_000),)


@pytest.mark.parametrize(
    "rates",
    [
        Rates((Period(TIERED[:1]),)),
        Rates((Period(TIERED),)),
        Rates((Period(TIERED[:1]), Period(TIERED[1:], begins=20 * 3600, ends=5 * 3600))),
        Rates(
            (Period(TIERED[:1]), Period(TIERED, since=NOW - 9 * 86400.5), Period(TIERED[1:], begins=3600, ends=9000))
        ),
    ],
    ids=["flat", "tiers", "night", "changed"],
)
def test_the_cost_at_a_reference_is_what_each_attempt_had_cost_there(log: Path, rates: Rates) -> None:
    columns = "client, ended, tokens_in, tokens_out, cache_read, cache_write_5m, cache_write_1h, reasoning"
    expected: Counter[str | None] = Counter()
    for client, ended, *counts in ask(log, f"SELECT {columns} FROM attempts WHERE ended > ?", NOW - 30 * 86400.0):
        expected[client] += (cost(usage_of(*counts), rates, ended) or 0) * 10**3
    told = spent(log, rates)
    assert set(told) == set(expected)
    for client, dollars_told in told.items():
        assert float(dollars_told or 0) * 10**12 == pytest.approx(expected[client], rel=1e-6)


def test_a_reference_that_has_no_price_for_what_was_used_says_null(log: Path) -> None:
    assert set(spent(log, Rates((Period((Tier(0, 3_000_000, 15_000_000),)),))).values()) == {None}
    assert "reference_cost_usd" not in analytics(log, TimeWindow.MONTH, GroupBy.CLIENT, NOW).rows[0]


@pytest.mark.parametrize("by", GroupBy)
def test_the_total_is_that_of_all_groups_whatever_they_are(log: Path, by: GroupBy) -> None:
    reference = Rates((Period((Tier(0, 3_000_000, 15_000_000, 300_000, 4_000_000, 6_000_000, 20_000_000),)),))
    told = analytics(log, TimeWindow.MONTH, by, NOW, reference)
    [alone] = analytics(log, TimeWindow.MONTH, GroupBy.ALL, NOW, reference).rows
    assert told.total
    assert told.total["weighted"] == pytest.approx(alone["weighted"])
    assert {**alone, "weighted": ..., "weighted_success_rate": ...} == {
        **told.total,
        "all": "",
        "weighted": ...,
        "weighted_success_rate": ...,
    }


def test_there_is_no_total_of_nothing(log: Path) -> None:
    assert analytics(log, TimeWindow.DAY, GroupBy.MODEL, NOW + 2 * KEEP).total is None
