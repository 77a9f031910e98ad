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
from pointsman.wire.errors import Code, Problem

MAX_IDS = 10_000
"""Ids kept; the one used longest ago goes first."""
MAX_SHOWN = 200
"""Characters of an id in an error."""
LIFETIME = 86400.0
"""Seconds after an id was last used."""


class Holder(NamedTuple):
    """The account that holds what a request refers to. `is_exclusive`: no other key of its provider knows it; else keys
    of one organization may share it.
    """

    pin: Pin
    is_exclusive: bool


class IssuedId(NamedTuple):
    """`client`: the named client that it was issued to; None for any client."""

    pin: Pin
    client: str | None = None


class IssuedIds:
    """Times are those of the routing clock, in seconds. Only digests of ids are kept."""

    def __init__(self) -> None:
        self._clock = ManualClock()
        self._known: TTLCache[bytes, IssuedId] = TTLCache(MAX_IDS, LIFETIME, self._clock)

    def find(self, ids: Iterable[str], now: float, client: str | None = None) -> Pin | None:
        """The account that holds the first of them that is known. Raises Problem (not_found) for one that was issued to
        another client.
        """
        self._clock.set(now)
        found = [(each, known) for each in ids if (known := self._known.get(_digest(each)))]
        if foreign := next((each for each, known in found if known.client not in (None, client)), None):
            raise Problem(Code.NOT_FOUND, f"{foreign[:MAX_SHOWN]!r} not found: it was not issued to this client.")
        return found[0][1].pin if found else None

    def record(self, ids: Iterable[str], pin: Pin, now: float, client: str | None = None) -> None:
        """This account has issued them to a client, or has accepted them: then they stay those of the client that they
        were issued to.
        """
        self._clock.set(now)
        for each in ids:
            digest = _digest(each)
            before = self._known.get(digest)
            self._known[digest] = IssuedId(pin, client or (before.client if before else None))


def _digest(issued: str) -> bytes:
    return blake2b(issued.encode("utf-8", "surrogatepass"), digest_size=16).digest()
