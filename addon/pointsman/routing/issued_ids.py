"""The account that holds what the ids in requests refer to: it has issued them, or has accepted them.

Answers and files, for example, are known to one account of one provider. The router sees the ids of answers; those of
files it learns when a request that names them is answered.
"""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from itertools import islice
from math import inf
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
SHARED_AGAIN = LIFETIME / 8
"""Seconds after which peers are told again of one that is still in use."""
DIGEST_BYTES = 15


class Holder(NamedTuple):
    """The account that holds what a request refers to. `is_exclusive`: no other key of its provider knows it; else keys
    of one organization may share it.
    """

    pin: Pin
    is_exclusive: bool


class IssuedId(NamedTuple):
    """`client`: the named client that it was issued to, or the digest of its name, where a peer has issued it; None for
    any client. `shared_at`: when peers were last told.
    """

    pin: Pin
    client: str | bytes | None = None
    shared_at: float = -inf


class IssuedIds:
    """Times are those of the routing clock, in seconds. Only digests of ids are kept. By `client_digest` peers know a
    client's name.
    """

    def __init__(self, client_digest: Callable[[str], bytes] = lambda name: name.encode()) -> None:
        self._clock, self._client_digest = ManualClock(), client_digest
        self._known: TTLCache[bytes, IssuedId] = TTLCache(MAX_IDS, LIFETIME, self._clock)
        self._changed: TTLCache[bytes, None] | None = None
        """What peers have to know; None: there are none."""

    def share(self) -> None:
        """Shares the ids with peers from now on."""
        self._changed = TTLCache(MAX_IDS, LIFETIME, self._clock)

    def find(self, ids: Iterable[str], now: float, client: str | None = None) -> Pin | None:
        """The account that holds the first of them that is known. Raises Problem (not_found) for one that was issued to
        another client.
        """
        self._clock.set(now)
        found = [(each, known) for each in ids if (known := self._known.get(digest_of(each)))]
        if foreign := next((each for each, known in found if not self._may_ask(client, known)), None):
            raise Problem(Code.NOT_FOUND, f"{foreign[:MAX_SHOWN]!r} not found: it was not issued to this client.")
        return found[0][1].pin if found else None

    def _may_ask(self, client: str | None, known: IssuedId) -> bool:
        if known.client is None or known.client == client:
            return True
        return isinstance(known.client, bytes) and client is not None and self._client_digest(client) == known.client

    def record(self, ids: Iterable[str], pin: Pin, now: float, client: str | None = None) -> None:
        """This account has issued them to a client, or has accepted them: then they stay those of the client that they
        were issued to.
        """
        self._clock.set(now)
        for each in ids:
            digest = digest_of(each)
            before = self._known.get(digest)
            shared_at = before.shared_at if before and before.pin == pin else -inf
            self._known[digest] = IssuedId(pin, client or (before.client if before else None), shared_at)
            if self._changed is not None and now - shared_at > SHARED_AGAIN:
                self._changed[digest] = None

    # Peers.

    def has_any(self, ids: Iterable[str], now: float) -> bool:
        """Whether any of the ids is known."""
        self._clock.set(now)
        return any(digest_of(each) in self._known for each in ids)

    def take_changed(self, limit: int, now: float) -> list[tuple[bytes, Pin, bytes | None]]:
        """Digest, account, and digest of the client's name, of so many ids that peers have to know."""
        self._clock.set(now)
        taken: list[tuple[bytes, Pin, bytes | None]] = []
        if not self._changed:
            return taken
        for digest in list(islice(self._changed, limit)):
            del self._changed[digest]
            if known := self._known.get(digest):
                self._known[digest] = known._replace(shared_at=now)
                client = self._client_digest(known.client) if isinstance(known.client, str) else known.client
                taken.append((digest, known.pin, client))
        return taken

    def share_again(self, now: float) -> None:
        """Called when nothing of what was taken has arrived."""
        self._clock.set(now)
        if self._changed is not None:
            for digest in list(self._known):
                self._changed[digest] = None

    def adopt(self, digest: bytes, pin: Pin, client: bytes | None, now: float) -> None:
        """Adds what a peer knows. What is known here stays."""
        self._clock.set(now)
        self._known.setdefault(digest, IssuedId(pin, client, now))


def digest_of(issued: str) -> bytes:
    return blake2b(issued.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()
