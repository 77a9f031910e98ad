"""What statistics get back after a restart is what they had."""

from pathlib import Path
from random import Random

import pytest

from history.history_builders import KEEP, mixed_exchanges, run_script, writing
from pointsman.domain.failures import Failure
from pointsman.domain.records import ExchangeRecord, Outcome
from pointsman.history.restore import EarlierRuns, read_earlier_runs
from pointsman.history.rows import attempt_rows
from pointsman.routing.attempt_outcomes import Verdict, observations
from pointsman.routing.recent_outcomes import RecentOutcomes
from pointsman.routing.statistics import Statistics
from pointsman.routing.target_stats import NO_STATS
from support.audit_records import attempt_record, exchange_record

NOW = 1_800_000_000.0
LABELS = tuple(f"{provider}/{model}" for provider in ("groq", "Groq", "local") for model in ("llama", "vendor/qwen"))
ALL = 2**62


def write(path: Path, records: list[ExchangeRecord]) -> None:
    with writing(path, keep=400 * KEEP, wall=lambda: NOW) as recorder:
        for record in records:
            recorder.enqueue(attempt_rows(record, 100))


def learnt(records: list[ExchangeRecord], labels: tuple[str, ...] = LABELS) -> Statistics:
    own = Statistics(labels)
    for record in sorted(records, key=lambda each: each.started):
        for seen in observations(record, own.labels):
            own.observe(seen)
    return own


def restored(path: Path, upto: int = ALL, labels: tuple[str, ...] = LABELS, wall: float = NOW) -> Statistics:
    own, memory = Statistics(labels), read_earlier_runs(path, labels, upto, wall)
    own.restore(memory.hours, memory.waits, wall)
    return own


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_the_same_after_a_restart(tmp_path: Path, seed: int) -> None:
    records = list(mixed_exchanges(3000, NOW, seed, days=9))
    write(tmp_path / "h.db", records)
    before, after = learnt(records), restored(tmp_path / "h.db")
    for label in LABELS:
        expected, found = before.stats_for(label, NOW), after.stats_for(label, NOW)
        assert expected.attempts > 100
        assert found._replace(rate_limited=0) == pytest.approx(expected._replace(rate_limited=0), rel=1e-6)
        assert after.wait_percentiles(label, NOW) == pytest.approx(before.wait_percentiles(label, NOW))


def test_the_last_attempts_are_the_same_after_a_restart(tmp_path: Path) -> None:
    records = list(mixed_exchanges(3000, NOW, 1, days=1))
    write(tmp_path / "h.db", records)
    before, after = RecentOutcomes(), RecentOutcomes()
    seen = [each for record in records for each in observations(record, LABELS)]
    for each in sorted(seen, key=lambda each: each.wall):
        if each.verdict in (Verdict.SUCCESS, Verdict.FAILURE):
            before.observe(each.label, each.verdict is Verdict.SUCCESS, each.wall)
    after.restore(read_earlier_runs(tmp_path / "h.db", LABELS, ALL, NOW).attempts, NOW)
    for label in LABELS:
        assert before.counts_for(label, NOW).total > 1
        assert after.counts_for(label, NOW)[:2] == pytest.approx(before.counts_for(label, NOW)[:2], abs=0.02)


def test_attempts_are_recalled_by_key_those_too_that_another_key_made_good(tmp_path: Path) -> None:
    refused = attempt_record(n=1, key="one", outcome=Outcome.RETRY_FAILED, failure=Failure.KEY_INVALID, status=401)
    answered = attempt_record(n=2, key="two", outcome=Outcome.RETRY_SUCCESS)
    write(tmp_path / "h.db", [exchange_record(attempts=(refused, answered))])
    label = f"{answered.provider}/{answered.model}"
    memory = read_earlier_runs(tmp_path / "h.db", (label,), ALL, answered.ended + 60)
    assert memory.attempts == {label: [(pytest.approx(answered.ended), True)]}
    assert memory.of_keys == {
        (label, "one"): [(pytest.approx(refused.ended), False)],
        (label, "two"): [(pytest.approx(answered.ended), True)],
    }


def test_rows_of_this_run_are_not_recalled(tmp_path: Path) -> None:
    write(tmp_path / "h.db", [exchange_record(attempts=each.attempts) for each in mixed_exchanges(20, NOW, days=1)])
    assert read_earlier_runs(tmp_path / "h.db", LABELS, 0, NOW) == EarlierRuns()


def test_of_targets_that_have_vanished_nothing_is_recalled(tmp_path: Path) -> None:
    records = list(mixed_exchanges(200, NOW, days=1))
    write(tmp_path / "h.db", records)
    own = restored(tmp_path / "h.db", labels=("groq/llama", "groq/LLAMA"))
    assert own.stats_for("groq/llama", NOW).attempts == learnt(records).stats_for("groq/llama", NOW).attempts > 0
    assert own.stats_for("groq/LLAMA", NOW) == NO_STATS


@pytest.mark.parametrize("back", [3600.0, 86400.0, 300 * 86400.0])
def test_a_clock_that_was_set_back_makes_everything_present(tmp_path: Path, back: float) -> None:
    records = list(mixed_exchanges(300, NOW, days=0.001))
    write(tmp_path / "h.db", records)
    [raw] = {restored(tmp_path / "h.db", wall=NOW - back).stats_for("groq/llama", NOW - back).attempts}
    assert raw == learnt(records).stats_for("groq/llama", NOW).attempts > 0
    figures = restored(tmp_path / "h.db", wall=NOW - back).stats_for("groq/llama", NOW - back)
    assert figures.successes + figures.failures == raw


@pytest.mark.parametrize("value", ["-1", "-1e300", "0", "'words'", "9e999", "x'00ff'"])
@pytest.mark.parametrize("column", ["tokens_out", "paced_seconds", "first_content_ms", "duration_ms"])
def test_odd_numbers_in_an_old_file_make_no_odd_figures(tmp_path: Path, column: str, value: str) -> None:
    path = tmp_path / "h.db"
    write(path, list(mixed_exchanges(100, NOW, days=1)))
    run_script(path, f"UPDATE log SET {column} = {value}")
    own = restored(path)
    for label in LABELS:
        figures = own.stats_for(label, NOW)
        assert all(number is None or 0 <= number < 1e300 for number in figures), figures
        usual = own.wait_percentiles(label, NOW)
        assert usual is None or 0 <= usual.p80 <= usual.p95 < 1e300


def test_invalid_times_in_an_old_file_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    write(path, list(mixed_exchanges(100, NOW, days=1)))
    for time in ("-5", "9e999", "'yesterday'", "1e30"):
        run_script(path, f"UPDATE log SET ended = {time} WHERE id = {Random(time).randrange(1, 100)}")
    assert restored(path).stats_for("groq/llama", NOW).attempts > 0
