"""Drift: what is found, how soon, and when it ends."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from pointsman.config.enums import Dialect
from pointsman.routing.answer_signals import AnswerSignals, Signal
from pointsman.routing.drift import (
    DAY,
    FALSE_ALARMS,
    MAX_SAMPLE,
    PENALTY,
    Against,
    DaySample,
    Drift,
    LatestValues,
    Verdict,
    alarm_part,
    model_name,
)
from pointsman.routing.explain import explain
from pointsman.routing.router import Router
from routing.routing_builders import request
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from simulation.drift_detection import CASES, Case, detected_after, false_alarms, most_possible

CALLS, LENGTH, SPEED = Signal.MALFORMED_CALLS, Signal.OUTPUT_LENGTH, Signal.SPEED
DAY_0 = 20_000 * DAY


def share(drift: Drift, label: str, hits: int, count: int, wall: float = DAY_0, signal: Signal = CALLS) -> None:
    """So many answers, the hits spread evenly among them."""
    for n in range(count):
        hit = (n + 1) * hits // count > n * hits // count
        drift.observe(AnswerSignals(label, label.partition("/")[2], wall + n, {signal: hit}))


def values(drift: Drift, label: str, level: float, count: int, wall: float, signal: Signal = LENGTH) -> None:
    rng = Random(f"{label} {wall}")
    for n in range(count):
        value = level * rng.lognormvariate(0, 0.5)
        drift.observe(AnswerSignals(label, "m", wall + n, {}, {signal: value}))


def drifted(hits: int = 40, of: int = 200, elsewhere: int = 1) -> Drift:
    drift = Drift()
    share(drift, "b/m", elsewhere, 300)
    share(drift, "a/m", hits, of)
    return drift


class TestShares:
    def test_a_verdict_says_what_differs_from_what_and_since_when(self) -> None:
        [found] = drifted().verdicts("a/m", DAY_0 + 300)
        assert (found.signal, found.against, found.is_higher) == (CALLS, Against.ELSEWHERE, True)
        assert (found.figure, found.reference) == pytest.approx((0.2, 1 / 300))
        assert DAY_0 < found.since < found.confirmed < DAY_0 + 200
        assert found.evidence > 4
        assert found.to_dict()["direction"] == "higher"

    def test_small_differences_are_none_however_sure(self) -> None:
        drift = Drift()
        share(drift, "b/m", 10, 10_000)
        share(drift, "a/m", 250, 10_000)
        assert drift.verdicts("a/m", DAY_0) == []

    def test_its_own_past_is_enough_where_no_other_has_the_model(self) -> None:
        drift = Drift()
        share(drift, "a/m", 3, 300)
        share(drift, "a/m", 60, 300, DAY_0 + DAY)
        assert [each.against for each in drift.verdicts("a/m", DAY_0 + DAY)] == [Against.PAST]

    def test_other_models_are_nothing_to_compare_with(self) -> None:
        drift = Drift()
        share(drift, "b/other", 0, 300)
        share(drift, "a/m", 60, 300)
        assert drift.verdicts("a/m", DAY_0) == []

    @pytest.mark.parametrize("same", ["m", "maker/M", "host/maker/m"])
    def test_the_same_model_has_other_prefixes_elsewhere(self, same: str) -> None:
        assert model_name(same) == "m"

    def test_it_ends_when_the_target_answers_well_again(self) -> None:
        drift = drifted()
        share(drift, "a/m", 5, 2000, DAY_0 + 1000)
        assert drift.verdicts("a/m", DAY_0 + 3000) == []

    def test_it_ends_a_week_after_it_was_last_confirmed(self) -> None:
        drift = drifted()
        assert drift.verdicts("a/m", DAY_0 + 6.9 * DAY)
        assert drift.verdicts("a/m", DAY_0 + 7.1 * DAY) == []

    def test_what_was_long_ago_counts_no_more(self) -> None:
        drift = drifted()
        share(drift, "b/m", 1, 60, DAY_0 + 20 * DAY)
        share(drift, "a/m", 1, 60, DAY_0 + 20 * DAY)
        assert drift.verdicts("a/m", DAY_0 + 20 * DAY) == []
        assert all(len(counts.days) == 1 for counts in drift._totals.values())

    def test_a_clock_that_is_set_back_loses_nothing(self) -> None:
        drift = Drift()
        share(drift, "b/m", 1, 300, DAY_0)
        share(drift, "a/m", 40, 200, DAY_0 - 3 * DAY)
        assert drift.verdicts("a/m", DAY_0 - 3 * DAY)

    def test_a_target_that_is_taken_away_is_no_reference(self) -> None:
        drift = Drift()
        share(drift, "b/m", 1, 300)
        share(drift, "c/m", 0, 10)
        drift.keep_only({"a/m", "c/m"})
        share(drift, "a/m", 40, 200)
        assert drift.verdicts("a/m", DAY_0) == [], "ten answers are left to compare with"
        drift.keep_only(())
        assert (drift._targets, drift._totals, drift._latest) == ({}, {}, {})


class TestValues:
    def test_shorter_answers_than_elsewhere(self) -> None:
        drift = Drift()
        for n in range(10):
            values(drift, "b/m", 500, 40, DAY_0 + 100 * n)
            values(drift, "a/m", 250, 40, DAY_0 + 100 * n + 50)
        [found] = drift.verdicts("a/m", DAY_0 + 1000)
        assert (found.signal, found.against, found.is_higher) == (LENGTH, Against.ELSEWHERE, False)
        assert found.figure < found.reference
        [other] = drift.verdicts("b/m", DAY_0 + 1000)
        assert other.is_higher, "of two, it is not known which one has changed"

    @pytest.mark.parametrize("signal", [LENGTH, SPEED])
    def test_otherwise_than_in_the_days_before(self, signal: Signal) -> None:
        drift = Drift()
        for day in range(7):
            values(drift, "a/m", 60, 100, DAY_0 + day * DAY, signal)
        assert drift.verdicts("a/m", DAY_0 + 7 * DAY) == []
        values(drift, "a/m", 25, 100, DAY_0 + 7 * DAY, signal)
        [found] = drift.verdicts("a/m", DAY_0 + 7 * DAY)
        assert (found.signal, found.against, found.is_higher) == (signal, Against.PAST, False)

    def test_speed_is_not_compared_with_other_machines(self) -> None:
        drift = Drift()
        for n in range(10):
            values(drift, "b/m", 500, 40, DAY_0 + 100 * n, SPEED)
            values(drift, "a/m", 50, 40, DAY_0 + 100 * n + 50, SPEED)
        assert drift.verdicts("a/m", DAY_0 + 1000) == []

    def test_no_value_is_used_twice(self) -> None:
        latest = LatestValues()
        for label, value in (("b", 1.0), ("a", 2.0), ("b", 3.0)):
            latest.add(label, value)
        first, place = latest.next_of_others("a", 0)
        second, place = latest.next_of_others("a", place)
        third, place = latest.next_of_others("a", place)
        assert (first, second, third) == (1.0, 3.0, None)

    def test_a_sample_of_a_day_is_spread_over_it(self) -> None:
        sample = DaySample()
        for n in range(1000):
            sample.add(n)
        assert MAX_SAMPLE / 2 <= len(sample.values) <= MAX_SAMPLE
        gaps = {later - earlier for earlier, later in zip(sample.values, sample.values[1:], strict=False)}
        assert len(gaps) == 1


class TestWeigh:
    @pytest.mark.parametrize(("policy", "lowered"), [("show", 0.0), ("weigh", PENALTY)])
    def test_the_score_of_a_worse_target_is_lowered_if_that_is_wished(self, policy: str, lowered: float) -> None:
        two = {"a": provider("https://a.test/v1"), "b": provider("https://b.test/v1")}
        router = Router(settings(two, routing={"drift": policy}), SECRET)
        share(router.drift, "b/m", 1, 300)
        share(router.drift, "a/m", 40, 200)
        plan = router.preview_plan(request(), Dialect.OPENAI_CHAT, caller(), 0.0, DAY_0 + 300)
        told = {each["provider"]: each for each in explain(plan, 0.0, DAY_0 + 300)["candidates"]}
        assert [each["signal"] for each in told["a"]["drift"]] == ["malformed_calls"]
        assert {name: each["terms"]["penalty"] for name, each in told.items()} == {"a": lowered, "b": 0.0}

    def test_only_what_is_worse_than_elsewhere(self) -> None:
        verdict = Verdict("a/m", CALLS, Against.ELSEWHERE, True, 0.2, 0.01, 0.0, 0.0, 5.0)
        assert verdict.is_penalised
        for other in _others(verdict):
            assert not other.is_penalised


def _others(verdict: Verdict) -> Iterator[Verdict]:
    yield replace(verdict, is_higher=False)
    yield replace(verdict, against=Against.PAST)
    yield replace(verdict, signal=LENGTH)


class TestGoals:
    """docs/choosing.md has the table of many more runs."""

    @pytest.mark.parametrize(
        ("case", "least"),
        [
            (Case("few malformed calls", CALLS, 0.01, 0.11, 1), 0.8),
            (Case("few malformed calls, much traffic", CALLS, 0.01, 0.11, 3), 0.95),
        ],
        ids=lambda each: each.title if isinstance(each, Case) else "",
    )
    def test_a_quantised_twin_is_found_within_400_requests(self, case: Case, least: float) -> None:
        assert sum(detected_after(case, seed) is not None for seed in range(40)) >= 40 * least

    def test_nothing_is_found_where_nothing_is(self) -> None:
        assert not any(false_alarms(seed, level) for level in (0.02, 0.2) for seed in range(5))

    def test_no_test_could_find_much_more(self) -> None:
        """With the false alarms that this one may raise."""
        case = Case("few malformed calls", CALLS, 0.01, 0.11, 1)
        alarms = FALSE_ALARMS * alarm_part(CALLS, Against.ELSEWHERE, is_higher=True)
        assert most_possible(case, alarms) == pytest.approx(0.977, abs=0.002)

    def test_a_target_that_is_new_is_compared_with_all_that_others_have_had(self) -> None:
        drift = Drift()
        for day in range(6):
            share(drift, "b/m", 3, 300, DAY_0 + day * DAY)
        share(drift, "a/m", 18, 200, DAY_0 + 6 * DAY)
        assert [each.against for each in drift.verdicts("a/m", DAY_0 + 6 * DAY)] == [Against.ELSEWHERE]

    def test_between_looks_no_verdict_is_raised(self) -> None:
        drift = Drift()
        share(drift, "b/m", 0, 300)
        share(drift, "a/m", 19, 19)
        assert drift.verdicts("a/m", DAY_0) == []
        share(drift, "a/m", 30, 30, DAY_0 + 19)
        assert [each.since for each in drift.verdicts("a/m", DAY_0)] == [DAY_0 + 19], "after 20"

    def test_every_signal_has_a_case_that_is_found(self) -> None:
        for signal in {case.signal for case in CASES} - {CALLS}:
            case = next(each for each in CASES if each.signal is signal)
            assert any(detected_after(case, seed) for seed in range(5)), case.title
