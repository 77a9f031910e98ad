"""Requests on record: filters find what a plain search finds, pages do not shift, and no page reads the whole file."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from history.history_builders import KEEP, mixed_exchanges, writing
from pointsman.domain.records import Outcome
from pointsman.history.request_rows import RefusedRequest, refusal_row, request_row
from pointsman.history.requests import (
    NEWEST_OF_ID,
    TOP,
    Place,
    RequestFilter,
    StatusRange,
    find_request,
    find_requests,
    requests_page,
)
from pointsman.history.rows import attempt_rows
from support.audit_records import attempt_record, exchange_record

NOW = 1_800_000_000.0
AGES = 1e10
COUNT = 1000
REFUSAL = RefusedRequest(
    request_id="refused-1",
    client=None,
    dialect="anthropic",
    model="gpt-9",
    path="/v1/messages",
    status=404,
    reason="model_not_found",
    message="No configured provider has a model named 'gpt-9'.",
    started=NOW - 10.5,
    ended=NOW - 10,
)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "history.db"
    with writing(path, keep=2 * KEEP, wall=lambda: NOW) as recorder:
        for number, record in enumerate(mixed_exchanges(COUNT, NOW)):
            model, session = ("auto", "m", "groq/llama")[number % 3], f"s{number % 40}"
            status = (200, 200, 429, 503, None)[number % 5]
            error = str(status) if status and status >= 400 else None
            changed = replace(
                record, request_id=f"id-{number}", model=model, session=session, status=status, error=error
            )
            recorder.enqueue((request_row(changed, "/v1/chat/completions"), *attempt_rows(changed, 10)))
        recorder.enqueue((refusal_row(REFUSAL),))
    return path


@pytest.fixture(scope="module")
def everything(log: Path) -> list[dict[str, Any]]:
    return requests_page(log, RequestFilter(), TOP, 10 * COUNT)[0]


FILTERS: Sequence[tuple[RequestFilter, Callable[[dict[str, Any]], bool]]] = (
    (RequestFilter(), lambda row: True),
    (RequestFilter(client="ci"), lambda row: row["client"] == "ci"),
    (RequestFilter(provider="groq"), lambda row: row["provider"] == "groq"),
    (
        RequestFilter(statuses=(StatusRange(400, 499), StatusRange(503, 503))),
        lambda row: row["status"] in (404, 429, 503),
    ),
    (RequestFilter(statuses=(StatusRange(0, 0),)), lambda row: row["status"] is None),
    (RequestFilter(outcome="stream_broken"), lambda row: row["outcome"] == "stream_broken"),
    (
        RequestFilter(dialect="anthropic", client="ci"),
        lambda row: (row["dialect"], row["client"]) == ("anthropic", "ci"),
    ),
    (RequestFilter(model="m"), lambda row: row["model"] == "m"),
    (RequestFilter(model="llama", client="ci"), lambda row: row["client"] == "ci" and row["model_sent"] == "llama"),
    (
        RequestFilter(model="groq/llama", statuses=(StatusRange(200, 200),)),
        lambda row: row["status"] == 200 and "groq/llama" in (row["model"], row["target"]),
    ),
    (RequestFilter(session="s7"), lambda row: row["session"] == "s7"),
    (
        RequestFilter(session="s7", model="auto", text="id-4"),
        lambda row: row["session"] == "s7" and row["model"] == "auto" and row["request_id"].startswith("id-4"),
    ),
    (
        RequestFilter(since=NOW - 10 * 86400, until=NOW - 86400),
        lambda row: NOW - 10 * 86400 <= row["time"] < NOW - 86400,
    ),
    (RequestFilter(text="id-77"), lambda row: row["request_id"].startswith("id-77")),
    (RequestFilter(text="LOCAL"), lambda row: row["provider"] == "local"),
    (RequestFilter(text="gpt"), lambda row: row["request_id"] == "refused-1"),
    (RequestFilter(text="model_not"), lambda row: row["reason"] == "model_not_found"),
    (
        RequestFilter(text="gr", model="auto"),
        lambda row: row["model"] == "auto" and row["target"].lower()[:5] == "groq/",
    ),
    (RequestFilter(client="nobody"), lambda row: False),
)


@pytest.mark.parametrize(("wanted", "fits"), FILTERS)
def test_a_filter_finds_what_a_plain_search_finds_page_by_page(
    log: Path, everything: list[dict[str, Any]], wanted: RequestFilter, fits: Callable[[dict[str, Any]], bool]
) -> None:
    expected = [row["id"] for row in everything if fits(row)]
    found, after = [], TOP
    while True:
        rows, cursor = requests_page(log, wanted, after, 37)
        found += [row["id"] for row in rows]
        assert all(fits(row) for row in rows)
        if cursor is None:
            break
        assert len(rows) == 37
        after = Place.parse(cursor)
    assert found == expected
    assert expected or wanted.client == "nobody"


def test_the_newest_come_first(everything: list[dict[str, Any]]) -> None:
    times = [row["time"] for row in everything]
    assert times == sorted(times, reverse=True)


def test_pages_do_not_shift_while_rows_come_in(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    with writing(path) as recorder:
        for number in range(10):
            recorder.enqueue((request_row(exchange_record(f"old-{number}", started=NOW + number), ""),))
        recorder.flush()
        first, cursor = requests_page(path, RequestFilter(), TOP, 5)
        for number in range(7):
            recorder.enqueue((request_row(exchange_record(f"new-{number}", started=NOW + 100 + number), ""),))
        recorder.flush()
        second, end = requests_page(path, RequestFilter(), Place.parse(cursor or ""), 5)
    assert [row["request_id"] for row in first + second] == [f"old-{number}" for number in range(9, -1, -1)]
    assert end is None


def test_requests_that_ended_in_the_same_moment_are_each_listed_once(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    with writing(path, keep=AGES) as recorder:
        recorder.enqueue(request_row(exchange_record(f"r-{number}"), "") for number in range(9))
    found, after = [], TOP
    for _ in range(5):
        rows, cursor = requests_page(path, RequestFilter(client=None, provider="groq"), after, 2)
        found += [row["request_id"] for row in rows]
        after = Place.parse(cursor) if cursor else after
    assert found == [f"r-{number}" for number in range(8, -1, -1)]


class Watched(sqlite3.Connection):
    """Notes what it is asked."""

    asked: list[tuple[str, Any]]

    def execute(self, query: str, given: Any = ()) -> sqlite3.Cursor:  # type: ignore[override]
        self.asked.append((query, given))
        return super().execute(query, given)


def test_every_filter_reads_the_index_in_its_order_and_never_the_rows(log: Path) -> None:
    """So a page ends as soon as it is full, and a filter that finds nothing reads as little as can be."""
    with closing(sqlite3.connect(log, factory=Watched)) as db:
        db.asked = []
        for wanted, _ in FILTERS:
            list(find_requests(db, wanted))
        asked = {query: given for query, given in db.asked if "request_log" in query}
        assert len(asked) >= 7
        for query, given in asked.items():
            plan = [step for *_, step in db.execute(f"EXPLAIN QUERY PLAN {query}", given)]
            assert "USING COVERING INDEX request_log_in_order" in plan[0], plan
            assert not [step for step in plan if "TEMP B-TREE" in step], plan


def test_a_request_is_found_by_its_id_without_reading_rows(log: Path) -> None:
    with closing(sqlite3.connect(log)) as db:
        [(*_, step)] = db.execute(f"EXPLAIN QUERY PLAN {NEWEST_OF_ID}", ("id-7",))
    assert "USING COVERING INDEX request_log_in_order" in step


def test_a_request_has_its_facts_and_its_attempts(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    attempts = (
        attempt_record(
            outcome=Outcome.RETRY_FAILED, error="503", status=503, usage=None, first_content_ms=None, provider="bad"
        ),
        attempt_record(n=2, started=1_700_000_001.0, cost=1_234_500),
    )
    record = exchange_record("r-1", client="ci", dialect="anthropic", session="abc", attempts=attempts, ended_ms=1900.0)
    with writing(path, keep=AGES) as recorder:
        recorder.enqueue((request_row(record, "/v1/messages"), *attempt_rows(record, 10)))
        recorder.enqueue((request_row(exchange_record("other"), ""), *attempt_rows(exchange_record("other"), 10)))
    found = find_request(path, "r-1")
    assert found
    steps = found.pop("attempt_list")
    usage = {"input": 7, "cache_read": 5, "cache_write_5m": 0, "cache_write_1h": 0, "output": 34, "reasoning": 0}
    assert found == {
        "id": 1,
        "request_id": "r-1",
        "time": 1_700_000_001.9,
        "started": 1_700_000_000.0,
        "client": "ci",
        "dialect": "anthropic",
        "session": "abc",
        "mode": "balanced",
        "model_kind": "chat",
        "model": "auto",
        "provider": "groq",
        "target": "groq/llama",
        "model_sent": "llama",
        "status": 200,
        "reason": None,
        "message": None,
        "outcome": "request_success",
        "attempts": 2,
        "trail": "bad/llama@503",
        "usage": usage,
        "cost_usd": "0.0012345",
        "duration_ms": 1900.0,
        "waited_ms": 0.0,
        "first_content_ms": 1060.0,
        "stream": True,
        "path": "/v1/messages",
    }
    assert [(step["provider"], step["error"], step["usage"], step["cost_usd"]) for step in steps] == [
        ("bad", "503", None, None),
        ("groq", None, usage, "0.0012345"),
    ]
    assert find_request(path, "r-2") is None
