"""Tokens of the dashboard that were ended: a logout, or a sign-in link that was used, counts at all instances."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import orjson

from pointsman.shared.part import Call, Delta, SharedTime

MAX_NONCE = 32
"""Bytes."""


class EndedTokens(Protocol):
    """The ended tokens of one purpose. Times are of the wall clock; `on_ended` is called with the nonce of each that
    ends here.
    """

    on_ended: Callable[[bytes], None]

    def forget(self, nonce: bytes, now: float) -> None: ...

    def ended(self, now: float) -> list[bytes]: ...


class SharedEndedTokens:
    """`tables` by their names."""

    name = "logins"

    def __init__(self, tables: Mapping[str, EndedTokens]) -> None:
        self._tables = tables
        self._waiting: list[tuple[str, bytes]] = []
        """Not published yet. Bounded by what the tables remember."""
        for name, table in tables.items():
            table.on_ended = lambda nonce, name=name: self._waiting.append((name, nonce))  # type: ignore[misc]

    def deltas(self, now: SharedTime) -> Iterator[Delta]:
        waiting, self._waiting = self._waiting, []
        for name, nonce in waiting:
            yield Delta(self.name, orjson.dumps([name, nonce.hex()]))

    def on_delta(self, delta: Delta, now: SharedTime) -> None:
        name, text = orjson.loads(delta.body)
        nonce = bytes.fromhex(text)
        if name in self._tables and len(nonce) <= MAX_NONCE:
            self._tables[name].forget(nonce, now.wall)

    def calls(self, now: SharedTime) -> Iterable[Call]:
        return ()

    def publish_all(self, now: SharedTime) -> None:
        self._waiting = [(name, nonce) for name, table in self._tables.items() for nonce in table.ended(now.wall)]

    def on_connected(self, now: SharedTime, is_new_engine: bool) -> None:
        self.publish_all(now)

    def on_disconnected(self, now: SharedTime) -> None:
        """Nothing to do: the table remembers what ends meanwhile."""
