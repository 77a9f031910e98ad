"""The timeouts of a client's upload: one that has stopped is ended, one that is merely slow is not."""

import asyncio
from collections.abc import Callable

from mitmproxy.utils import asyncio_utils

from pointsman.transport.client_stream import ClientStream
from pointsman.transport.stream_events import UploadTimedOut

IDLE_TIMEOUT = 60.0
"""Seconds without a byte of the request's body."""
TOTAL_TIMEOUT = 900.0
"""Seconds for the whole body."""


class UploadTimer:
    """Calls `expired` once, unless it is closed before. Its one timer is rarely moved, however many bytes come."""

    def __init__(self, expired: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._expired, self._idle = expired, IDLE_TIMEOUT
        self._last = self._loop.time()
        self._end = self._last + TOTAL_TIMEOUT
        self._timer = self._loop.call_at(min(self._last + IDLE_TIMEOUT, self._end), self._check)

    def on_data(self) -> None:
        self._last = self._loop.time()

    def close(self) -> None:
        self._timer.cancel()

    def _check(self) -> None:
        due = min(self._last + self._idle, self._end)
        if self._loop.time() < due:
            self._timer = self._loop.call_at(due, self._check)
        else:
            self._expired()


def start_timer(stream: ClientStream) -> UploadTimer:
    """Posts `UploadTimedOut` to the stream once its upload has expired."""
    handler = stream.http_layer.handler

    def expired() -> None:
        asyncio_utils.create_task(handler.server_event(UploadTimedOut(stream)), name="upload expired", keep_ref=True)

    return UploadTimer(expired)
