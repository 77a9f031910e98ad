"""What people are told equals a recount in plain SQL."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from history.history_builders import KEEP, ask, mixed_exchanges, writing
from pointsman.history.analytics import GROUP_COLUMNS, SECONDS, SUMS_QUERY, GroupBy, TimeWindow, analytics, percentile
from pointsman.history.rows import attempt_rows

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten thousand mixed attempts, some of them older than anybody asks for."""
    path = tmp_path_factory.mktemp("log") / "history.db"
    with writing(path, keep=2 * KEEP, wall=lambda: NOW) as recorder:
        for record in mixed_exchanges(10_000, NOW):
            recorder.enqueue(attempt_rows(record, 100))
    assert ask(path, "SELECT count(*) FROM attempts") == [(10_000,)]
    return path


def counted(path: Path, what: str, where: str, group: tuple[Any, ...], names: tuple[str, ...], since: float) -> Any:
    same = " AND ".join(f"{name} IS ?" for name in names)
    [(number,)] = ask(path, f"SELECT {what} FROM attempts WHERE ended > ? AND {same} AND {where}", since, *group)
    return number


@pytest.mark.parametrize(("window", "by"), [*product(TimeWindow, GroupBy)])
def test_every_number_equals_a_recount(log: Path, window: TimeWindow, by: GroupBy) -> None:
    names, since = GROUP_COLUMNS[by], NOW - SECONDS[window]
    told = analytics(log, window, by, NOW)
    groups = ask(log, f"SELECT DISTINCT {', '.join(names)} FROM attempts WHERE ended > ?", since)
    assert {tuple(row[name] for name in names) for row in told} == set(groups)
    assert len(told) == len(groups) > 1
    weight = f"total(min(1.0, max(0.0, 1.0 - ({NOW} - ended) / 86400.0 / 7)))"
    for row in told:
        group = tuple(row[name] for name in names)

        def recount(what: str, where: str = "1", group: tuple[Any, ...] = group) -> Any:
            return counted(log, what, where, group, names, since)

        conditions = {"attempts": "1", "successes": "seen = 'success'", "failures": "seen = 'failure'"}
        assert row["raw"] == {name: recount("count(*)", where) for name, where in conditions.items()}
        assert row["weighted"] == pytest.approx({name: recount(weight, where) for name, where in conditions.items()})
        assert row["success_rate"] == pytest.approx(recount("avg(seen = 'success')", "seen IN ('success', 'failure')"))
        assert row["hedged"] == recount("sum(hedged)")
        assert row["tokens"] == {"in": recount("sum(tokens_in)"), "out": recount("sum(tokens_out)")}
        assert row["tokens_estimated_of"] == recount("sum(tokens_estimated)")
        assert row["failures_by_kind"] == kinds(log, names, group, since)
        for share in (50, 95):
            assert row["first_content_ms"][f"p{share}"] == nearest_rank(log, share, names, group, since)


def kinds(path: Path, names: tuple[str, ...], group: tuple[Any, ...], since: float) -> dict[str, int]:
    same = " AND ".join(f"{name} IS ?" for name in names)
    found = f"SELECT failure, count(*) FROM attempts WHERE ended > ? AND {same} AND failure NOT NULL GROUP BY failure"
    return dict(ask(path, found, since, *group))


def nearest_rank(path: Path, share: int, names: tuple[str, ...], group: tuple[Any, ...], since: float) -> float | None:
    same = " AND ".join(f"{name} IS ?" for name in names)
    waited = f"FROM attempts WHERE ended > ? AND {same} AND first_content_ms NOT NULL"
    [(count,)] = ask(path, f"SELECT count(*) {waited}", since, *group)
    if not count:
        return None
    place = -(-count * share // 100) - 1
    [(wait,)] = ask(path, f"SELECT first_content_ms {waited} ORDER BY 1 LIMIT 1 OFFSET {place}", since, *group)
    return float(wait)


def test_adding_up_reads_one_index_and_sorts_nothing(log: Path) -> None:
    """A large file is answered for in a moment because of it."""
    plan = [
        step for *_, step in ask(log, f"EXPLAIN QUERY PLAN {SUMS_QUERY.replace(':now', '1').replace(':since', '1')}")
    ]
    assert plan == ["SCAN kinds", "SEARCH log USING COVERING INDEX log_by_kind (kind=? AND ended>?)"]


def test_those_with_most_attempts_come_first(log: Path) -> None:
    counts = [row["raw"]["attempts"] for row in analytics(log, TimeWindow.MONTH, GroupBy.TARGET, NOW)]
    assert counts == sorted(counts, reverse=True)


def test_groups_are_called_by_all_that_makes_them(log: Path) -> None:
    assert {row["key"] for row in analytics(log, TimeWindow.MONTH, GroupBy.KEY, NOW)} >= {"key-1", None}
    assert {row["target"] for row in analytics(log, TimeWindow.MONTH, GroupBy.TARGET, NOW)} >= {
        "groq/llama",
        "Groq/vendor/qwen",
    }


def test_a_window_in_which_nothing_happened_is_empty(log: Path) -> None:
    assert analytics(log, TimeWindow.DAY, GroupBy.TARGET, NOW + 2 * KEEP) == []


@pytest.mark.parametrize(
    ("waits", "p50", "p95"),
    [([], None, None), ([7.0], 7, 7), ([1.0, 2.0], 1, 2), ([*map(float, range(1, 101))], 50, 95)],
)
def test_percentiles_are_by_nearest_rank(waits: list[float], p50: float | None, p95: float | None) -> None:
    assert (percentile(waits, 50), percentile(waits, 95)) == (p50, p95)
