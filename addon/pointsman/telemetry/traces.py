"""Traces: settled exchanges on their way to a collector, in a thread of their own.

Nothing here imports OpenTelemetry before there is a collector to send to. Spans are made of records in the thread, so
that an exchange costs the event loop one append, whatever the collector does.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Full, Queue

from pointsman.config import TelemetrySettings
from pointsman.domain.records import ExchangeRecord
from pointsman.masking import Masker
from pointsman.telemetry.traced_exchange import Exporter, TracedExchange

logger = logging.getLogger(__name__)

MAX_WAITING = 1000
"""Exchanges; what comes when so many wait is dropped and counted."""
MAX_BATCH = 100
MAX_CONTENT = 32 * 1024
"""Bytes of a body that a span holds."""
GATHERING_SECONDS = 0.5
PATIENCE = 3.0
"""Seconds in which what waits may be sent when the router ends."""


class TraceSender:
    """Sends to one collector until it is closed. `connect` is called in its thread."""

    def __init__(self, connect: Callable[[], Exporter], url: str, masker: Callable[[], Masker]) -> None:
        self.dropped = 0
        self._connect, self._url, self._masker = connect, url, masker
        self._waiting: Queue[TracedExchange | None] = Queue(MAX_WAITING)
        self._exporter: Exporter | None = None
        self._is_failing = False
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def add(self, exchange: TracedExchange) -> None:
        try:
            self._waiting.put_nowait(exchange)
        except Full:
            self.dropped += 1

    def close(self) -> None:
        """Gives what waits a few seconds. Call it in a thread."""
        self._is_closed.set()
        with suppress(Full):
            self._waiting.put_nowait(None)  # it may wait for an exchange
        self._thread.join(PATIENCE)
        if self._thread.is_alive() and self._exporter:
            self._exporter.close()

    def _run(self) -> None:
        try:
            self._exporter = self._connect()
            while exchanges := self._next_batch():
                self._on_sent(self._exporter.send(exchanges, self._masker()), len(exchanges))
        except Exception:
            logger.exception("Pointsman: traces are no longer sent.")
        finally:
            if self._exporter:
                self._exporter.close()

    def _next_batch(self) -> list[TracedExchange]:
        """Waits for one, and then a moment for more. Empty once it is closed and nothing waits."""
        batch: list[TracedExchange] = []
        while len(batch) < MAX_BATCH:
            is_idle = not batch and not self._is_closed.is_set()
            try:
                exchange = self._waiting.get(timeout=None if is_idle else GATHERING_SECONDS)
            except Empty:
                break
            if exchange is None:
                break
            batch.append(exchange)
        return batch

    def _on_sent(self, is_taken: bool, count: int) -> None:
        """One line for each change."""
        if not is_taken:
            self.dropped += count
        if is_taken and self._is_failing:
            logger.info(f"Pointsman: {self._url} accepts traces again; exchanges lost meanwhile: {self.dropped}.")
            self.dropped = 0
        elif not is_taken and not self._is_failing:
            logger.warning(f"Pointsman: {self._url} does not accept traces; they are lost until it does.")
        self._is_failing = not is_taken


class Traces:
    """What the gateway has of all this; off where no collector is configured."""

    def __init__(self, settings: TelemetrySettings, masker: Callable[[], Masker]) -> None:
        self._masker = masker
        self._settings = TelemetrySettings()
        self._sender: TraceSender | None = None
        self.update_settings(settings)

    @property
    def is_on(self) -> bool:
        return self._sender is not None

    def add(self, record: ExchangeRecord, traceparent: str | None, request: bytes, response: bytes) -> None:
        if self._sender:
            if not self._settings.content:
                request = response = b""
            self._sender.add(TracedExchange(record, traceparent, request[:MAX_CONTENT], response[:MAX_CONTENT]))

    def update_settings(self, settings: TelemetrySettings) -> None:
        before, self._settings = self._settings, settings
        if settings.otlp == before.otlp:
            return
        if self._sender:
            threading.Thread(target=self._sender.close, name="traces end", daemon=True).start()
        self._sender = TraceSender(_connector(settings.otlp), settings.otlp, self._masker) if settings.otlp else None

    async def close(self) -> None:
        if self._sender:
            await asyncio.to_thread(self._sender.close)


def _connector(url: str) -> Callable[[], Exporter]:
    def connect() -> Exporter:
        from pointsman.telemetry.span_export import SpanExport  # the extra otel, which takes a second to import

        return SpanExport(url)

    return connect
