"""The score and its terms: what is known of a target, how sure that is, and that nothing in it can go wrong."""

import math
from random import Random
from statistics import fmean, pstdev

import pytest

from pointsman.config.settings import BalancedWeights, Weights
from pointsman.routing.recent_outcomes import NO_OUTCOMES, OutcomeCounts
from pointsman.routing.scoring import (
    DEFAULT_RULE,
    MIN_COUNT,
    SURPRISE_DECAY,
    BetaDistribution,
    BetaSampler,
    Qualities,
    RankScale,
    Score,
    headroom,
    latency,
    penalty,
    qualities,
    speed,
)
from pointsman.routing.target_stats import NO_STATS, TargetStats

WEIGHTS = BalancedWeights()
GOOD_WEEK = TargetStats(successes=980, failures=20, attempts=1000)
ODD = [0.0, -5.0, 1e308, math.inf, -math.inf, math.nan]


def mean(past: TargetStats, lately: OutcomeCounts = NO_OUTCOMES) -> float:
    return DEFAULT_RULE.estimate(past, lately).mean


class TestBelief:
    def test_nothing_known_is_half_and_half(self) -> None:
        assert DEFAULT_RULE.estimate(NO_STATS, NO_OUTCOMES) == BetaDistribution(MIN_COUNT + 2, MIN_COUNT + 2)

    @pytest.mark.parametrize("successes", ODD)
    @pytest.mark.parametrize("failures", ODD)
    def test_whatever_an_old_database_holds_gives_a_draw_between_nothing_and_one(
        self, successes: float, failures: float
    ) -> None:
        belief = DEFAULT_RULE.estimate(TargetStats(successes=successes, failures=failures), OutcomeCounts(1.0, 1.0))
        draw = BetaSampler.from_distribution(belief).sample(Random(1).random)
        assert 0 <= draw <= 1
        assert 0 < belief.mean < 1

    def test_the_long_memory_is_never_too_sure_of_itself(self) -> None:
        assert sum(DEFAULT_RULE.estimate(TargetStats(successes=1e6, failures=1e4), NO_OUTCOMES)) < 110

    def test_one_failure_in_a_good_week_is_bad_luck(self) -> None:
        assert mean(GOOD_WEEK, NO_OUTCOMES.with_outcome(False, 0)) > 0.93

    def test_a_few_in_a_row_are_a_change(self) -> None:
        lately = OutcomeCounts(9.0, 0.0)
        for _ in range(5):
            lately = lately.with_outcome(False, 0)
        assert mean(GOOD_WEEK, lately) < 0.6

    def test_a_bad_week_is_forgiven_as_soon(self) -> None:
        lately = OutcomeCounts(0.0, 9.0)
        for _ in range(8):
            lately = lately.with_outcome(True, 0)
        assert mean(TargetStats(successes=10, failures=500), lately) > 0.4
        assert SURPRISE_DECAY > 0

    @pytest.mark.parametrize(
        "belief",
        [
            BetaDistribution(2.1, 2.1),
            BetaDistribution(60.0, 2.1),
            BetaDistribution(2.1, 40.0),
            BetaDistribution(100.0, 9.0),
        ],
    )
    def test_draws_are_those_of_a_beta_distribution(self, belief: BetaDistribution) -> None:
        chance, reference, lot = Random(5), Random(6), BetaSampler.from_distribution(belief)
        ours = sorted(lot.sample(chance.random) for _ in range(20_000))
        theirs = sorted(reference.betavariate(*belief) for _ in range(20_000))
        assert fmean(ours) == pytest.approx(belief.mean, abs=0.004)
        assert pstdev(ours) == pytest.approx(pstdev(theirs), rel=0.03)
        assert max(abs(a - b) for a, b in zip(ours[200:-200:100], theirs[200:-200:100], strict=True)) < 0.02

    @pytest.mark.parametrize("number", [0.0, 1 - 2**-53])
    def test_the_ends_of_what_a_generator_gives_are_no_trouble(self, number: float) -> None:
        numbers = iter([number, number, 0.5, 0.5, 0.5, 0.5])
        assert 0 <= BetaSampler.from_distribution(BetaDistribution(2.1, 50.0)).sample(lambda: next(numbers)) <= 1


