"""Opening the file: a new one where there is none, and in the place of a damaged one, which is moved aside."""

import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from pointsman import private_files
from pointsman.history.schema import INCOMING, MIGRATIONS, DamagedDatabase, migrate

logger = logging.getLogger(__name__)

DAMAGE_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
WRITE_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY})
FILE_SUFFIXES = ("", "-wal", "-shm")
"""What SQLite keeps beside a file belongs to it."""
MAX_JOURNAL_BYTES = 4 * 2**20
"""Of the file beside the file, once it has been written back."""
LOCK_TIMEOUT = 5.0
"""Seconds for which another process may keep the file locked."""


def is_damage(error: Exception) -> bool:
    """The file itself is broken; it is not merely out of reach."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, DamagedDatabase) or code & 0xFF in DAMAGE_CODES


def cannot_be_written(error: Exception) -> bool:
    """There is no room, for example: what is in the file can still be read."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in WRITE_CODES


def open_to_write(path: Path, stamp: str, migrations: Sequence[str] = MIGRATIONS) -> sqlite3.Connection:
    """`stamp` names what is moved aside. Raises OSError, sqlite3.Error, NotOurs."""
    try:
        return _open(path, migrations)
    except (sqlite3.DatabaseError, DamagedDatabase) as error:
        if not is_damage(error):
            raise
        move_aside(path, stamp, error)
        return _open(path, migrations)


def open_to_read(path: Path) -> sqlite3.Connection:
    """Raises sqlite3.Error."""
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT, isolation_level=None)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of it is written, or nothing. Raises sqlite3.Error."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def move_aside(path: Path, stamp: str, why: Exception, what: str = "history") -> None:
    """Raises OSError."""
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for part in FILE_SUFFIXES:
        found = path.with_name(path.name + part)
        if found.exists():
            found.replace(aside.with_name(aside.name + part))
    logger.warning(f"Pointsman: the {what} {path} is damaged ({why}). It is now {aside.name}; a new one is started.")


def make_file(path: Path) -> None:
    """The file is readable by its owner only. Raises OSError."""
    private_files.make_folder(path.parent)
    try:
        os.close(private_files.create(path))
    except FileExistsError:
        private_files.check_file(path)  # a link may point to something that others own, or to nothing yet


def _open(path: Path, migrations: Sequence[str]) -> sqlite3.Connection:
    make_file(path)
    db = sqlite3.connect(path, timeout=LOCK_TIMEOUT, isolation_level=None)
    try:
        if db.execute("PRAGMA page_count").fetchone()[0] == 0:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # another file needs VACUUM for that
        migrate(db, migrations)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA journal_size_limit = {MAX_JOURNAL_BYTES}")
        db.executescript(INCOMING)
    except BaseException:
        with closing(db):
            raise
    return db
