"""What clients have used since they were first seen, at all instances: for pages alone, no limit counts it."""

from collections.abc import Iterable, Iterator
from functools import reduce

import orjson

from pointsman.clients.budgets import Ledger, Totals
from pointsman.shared.client_names import ClientDigest
from pointsman.shared.part import Call, Delta, SharedTime
from pointsman.wire.frames import TOKEN_KINDS

PAUSE = 1.0
"""Seconds between two publications."""
MAX_LEDGERS = 1000
"""Of one client that are remembered."""


class SharedTotals:
    """`own` is the name of the ledger that this instance writes, `digest` names clients for the peers. The totals of a
    ledger only grow, so the highest are the newest.
    """

    name = "clients"

    def __init__(self, ledger: Ledger, own: str, digest: ClientDigest) -> None:
        self._ledger, self._own, self._digest = ledger, own, digest
        self._others: dict[str, dict[str, Totals]] = {}
        """Of each client by ledger; bounded by the clients that are configured, and `MAX_LEDGERS`."""
        self._names: dict[str, str] = {}
        """Of the clients that are configured, by their digests."""
        self._named_at = float("-inf")
        self._told: dict[str, tuple[int, ...]] = {}
        self._told_at = float("-inf")
        self._is_all_due = False

    def deltas(self, now: SharedTime) -> Iterator[Delta]:
        if now.now - self._told_at < PAUSE:
            return
        self._told_at, is_all, self._is_all_due = now.now, self._is_all_due, False
        for account in self._ledger:
            totals = account.totals
            if is_all or self._told.get(totals.client) != _size(totals):
                self._told[totals.client] = _size(totals)
                yield self._delta(self._own, totals)
        if is_all:
            for of_client in self._others.values():
                yield from (self._delta(ledger, totals) for ledger, totals in of_client.items())

    def on_delta(self, delta: Delta, now: SharedTime) -> None:
        ledger, digest, requests, cost, unpriced, last_used, *tokens = orjson.loads(delta.body)
        client = self._client(digest, now.now)
        if ledger == self._own or client is None:
            return
        counts = dict(zip(TOKEN_KINDS, map(int, tokens), strict=True))
        totals = Totals(client, int(requests), counts, int(cost), int(unpriced), float(last_used))
        known = self._others.setdefault(client, {})
        if ledger in known and _size(known[ledger]) >= _size(totals):
            return
        if ledger in known or len(known) < MAX_LEDGERS:
            known[ledger] = totals
            self._ledger[client].others = reduce(Totals.__add__, known.values())

    def _client(self, digest: str, now: float) -> str | None:
        """Its name; None for one that is not configured here."""
        if digest not in self._names and now - self._named_at >= PAUSE:
            self._named_at = now
            self._names = {self._digest(account.totals.client): account.totals.client for account in self._ledger}
        name = self._names.get(digest)
        return name if name is not None and name in self._ledger else None

    def calls(self, now: SharedTime) -> Iterable[Call]:
        return ()

    def publish_all(self, now: SharedTime) -> None:
        self._is_all_due, self._told_at = True, float("-inf")

    def on_connected(self, now: SharedTime, is_new_engine: bool) -> None:
        """The hub has all of it published where that is needed."""

    def on_disconnected(self, now: SharedTime) -> None:
        """Nothing to do: known totals remain."""

    def _delta(self, ledger: str, totals: Totals) -> Delta:
        counts = (totals.tokens[kind] for kind in TOKEN_KINDS)
        head = (ledger, self._digest(totals.client), totals.requests, totals.cost, totals.unpriced, totals.last_used)
        return Delta(self.name, orjson.dumps((*head, *counts)))


def _size(totals: Totals) -> tuple[int, ...]:
    return totals.requests, sum(totals.tokens.values()), totals.cost, totals.unpriced
