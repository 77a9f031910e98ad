"""Evidence: what it is worth on average where nothing differs, worked out in full, and where something does."""

from itertools import product
from math import comb, exp

import pytest

from pointsman.routing.evidence import fair_signs, two_shares

N, M = 12, 9


def chance(hits: int, count: int, share: float) -> float:
    return comb(count, hits) * share**hits * (1 - share) ** (count - hits)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.97])
def test_two_equal_shares_give_one_at_most_on_average(share: float) -> None:
    mean = sum(
        chance(h, N, share) * chance(k, M, share) * exp(two_shares((N, h), (M, k)))
        for h, k in product(range(N + 1), range(M + 1))
    )
    assert 0 < mean <= 1


def test_fair_signs_give_one_on_average() -> None:
    assert sum(chance(wins, N, 0.5) * exp(fair_signs((N, wins))) for wins in range(N + 1)) == pytest.approx(1)


def test_it_grows_with_what_differs_and_with_how_often() -> None:
    assert two_shares((100, 12), (100, 2)) < two_shares((100, 20), (100, 2)) < two_shares((400, 80), (400, 8))
    assert fair_signs((100, 60)) < fair_signs((100, 70)) < fair_signs((400, 280))
    assert two_shares((100, 2), (100, 12)) == two_shares((100, 12), (100, 2)), "both directions"


def test_nothing_is_no_evidence() -> None:
    assert (two_shares((0, 0), (0, 0)), fair_signs((0, 0))) == (0, 0)
