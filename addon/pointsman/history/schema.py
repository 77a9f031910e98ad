"""The file's form, and how an older one becomes it. `PRAGMA user_version` says which form a file has."""

import sqlite3
from collections.abc import Sequence

from pointsman.history.rows import Row

VERSION_1 = """
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    exchange TEXT NOT NULL, n INTEGER NOT NULL, session TEXT,
    provider TEXT NOT NULL, model TEXT NOT NULL, key TEXT, mode TEXT NOT NULL,
    outcome TEXT NOT NULL, seen TEXT NOT NULL, status INTEGER, error TEXT, failure TEXT,
    first_content_ms REAL, duration_ms REAL,
    tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, tokens_estimated INTEGER NOT NULL,
    paced_tokens INTEGER NOT NULL, paced_seconds REAL NOT NULL,
    hedged INTEGER NOT NULL, streamed INTEGER NOT NULL, ended REAL NOT NULL
);
CREATE INDEX attempts_by_time ON attempts (ended);
CREATE INDEX attempts_by_target ON attempts (provider, model, ended);
"""
MIGRATIONS: Sequence[str] = (VERSION_1,)
"""The script at place n makes a file of version n one of version n + 1."""
COLUMNS = ", ".join(Row._fields)
INSERT = f"INSERT INTO attempts ({COLUMNS}) VALUES ({', '.join('?' * len(Row._fields))})"


class NotOurs(Exception):
    """A sound file that this version must not touch."""


class Damaged(Exception):
    """A file of ours that lacks what it should have."""


def prepare(db: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring a file to the newest form, each step whole or not at all. Raises NotOurs, Damaged, sqlite3.Error."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        raise NotOurs(f"a newer Pointsman has written it (version {version}, this one knows {len(migrations)})")
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if version < 0 or (version == 0 and tables):
        raise NotOurs("it is another program's database")
    for number in range(version, len(migrations)):
        db.executescript(f"BEGIN IMMEDIATE; {migrations[number]} PRAGMA user_version = {number + 1}; COMMIT;")
    try:
        db.execute(f"SELECT id, {COLUMNS} FROM attempts LIMIT 0")
    except sqlite3.OperationalError as error:
        raise Damaged(str(error)) from None
