"""The history as the router uses it: it records exchanges, restores statistics at the start and answers queries."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointsman.config import HistorySettings as Settings
from pointsman.domain.records import ExchangeRecord
from pointsman.history.analytics import GroupBy, TimeWindow, WindowSums, window_sums
from pointsman.history.request_rows import RefusedRequest, refusal_row, request_row
from pointsman.history.requests import Place, RequestFilter, RequestsPage, find_request, requests_page
from pointsman.history.restore import EarlierRuns, read_earlier_runs
from pointsman.history.rows import attempt_rows
from pointsman.history.traffic import availability, empty_availability, empty_traffic, traffic
from pointsman.history.writer import HistoryWriter
from pointsman.prices import Rates

logger = logging.getLogger(__name__)

OFF_MESSAGE = "history.path is off"


@dataclass(slots=True)
class RecordedSums:
    """What a history says of a time window. `problem` says why there is no data, or not the newest, or None."""

    sums: WindowSums
    dropped: int
    problem: str | None

    def to_dict(self, window: TimeWindow, by: GroupBy, has_reference: bool) -> dict[str, Any]:
        """In plain JSON types."""
        found = self.sums.to_analytics(by, has_reference)
        told = {"rows": found.rows, "total": found.total, "dropped": self.dropped, "problem": self.problem}
        return {"window": window.value, "by": by.value, **told}


class History:
    """Nothing here waits for a file on the loop: rows are handed to the writer's thread, and reads run on another
    one.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._writer = _recorder(settings)

    @property
    def write_problem(self) -> str | None:
        """Why nothing is written; None while writing works, and without a history."""
        return self._writer.problem if self._writer else None

    def start(self) -> None:
        if self._writer:
            self._writer.start()

    def record(self, record: ExchangeRecord, tokens: int, path: str = "", is_chat: bool = True) -> None:
        """An exchange that has ended; `tokens` is an estimate of its request's. `is_chat`: its attempts say something
        of their targets.
        """
        if self._writer:
            attempts = attempt_rows(record, tokens) if is_chat else ()
            self._writer.enqueue((request_row(record, path), *attempts))

    def record_refusal(self, refused: RefusedRequest) -> None:
        if self._writer:
            self._writer.enqueue((refusal_row(refused),))

    def update_settings(self, settings: Settings) -> None:
        """Another path begins another file; the one before is written to its end meanwhile."""
        before, self._settings = self._settings, settings
        if settings.path != before.path:
            if self._writer:
                self._writer.stop(patience=0)
            self._writer = _recorder(settings)
            self.start()
        elif self._writer:
            self._writer.retention, self._writer.max_size = settings.keep, settings.max_size

    async def close(self) -> None:
        """Everything is written and the file is closed, if it can be done within seconds."""
        if self._writer:
            await asyncio.to_thread(self._writer.stop)

    async def restore(self, labels: Collection[str]) -> EarlierRuns:
        """The statistics that earlier runs recorded for these targets; empty if there is no history to read."""
        if self._writer is None:
            return EarlierRuns()
        return await asyncio.to_thread(_restore, self._writer, tuple(labels))

    async def requests(self, wanted: RequestFilter, after: Place, limit: int) -> RequestsPage:
        """At most `limit` requests after a place, newest first."""
        found, problem = await self._query(lambda path: requests_page(path, wanted, after, limit))
        rows, cursor = found or ([], None)
        return RequestsPage(rows, cursor, problem)

    async def request(self, request_id: str) -> dict[str, Any] | None:
        """The newest request with this id, in plain JSON types; None: there is none on record."""
        return (await self._query(lambda path: find_request(path, request_id)))[0]

    async def availability(self) -> dict[str, Any]:
        """In plain JSON types. `problem` says why there is no data, or not the newest, or None."""
        found, problem = await self._query(lambda path: availability(path, time.time()))
        return {**(found or empty_availability(time.time())), "problem": problem}

    async def analytics(
        self, window: TimeWindow, by: GroupBy, reference: Rates | None = None, client: str = ""
    ) -> dict[str, Any]:
        """In plain JSON types. `client`: of this one alone. `problem` says why there is no data, or not the newest, or
        None.
        """
        told = await self.window_sums(window, by, reference, client)
        return told.to_dict(window, by, reference is not None)

    async def window_sums(
        self, window: TimeWindow, by: GroupBy, reference: Rates | None = None, client: str = ""
    ) -> "RecordedSums":
        """The sums behind `analytics`, to be added to those of other instances."""
        found, problem = await self._query(lambda path: window_sums(path, window, by, time.time(), reference, client))
        return RecordedSums(found or WindowSums(), self._writer.dropped if self._writer else 0, problem)

    async def traffic(self, window: TimeWindow) -> dict[str, Any]:
        """In plain JSON types. `problem` says why there is no data, or not the newest, or None."""
        found, problem = await self._query(lambda path: traffic(path, window, time.time()))
        return {**(found or empty_traffic(window, time.time())), "problem": problem}

    async def _query[T](self, ask: Callable[[Path], T]) -> tuple[T | None, str | None]:
        """The answer, None if there is none to be had, and what is wrong: nothing, or why the newest rows, or all, are
        missing.
        """
        if self._writer is None:
            return None, OFF_MESSAGE
        return await asyncio.to_thread(_query_file, self._writer, ask)


def _recorder(settings: Settings) -> HistoryWriter | None:
    return HistoryWriter(settings.path, settings.keep, settings.max_size) if settings.path else None


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
    """The answer, None if there is none to be had, and what is wrong. All rows put so far are written first."""
    recorder.flush()
    if not recorder.is_readable:
        return None, recorder.problem
    try:
        return ask(recorder.path), recorder.problem
    except sqlite3.Error as error:
        recorder.report_error(error)
        return None, recorder.problem or str(error)
