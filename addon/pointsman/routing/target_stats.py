"""Statistics of recent traffic for one target, as scoring reads them."""

from typing import NamedTuple


class TargetStats(NamedTuple):
    """Every count but `attempts` is weighted by recency: an observation of now weighs 1, one of seven days ago
    nothing.
    """

    successes: float = 0.0
    failures: float = 0.0
    attempts: int = 0
    """Observations, each as one: for people."""
    tokens_per_second: float | None = None
    speed_samples: float = 0.0
    """The weight behind `tokens_per_second`."""
    first_content: float | None = None
    """Seconds from launch to the first content, the weighted mean."""
    latency_samples: float = 0.0
    """The weight behind `first_content`."""
    rate_limited: float = 0.0
    """Answers of the last minutes that said "too many requests", each weighing less the older it is."""


NO_STATS = TargetStats()
"""For a target without recent traffic."""
