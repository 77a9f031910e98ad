"""When a second attempt starts beside one that has shown nothing yet."""

from pointsman.config import Hedge
from pointsman.routing.statistics import WaitPercentiles

MIN_DELAY, MAX_DELAY = 2.0, 20.0
DEFAULT_DELAY = 8.0
"""Seconds, all of them, for `after: auto`."""
MAX_P95_TO_P80 = 3.0
"""Where a target's p95 is more than so many times its p80, it has two ways of being: quick, and for more than one
answer in twenty slow. What is slow is then no measure of how long to wait. An even spread stays below, however wide:
the p95 of a log-normal distribution is three times its p80 from a deviation of 1.37 on.
"""


def hedge_delay(hedge: Hedge, usual: WaitPercentiles | None) -> float | None:
    """Seconds after an attempt's launch; None for never. `usual` is the target's wait for first content, None while too
    little is known of it. Four in five of its answers come before that, unless those take longer than MAX_DELAY.
    """
    if hedge.after != "auto":
        return hedge.after
    if usual is None:
        return DEFAULT_DELAY
    return min(max(min(usual.p95, MAX_P95_TO_P80 * usual.p80), MIN_DELAY), MAX_DELAY)
