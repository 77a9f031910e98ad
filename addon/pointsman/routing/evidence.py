"""Exact tests of two shares and of signs, for looks whose number of observations is fixed before they are made.

All functions return the natural logarithm of the chance of what was seen, or of more, in the direction in which it was
seen, where nothing differs: a p-value. Looking several times takes a part of the false alarms for each look; whatever
depends on what, the chance that one of them alarms is at most the sum of the parts (the union bound). Parts that are
chosen beforehand are the discrete kind of "alpha spending" (Lan and DeMets 1983, "Discrete sequential boundaries for
clinical trials").
"""

from collections.abc import Iterator
from math import exp, lgamma, log

type Sums = tuple[int, int]
"""How many observations, and how many of them were so."""

FIRST_LOOKS = {20: 0.01, 50: 0.02, 100: 0.05, 150: 0.07, 200: 0.1, 250: 0.1, 300: 0.12, 350: 0.15, 400: 0.23}
LOOKS = FIRST_LOOKS | {400 * 2**n: (1 - sum(FIRST_LOOKS.values())) / 2**n for n in range(1, 20)}
"""The part of the false alarms of a test that each look has, by the number of observations. Those after the first ones
are at 800, 1,600, 3,200 … observations, and each has half of what is left.
"""
MIN_TERM = 1e-12
"""Terms of a tail that are this much smaller than the sum so far are left out: each is less than the one before."""


def look_part(count: int) -> float:
    """Of the latest look at so many observations or fewer; 0 before the first one."""
    return LOOKS[max(each for each in LOOKS if each <= count)] if count >= min(LOOKS) else 0.0


def two_shares(own: Sums, reference: Sums) -> float:
    """Against "both shares are equal, whatever they are": the exact test of Fisher (1935, "The logic of inductive
    inference").

        P = sum over x >= h of C(n, x) C(m, h + k - x) / C(n + m, h + k)

    for h of n observations and k of m, where h / n is the larger share; for a smaller one, x <= h. If both are equal,
    each choice of h + k of the n + m observations is as likely as any other. n and m must not depend on what is
    observed.
    """
    (n, h), (m, k) = own, reference
    if h * m < k * n:
        h, k = n - h, m - k
    hits = h + k
    every = _log_choose(n + m, hits)
    return _log_tail(_log_choose(n, x) + _log_choose(m, hits - x) - every for x in range(h, min(n, hits) + 1))


def fair_signs(pairs: Sums) -> float:
    """Against "of two values of a pair, each is as likely as the other to be the larger one": the sign test (Arbuthnott
    1710, "An argument for divine providence").

        P = sum over x >= w of C(n, x) / 2^n

    for w of n pairs, or for n - w of them, whichever is more.
    """
    count, wins = pairs
    most = max(wins, count - wins)
    return _log_tail(_log_choose(count, x) - count * log(2) for x in range(most, count + 1))


def _log_tail(logs: Iterator[float]) -> float:
    """The logarithm of the sum of terms that do not grow, given by their logarithms; at most 0."""
    largest = next(logs)
    total = 1.0
    for each in logs:
        term = exp(each - largest)
        total += term
        if term < MIN_TERM * total:
            break
    return min(0.0, largest + log(total))


def _log_choose(count: int, some: int) -> float:
    return lgamma(count + 1) - lgamma(some + 1) - lgamma(count - some + 1)
