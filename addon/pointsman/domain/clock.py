"""A clock for what reads one by itself, in code that is told the time."""


class ManualClock:
    """The timer of a `cachetools` cache whose owner is told the time: set it first, then use the cache.

    >>> clock = ManualClock()
    >>> cache = TTLCache(maxsize=1000, ttl=60.0, timer=clock)
    """

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        return self._now

    def set(self, now: float) -> None:
        self._now = now
