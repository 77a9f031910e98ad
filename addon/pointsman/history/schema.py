"""The schema of the file, and the migrations from older ones. `PRAGMA user_version` is a file's version."""

import sqlite3
from collections.abc import Sequence

from pointsman.history.rows import AttemptRow, RowKind

VERSION_1 = """
CREATE TABLE kinds (
    id INTEGER PRIMARY KEY,
    provider TEXT NOT NULL, model TEXT NOT NULL, key TEXT, mode TEXT NOT NULL,
    outcome TEXT NOT NULL, seen TEXT NOT NULL, failure TEXT
);
CREATE TABLE log (
    id INTEGER PRIMARY KEY, kind INTEGER NOT NULL REFERENCES kinds,
    exchange TEXT NOT NULL, n INTEGER NOT NULL, session TEXT, status INTEGER, error TEXT,
    ended REAL NOT NULL, first_content_ms REAL, duration_ms REAL,
    tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, tokens_estimated INTEGER NOT NULL,
    paced_seconds REAL NOT NULL, hedged INTEGER NOT NULL, streamed INTEGER NOT NULL
);
CREATE INDEX log_by_time ON log (ended);
CREATE INDEX log_by_kind ON log (
    kind, ended, first_content_ms, duration_ms, tokens_in, tokens_out, tokens_estimated, paced_seconds, hedged, streamed
);
CREATE VIEW attempts AS SELECT log.id, exchange, n, session, provider, model, key, mode, outcome, seen, failure, status,
    error, ended, first_content_ms, duration_ms, tokens_in, tokens_out, tokens_estimated, paced_seconds, hedged,
    streamed FROM log JOIN kinds ON kinds.id = log.kind;
"""
"""What attempts have in common stands once in `kinds`: the log stays small, and grouping it needs no sorting. The index
by kind holds everything that is ever summed up. `attempts` is for people.
"""
MIGRATIONS: Sequence[str] = (VERSION_1,)
"""The script at place n makes a file of version n one of version n + 1."""


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


NEW_KIND = _insert("kinds", RowKind._fields)
NEW_ROW = _insert("log", ("kind", *AttemptRow._fields))
ALL_KINDS = f"SELECT id, {', '.join(RowKind._fields)} FROM kinds"


class ForeignDatabase(Exception):
    """A sound file that this version must not touch."""


class DamagedDatabase(Exception):
    """A file of ours that lacks what it should have."""


def migrate(db: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring a file to the newest form, each step whole or not at all. Raises ForeignDatabase, DamagedDatabase,
    sqlite3.Error.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        raise ForeignDatabase(f"written by a newer Pointsman (version {version}, this one knows {len(migrations)})")
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if version < 0 or (version == 0 and tables):
        raise ForeignDatabase("it is another program's database")
    for number in range(version, len(migrations)):
        db.executescript(f"BEGIN IMMEDIATE; {migrations[number]} PRAGMA user_version = {number + 1}; COMMIT;")
    try:
        db.execute(f"SELECT id, {', '.join((*RowKind._fields, *AttemptRow._fields))} FROM attempts LIMIT 0")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:  # it is merely out of reach
            raise
        raise DamagedDatabase(str(error)) from None
