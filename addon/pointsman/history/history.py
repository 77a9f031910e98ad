"""The history as the router uses it: it records exchanges, restores statistics at the start and answers queries."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from pointsman.config import HistorySettings as Settings
from pointsman.domain.records import ExchangeRecord
from pointsman.history.analytics import GroupBy, TimeWindow, analytics
from pointsman.history.restore import EarlierRuns, read_earlier_runs
from pointsman.history.rows import attempt_rows
from pointsman.history.traffic import empty_traffic, traffic
from pointsman.history.writer import HistoryWriter

logger = logging.getLogger(__name__)

OFF_MESSAGE = "history.path is off"


class History:
    """Nothing here waits for a file on the loop: rows are handed to the writer's thread, and reads run on another
    one.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._writer = _recorder(settings)

    def start(self) -> None:
        if self._writer:
            self._writer.start()

    def record(self, record: ExchangeRecord, tokens: int) -> None:
        """An exchange that has ended; `tokens` is an estimate of its request's."""
        if self._writer:
            self._writer.enqueue(attempt_rows(record, tokens))

    def update_settings(self, settings: Settings) -> None:
        """Another path begins another file; the one before is written to its end meanwhile."""
        before, self._settings = self._settings, settings
        if settings.path != before.path:
            if self._writer:
                self._writer.stop(patience=0)
            self._writer = _recorder(settings)
            self.start()
        elif self._writer:
            self._writer.retention = settings.keep

    async def close(self) -> None:
        """Everything is written and the file is closed, if it can be done within seconds."""
        if self._writer:
            await asyncio.to_thread(self._writer.stop)

    async def restore(self, labels: Collection[str]) -> EarlierRuns:
        """What earlier runs have left for these targets: nothing, where there is no history to read."""
        if self._writer is None:
            return EarlierRuns()
        return await asyncio.to_thread(_restore, self._writer, tuple(labels))

    async def analytics(self, window: TimeWindow, by: GroupBy) -> dict[str, Any]:
        """In plain JSON types. `problem` says why there is no data, or None."""
        found, problem = await self._query(lambda path: analytics(path, window, by, time.time()))
        dropped = self._writer.dropped if self._writer else 0
        return {"window": window.value, "by": by.value, "rows": found or [], "dropped": dropped, "problem": problem}

    async def traffic(self, window: TimeWindow) -> dict[str, Any]:
        """In plain JSON types. `problem` says why there is no data, or None."""
        found, problem = await self._query(lambda path: traffic(path, window, time.time()))
        return {**(found or empty_traffic(window, time.time())), "problem": problem}

    async def _query[T](self, ask: Callable[[Path], T]) -> tuple[T | None, str | None]:
        """`(answer, None)`, or `(None, problem)`."""
        if self._writer is None:
            return None, OFF_MESSAGE
        return await asyncio.to_thread(_query_file, self._writer, ask)


def _recorder(settings: Settings) -> HistoryWriter | None:
    return HistoryWriter(settings.path, settings.keep) if settings.path else None


def _restore(recorder: HistoryWriter, labels: Collection[str]) -> EarlierRuns:
    recorder.flush()
    if recorder.problem:
        return EarlierRuns()
    try:
        return read_earlier_runs(recorder.path, labels, recorder.last_earlier_row, time.time())
    except sqlite3.Error as error:
        recorder.report_error(error)
        logger.warning(f"Pointsman: statistics could not be restored from the history {recorder.path}: {error}.")
        return EarlierRuns()


def _query_file[T](recorder: HistoryWriter, ask: Callable[[Path], T]) -> tuple[T | None, str | None]:
    """`(answer, None)`, or `(None, problem)`. All rows put so far are written first."""
    recorder.flush()
    if recorder.problem:
        return None, recorder.problem
    try:
        return ask(recorder.path), None
    except sqlite3.Error as error:
        recorder.report_error(error)
        return None, str(error)
