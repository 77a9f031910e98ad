"""The thread that writes the history. No caller waits for it: rows that it cannot take in time are dropped and
counted.
"""

import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread

import orjson

from pointsman.history.database import cannot_be_written, is_damage, move_aside, open_to_write, transaction
from pointsman.history.file_size import delete_expired, delete_unused_kinds, has_old_layout, make_room, renew_layout
from pointsman.history.schema import INSERT_ALL, TABLES, ForeignDatabase, Kind, Row

logger = logging.getLogger(__name__)

MAX_QUEUED_ROWS = 20_000
"""Rows that may wait; the oldest give way."""
BATCH_ROWS = 1000
"""Rows of one statement."""
BATCH_DELAY = 0.75
"""Seconds for which rows gather before they are written."""
SIZE_CHECK_BYTES = 2**20
"""Bytes of rows after which the size of the file is looked at: much less than the room that is kept free."""
CLEANUP_INTERVAL = 1.0
"""Seconds between two looks at what has become too old, while there is more of it or anything to do."""
IDLE_CLEANUP_INTERVAL = 60.0
"""Seconds between two such looks, while there is none."""
KINDS_CLEANUP_INTERVAL = 3600.0
"""Seconds between two looks for what no row has in common any more."""
RETRY_DELAY = 30.0
"""Seconds until a file that could not be written is tried again, at least."""

DEFAULT_MAX_SIZE = 2**30
"""Bytes."""

type LogEntry = tuple[Kind, bytes]
"""What a row has in common with others, and its own columns as a JSON array."""
TABLE_NAMES: Mapping[type[Kind], bytes] = {kind_type: table.name.encode() for kind_type, table in TABLES.items()}


