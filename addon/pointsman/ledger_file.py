"""The file that the ledger survives in: what clients have spent, at most a second behind.

Sums are written whole, so that a row that is written twice counts once. They are written by a thread of the file's own;
what it cannot write waits, one row for each entry, and is tried again. Only the start waits for the file, as budgets
have to be known before the first request.
"""

import asyncio
import logging
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from secrets import token_hex
from threading import Event, Lock, Thread
from typing import NamedTuple

from pointsman import private_files
from pointsman.clients.budgets import Entry, Ledger, SpanName, Totals, Window
from pointsman.config.enums import BudgetPeriod
from pointsman.history.database import LOCK_TIMEOUT, is_damage, make_file, move_aside, open_to_read, transaction
from pointsman.wire.frames import TOKEN_KINDS

logger = logging.getLogger(__name__)

FILE = "ledger.db"
NAME_SUFFIX = ".name"
NAME = re.compile(r"[0-9a-f]{16}")
VERSION = 1
KEPT_SECONDS = 400 * 86_400.0
"""Seconds for which the file keeps a period that has ended, and the totals of a client that asks nothing."""
CLOCK_TOLERANCE = 86_400.0
"""Seconds by which the clock may have been set back since a period ended."""
WRITE_DELAY = 0.25
"""Seconds for which changes gather before they are written."""
RETRY_DELAY = 5.0
"""Seconds until a file that could not be written is tried again."""
WINDOW_COLUMNS = ("client", "per", "zone", "start", "ended", "cost", "tokens")
TOTALS_COLUMNS = ("client", "requests", *TOKEN_KINDS, "cost", "unpriced", "last_used")
SCHEMA = """
CREATE TABLE periods (
    client TEXT NOT NULL, per TEXT NOT NULL, zone TEXT NOT NULL, start REAL NOT NULL, ended REAL NOT NULL,
    cost INTEGER NOT NULL, tokens INTEGER NOT NULL, PRIMARY KEY (client, per, zone, start)
) WITHOUT ROWID;
CREATE TABLE totals (
    client TEXT PRIMARY KEY, requests INTEGER NOT NULL, input INTEGER NOT NULL, cache_read INTEGER NOT NULL,
    cache_write_5m INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL, output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL, last_used REAL NOT NULL
) WITHOUT ROWID;
"""
"""`cost` is in nano-dollars."""

type Row = tuple[str | int | float, ...]


class RowName(NamedTuple):
    """A kind of period of a client, or its totals."""

    table: str
    client: str
    per: str = ""
    zone: str = ""


class UnknownFile(Exception):
    """A sound file that this version must not touch."""