class TestQualities:
    @pytest.mark.parametrize(("seconds", "worth"), [(0.0, 1), (0.3, 1), (2.65, 0.5), (5.0, 0), (60.0, 0)])
    def test_latency_is_full_up_to_300_ms_and_nothing_from_5_s_on(self, seconds: float, worth: float) -> None:
        assert latency(seconds) == pytest.approx(worth)

    @pytest.mark.parametrize(("pace", "worth"), [(0.0, 0), (60.0, 1 - 1 / math.e), (1e9, 1), (-3.0, 0)])
    def test_speed_grows_ever_less(self, pace: float, worth: float) -> None:
        assert speed(pace) == pytest.approx(worth)

    def test_what_is_not_measured_is_as_the_ranks_say(self) -> None:
        assert qualities(NO_STATS, 0.8, 0.3) == Qualities(0.8, 0.8, 0.3)

    def test_each_measurement_makes_the_ranks_count_less(self) -> None:
        few, many = (
            qualities(TargetStats(tokens_per_second=60.0, speed_samples=n), 0.0, 0.5).speed for n in (1.0, 1000.0)
        )
        assert 0 < few < many
        assert many == pytest.approx(speed(60.0), abs=0.01)

    @pytest.mark.parametrize("samples", ODD)
    def test_odd_samples_do_not_break_it(self, samples: float) -> None:
        found = qualities(TargetStats(tokens_per_second=math.nan, speed_samples=samples, first_content=1.0), 0.5, 0.5)
        assert found == Qualities(0.5, 0.5, 0.5)


class TestScale:
    @pytest.mark.parametrize(
        ("ranks", "rank", "place"),
        [
            ([1, 5, 9], 1, 1.0),
            ([1, 5, 9], 9, 0.0),
            ([1, 5, 9], 5, 0.5),
            ([1, 2, 1000], 2, pytest.approx(1 - 1 / 999)),
            ([1, 9], None, 0.5),
            ([4, 4], 4, 0.5),
            ([None], None, 0.5),
            ([], 3, 0.5),
            ([2, 4], 9, 0.0),
            ([2, 4], 1, 1.0),
        ],
        ids=[
            "best",
            "worst",
            "middle",
            "an absurd rank",
            "none",
            "all equal",
            "none at all",
            "nobody",
            "below",
            "above",
        ],
    )
    def test_the_values_of_the_ranks_count(self, ranks: list[int | None], rank: int | None, place: float) -> None:
        assert RankScale.from_ranks(ranks).position(rank) == place


class TestScore:
    @staticmethod
    def score(draw: float, weights: Weights = WEIGHTS, room: float = 1.0, minus: float = 0.0) -> float:
        found = Qualities(0.6, 0.8, 1.0)
        return Score(0.5, draw, found, DEFAULT_RULE.score_line(found, weights), room, minus).value

    def test_it_is_reliability_times_what_an_answer_is_worth(self) -> None:
        assert self.score(0.9) == pytest.approx(0.9 * (0.5 + 0.15 * 0.6 + 0.10 * 0.8 + 0.25 * 1.0))

    def test_what_always_fails_is_worth_nothing(self) -> None:
        assert self.score(0.0) == 0

    def test_reliability_without_weight_does_not_count(self) -> None:
        weights = Weights(reliability=0.0, speed=0.0, latency=0.0, intelligence=2.0)
        assert self.score(0.1, weights) == self.score(0.9, weights) == pytest.approx(1.0)

    def test_little_weight_counts_a_little(self) -> None:
        weights = Weights(reliability=0.1, speed=0.0, latency=0.0, intelligence=0.9)
        assert 0.6 < self.score(0.0, weights) < self.score(1.0, weights)

    def test_headroom_takes_away_and_rate_limits_too(self) -> None:
        assert self.score(1.0, room=0.5, minus=0.1) == pytest.approx(self.score(1.0) / 2 - 0.1)

    @pytest.mark.parametrize(("left", "worth"), [(1.0, 1), (0.2, 1), (0.1, 0.55), (0.0, 0.1), (-1.0, 0.1)])
    def test_headroom_is_full_until_a_fifth_is_left(self, left: float, worth: float) -> None:
        assert headroom(left) == pytest.approx(worth)

    @pytest.mark.parametrize(("limited", "minus"), [(0.0, 0), (1.0, 0.05), (2.5, 0.125), (100.0, 0.2), (-1.0, 0)])
    def test_each_recent_rate_limit_costs_a_little_and_many_no_end(self, limited: float, minus: float) -> None:
        assert penalty(limited) == pytest.approx(minus)
