"""The account that holds what the ids in requests refer to: it has issued them, or has accepted them.

Answers and files, for example, are known to one account of one provider. The router sees the ids of answers; those of
files it learns when a request that names them is answered.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from cachetools import TTLCache

from pointsman.domain.clock import ManualClock
from pointsman.sessions.store import Pin

MAX_IDS = 10_000
"""Ids kept; the one used longest ago goes first."""
LIFETIME = 86400.0
"""Seconds after an id was last used."""


class Holder(NamedTuple):
    """The account that holds what a request refers to. `is_exclusive`: no other key of its provider knows it; else keys
    of one organization may share it.
    """

    pin: Pin
    is_exclusive: bool


class IssuedIds:
    """Times are those of the routing clock, in seconds. Only digests of ids are kept."""

    def __init__(self) -> None:
        self._clock = ManualClock()
        self._holders: TTLCache[bytes, Pin] = TTLCache(MAX_IDS, LIFETIME, self._clock)

    def find(self, ids: Iterable[str], now: float) -> Pin | None:
        """The account that holds the first of them that is known."""
        self._clock.set(now)
        found = (self._holders.get(_digest(each)) for each in ids)
        return next((pin for pin in found if pin), None)

    def record(self, ids: Iterable[str], pin: Pin, now: float) -> None:
        """This account has issued or accepted them."""
        self._clock.set(now)
        for each in ids:
            self._holders[_digest(each)] = pin


def _digest(issued: str) -> bytes:
    return blake2b(issued.encode("utf-8", "surrogatepass"), digest_size=16).digest()