class HistoryWriter:
    """`problem` says why nothing is written; None while writing works. What is in the file may be read meanwhile if it
    `is_readable`. `dropped` counts lost rows. `retention`, in seconds, and `max_size`, in bytes, may be changed;
    `last_earlier_row` is the last attempt that the file had when it was opened.
    """

    def __init__(
        self,
        path: Path,
        retention: float,
        max_size: int = DEFAULT_MAX_SIZE,
        queue: int = MAX_QUEUED_ROWS,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path, self.retention, self.max_size = path, retention, max_size
        self.problem: str | None = None
        self.is_readable = True
        self.dropped = 0
        self.last_earlier_row = 0
        self._wall, self._clock = wall, clock
        self._db: sqlite3.Connection | None = None
        self._kinds: dict[Kind, int] = {}
        """Those that the file has: as few as the clients, targets, keys and ways to end that its rows have."""
        self._queue: deque[LogEntry] = deque()
        self._max_queued = queue
        self._lock = Lock()
        self._wake, self._flush_requested = Event(), Event()
        self._stopping = self._layout_is_old = False
        self._flush_waiters: list[Event] = []
        self._reported_error: Exception | None = None
        self._retry_at = self._cleanup_at = self._kinds_cleanup_at = 0.0
        self._logged_dropped = 0
        self._unchecked_bytes = 0
        self._thread = Thread(target=self._run, name="pointsman history", daemon=True)

    # On any thread.

    def start(self) -> None:
        if self._thread.ident is None:
            self._thread.start()

    def enqueue(self, rows: Iterable[tuple[Kind, Row]]) -> None:
        entries = [(kind, orjson.dumps((*row,))) for kind, row in rows]
        with self._lock:
            self._queue.extend(entries)
            self._trim()
        if not self._wake.is_set():
            self._wake.set()

    def flush(self, patience: float = 5.0) -> bool:
        """Waits until what has been put is written, or cannot be. False if that takes too long, or the thread has
        ended.
        """
        if not self._thread.is_alive():
            return False
        done = Event()
        with self._lock:
            self._flush_waiters.append(done)
        self._flush_requested.set()
        self._wake.set()
        return done.wait(patience)

    def report_error(self, error: Exception) -> None:
        """A reader of the file reported this."""
        if is_damage(error):
            self._reported_error = error
            self._wake.set()

    def stop(self, patience: float = 5.0) -> None:
        """Waits until everything is written and the file is closed."""
        self._stopping = True
        self._flush_requested.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(patience)

    # On its own thread.

    def _run(self) -> None:
        while not self._stopping:
            self._process()
            if not self._stopping:
                self._renew_old_layout()
                self._delete_unused_kinds()
            self._wake.wait(
                CLEANUP_INTERVAL if self._queue or self._cleanup_at <= self._clock() else IDLE_CLEANUP_INTERVAL
            )
            if self._queue:
                self._flush_requested.wait(BATCH_DELAY)
            self._wake.clear()
            self._flush_requested.clear()
        self._process()
        self._close()

    def _process(self) -> None:
        with self._lock:
            waiting, self._flush_waiters = self._flush_waiters, []
        try:
            if suspicion := self._reported_error:
                self._reported_error = None
                self._disable(suspicion)
            if self._clock() >= self._retry_at:
                self._write_all(self._open())
        except (sqlite3.Error, OSError, ForeignDatabase) as error:
            self._disable(error)
        except Exception:
            logger.warning(f"Pointsman: the history {self.path} failed; some rows were lost.", exc_info=True)
            self._close()
        finally:
            self._log_dropped()
            for each in waiting:
                each.set()

    def _open(self) -> sqlite3.Connection:
        if not self.path.exists():  # it has been deleted
            self._close()
        if self._db is None:
            self._db = open_to_write(self.path, self._stamp())
            self.last_earlier_row = self._db.execute("SELECT coalesce(max(id), 0) FROM log").fetchone()[0]
            self._kinds = _kinds_of(self._db)
            self._layout_is_old = has_old_layout(self._db)
            if self.last_earlier_row == 0:
                self._renew_old_layout()
            if self.problem:
                logger.info(f"Pointsman: writing to the history {self.path} has resumed.")
            self.problem, self.is_readable = None, True
        return self._db

    def _write_all(self, db: sqlite3.Connection) -> None:
        while batch := self._next_batch():
            try:
                self._add_kinds(db, {kind for kind, _ in batch} - self._kinds.keys())
                rows = self._to_json(batch)
                insert(db, rows)
            except sqlite3.Error as error:
                if isinstance(error, sqlite3.OperationalError) or is_damage(error):
                    self._put_back(batch)
                raise
            self._unchecked_bytes += len(rows)
            if self._unchecked_bytes > SIZE_CHECK_BYTES:
                self._make_room(db)
        self._clean_up(db)

    def _add_kinds(self, db: sqlite3.Connection, kinds: Collection[Kind]) -> None:
        if kinds:
            with transaction(db):
                added = {kind: db.execute(TABLES[type(kind)].new_kind, kind).lastrowid or 0 for kind in kinds}
            self._kinds |= added

    def _to_json(self, batch: Sequence[LogEntry]) -> str:
        """As `INSERT_ALL` takes them."""
        rows = [b'["%b",%d,%b' % (TABLE_NAMES[type(kind)], self._kinds[kind], row[1:]) for kind, row in batch]
        return (b"[%b]" % b",".join(rows)).decode()

    def _make_room(self, db: sqlite3.Connection) -> bool:
        self._unchecked_bytes = 0
        return make_room(db, self.max_size)

    def _clean_up(self, db: sqlite3.Connection) -> None:
        """What is too old goes in small bites, so that writing never waits long."""
        if self._clock() < self._cleanup_at:
            return
        gone = delete_expired(db, self._wall() - self.retention)
        made_room = self._make_room(db)
        self._cleanup_at = self._clock() + (0 if gone or made_room else IDLE_CLEANUP_INTERVAL)

    def _renew_old_layout(self) -> None:
        """Of a file of an earlier version, once no request waits for it any more. Rows wait meanwhile."""
        if self._db is None or not self._layout_is_old:
            return
        self._layout_is_old = False
        try:
            renew_layout(self._db)
        except sqlite3.Error as error:  # for lack of room, perhaps; all works without it, but slower
            logger.info(f"Pointsman: the history {self.path} could not be reorganised: {error}.")

    def _delete_unused_kinds(self) -> None:
        """Once in a while, for it reads an index from end to end."""
        if self._db is None or self._clock() < self._kinds_cleanup_at:
            return
        self._kinds_cleanup_at = self._clock() + KINDS_CLEANUP_INTERVAL
        try:
            delete_unused_kinds(self._db)
            self._kinds = _kinds_of(self._db)
        except sqlite3.Error as error:  # whatever is wrong, the next batch meets it too
            logger.debug(f"Pointsman: the history {self.path} could not be cleaned up: {error}.")
            self._close()

    def _disable(self, error: Exception) -> None:
        """Routing goes on without a history."""
        self._close()
        if is_damage(error):
            with suppress(OSError):
                move_aside(self.path, self._stamp(), error)
                return
        self._retry_at = self._clock() + RETRY_DELAY
        self.is_readable = cannot_be_written(error)
        problem = str(error)
        if problem != self.problem:
            logger.warning(
                f"Pointsman: cannot write the history {self.path}: {problem}."
                " Routing continues, and writing is retried; to use another file, set history.path."
            )
        self.problem = problem

    def _close(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _next_batch(self) -> list[LogEntry]:
        with self._lock:
            return [self._queue.popleft() for _ in range(min(BATCH_ROWS, len(self._queue)))]

    def _put_back(self, batch: list[LogEntry]) -> None:
        with self._lock:
            self._queue.extendleft(reversed(batch))
            self._trim()

    def _trim(self) -> None:
        while len(self._queue) > self._max_queued:
            self._queue.popleft()
            self.dropped += 1

    def _log_dropped(self) -> None:
        if self.dropped > self._logged_dropped and self.problem is None:
            logger.warning(
                f"Pointsman: the history cannot keep up; {self.dropped - self._logged_dropped} rows were dropped."
            )
            self._logged_dropped = self.dropped

    def _stamp(self) -> str:
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._wall()))


def _kinds_of(db: sqlite3.Connection) -> dict[Kind, int]:
    return {
        table.kind_type(*kind): number for table in TABLES.values() for number, *kind in db.execute(table.all_kinds)
    }


def insert(db: sqlite3.Connection, rows: str) -> None:
    """`rows`: a JSON array, as `INSERT_ALL` takes them. All are written, or none. Raises sqlite3.Error."""
    db.execute(INSERT_ALL, (rows,))
