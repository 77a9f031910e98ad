"""The exchanges that have ended, newest last, the last 1,000 of them; and how many ended when."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import islice, takewhile

from pointsman.domain.records import ExchangeRecord

MAX_RECORDS = 1000
WINDOW_SECONDS = 900.0
"""Seconds that rates, waiting times and recoveries are taken from."""
STEP_SECONDS = 10.0
"""Seconds that are counted together."""
MAX_STEPS = 186
"""Half an hour of them, and a minute more."""


class RecentExchanges:
    """Found by request id; a client that uses an id twice finds its newest exchange."""

    def __init__(self, keep: int = MAX_RECORDS) -> None:
        self._records: deque[ExchangeRecord] = deque(maxlen=keep)
        self._ended: deque[tuple[int, int]] = deque(maxlen=MAX_STEPS)  # the number of a step, and how many ended in it
        self._added = 0

    def __len__(self) -> int:
        return len(self._records)

    @property
    def oldest(self) -> int:
        """The number of the oldest record that is kept; the first one ever had 0."""
        return self._added - len(self._records)

    def add(self, record: ExchangeRecord) -> None:
        self._records.append(record)
        self._added += 1
        step, count = int(record.ended // STEP_SECONDS), 0
        if self._ended and self._ended[-1][0] >= step:  # a clock that went back counts on where it was
            step, count = self._ended.pop()
        self._ended.append((step, count + 1))

    def newest(self, limit: int) -> Iterator[ExchangeRecord]:
        return islice(reversed(self._records), limit)

    def recent(self, wall: float) -> list[ExchangeRecord]:
        """Those that have ended within `WINDOW_SECONDS` before that time, newest first."""
        return list(takewhile(lambda record: record.ended > wall - WINDOW_SECONDS, reversed(self._records)))

    def page(self, limit: int, before: int | None = None) -> list[tuple[int, ExchangeRecord]]:
        """Records with their numbers, newest first; only those of a number below `before`."""
        last = self._added if before is None else min(before, self._added)
        skipped = self._added - last
        return [
            (last - 1 - place, record)
            for place, record in enumerate(islice(reversed(self._records), skipped, skipped + limit))
        ]

    def per_minute(self, minutes: int, wall: float) -> list[int]:
        """How many ended in each of the last minutes before that time, oldest first."""
        counts, now = [0] * minutes, int(wall // STEP_SECONDS)
        each = int(60 // STEP_SECONDS)
        for step, count in self._ended:
            place = minutes - 1 - (now - step) // each
            if 0 <= place < minutes:
                counts[place] += count
        return counts

    def find(self, request_id: str) -> ExchangeRecord | None:
        return next((record for record in reversed(self._records) if record.request_id == request_id), None)


def recoveries(records: Iterable[ExchangeRecord]) -> Counter[str]:
    """What became of streams that broke: `continued`, `failed`, or why they were not continued."""
    return Counter(each.recovery for each in records if each.recovery)
