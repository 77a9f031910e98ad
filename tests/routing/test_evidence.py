"""Evidence: the full distribution of its strength where nothing differs, and that it grows where something does."""

from itertools import product
from math import comb, exp, log

import pytest

from pointsman.routing.answer_signals import Signal
from pointsman.routing.drift import TEST_DAYS, Against, alarm_part
from pointsman.routing.evidence import LOOKS, fair_signs, look_part, two_shares

N, M = 12, 9


def chance(hits: int, count: int, share: float) -> float:
    return comb(count, hits) * share**hits * (1 - share) ** (count - hits)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.97])
@pytest.mark.parametrize("level", [0.1, 0.01, 0.001])
def test_two_equal_shares_are_as_different_no_more_often_than_is_said(share: float, level: float) -> None:
    outcomes = list(product(range(N + 1), range(M + 1)))
    for is_higher in (True, False):
        found = sum(
            chance(h, N, share) * chance(k, M, share)
            for h, k in outcomes
            if (h * M > k * N) is is_higher and two_shares((N, h), (M, k)) <= log(level)
        )
        assert found <= level


def test_two_shares_are_compared_exactly() -> None:
    hits = 7 + 1
    tail = sum(comb(N, x) * comb(M, hits - x) for x in range(7, hits + 1)) / comb(N + M, hits)
    assert exp(two_shares((N, 7), (M, 1))) == pytest.approx(tail)
    assert exp(two_shares((N, N - 7), (M, M - 1))) == pytest.approx(tail), "the other direction"


def test_signs_are_compared_exactly() -> None:
    tail = sum(comb(N, x) for x in range(9, N + 1)) / 2**N
    assert [exp(fair_signs((N, wins))) for wins in (9, N - 9)] == pytest.approx([tail, tail])


def test_it_grows_with_what_differs_and_with_how_often() -> None:
    assert two_shares((100, 12), (100, 2)) > two_shares((100, 20), (100, 2)) > two_shares((400, 80), (400, 8))
    assert fair_signs((100, 60)) > fair_signs((100, 70)) > fair_signs((400, 280))
    assert two_shares((100_000, 20_000), (100_000, 10_000)) < -1000


def test_nothing_is_no_evidence() -> None:
    assert (two_shares((0, 0), (0, 0)), fair_signs((0, 0))) == (0, 0)


def test_all_looks_and_all_tests_of_a_target_have_no_more_than_all_false_alarms() -> None:
    assert sum(LOOKS.values()) <= 1
    parts = (alarm_part(*each) for each in product(Signal, Against, (True, False)) if each[:2] != ELSEWHERE_SPEED)
    assert TEST_DAYS * sum(parts) == pytest.approx(1)


def test_a_look_has_its_part_until_the_next_one() -> None:
    assert [look_part(count) for count in (0, 19, 20, 49, 50, 799)] == [0, 0, *(LOOKS[n] for n in (20, 20, 50, 400))]


ELSEWHERE_SPEED = (Signal.SPEED, Against.ELSEWHERE)
"""It is not compared."""
