"""Traffic over time equals a recount from the database, step by step."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from history.history_builders import mixed_exchanges, writing
from pointsman.history.analytics import TimeWindow
from pointsman.history.rows import attempt_rows
from pointsman.history.traffic import MAX_SERIES, STEPS, availability, empty_availability, empty_traffic, traffic

NOW = 1_800_000_123.0


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("traffic") / "h.db"
    with writing(path) as recorder:
        for record in mixed_exchanges(3000, NOW, days=29):
            recorder.enqueue(attempt_rows(record, 10))
    return path


@pytest.mark.parametrize("window", TimeWindow)
def test_every_step_equals_a_recount(log: Path, window: TimeWindow) -> None:
    step, length = STEPS[window]
    told = traffic(log, window, NOW)
    assert (told["step_seconds"], len(told["at"])) == (step, length)
    with closing(sqlite3.connect(log)) as db:
        for place, at in enumerate(told["at"]):
            within = "FROM attempts WHERE ended >= ? AND ended < ?"
            counted = db.execute(
                f"SELECT count(*), sum(seen = 'success'), sum(seen = 'failure') {within}", (at, at + step)
            )
            attempts, good, bad = counted.fetchone()
            assert told["total"]["attempts"][place] == attempts
            rate = good / (good + bad) if good or bad else None
            assert told["total"]["success_rate"][place] == rate
            waits = db.execute(
                f"SELECT first_content_ms {within} AND first_content_ms NOT NULL ORDER BY 1", (at, at + step)
            )
            in_order = [wait for (wait,) in waits]
            median = in_order[(len(in_order) + 1) // 2 - 1] if in_order else None
            assert told["total"]["first_content_ms"][place] == median


def test_the_busiest_targets_come_first_and_the_rest_together_last(log: Path) -> None:
    told = traffic(log, TimeWindow.MONTH, NOW)
    sums = [sum(series["attempts"]) for series in told["series"]]
    assert len(sums) <= MAX_SERIES + 1
    assert sums[:MAX_SERIES] == sorted(sums[:MAX_SERIES], reverse=True)
    assert sum(sums) == sum(told["total"]["attempts"])


def test_the_last_step_holds_now_and_steps_begin_at_full_multiples(log: Path) -> None:
    for window in TimeWindow:
        told = empty_traffic(window, NOW)
        step = told["step_seconds"]
        assert told["at"][-1] <= NOW < told["at"][-1] + step
        assert all(at % step == 0 for at in told["at"])
        assert (told["series"], set(told["total"]["attempts"])) == ([], {0})


def test_the_availability_of_a_provider_is_its_success_by_half_hours(log: Path) -> None:
    told = availability(log, NOW)
    assert (told["step_seconds"], len(told["at"])) == (1800, 48)
    assert [each["name"] for each in told["providers"]] == ["Groq", "groq", "local"]
    with closing(sqlite3.connect(log)) as db:
        for each in told["providers"]:
            for at, attempts, rate in zip(told["at"], each["attempts"], each["success_rate"], strict=True):
                [(count, good, bad)] = db.execute(
                    "SELECT count(*), total(seen = 'success'), total(seen = 'failure') FROM attempts"
                    " WHERE provider = ? AND ended >= ? AND ended < ?",
                    (each["name"], at, at + 1800),
                )
                assert (attempts, rate) == (count, good / (good + bad) if good + bad else None)
    assert empty_availability(NOW) == {**told, "providers": []}
