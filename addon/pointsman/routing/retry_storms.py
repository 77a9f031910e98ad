"""Retry storms: a client that asks the same thing again and again, faster than anything could mend.

Some agents ask again in a hot loop when a stream ends badly, hundreds of times within half a minute. The first
repeats are served, so that a client's own retries work. When too many of one request fail within a short time, it is
refused without touching a provider, each time for twice as long. Whoever pauses for as long as it was told, or until
it looks like a loop no more, gets one attempt; if that goes well, everything is forgotten.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

WITHIN = 10.0
"""Seconds in which repeats are counted; a pause of that length is one, whatever wait was stated."""
REPEATS = 5
"""Repeats of a failed request that are served within that time."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
FORGOTTEN_AFTER = 60.0
"""Seconds after a request was last heard of."""
MOST = 1000
"""Requests remembered; the one heard of longest ago goes first."""

type Name = tuple[bytes, bytes]
"""Who asks, and what."""


@dataclass(slots=True)
class Storm:
    """A request that failed. `until` is when it may be tried again, None while it is no storm yet."""

    last: float
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=REPEATS + 1))
    until: float | None = None
    wait: float = FIRST_WAIT / 2
    refused: int = 0

    def grow(self, now: float) -> None:
        self.wait = min(self.wait * 2, LONGEST_WAIT)
        self.until = now + self.wait


class Storms:
    """Times are those of the routing clock, in seconds."""

    def __init__(self) -> None:
        self._storms: OrderedDict[Name, Storm] = OrderedDict()  # at most MOST, each for FORGOTTEN_AFTER
        self._askers: Counter[bytes] = Counter()
        """How many of them each has."""
        self.refused = 0
        """Requests refused since the start."""

    def __len__(self) -> int:
        return len(self._storms)

    def refusal(self, asker: bytes, turn: Callable[[], bytes], now: float) -> float | None:
        """How many seconds the client has to wait; None if its request may be served. What the request says is looked
        at only if something of this client has failed lately.
        """
        self._forget(now)
        if asker not in self._askers or (storm := self._storms.get(name := (asker, turn()))) is None:
            return None
        pause, storm.last = now - storm.last, now
        self._storms.move_to_end(name)
        if storm.until is None:
            return None
        if now >= storm.until or pause >= WITHIN:
            storm.until = now + storm.wait  # one attempt; others wait for what comes of it
            return None
        storm.grow(now)
        storm.refused += 1
        self.refused += 1
        return storm.wait

    def failed(self, asker: bytes, turn: bytes, now: float) -> None:
        """A request that was let through has failed."""
        name = asker, turn
        if name not in self._storms:
            self._storms[name] = Storm(now)
            self._askers[asker] += 1
        storm = self._storms[name]
        storm.last = now
        self._storms.move_to_end(name)
        storm.failures.append(now)
        if storm.until is not None:
            storm.grow(now)
        elif len(storm.failures) > REPEATS and storm.failures[0] > now - WITHIN:
            storm.until = now + FIRST_WAIT
        while len(self._storms) > MOST:
            self._drop(next(iter(self._storms)))

    def succeeded(self, asker: bytes, turn: Callable[[], bytes]) -> None:
        if asker in self._askers and (name := (asker, turn())) in self._storms:
            self._drop(name)

    def plain(self, now: float, wall: float) -> dict[str, Any]:
        """In plain JSON types; `wall` is what the clock on the wall shows at `now`."""
        self._forget(now)
        running = [
            {"asker": asker.hex(), "refused": storm.refused, "until": storm.until + wall - now}
            for (asker, _), storm in self._storms.items()
            if storm.until is not None and storm.until > now
        ]
        return {"refused": self.refused, "running": running}

    def _forget(self, now: float) -> None:
        while self._storms and next(iter(self._storms.values())).last + FORGOTTEN_AFTER <= now:
            self._drop(next(iter(self._storms)))

    def _drop(self, name: Name) -> None:
        del self._storms[name]
        self._askers[name[0]] -= 1
        if not self._askers[name[0]]:
            del self._askers[name[0]]
