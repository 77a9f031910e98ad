"""Tests that may be looked at after every observation, by e-processes.

An e-process is a measure of evidence against a hypothesis that starts at 1. If the hypothesis is true, the chance that
it ever reaches 1/a, however often and for however long it is looked at, is at most a (Ville 1939, "Étude critique de la
notion de collectif"). All functions return its natural logarithm.
"""

from math import lgamma, log

type Sums = tuple[int, int]
"""How many observations, and how many of them were so."""

SHARE_PRIOR = 1.0, 8.0
"""Beta distribution of a share before anything is seen: what is counted is rare."""
SIGN_PRIOR = 0.5, 0.5


def two_shares(own: Sums, reference: Sums) -> float:
    """Against "both shares are equal, whatever they are".

        E = B(h + a, n - h + b) / B(a, b) × B(k + a, m - k + b) / B(a, b) / max over p of p^(h+k) (1 - p)^(n+m-h-k)

    for h of n observations and k of m; a and b are `SHARE_PRIOR`. Above stands the likelihood of two shares, averaged
    over their prior (Robbins 1970, "Statistical methods related to the law of the iterated logarithm"), below the
    largest one of a common share (Wasserman, Ramdas, Balakrishnan 2020, "Universal inference"). For each p, E is at
    most a martingale that starts at 1. Which of the two is observed next may depend on all that was seen before.
    """
    (n, h), (m, k) = own, reference
    return _average(own, SHARE_PRIOR) + _average(reference, SHARE_PRIOR) - _largest((n + m, h + k))


def fair_signs(pairs: Sums) -> float:
    """Against "of two values of a pair, each is as likely as the other to be the larger one": the sequential sign test.

        E = B(w + 1/2, n - w + 1/2) / B(1/2, 1/2) × 2^n

    for w of n pairs: the likelihood of the share of w, averaged over its prior, by that of one half (Robbins 1970).
    """
    return _average(pairs, SIGN_PRIOR) + pairs[0] * log(2)


def _average(sums: Sums, prior: tuple[float, float]) -> float:
    """The logarithm of the likelihood, averaged over a Beta distribution of the share."""
    (count, hits), (a, b) = sums, prior
    return _log_beta(hits + a, count - hits + b) - _log_beta(a, b)


def _largest(sums: Sums) -> float:
    """The logarithm of the largest likelihood of any share."""
    count, hits = sums
    return sum(part * log(part / count) for part in (hits, count - hits) if part)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
