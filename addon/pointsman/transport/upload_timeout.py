"""Watching a client's upload: one that has stopped is given up, one that is merely slow is not."""

import asyncio
from collections.abc import Callable

IDLE = 60.0
"""Seconds without a byte of the request's body."""
TOTAL = 900.0
"""Seconds for the whole body."""


class UploadWatch:
    """Calls `expired` once, unless it is closed before. Its one timer is rarely moved, however many bytes come."""

    def __init__(self, expired: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._expired, self._idle = expired, IDLE
        self._last = self._loop.time()
        self._end = self._last + TOTAL
        self._timer = self._loop.call_at(min(self._last + IDLE, self._end), self._look)

    def progress(self) -> None:
        self._last = self._loop.time()

    def close(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        due = min(self._last + self._idle, self._end)
        if self._loop.time() < due:
            self._timer = self._loop.call_at(due, self._look)
        else:
            self._expired()
