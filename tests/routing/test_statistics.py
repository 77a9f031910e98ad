"""What traffic says about targets, in hours that fade over a week."""

from math import isfinite
from random import Random
from typing import Any

import pytest

from pointsman.routing.attempt_outcomes import Observation, Verdict
from pointsman.routing.statistics import (
    HOUR,
    MAX_WAITS,
    MIN_WAITS,
    WEEK,
    ContentWait,
    HourlySums,
    Statistics,
    percentile,
    recency_weight,
)
from pointsman.routing.target_stats import NO_STATS, TargetStats

NOW = 472_222 * HOUR
"""The first moment of an hour."""
DAY = 24 * HOUR


def seen(how: Verdict = Verdict.SUCCESS, wall: float = NOW, label: str = "a/m", **more: Any) -> Observation:
    return Observation(label, wall, how, **more)


def statistics(*observed: Observation, labels: tuple[str, ...] = ("a/m", "A/m", "b/m")) -> Statistics:
    own = Statistics(labels)
    for each in observed:
        own.observe(each)
    return own


def counts(figures: TargetStats) -> tuple[float, float, int]:
    return round(figures.successes, 3), round(figures.failures, 3), figures.attempts


class TestWeight:
    @pytest.mark.parametrize(
        ("age", "weighs"),
        [
            (-WEEK, 1),
            (-HOUR, 1),
            (0, 1),
            (HOUR, 1),
            (DAY + HOUR, 6 / 7),
            (3.5 * DAY + HOUR, 0.5),
            (WEEK + HOUR, 0),
            (9 * WEEK, 0),
        ],
    )
    def test_it_falls_from_one_to_nothing_in_a_week(self, age: float, weighs: float) -> None:
        assert recency_weight(int((NOW - age) // HOUR), NOW) == pytest.approx(weighs)


class TestCounts:
    def test_an_unused_target_has_no_statistics(self) -> None:
        assert statistics().stats_for("a/m", NOW) == statistics().stats_for("nobody/m", NOW) == NO_STATS

    def test_successes_and_failures_are_counted_and_nothing_else(self) -> None:
        own = statistics(
            *map(
                seen,
                [Verdict.SUCCESS, Verdict.SUCCESS, Verdict.FAILURE, Verdict.KEY, Verdict.CENSORED, Verdict.NOTHING],
            )
        )
        assert counts(own.stats_for("a/m", NOW)) == (2, 1, 3)

    def test_they_fade_and_people_see_them_whole(self) -> None:
        own = statistics(seen(wall=NOW - 3.5 * DAY - HOUR), seen(Verdict.FAILURE))
        assert counts(own.stats_for("a/m", NOW)) == (0.5, 1, 2)

    def test_what_is_a_week_old_is_gone(self) -> None:
        own = statistics(seen())
        assert counts(own.stats_for("a/m", NOW + WEEK)) == (pytest.approx(1 / 168, abs=1e-3), 0, 1)
        assert own.stats_for("a/m", NOW + WEEK + HOUR) == NO_STATS

    def test_a_new_observation_shows_at_once(self) -> None:
        own = statistics(seen())
        assert own.stats_for("a/m", NOW).attempts == 1
        own.observe(seen())
        assert own.stats_for("a/m", NOW).attempts == 2

    def test_figures_are_drawn_up_again_when_time_has_passed_either_way(self) -> None:
        own = statistics(seen())
        assert own.stats_for("a/m", NOW + 4 * DAY).successes < 0.5
        assert own.stats_for("a/m", NOW).successes == 1

    def test_targets_that_differ_only_in_case_are_two(self) -> None:
        own = statistics(seen(label="A/m"))
        assert (own.stats_for("A/m", NOW).attempts, own.stats_for("a/m", NOW).attempts) == (1, 0)

    def test_nothing_is_kept_of_targets_that_are_not_configured(self) -> None:
        own = statistics(seen(label="gone/m"), seen())
        assert own.stats_for("gone/m", NOW) == NO_STATS
        own.set_labels(["b/m", "new/m"], {"b/m"})
        own.observe(seen())
        assert set(own.labels) == {"b/m", "new/m"}
        own.set_labels(["a/m"], ())
        assert own.stats_for("a/m", NOW) == NO_STATS


class TestAClockThatIsSetBack:
    def test_what_comes_from_the_future_weighs_one_and_ages_from_now(self) -> None:
        own = statistics(seen(), seen(wall=NOW + 30 * DAY))
        assert counts(own.stats_for("a/m", NOW)) == (2, 0, 2)
        assert own.stats_for("a/m", NOW + WEEK + HOUR) == NO_STATS

    def test_an_hour_back_loses_nothing(self) -> None:
        own = statistics(seen(), seen(Verdict.FAILURE, NOW - HOUR, rate_limited=True))
        assert counts(own.stats_for("a/m", NOW - HOUR)) == (1, 1, 2)
        assert own.stats_for("a/m", NOW - HOUR - 60).rate_limited == 1

    def test_a_clock_that_jumps_about_leaves_few_hours_and_sane_figures(self) -> None:
        own, chance = statistics(), Random(5)
        for _ in range(2000):
            wall = NOW + chance.uniform(-20, 20) * DAY
            own.observe(
                seen(chance.choice(list(Verdict)), wall, first_content=chance.uniform(-1, 9), rate_limited=True)
            )
            if chance.random() < 0.1:
                figures = own.stats_for("a/m", NOW + chance.uniform(-20, 20) * DAY)
                assert all(number is None or (isfinite(number) and number >= 0) for number in figures)
        assert len(own._histories["a/m"].hours) <= 170
        assert len(own._histories["a/m"].waits) <= MAX_WAITS


class TestSpeed:
    def test_it_is_tokens_by_seconds_and_longer_answers_say_more(self) -> None:
        own = statistics(seen(tokens=300, seconds=3.0), seen(tokens=10, seconds=1.0), seen())
        figures = own.stats_for("a/m", NOW)
        assert (figures.tokens_per_second, figures.speed_samples) == (77.5, 2)

    def test_the_present_counts_most(self) -> None:
        own = statistics(seen(tokens=100, seconds=1.0, wall=NOW - 3.5 * DAY - HOUR), seen(tokens=10, seconds=1.0))
        figures = own.stats_for("a/m", NOW)
        assert (figures.tokens_per_second, figures.speed_samples) == (pytest.approx(40), pytest.approx(1.5))

    @pytest.mark.parametrize(("tokens", "seconds"), [(0, 1.0), (-5, 1.0), (5, 0.0), (5, -1.0)])
    def test_what_is_no_measurement_is_none(self, tokens: int, seconds: float) -> None:
        figures = statistics(seen(tokens=tokens, seconds=seconds)).stats_for("a/m", NOW)
        assert (figures.tokens_per_second, figures.speed_samples) == (None, 0)


def p95(own: Statistics, label: str = "a/m", wall: float = NOW) -> float | None:
    usual = own.wait_percentiles(label, wall)
    return usual and usual.p95


class TestWaits:
    def test_the_mean_wait_is_reported(self) -> None:
        figures = statistics(seen(first_content=1.0), seen(Verdict.FAILURE, first_content=3.0)).stats_for("a/m", NOW)
        assert (figures.first_content, figures.latency_samples) == (2, 2)

    def test_a_race_that_was_lost_adds_to_the_wait_and_is_no_sample(self) -> None:
        figures = statistics(seen(first_content=1.0), seen(Verdict.CENSORED, first_content=4.0)).stats_for("a/m", NOW)
        assert (figures.first_content, figures.latency_samples) == (5, 1)

    def test_where_every_race_was_lost_the_wait_is_all_of_them_together(self) -> None:
        lost = [seen(Verdict.CENSORED, first_content=2.0) for _ in range(3)]
        figures = statistics(*lost).stats_for("a/m", NOW)
        assert (figures.first_content, figures.latency_samples) == (6, 1)

    def test_nothing_is_known_of_the_95th_percentile_before_there_are_a_few(self) -> None:
        own = statistics(*[seen(first_content=1.0)] * (MIN_WAITS - 1))
        assert p95(own) is None
        assert p95(own, "nobody/m") is None
        own.observe(seen(first_content=1.0))
        assert p95(own) == 1

    def test_new_samples_outweigh_old_ones(self) -> None:
        own = statistics(*[seen(first_content=1.0)] * 20)
        assert p95(own) == 1
        for _ in range(20):
            own.observe(seen(first_content=3.0))
        assert p95(own) == 3
        assert p95(own, wall=NOW + WEEK) is None

    def test_it_is_computed_again_once_a_tenth_is_new(self) -> None:
        own = statistics(*[seen(first_content=1.0)] * 100)
        assert p95(own) == 1
        for _ in range(11):  # of 111
            own.observe(seen(first_content=3.0))
            assert p95(own) == 1
        own.observe(seen(first_content=3.0))
        assert p95(own) == 3


def waits(*seconds: float, lost: tuple[float, ...] = ()) -> list[ContentWait]:
    return [ContentWait(NOW, each, False) for each in seconds] + [ContentWait(NOW, each, True) for each in lost]


@pytest.mark.parametrize(
    ("known", "wait"),
    [
        (waits(*range(1, 101)), 95),
        (waits(*range(1, 21)), 19),
        (waits(1, 1, 1, 1, 1), 1),
        (waits(1, 2, 3, 4, 5), 5),
        (waits(1, 2, 3, lost=(9, 9)), 9),
        (waits(lost=(2, 2, 2, 2, 4)), 4),
        (waits(*[1.0] * 90, *[8.0] * 10, lost=(0.5,) * 100), 8),
        (waits(*[1.0] * 96, lost=(2.0,) * 4), 1),
    ],
)
def test_the_95th_percentile_counts_races_that_were_lost_as_later_than(known: list[ContentWait], wait: float) -> None:
    assert percentile(known, 0.95) == wait


class TestRateLimits:
    def test_each_weighs_less_the_older_it_is_and_is_forgotten_in_minutes(self) -> None:
        own = statistics(seen(Verdict.KEY, rate_limited=True), seen(Verdict.KEY, rate_limited=True))
        told = [own.stats_for("a/m", NOW + age).rate_limited for age in (0, 60, 300, 3600)]
        assert told[0] == 2
        assert told == sorted(told, reverse=True)
        assert told[2] < 0.1
        assert told[3] < 1e-6


class TestRestoring:
    def test_what_is_restored_is_what_was_observed(self) -> None:
        chance = Random(7)
        observed = [
            seen(
                chance.choice([Verdict.SUCCESS, Verdict.FAILURE, Verdict.CENSORED]),
                NOW - chance.uniform(0, 7) * DAY,
                tokens=chance.randrange(100),
                seconds=chance.random(),
                first_content=chance.random(),
            )
            for _ in range(500)
        ]
        own, again = statistics(*observed), statistics()
        past = own._histories["a/m"]
        again.restore({("a/m", hour): sums for hour, sums in past.hours.items()}, {"a/m": list(past.waits)}, NOW)
        assert again.stats_for("a/m", NOW) == pytest.approx(own.stats_for("a/m", NOW))
        assert p95(again) == p95(own)

    def test_it_adds_to_what_was_observed_meanwhile(self) -> None:
        own = statistics(seen(first_content=5.0))
        hour = int(NOW // HOUR)
        own.restore({("a/m", hour): HourlySums(successes=3, failures=1)}, {"a/m": waits(1, 1, 1, 1)}, NOW)
        assert counts(own.stats_for("a/m", NOW)) == (4, 1, 5)
        assert p95(own) == 5

    @pytest.mark.parametrize("number", [0.0, -3.0, float("nan"), float("inf"), float("-inf")])
    def test_numbers_that_are_none_are_nothing(self, number: float) -> None:
        own = statistics()
        own.restore({("a/m", int(NOW // HOUR)): HourlySums(*[number] * 8)}, {"a/m": waits(*[number] * 9)}, NOW)
        assert own.stats_for("a/m", NOW) == NO_STATS
        assert p95(own) in (0, None)

    def test_what_is_too_old_is_left_and_what_is_of_the_future_is_of_now(self) -> None:
        own, hour = statistics(), int(NOW // HOUR)
        own.restore({("a/m", hour + age): HourlySums(successes=1) for age in (-169, -400, 5, 9000)}, {}, NOW)
        assert counts(own.stats_for("a/m", NOW)) == (2, 0, 2)

    def test_targets_that_have_vanished_are_left(self) -> None:
        own = statistics()
        own.restore({("gone/m", int(NOW // HOUR)): HourlySums(successes=1)}, {"gone/m": waits(1)}, NOW)
        assert own.stats_for("gone/m", NOW) == NO_STATS
