"""When a second attempt starts beside one that has shown nothing yet."""

from pointsman.config import Hedge

SHORTEST, LONGEST = 2.0, 20.0
UNMEASURED = 8.0
"""Seconds, all of them, for `after: auto`."""


def delay(hedge: Hedge, usual: float | None) -> float | None:
    """Seconds after an attempt's launch; None for never. `usual` is the target's p95 time to first content, in
    seconds, None while too little is known of it.
    """
    if hedge.after != "auto":
        return hedge.after
    return UNMEASURED if usual is None else min(max(usual, SHORTEST), LONGEST)
