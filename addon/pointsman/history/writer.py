"""The one thread that writes a file. Nobody ever waits for it: what it cannot take in time is dropped and counted."""

import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread

from pointsman.history.database import is_damage, move_aside, open_to_write, transaction
from pointsman.history.rows import Kind, Row
from pointsman.history.schema import ALL_KINDS, NEW_KIND, NEW_ROW, NotOurs

logger = logging.getLogger(__name__)

QUEUE = 20_000
"""Rows that may wait; the oldest give way."""
BATCH = 1000
"""Rows of one transaction."""
GATHER = 0.25
"""Seconds for which rows gather before they are written."""
LOOK = 1.0
"""Seconds between two looks at what has become too old, while there is more of it or anything to do."""
SWEEP = 60.0
"""Seconds between two such looks, while there is none."""
RETRY = 30.0
"""Seconds until a file that could not be written is tried again, at least."""

type Entry = tuple[Kind, Row]


class Recorder:
    """`problem` says why nothing is written, None while all is well. `dropped` counts rows that were lost. `keep` is
    seconds and may be changed; `earlier` is the last row that the file had when it was opened.
    """

    def __init__(
        self,
        path: Path,
        keep: float,
        queue: int = QUEUE,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path, self.keep = path, keep
        self.problem: str | None = None
        self.dropped = 0
        self.earlier = 0
        self._wall, self._clock = wall, clock
        self._db: sqlite3.Connection | None = None
        self._kinds: dict[Kind, int] = {}
        """Those that the file has; as few as there are targets, keys and ways to end."""
        self._queue: deque[Entry] = deque()
        self._cap = queue
        self._lock = Lock()
        self._wake, self._hurry = Event(), Event()
        self._stopping = False
        self._waiting: list[Event] = []
        self._suspicion: Exception | None = None
        self._retry_at = self._sweep_at = 0.0
        self._told_dropped = 0
        self._thread = Thread(target=self._run, name="pointsman history", daemon=True)

    # On any thread.

    def start(self) -> None:
        if self._thread.ident is None:
            self._thread.start()

    def put(self, rows: Iterable[Entry]) -> None:
        made = list(rows)
        with self._lock:
            self._queue.extend(made)
            self._trim()
        self._wake.set()

    def flush(self, patience: float = 5.0) -> bool:
        """Waits until what has been put is written, or cannot be; False if that takes too long, or nobody writes."""
        if not self._thread.is_alive():
            return False
        done = Event()
        with self._lock:
            self._waiting.append(done)
        self._hurry.set()
        self._wake.set()
        return done.wait(patience)

    def suspect(self, error: Exception) -> None:
        """Somebody who read the file has met this."""
        if is_damage(error):
            self._suspicion = error
            self._wake.set()

    def stop(self, patience: float = 5.0) -> None:
        """Waits until everything is written and the file is closed."""
        self._stopping = True
        self._hurry.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(patience)

    # On its own thread.

    def _run(self) -> None:
        while not self._stopping:
            self._work()
            self._wake.wait(LOOK if self._queue or self._sweep_at <= self._clock() else SWEEP)
            if self._queue:
                self._hurry.wait(GATHER)
            self._wake.clear()
            self._hurry.clear()
        self._work()
        self._close()

    def _work(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        try:
            if suspicion := self._suspicion:
                self._suspicion = None
                self._set_off(suspicion)
            if self._clock() >= self._retry_at:
                self._write_all(self._opened())
        except (sqlite3.Error, OSError, NotOurs) as error:
            self._set_off(error)
        except Exception:
            logger.warning(f"Pointsman: the history {self.path} failed; some rows are lost.", exc_info=True)
            self._close()
        finally:
            self._tell_dropped()
            for each in waiting:
                each.set()

    def _opened(self) -> sqlite3.Connection:
        if not self.path.exists():  # somebody has deleted it
            self._close()
        if self._db is None:
            self._db = open_to_write(self.path, self._stamp())
            self.earlier = self._db.execute("SELECT coalesce(max(id), 0) FROM log").fetchone()[0]
            self._kinds = {Kind(*kind): number for number, *kind in self._db.execute(ALL_KINDS)}
            if self.problem:
                logger.info(f"Pointsman: the history {self.path} is kept again.")
            self.problem = None
        return self._db

    def _write_all(self, db: sqlite3.Connection) -> None:
        while batch := self._take():
            try:
                with transaction(db):
                    db.executemany(NEW_ROW, [(self._kind(db, kind), *row) for kind, row in batch])
            except sqlite3.Error as error:
                if isinstance(error, sqlite3.OperationalError) or is_damage(error):
                    self._put_back(batch)
                raise
        self._sweep(db)

    def _kind(self, db: sqlite3.Connection, kind: Kind) -> int:
        if kind not in self._kinds:
            self._kinds[kind] = db.execute(NEW_KIND, kind).lastrowid or 0
        return self._kinds[kind]

    def _sweep(self, db: sqlite3.Connection) -> None:
        """What is too old goes in small bites, so that writing never waits long."""
        if self._clock() < self._sweep_at:
            return
        old = "SELECT id FROM log WHERE ended < ? ORDER BY ended LIMIT ?"
        gone = db.execute(f"DELETE FROM log WHERE id IN ({old})", (self._wall() - self.keep, BATCH)).rowcount
        self._sweep_at = self._clock() + (0 if gone == BATCH else SWEEP)

    def _set_off(self, error: Exception) -> None:
        """Routing goes on without a history."""
        self._close()
        if is_damage(error):
            with suppress(OSError):
                move_aside(self.path, self._stamp(), error)
                return
        self._retry_at = self._clock() + RETRY
        problem = str(error)
        if problem != self.problem:
            logger.warning(
                f"Pointsman: no history is kept in {self.path}: {problem}."
                " Routing goes on; it is tried again every now and then, or set history.path to another file."
            )
        self.problem = problem

    def _close(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _take(self) -> list[Entry]:
        with self._lock:
            return [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]

    def _put_back(self, batch: list[Entry]) -> None:
        with self._lock:
            self._queue.extendleft(reversed(batch))
            self._trim()

    def _trim(self) -> None:
        while len(self._queue) > self._cap:
            self._queue.popleft()
            self.dropped += 1

    def _tell_dropped(self) -> None:
        if self.dropped > self._told_dropped and self.problem is None:
            logger.warning(f"Pointsman: the history is behind; {self.dropped - self._told_dropped} rows were dropped.")
            self._told_dropped = self.dropped

    def _stamp(self) -> str:
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._wall()))
