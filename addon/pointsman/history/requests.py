"""Reads the requests on record: by filters, newest first, in pages that do not shift while rows come in.

What requests have in common stands in a small table, which is filtered as a whole. One index by time holds which of its
rows a request has, and all else that requests are found by. It is read from its newest end until the page is full, so
that a page of rare rows reads the whole index. An index for each filter would answer at once, but would cost more for
every request than the whole index by time does.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from pointsman.history.database import open_to_read
from pointsman.history.request_rows import RequestKind, RequestRow
from pointsman.history.schema import REQUESTS
from pointsman.prices.rates import dollars
from pointsman.wire.frames import TOKEN_KINDS

LAST_CHARACTER = "\U0010ffff"
PLACE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)-([0-9]{1,16})")


class Place(NamedTuple):
    """The place of a row in the list, which is what a cursor says: the row after it comes next."""

    ended: float
    id: int

    def __str__(self) -> str:
        return f"{self.ended:.3f}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Raises ValueError."""
        if found := PLACE.fullmatch(text):
            return cls(float(found[1]), int(found[2]))
        raise ValueError("no such place")


TOP = Place(inf, 2**62)
ALL = -1
"""No limit."""
PLACES = """
SELECT ended, id FROM request_log WHERE (ended, id) < (:ended, :id) AND ended >= :since AND {conditions}
ORDER BY ended DESC, id DESC LIMIT :limit
"""
ANY_OF = "kind IN (SELECT value FROM json_each(:{kinds}))"
TEXT_BEGINS = " OR ".join(f"{column} >= :low AND {column} < :high" for column in ("request_id", "session", "model"))
ROW = f"""
SELECT request_log.id, {", ".join(f"request_log.{name}" for name in RequestRow._fields)},
    {", ".join(f"request_kinds.{name}" for name in RequestKind._fields)}
FROM request_log JOIN request_kinds ON request_kinds.id = request_log.kind WHERE request_log.id = ?
"""
NEWEST_OF_ID = "SELECT id FROM request_log WHERE request_id = ? ORDER BY ended DESC, id DESC LIMIT 1"
ATTEMPTS = """
SELECT n, provider, model, key, outcome, status, error, failure, ended, first_content_ms, duration_ms,
    tokens_in - cache_read - cache_write_5m - cache_write_1h AS input, cache_read, cache_write_5m, cache_write_1h,
    tokens_out AS output, reasoning, tokens_estimated AS estimated, cost
FROM attempts WHERE exchange = :request_id AND ended BETWEEN :since AND :until ORDER BY n
"""
"""The attempts of a request, by the time in which they must have ended."""
CLOCK_TOLERANCE = 1.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class StatusRange:
    """From `low` to `high`; None: the client left before it got one."""

    low: int
    high: int

    def contains(self, status: int | None) -> bool:
        return self.low <= (status or 0) <= self.high


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """What requests have to be; None: anything. `model` is what was asked for, or the model of the target, or the
    target. `text` is in the client's or provider's name, the reason or the like, or it begins the request id, the
    session's or the model's name.
    """

    statuses: tuple[StatusRange, ...] = ()
    provider: str | None = None
    model: str | None = None
    client: str | None = None
    session: str | None = None
    outcome: str | None = None
    dialect: str | None = None
    text: str | None = None
    since: float = 0.0
    """Unix time, inclusive."""
    until: float = inf
    """Unix time, exclusive."""

    @property
    def takes_all_kinds(self) -> bool:
        return not (self.statuses or self.provider or self.client or self.outcome or self.dialect)

    def takes_kind(self, kind: RequestKind) -> bool:
        return (
            (not self.statuses or any(each.contains(kind.status) for each in self.statuses))
            and self.provider in (None, kind.provider)
            and self.client in (None, kind.client)
            and self.outcome in (None, kind.outcome)
            and self.dialect in (None, kind.dialect)
        )

    def names_target(self, kind: RequestKind) -> bool:
        return self.model in (kind.target_model, kind.model_sent, f"{kind.provider}/{kind.target_model}")

    def text_is_in(self, kind: RequestKind) -> bool:
        words = (kind.client, kind.provider, kind.target_model, kind.model_sent, kind.reason, kind.outcome)
        return self.text is not None and any(word and self.text.lower() in word.lower() for word in words)


class RequestsPage(NamedTuple):
    """`rows` are in plain JSON types; `next` is the cursor of the next page, if there is one; `problem` says why there
    is no data, or None.
    """

    rows: list[dict[str, Any]]
    next: str | None
    problem: str | None


