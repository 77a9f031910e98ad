"""A clock for libraries that read one, in code that gets the time as an argument."""


class ManualClock:
    """The timer of a `cachetools` cache whose owner gets the time as an argument: set it, then use the cache.

    >>> clock = ManualClock()
    >>> cache = TTLCache(maxsize=1000, ttl=60.0, timer=clock)
    """

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        return self._now

    def set(self, now: float) -> None:
        self._now = now
