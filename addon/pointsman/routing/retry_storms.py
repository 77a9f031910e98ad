"""Retry storms: a client that repeats a failing request faster than anything could recover.

Some agents retry in a hot loop when a stream ends badly, hundreds of times within half a minute. The first repeats are
served, so that a client's own retries work. When too many of one request fail within a short time, it is refused
without contacting a provider, each time for twice as long. A client that pauses as long as it was told, or long enough
not to look like a loop, gets one attempt; if that succeeds, the entry is removed.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cachetools import TTLCache

from pointsman.domain.clock import ManualClock

REPEAT_WINDOW = 10.0
"""Seconds in which repeats are counted; a pause of that length is one, whatever wait was stated."""
MAX_REPEATS = 5
"""Repeats of a failed request that are served within that time."""
INITIAL_WAIT, MAX_WAIT = 1.0, 30.0
ENTRY_LIFETIME = 60.0
"""Seconds after a request was last heard of."""
MAX_ENTRIES = 1000
"""Requests kept; the one heard of longest ago goes first."""

type StormKey = tuple[bytes, bytes]
"""The client, and the digest of its request."""


@dataclass(slots=True)
class RetryStorm:
    """A request that failed. `until` is when it may be tried again, None while it is no storm yet."""

    last: float
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_REPEATS + 1))
    until: float | None = None
    wait: float = INITIAL_WAIT / 2
    refused: int = 0

    def extend_wait(self, now: float) -> None:
        self.wait = min(self.wait * 2, MAX_WAIT)
        self.until = now + self.wait


class RetryStorms:
    """Times are those of the routing clock, in seconds."""

    def __init__(self) -> None:
        self._clock = ManualClock()
        self._storms: TTLCache[StormKey, RetryStorm] = TTLCache(MAX_ENTRIES, ENTRY_LIFETIME, self._clock)
        self._storms_by_client: Counter[bytes] = Counter()
        """How many of them each has."""
        self.refused = 0
        """Requests refused since the start."""

    def __len__(self) -> int:
        return len(self._storms)

    def required_wait(self, asker: bytes, fingerprint: Callable[[], bytes], now: float) -> float | None:
        """How many seconds the client has to wait; None if its request may be served. What the request says is looked
        at only if something of this client has failed lately.
        """
        self._expire(now)
        if asker not in self._storms_by_client or (storm := self._storms.get(name := (asker, fingerprint()))) is None:
            return None
        pause, storm.last = now - storm.last, now
        self._storms[name] = storm
        if storm.until is None:
            return None
        if now >= storm.until or pause >= REPEAT_WINDOW:
            storm.until = now + storm.wait  # one attempt; others wait for what comes of it
            return None
        storm.extend_wait(now)
        storm.refused += 1
        self.refused += 1
        return storm.wait

    def on_failure(self, asker: bytes, fingerprint: bytes, now: float) -> None:
        """A request that was let through has failed."""
        self._expire(now)
        name = asker, fingerprint
        storm = self._storms[name] = self._storms.get(name) or self._add(name, now)
        storm.last = now
        storm.failures.append(now)
        if storm.until is not None:
            storm.extend_wait(now)
        elif len(storm.failures) > MAX_REPEATS and storm.failures[0] > now - REPEAT_WINDOW:
            storm.until = now + INITIAL_WAIT

    def on_success(self, asker: bytes, fingerprint: Callable[[], bytes]) -> None:
        if asker in self._storms_by_client and (name := (asker, fingerprint())) in self._storms:
            self._drop(name)

    def to_dict(self, now: float, wall: float) -> dict[str, Any]:
        """In plain JSON types; `wall` is what the clock on the wall shows at `now`."""
        self._expire(now)
        running = [
            {"asker": asker.hex(), "refused": storm.refused, "until": storm.until + wall - now}
            for (asker, _), storm in self._storms.items()
            if storm.until is not None and storm.until > now
        ]
        return {"refused": self.refused, "running": running}

    def _add(self, name: StormKey, now: float) -> RetryStorm:
        if len(self._storms) == MAX_ENTRIES:
            (asker, _), _ = self._storms.popitem()
            self._uncount(asker)
        self._storms_by_client[name[0]] += 1
        return RetryStorm(now)

    def _expire(self, now: float) -> None:
        """Called with each new time: the cache also drops what has expired on its own, without counting."""
        self._clock.set(now)
        for (asker, _), _ in self._storms.expire():
            self._uncount(asker)

    def _drop(self, name: StormKey) -> None:
        del self._storms[name]
        self._uncount(name[0])

    def _uncount(self, asker: bytes) -> None:
        self._storms_by_client[asker] -= 1
        if not self._storms_by_client[asker]:
            del self._storms_by_client[asker]
