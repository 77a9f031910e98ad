"""The exchanges that have ended, newest last, the last 1,000 of them."""

from collections import deque
from collections.abc import Iterator
from itertools import islice

from pointsman.exchange.audit import ExchangeRecord

KEEP = 1000


class Ledger:
    """Found by request id; a client that uses an id twice finds its newest exchange."""

    def __init__(self, keep: int = KEEP) -> None:
        self._records: deque[ExchangeRecord] = deque(maxlen=keep)

    def __len__(self) -> int:
        return len(self._records)

    def add(self, record: ExchangeRecord) -> None:
        self._records.append(record)

    def newest(self, limit: int) -> Iterator[ExchangeRecord]:
        return islice(reversed(self._records), limit)

    def find(self, request_id: str) -> ExchangeRecord | None:
        return next((record for record in reversed(self._records) if record.request_id == request_id), None)
