"""`/api/requests`: what may be asked, and its three forms."""

import csv
import io
import json
from pathlib import Path

import pytest

from pointsman.config import HistorySettings
from pointsman.history import History, RefusedRequest
from pointsman.history.requests import Place, RequestFilter, StatusRange
from pointsman.web.csv_text import csv_bytes
from pointsman.web.http import PageReply
from pointsman.web.peers import Alone
from pointsman.web.requests import request_filter, requests_csv, requests_lines, requests_page
from pointsman.wire.errors import Code, Problem
from support.audit_records import exchange_record
from web.page_requests import payload_of, request

LATER = 4_000_000_000.0


@pytest.fixture
async def history(tmp_path: Path) -> History:
    own = History(HistorySettings(path=str(tmp_path / "h.db")))
    own.start()
    for number in range(3):
        own.record(exchange_record(f"r-{number}", started=LATER + number), 10, "/v1/chat/completions")
    refused = RefusedRequest("=1+1", None, None, "@model", "/v1", 404, "model_not_found", "+", LATER + 9, LATER + 9)
    own.record_refusal(refused)
    return own


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, RequestFilter()),
        ({"status": "404"}, RequestFilter(statuses=(StatusRange(404, 404),))),
        ({"status": "5xx,429"}, RequestFilter(statuses=(StatusRange(500, 599), StatusRange(429, 429)))),
        ({"status": "none"}, RequestFilter(statuses=(StatusRange(0, 0),))),
        ({"since": "1764253500", "until": "1764253500.5"}, RequestFilter(since=1764253500.0, until=1764253500.5)),
        ({"since": "2025-11-27T14:25:00Z"}, RequestFilter(since=1764253500.0)),
        ({"since": "2025-11-27T15:25:00+01:00"}, RequestFilter(since=1764253500.0)),
        ({"since": "2025-11-27T15:25:00 01:00"}, RequestFilter(since=1764253500.0)),
        ({"q": "x", "outcome": "refused", "dialect": "anthropic"},
         RequestFilter(text="x", outcome="refused", dialect="anthropic")),
        ({"provider": "a", "model": "b/c", "client": "d", "session": "e"},
         RequestFilter(provider="a", model="b/c", client="d", session="e")),
    ],
)  # fmt: skip
def test_a_filter_is_read(given: dict[str, str], expected: RequestFilter) -> None:
    assert request_filter(given) == expected


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("status=600", "status"),
        ("status=5xx,", "status"),
        ("status=4XX", "status"),
        ("outcome=fine", "outcome"),
        ("dialect=openai", "dialect"),
        ("since=yesterday", "since"),
        ("since=2025-11-27T14:25:00", "since"),
        ("since=1764253500000", "since"),
        ("since=2&until=1", "since"),
        ("until=-1", "until"),
        ("until=9999-99-99T00:00:00Z", "until"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=abc", "cursor"),
        ("cursor=1.5-", "cursor"),
        ("q=" + "x" * 201, "q"),
        ("colour=red", "colour"),
        ("status=404&status=500", "status"),
    ],
)
def test_what_is_wrong_is_named(query: str, place: str) -> None:
    with pytest.raises(Problem) as caught:
        requests_page(History(HistorySettings(path="off")), Alone())(request(query=query), "")
    assert (caught.value.code, caught.value.param) == (Code.INVALID_REQUEST, place)
    assert caught.value.message.startswith(place)
    assert len(caught.value.message) < 300


async def page(history: History, query: str = "") -> PageReply:
    return await requests_page(history, Alone())(request(query=query), "")


async def test_pages_follow_the_cursor(history: History) -> None:
    first = payload_of(await page(history, "limit=3"))
    second = payload_of(await page(history, f"limit=3&cursor={first['next']}"))
    assert [row["request_id"] for row in (*first["requests"], *second["requests"])] == ["=1+1", "r-2", "r-1", "r-0"]
    assert (second["next"], second["problem"]) == (None, None)
    await history.close()


async def test_lines_and_csv_have_the_same_rows(history: History) -> None:
    rows = payload_of(await page(history))["requests"]
    lines = await requests_lines(history)(request(query="limit=3"), "")
    assert [json.loads(line) for line in lines.body.splitlines()] == rows[:3]
    headers = dict(lines.headers)
    assert headers["Content-Type"] == "application/jsonl"
    assert Place.parse(headers["X-Next-Cursor"]).id == rows[2]["id"]
    reply = await requests_csv(history)(request(), "")
    assert "X-Next-Cursor" not in dict(reply.headers)
    told = list(csv.DictReader(io.StringIO(reply.body.decode())))
    assert [row["status"] for row in told] == ["404", "200", "200", "200"]
    assert (told[1]["request_id"], told[1]["output"], told[1]["target"], told[1]["client"]) == (
        "r-2",
        "34",
        "groq/llama",
        "",
    )
    assert (told[0]["request_id"], told[0]["model"], told[0]["message"]) == ("'=1+1", "'@model", "'+")
    await history.close()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start: str) -> None:
    [_, [cell, other]] = list(csv.reader(io.StringIO(csv_bytes(("a", "b"), [{"a": f"{start}1", "b": True}]).decode())))
    assert (cell[:2], other) == (f"'{start}", "true")


async def test_no_history_says_why() -> None:
    off = History(HistorySettings(path="off"))
    assert payload_of(await page(off)) == {"requests": [], "next": None, "problem": "history.path is off"}
