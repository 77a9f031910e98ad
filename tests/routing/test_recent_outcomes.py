"""The short memory: it holds about ten attempts, fades, and stands a clock that goes back."""

import pytest

from pointsman.routing.recent_outcomes import HALF_LIFE, NO_OUTCOMES, OutcomeCounts, RecentOutcomes

NOW = 1_800_000_000.0


def test_it_never_holds_more_than_ten_attempts() -> None:
    lately = NO_OUTCOMES
    for _ in range(1000):
        lately = lately.with_outcome(True, NOW)
    assert lately.total == pytest.approx(10)


def test_time_halves_it() -> None:
    assert OutcomeCounts(4.0, 2.0, NOW).decayed(NOW + HALF_LIFE)[:2] == (2.0, 1.0)


def test_a_clock_that_goes_back_an_hour_fades_nothing() -> None:
    recent = RecentOutcomes()
    recent.observe("a/m", True, NOW)
    recent.observe("a/m", False, NOW - 3600)
    assert recent.counts_for("a/m", NOW - 3600)[:2] == (0.9, 1.0)


def test_targets_that_differ_only_in_case_are_two() -> None:
    recent = RecentOutcomes()
    recent.observe("a/Model", True, NOW)
    assert recent.counts_for("a/model", NOW) is NO_OUTCOMES


def test_what_is_no_longer_configured_is_forgotten() -> None:
    recent = RecentOutcomes()
    recent.observe("a/m", True, NOW)
    recent.observe("gone/m", True, NOW)
    recent.keep_only({"a/m"})
    assert recent.counts_for("gone/m", NOW) is NO_OUTCOMES
    assert recent.counts_for("a/m", NOW).successes == 1


def test_what_is_restored_is_what_was_observed() -> None:
    lived, recalled = RecentOutcomes(), RecentOutcomes()
    attempts = [(NOW + n * 7.0, n % 3 != 0) for n in range(200)]
    for ended, success in attempts:
        lived.observe("a/m", success, ended)
    recalled.restore({"a/m": reversed(attempts)}, NOW + 2000)
    assert recalled.counts_for("a/m", NOW + 2000)[:2] == pytest.approx(
        lived.counts_for("a/m", NOW + 2000)[:2], abs=0.02
    )


def test_what_has_been_seen_since_is_not_overwritten() -> None:
    recent = RecentOutcomes()
    recent.observe("a/m", False, NOW)
    recent.restore({"a/m": [(NOW - 10, True)]}, NOW)
    assert recent.counts_for("a/m", NOW)[:2] == (0.0, 1.0)
