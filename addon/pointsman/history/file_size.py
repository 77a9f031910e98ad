"""The bounds of the file: rows that are too old go, and of a file that is too large the oldest. The thread that writes
calls this in between, in small bites.
"""

import sqlite3

from pointsman.history.database import transaction
from pointsman.history.schema import INDEXES, OLD_INDEXES, REINDEX, TABLES

BITE_ROWS = 1000
"""Rows of a table that are deleted at once."""
RESERVE_BYTES = 8 * 2**20
"""Bytes of the largest size that stay free, for a batch of rows and for the journal."""
MAX_BITES = 50
"""Deletions in a row to make room: a file that is far too large takes several calls."""
VACUUM_PAGES = 1000
"""Pages that are given back at once."""
INCREMENTAL = 2
"""The value of `PRAGMA auto_vacuum`."""


def delete_expired(db: sqlite3.Connection, oldest: float) -> bool:
    """Whether there may be more. `oldest` is the Unix time before which nothing is kept. Raises sqlite3.Error."""
    gone = [_delete_before(db, table.name, oldest) for table in TABLES.values()]
    return BITE_ROWS in gone


def delete_unused_kinds(db: sqlite3.Connection) -> None:
    """What the rows that have gone had in common. Raises sqlite3.Error."""
    with transaction(db):
        for table in TABLES.values():
            db.execute(f"DELETE FROM {table.kinds} WHERE id NOT IN (SELECT DISTINCT kind FROM {table.name})")


def make_room(db: sqlite3.Connection, max_size: int) -> bool:
    """Deletes the oldest rows until the file is small enough, and gives back what a large file has too much. Whether
    there may be more to do. Raises sqlite3.Error.
    """
    limit, page = max(max_size - RESERVE_BYTES, max_size // 2), _pragma(db, "page_size")
    for _ in range(MAX_BITES):
        if used_pages(db) * page <= limit:
            return _give_back(db, limit // page)
        before = _end_of_oldest_bite(db)
        if before is None:
            return False
        for table in TABLES.values():
            _delete_before(db, table.name, before)
    return True


def used_pages(db: sqlite3.Connection) -> int:
    return _pragma(db, "page_count") - _pragma(db, "freelist_count")


def has_old_layout(db: sqlite3.Connection) -> bool:
    """The file was made by an earlier version, or has just been made."""
    indexes = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    return (
        bool(INDEXES.keys() - indexes or indexes.intersection(OLD_INDEXES)) or _pragma(db, "auto_vacuum") != INCREMENTAL
    )


def renew_layout(db: sqlite3.Connection) -> None:
    """Takes seconds in a large file. Raises sqlite3.Error."""
    with transaction(db):
        for statement in REINDEX:
            db.execute(statement)
    if _pragma(db, "auto_vacuum") != INCREMENTAL:  # else freed pages are used again, but the file never shrinks
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("VACUUM")


def _end_of_oldest_bite(db: sqlite3.Connection) -> float | None:
    """The Unix time before which the oldest rows end, at most a bite of each table. None: there are none."""
    ends = []
    for table in TABLES.values():
        row = f"SELECT ended FROM {table.name} ORDER BY ended LIMIT 1 OFFSET ?"
        found = (
            db.execute(row, (BITE_ROWS - 1,)).fetchone()
            or db.execute(f"SELECT max(ended) FROM {table.name} HAVING count(*) > 0").fetchone()
        )
        if found:
            ends.append(found[0] + 0.001)
    return min(ends, default=None)


def _delete_before(db: sqlite3.Connection, table: str, before: float) -> int:
    """How many rows have gone."""
    old = f"SELECT id FROM {table} WHERE ended < ? ORDER BY ended LIMIT ?"
    return db.execute(f"DELETE FROM {table} WHERE id IN ({old})", (before, BITE_ROWS)).rowcount


def _give_back(db: sqlite3.Connection, pages: int) -> bool:
    """Whether the file is larger than so many pages, most of which are free."""
    if _pragma(db, "page_count") <= pages or _pragma(db, "auto_vacuum") != INCREMENTAL:
        return False
    db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
    return _pragma(db, "page_count") > pages


def _pragma(db: sqlite3.Connection, name: str) -> int:
    value: int = db.execute(f"PRAGMA {name}").fetchone()[0]
    return value
