"""Ids of answers and files over several instances: which account holds what they stand for.

They are written behind, and looked up before a request that refers to one which is unknown here is routed.

    TAG:DIGEST  [provider, model, key id, digest of the client's name]
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import orjson
from cachetools import TTLCache

from pointsman.domain.clock import ManualClock
from pointsman.routing.issued_ids import LIFETIME, IssuedIds, digest_of
from pointsman.sessions.store import Pin
from pointsman.shared.part import Call, Delta, Script, SharedTime
from pointsman.shared.session_fields import MALFORMED, encoded
from pointsman.wire.request_facts import HeldIds

MAX_WRITTEN = 256
"""Ids that are written in one tick; others wait for the next one."""
MAX_ASKED = 8
"""Ids of a request that are looked up, of each kind, the last ones."""
MAX_UNKNOWN, UNKNOWN_FOR = 10_000, 5.0
"""Ids that the engine does not know, and the seconds for which it is not asked again."""

type Write = tuple[bytes, Pin, bytes | None]

STORE = Script(
    "issued-ids-store",
    """
for i = 1, #KEYS do redis.call('SET', KEYS[i], ARGV[i + 1], 'EX', ARGV[1]) end
return #KEYS
""",
)
FIND = Script("issued-ids-find", "return redis.call('MGET', unpack(KEYS))")


class IssuedIdsPart:
    """A `shared.part.Part`. `key` makes keys of the engine, as `Hub.key` does."""

    name = "issued"

    def __init__(self, ids: IssuedIds, key: Callable[..., str]) -> None:
        self._ids, self._key = ids, key
        self._clock = ManualClock()
        self._unknown: TTLCache[bytes, None] = TTLCache(MAX_UNKNOWN, UNKNOWN_FOR, self._clock)
        self._has_unanswered = False
        self.malformed = 0
        """Replies of the engine that could not be read."""
        ids.share()

    def deltas(self, now: SharedTime) -> Iterable[Delta]:
        return ()

    def on_delta(self, delta: Delta, now: SharedTime) -> None:
        """There are none."""

    def calls(self, now: SharedTime) -> Iterator[Call]:
        by_shard: dict[int, list[Write]] = {}
        for write in self._ids.take_changed(MAX_WRITTEN, now.now):
            by_shard.setdefault(_shard(write[0]), []).append(write)
        for shard, writes in by_shard.items():
            values = [orjson.dumps(_written(pin, client)) for _, pin, client in writes]
            self._has_unanswered = True
            keys = [self._key_of(shard, digest) for digest, _, _ in writes]
            yield Call(STORE, keys, [int(LIFETIME), *values], self._on_stored)

    def publish_all(self, now: SharedTime) -> None:
        """Peers ask the engine."""

    def on_connected(self, now: SharedTime, is_new_engine: bool) -> None:
        if is_new_engine:
            self._ids.share_again(now.now)

    def on_disconnected(self, now: SharedTime) -> None:
        if self._has_unanswered:
            self._has_unanswered = False
            self._ids.share_again(now.now)

    def look_up(self, held: HeldIds, with_items: bool, now: float) -> Iterator[Call]:
        """Finds out who holds what a request refers to, as far as it is not known here. `with_items`: also by the parts
        of answers that it repeats; elsewhere its session says as much.
        """
        if not held or self._ids.has_any((*held.own, *held.shared), now):
            return
        self._clock.set(now)
        kinds = (held.answers, held.shared, held.items if with_items else ())
        digests = [digest_of(each) for ids in kinds for each in ids[-MAX_ASKED:]]
        by_shard: dict[int, list[bytes]] = {}
        for digest in digests:
            if digest not in self._unknown:
                by_shard.setdefault(_shard(digest), []).append(digest)
        for shard, asked in by_shard.items():
            yield Call(FIND, [self._key_of(shard, each) for each in asked], (), partial(self._on_found, asked))

    def _on_stored(self, _: Any, __: SharedTime) -> None:
        self._has_unanswered = False

    def _on_found(self, asked: Sequence[bytes], reply: Any, now: SharedTime) -> None:
        self._clock.set(now.now)
        for digest, value in zip(asked, reply, strict=True):
            if value is None:
                self._unknown[digest] = None
                continue
            try:
                self._ids.adopt(digest, *_read(value), now.now)
            except MALFORMED:
                self.malformed += 1

    def _key_of(self, shard: int, digest: bytes) -> str:
        return f"{self._key(self.name, f'{shard:02x}')}:{encoded(digest)}"


def _shard(digest: bytes) -> int:
    """One of 64."""
    return digest[0] >> 2


def _written(pin: Pin, client: bytes | None) -> list[str | None]:
    return [pin.provider, pin.model, pin.key, client.hex() if client else None]


def _read(value: bytes) -> tuple[Pin, bytes | None]:
    match orjson.loads(value):
        case [str(provider), str(model), None | str() as key, None | str() as client]:
            return Pin(provider, model, key), bytes.fromhex(client) if client else None
        case _:
            raise ValueError("no account")