class LedgerFile:
    """`problem` says why nothing is written; None while writing works."""

    def __init__(self, path: Path, wall: Callable[[], float] = time.time) -> None:
        self.path = path
        self.problem: str | None = None
        self._wall = wall
        self._db: sqlite3.Connection | None = None
        self._latest: dict[RowName, Row] = {}
        """The last row of each kind of period of a client, and its totals: they go into a file that is a new one."""
        self._waiting: dict[Row, tuple[RowName, Row]] = {}
        """Rows that are still to be written, by what they replace: those of some seconds, or while it fails, of all."""
        self._lock, self._wake, self._stopping = Lock(), Event(), Event()
        self._thread = Thread(target=self._run, name="pointsman ledger", daemon=True)

    # On any thread.

    def name(self) -> str:
        """By which other instances know what is spent here; the same as long as the file lives."""
        path = self.path.with_suffix(NAME_SUFFIX)
        try:
            if (known := private_files.read(path).decode(errors="replace").strip()) and NAME.fullmatch(known):
                return known
        except FileNotFoundError:
            pass
        except OSError as error:
            self._report(error)
        name = token_hex(8)
        try:
            private_files.make_folder(path.parent)
            path.unlink(missing_ok=True)
            with open(private_files.create(path), "w") as file:
                file.write(name)
        except OSError as error:
            self._report(error)
        return name

    def read(self) -> list[Entry]:
        """What earlier runs have left, oldest first; nothing where there is no file, or none that can be read."""
        try:
            if not self.path.exists():
                return []
            private_files.check_file(self.path)
            with closing(open_to_read(self.path)) as db:
                entries = list(_entries(db, self._wall())) if _version(db) else []
        except (sqlite3.Error, OSError, UnknownFile, ValueError) as error:
            self._report(error)
            return []
        self._latest = dict(map(_row, entries))
        return entries

    def put(self, entries: Iterable[Entry]) -> None:
        """To be written at once."""
        rows = dict(map(_row, entries))
        if not rows:
            return
        with self._lock:
            self._latest |= rows
            self._waiting |= {_key(name, row): (name, row) for name, row in rows.items()}
        if self._thread.ident is None:
            self._thread.start()
        self._wake.set()

    def stop(self, patience: float = 5.0) -> None:
        """Waits until everything is written and the file is closed."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(patience)

    # On its own thread.

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            while not self._write() and not self._stopping.wait(RETRY_DELAY):
                pass
        self._write()
        if self._db is not None:
            self._db.close()

    def _write(self) -> bool:
        """False if what waits could not be written."""
        try:
            self._write_to(self._open())
        except (sqlite3.Error, OSError, UnknownFile) as error:
            self._close()
            self._report(error)
            return False
        if self.problem:
            logger.info(f"Pointsman: writing to the ledger {self.path} has resumed.")
        self.problem = None
        return True

    def _write_to(self, db: sqlite3.Connection) -> None:
        with self._lock:
            rows, self._waiting = self._waiting, {}
        try:
            with transaction(db):
                for name, row in rows.values():
                    db.execute(f"REPLACE INTO {name.table} VALUES ({', '.join('?' * len(row))})", row)
        except sqlite3.Error:
            with self._lock:
                self._waiting = rows | self._waiting
            raise

    def _report(self, error: Exception) -> None:
        """Routing goes on without the file."""
        if is_damage(error) or isinstance(error, ValueError):
            with suppress(OSError):
                move_aside(self.path, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._wall())), error, "ledger")
                return
        problem = str(error)
        if problem != self.problem:
            logger.warning(
                f"Pointsman: cannot use the ledger {self.path}: {problem}. Routing continues, and writing is retried;"
                " what clients spend meanwhile is lost when this process ends."
            )
        self.problem = problem

    def _open(self) -> sqlite3.Connection:
        """A file that is opened again may be a new one, so that it gets everything. Raises UnknownFile, OSError,
        sqlite3.Error.
        """
        if not self.path.exists():  # it has been deleted
            self._close()
        if self._db is not None:
            return self._db
        make_file(self.path)
        db = sqlite3.connect(self.path, timeout=LOCK_TIMEOUT, isolation_level=None)
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        with self._lock:
            self._waiting = {_key(name, row): (name, row) for name, row in self._latest.items()} | self._waiting
        self._db = db
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        """The newest form, without what is too old."""
        if _version(db) == 0:
            db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("DELETE FROM periods WHERE ended < ?", (self._wall() - KEPT_SECONDS,))
        db.execute("DELETE FROM totals WHERE last_used < ?", (self._wall() - KEPT_SECONDS,))

    def _close(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None


class LedgerWriter:
    """Restores a ledger from its file, and from then on writes what changes in it. Used on the event loop."""

    def __init__(self, ledger: Ledger, file: LedgerFile) -> None:
        self._ledger, self._file = ledger, file
        ledger.restore(file.read())
        ledger.on_change = self._write_soon

    async def stop(self) -> None:
        """Waits until everything is written and the file is closed."""
        self._write()
        await asyncio.to_thread(self._file.stop)

    def _write_soon(self) -> None:
        asyncio.get_running_loop().call_later(WRITE_DELAY, self._write)

    def _write(self) -> None:
        self._file.put(self._ledger.take_changes())


def _version(db: sqlite3.Connection) -> int:
    """0: a new file. Raises UnknownFile, sqlite3.Error."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise UnknownFile(f"written by a newer Pointsman (version {version}, this one knows {VERSION})")
    if version == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise UnknownFile("it is another program's database")
    return version


def _entries(db: sqlite3.Connection, wall: float) -> Iterator[Entry]:
    """The totals, and the periods that have not ended. Raises sqlite3.Error, ValueError."""
    for client, requests, *counts, cost, unpriced, last_used in _select(
        db, "totals", TOTALS_COLUMNS, "WHERE last_used >= ?", (wall - KEPT_SECONDS,)
    ):
        yield Totals(client, requests, dict(zip(TOKEN_KINDS, counts, strict=True)), cost, unpriced, last_used)
    for client, per, zone, start, ended, cost, tokens in _select(
        db, "periods", WINDOW_COLUMNS, "WHERE ended > ? ORDER BY start", (wall - CLOCK_TOLERANCE,)
    ):
        yield Window(client, SpanName(BudgetPeriod(per), zone), start, ended, cost, tokens)


def _select(
    db: sqlite3.Connection, table: str, columns: Sequence[str], which: str, values: Sequence[float]
) -> sqlite3.Cursor:
    return db.execute(f"SELECT {', '.join(columns)} FROM {table} {which}", values)


def _row(entry: Entry) -> tuple[RowName, Row]:
    """What it is the last row of, and its columns as they are now."""
    if isinstance(entry, Window):
        per, zone = entry.span
        row: Row = (entry.client, per.value, zone, entry.start, entry.end, entry.cost, entry.tokens)
        return RowName("periods", entry.client, per.value, zone), row
    counts = (entry.tokens[kind] for kind in TOKEN_KINDS)
    row = (entry.client, entry.requests, *counts, entry.cost, entry.unpriced, entry.last_used)
    return RowName("totals", entry.client), row


def _key(name: RowName, row: Row) -> Row:
    """What a row replaces in the file."""
    return (*name, row[3]) if name.per else name
