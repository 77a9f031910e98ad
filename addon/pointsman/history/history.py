"""The history as the router uses it: told of exchanges, it gives statistics their memory back and answers people."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from pointsman.config import History as Settings
from pointsman.domain.records import ExchangeRecord
from pointsman.history.analytics import By, Window, analytics
from pointsman.history.restore import Memory, recall
from pointsman.history.rows import rows
from pointsman.history.traffic import nothing, traffic
from pointsman.history.writer import Recorder

logger = logging.getLogger(__name__)

OFF = "history.path is off"


class History:
    """Nothing here waits for a file on the loop: rows are handed to the recorder's thread, and what is read is read on
    another one.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._recorder = _recorder(settings)

    def start(self) -> None:
        if self._recorder:
            self._recorder.start()

    def add(self, record: ExchangeRecord, tokens: int) -> None:
        """An exchange that has ended; `tokens` is an estimate of its request's."""
        if self._recorder:
            self._recorder.put(rows(record, tokens))

    def replace(self, settings: Settings) -> None:
        """Another path begins another file; the one before is written to its end meanwhile."""
        before, self._settings = self._settings, settings
        if settings.path != before.path:
            if self._recorder:
                self._recorder.stop(patience=0)
            self._recorder = _recorder(settings)
            self.start()
        elif self._recorder:
            self._recorder.keep = settings.keep

    async def close(self) -> None:
        """Everything is written and the file is closed, if it can be done within seconds."""
        if self._recorder:
            await asyncio.to_thread(self._recorder.stop)

    async def recall(self, labels: Collection[str]) -> Memory:
        """What earlier runs have left for these targets: nothing, where there is no history to read."""
        if self._recorder is None:
            return Memory()
        return await asyncio.to_thread(_recall, self._recorder, tuple(labels))

    async def analytics(self, window: Window, by: By) -> dict[str, Any]:
        """In plain JSON types. `problem` says why nothing is told, or None."""
        found, problem = await self._told(lambda path: analytics(path, window, by, time.time()))
        dropped = self._recorder.dropped if self._recorder else 0
        return {"window": window.value, "by": by.value, "rows": found or [], "dropped": dropped, "problem": problem}

    async def traffic(self, window: Window) -> dict[str, Any]:
        """In plain JSON types. `problem` says why nothing is told, or None."""
        found, problem = await self._told(lambda path: traffic(path, window, time.time()))
        return {**(found or nothing(window, time.time())), "problem": problem}

    async def _told[T](self, ask: Callable[[Path], T]) -> tuple[T | None, str | None]:
        """What the file answers, or why it does not."""
        if self._recorder is None:
            return None, OFF
        return await asyncio.to_thread(_asked, self._recorder, ask)


def _recorder(settings: Settings) -> Recorder | None:
    return Recorder(settings.path, settings.keep) if settings.path else None


def _recall(recorder: Recorder, labels: Collection[str]) -> Memory:
    recorder.flush()
    if recorder.problem:
        return Memory()
    try:
        return recall(recorder.path, labels, recorder.earlier, time.time())
    except sqlite3.Error as error:
        recorder.suspect(error)
        logger.warning(f"Pointsman: nothing could be learnt from the history {recorder.path}: {error}.")
        return Memory()


def _asked[T](recorder: Recorder, ask: Callable[[Path], T]) -> tuple[T | None, str | None]:
    """What has been put until now is told of too."""
    recorder.flush()
    if recorder.problem:
        return None, recorder.problem
    try:
        return ask(recorder.path), None
    except sqlite3.Error as error:
        recorder.suspect(error)
        return None, str(error)
