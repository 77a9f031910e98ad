"""The schema of the file, and the migrations from older ones. `PRAGMA user_version` is a file's version."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pointsman.history.request_rows import RequestKind, RequestRow
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
VERSION_2 = """
ALTER TABLE kinds ADD COLUMN client TEXT;
ALTER TABLE kinds ADD COLUMN dialect TEXT;
ALTER TABLE log ADD COLUMN cache_read INTEGER NOT NULL DEFAULT 0;
ALTER TABLE log ADD COLUMN cache_write_5m INTEGER NOT NULL DEFAULT 0;
ALTER TABLE log ADD COLUMN cache_write_1h INTEGER NOT NULL DEFAULT 0;
ALTER TABLE log ADD COLUMN reasoning INTEGER NOT NULL DEFAULT 0;
ALTER TABLE log ADD COLUMN cost INTEGER;
CREATE TABLE request_kinds (
    id INTEGER PRIMARY KEY,
    client TEXT, dialect TEXT, mode TEXT, kind TEXT, provider TEXT, target_model TEXT, model_sent TEXT,
    status INTEGER, reason TEXT, outcome TEXT NOT NULL, streamed INTEGER NOT NULL
);
CREATE TABLE request_log (
    id INTEGER PRIMARY KEY, kind INTEGER NOT NULL REFERENCES request_kinds,
    request_id TEXT NOT NULL, session TEXT, model TEXT, path TEXT, message TEXT,
    ended REAL NOT NULL, duration_ms REAL, waited_ms REAL NOT NULL, first_content_ms REAL, attempts INTEGER NOT NULL,
    trail TEXT, input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write_5m INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL, output INTEGER NOT NULL, reasoning INTEGER NOT NULL,
    estimated INTEGER NOT NULL, cost INTEGER
);
DROP VIEW attempts;
CREATE VIEW attempts AS SELECT log.id, exchange, n, client, dialect, session, provider, model, key, mode, outcome, seen,
    failure, status, error, ended, first_content_ms, duration_ms, tokens_in, tokens_out, tokens_estimated, cache_read,
    cache_write_5m, cache_write_1h, reasoning, cost, paced_seconds, hedged, streamed
    FROM log JOIN kinds ON kinds.id = log.kind;
CREATE VIEW requests AS SELECT request_log.id, request_id, client, dialect, session, mode, request_kinds.kind, model,
    provider, target_model, model_sent, status, reason, message, outcome, attempts, trail, ended, duration_ms,
    waited_ms, first_content_ms, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, estimated, cost,
    streamed, path FROM request_log JOIN request_kinds ON request_kinds.id = request_log.kind;
"""
"""Usage by kind, cost, client and dialect, and a row for each request. All of it is done at once, however large the
file: indexes are made later, by `REINDEX`. Attempts of version 1 have no cost, no client
and no dialect, and all of their prompt counts as input; there are no requests of that time.
"""
MIGRATIONS: Sequence[str] = (VERSION_1, VERSION_2)
"""The script at place n makes a file of version n one of version n + 1."""

INDEXES: Mapping[str, str] = {
    "log_by_usage": """log (
        kind, ended, first_content_ms, duration_ms, tokens_in, tokens_out, tokens_estimated, paced_seconds, hedged,
        streamed, cache_read, cache_write_5m, cache_write_1h, reasoning, cost
    )""",
    "request_log_in_order": "request_log (ended, id, kind, session, model, request_id)",
}
"""By name. They hold all that is summed up, and all that requests are found by. Every row costs an entry in each index.
Entries in the order of names or ids would cost most, for new ones would be spread over the whole index.
"""
OLD_INDEXES = (
    "log_by_kind",
    *(f"request_log_by_{order}" for order in ("time", "kind", "model", "session", "request")),
)
REINDEX = (
    *(f"DROP INDEX IF EXISTS {name}" for name in OLD_INDEXES),
    *(f"CREATE INDEX IF NOT EXISTS {name} ON {columns}" for name, columns in INDEXES.items()),
)
"""Takes seconds in a large file, so that it is done once the file is in use."""

type Kind = RowKind | RequestKind
type Row = AttemptRow | RequestRow


class TableStatements(NamedTuple):
    """How the rows of one kind are written."""

    name: str
    kinds: str
    """The table of what they have in common."""
    kind_type: type[RowKind] | type[RequestKind]
    columns: Sequence[str]
    new_kind: str
    all_kinds: str


def _statements(name: str, kinds: str, kind_type: type[RowKind] | type[RequestKind], row: type[Row]) -> TableStatements:
    return TableStatements(
        name,
        kinds,
        kind_type,
        ("kind", *row._fields),
        f"INSERT INTO {kinds} ({', '.join(kind_type._fields)}) VALUES ({', '.join('?' * len(kind_type._fields))})",
        f"SELECT id, {', '.join(kind_type._fields)} FROM {kinds}",
    )


ATTEMPTS = _statements("log", "kinds", RowKind, AttemptRow)
REQUESTS = _statements("request_log", "request_kinds", RequestKind, RequestRow)
TABLES: Mapping[type[Kind], TableStatements] = {RowKind: ATTEMPTS, RequestKind: REQUESTS}


def _incoming(table: TableStatements) -> str:
    values = ", ".join(f"json_extract(new.row, '$[{place}]')" for place in range(1, len(table.columns) + 1))
    return f"""
    CREATE TEMP TRIGGER incoming_{table.name} INSTEAD OF INSERT ON incoming
    WHEN json_extract(new.row, '$[0]') = '{table.name}'
    BEGIN INSERT INTO {table.name} ({", ".join(table.columns)}) VALUES ({values}); END;
    """


INCOMING = f"""
PRAGMA temp_store = MEMORY;
CREATE TEMP VIEW incoming AS SELECT NULL AS row;
{"".join(_incoming(table) for table in TABLES.values())}
"""
"""What a connection needs for `INSERT_ALL`."""
INSERT_ALL = "INSERT INTO incoming SELECT value FROM json_each(?)"
"""Takes rows of all tables as one JSON array; each row is an array of its table's name and its columns. All rows are in
one statement, for after each statement the writing thread must take Python's lock from the event loop.
"""


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
        db.execute(f"SELECT id, {', '.join((*RequestKind._fields, *RequestRow._fields))} FROM requests LIMIT 0")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:  # it is merely out of reach
            raise
        raise DamagedDatabase(str(error)) from None