def requests_page(
    path: Path, wanted: RequestFilter, after: Place, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """At most `limit` requests after a place, in plain JSON types, and the cursor of the next page or None. Raises
    sqlite3.Error.
    """
    with closing(open_to_read(path)) as db:
        db.execute("BEGIN")  # one state of the file
        places = find_requests(db, wanted, after, limit + 1)
        rows = [_to_dict(_row(db, place.id)) for place in places[:limit]]
    return rows, str(places[limit - 1]) if len(places) > limit else None


def find_requests(
    db: sqlite3.Connection, wanted: RequestFilter, after: Place = TOP, limit: int = ALL
) -> Sequence[Place]:
    """The places of the requests that are wanted, newest first. Raises sqlite3.Error."""
    kinds = {number: RequestKind(*kind) for number, *kind in db.execute(REQUESTS.all_kinds)}
    conditions, given = ["1"], dict[str, Any](since=wanted.since, limit=limit)
    for condition, values in _conditions(wanted, kinds):
        conditions.append(condition)
        given |= values
    query = PLACES.format(conditions=" AND ".join(conditions))
    return [Place(*found) for found in db.execute(query, given | min(after, Place(wanted.until, 0))._asdict())]


def _conditions(wanted: RequestFilter, kinds: Mapping[int, RequestKind]) -> Iterator[tuple[str, dict[str, Any]]]:
    """In SQL, each with the values that it names."""

    def numbers(takes: Callable[[RequestKind], bool]) -> str:
        return json.dumps([number for number, kind in kinds.items() if takes(kind)])

    if not wanted.takes_all_kinds:
        yield ANY_OF.format(kinds="taken"), {"taken": numbers(wanted.takes_kind)}
    if wanted.session is not None:
        yield "session = :session", {"session": wanted.session}
    if wanted.model is not None:
        named = {"model": wanted.model, "named": numbers(wanted.names_target)}
        yield f"(model = :model OR {ANY_OF.format(kinds='named')})", named
    if wanted.text is not None:
        begins = {"low": wanted.text, "high": wanted.text + LAST_CHARACTER}
        told = begins | {"told": numbers(wanted.text_is_in)}
        yield f"({TEXT_BEGINS} OR {ANY_OF.format(kinds='told')})", told


def find_request(path: Path, request_id: str) -> dict[str, Any] | None:
    """The newest request with this id and its attempts, in plain JSON types. Raises sqlite3.Error."""
    with closing(open_to_read(path)) as db:
        db.execute("BEGIN")
        found = db.execute(NEWEST_OF_ID, (request_id,)).fetchone()
        if found is None:
            return None
        row = _row(db, found[0])
        since = row["ended"] - row["duration_ms"] / 1000 - CLOCK_TOLERANCE
        asked = {"request_id": row["request_id"], "since": since, "until": row["ended"] + CLOCK_TOLERANCE}
        cursor = db.execute(ATTEMPTS, asked)
        names = [column[0] for column in cursor.description]
        return _to_dict(row) | {"attempt_list": [_attempt(dict(zip(names, each, strict=True))) for each in cursor]}


def _row(db: sqlite3.Connection, id: int) -> dict[str, Any]:
    [values] = db.execute(ROW, (id,)).fetchall()
    return dict(zip(("id", *RequestRow._fields, *RequestKind._fields), values, strict=True))


def _to_dict(row: dict[str, Any]) -> dict[str, Any]:
    provider, target_model = row["provider"], row["target_model"]
    return {
        "id": row["id"],
        "request_id": row["request_id"],
        "time": row["ended"],
        "started": round(row["ended"] - row["duration_ms"] / 1000, 3),
        "client": row["client"],
        "dialect": row["dialect"],
        "session": row["session"],
        "mode": row["mode"],
        "model_kind": row["kind"],
        "model": row["model"],
        "provider": provider,
        "target": f"{provider}/{target_model}" if provider else None,
        "model_sent": row["model_sent"],
        "status": row["status"],
        "reason": row["reason"],
        "message": row["message"],
        "outcome": row["outcome"],
        "attempts": row["attempts"],
        "trail": row["trail"],
        "usage": _usage(row),
        "cost_usd": dollars(row["cost"]),
        "duration_ms": row["duration_ms"],
        "waited_ms": row["waited_ms"],
        "first_content_ms": row["first_content_ms"],
        "stream": bool(row["streamed"]),
        "path": row["path"],
    }


def _attempt(row: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in row.items() if name not in (*TOKEN_KINDS, "estimated", "cost")}
    return told | {"usage": _usage(row), "cost_usd": dollars(row["cost"])}


def _usage(row: dict[str, Any]) -> dict[str, Any] | None:
    """None: nothing was used."""
    counts: dict[str, Any] = {name: row[name] for name in TOKEN_KINDS}
    if not any(counts.values()):
        return None
    return {**counts, "estimated": True} if row["estimated"] else counts


def csv_columns() -> Sequence[str]:
    """The columns of a request, with one column for each kind of its usage."""
    names = [
        "request_id",
        "time",
        "client",
        "dialect",
        "session",
        "mode",
        "model_kind",
        "model",
        "target",
        "model_sent",
    ]
    names += ["status", "reason", "message", "outcome", "attempts", "trail", *TOKEN_KINDS, "estimated", "cost_usd"]
    return [*names, "duration_ms", "waited_ms", "first_content_ms", "stream", "path"]
