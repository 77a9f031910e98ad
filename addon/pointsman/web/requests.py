"""`/api/requests`: the requests on record, refused ones too, as JSON, as lines of JSON and as CSV."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from math import inf
from typing import Any
from urllib.parse import parse_qs

import orjson

from pointsman.config.enums import Dialect
from pointsman.history import History
from pointsman.history.request_rows import OUTCOMES
from pointsman.history.requests import TOP, Place, RequestFilter, RequestsPage, StatusRange, csv_columns
from pointsman.web.api.parsing import int_param, not_found, path_param
from pointsman.web.csv_text import csv_bytes
from pointsman.web.http import PageReply, PageRequest, json_reply
from pointsman.web.openapi import DEFAULT_REQUESTS, MAX_REQUESTS, MAX_REQUESTS_IN_FILE
from pointsman.web.peers import Peers, requests_of_all, wants_all
from pointsman.wire.errors import Code, Problem

CURSOR_HEADER = "X-Next-Cursor"
"""On lines and CSV: the cursor of the next page, if there is one."""
NAMES = ("provider", "model", "client", "session")
KNOWN = (
    "status",
    "provider",
    "model",
    "client",
    "session",
    "outcome",
    "dialect",
    "q",
    "since",
    "until",
    "limit",
    "cursor",
    "instances",
)
MAX_TEXT = 200
STATUS = re.compile(r"([1-5])xx|([1-5][0-9][0-9])")
MAX_TIME = 1e11
"""Seconds; a larger number is one of milliseconds."""
DIALECTS = tuple(each.value for each in Dialect)

type Page = Callable[[PageRequest, str], Awaitable[PageReply]]


def requests_page(history: History, peers: Peers) -> Page:
    """Raises Problem (invalid_request), as the other pages do."""

    def asked(request: PageRequest, _: str) -> Awaitable[PageReply]:
        given = _params(request)
        if wants_all(given.get("instances", "")):
            return at_all(given, request_filter(given), int_param(given, "limit", DEFAULT_REQUESTS, 1, MAX_REQUESTS))
        return own(request, "")

    async def at_all(given: Mapping[str, str], wanted: RequestFilter, limit: int) -> PageReply:
        page, instances = await requests_of_all(history, peers, given, wanted, limit)
        return json_reply(_to_dict(page) | {"instances": instances})

    async def answer(page: RequestsPage) -> PageReply:
        return json_reply(_to_dict(page))

    own = _page(history, DEFAULT_REQUESTS, MAX_REQUESTS, answer)
    return asked


def _to_dict(page: RequestsPage) -> dict[str, Any]:
    return {"requests": page.rows, "next": page.next, "problem": page.problem}


def requests_lines(history: History) -> Page:
    async def answer(page: RequestsPage) -> PageReply:
        body = await asyncio.to_thread(_lines, page.rows)
        return _file(page, "application/jsonl", "requests.jsonl", body)

    return _page(history, MAX_REQUESTS_IN_FILE, MAX_REQUESTS_IN_FILE, answer)


def requests_csv(history: History) -> Page:
    async def answer(page: RequestsPage) -> PageReply:
        body = await asyncio.to_thread(_csv, page.rows)
        return _file(page, "text/csv; charset=utf-8", "requests.csv", body)

    return _page(history, MAX_REQUESTS_IN_FILE, MAX_REQUESTS_IN_FILE, answer)


def request_page(history: History, peers: Peers) -> Page:
    """One request with its attempts, of this instance or, if it is asked for so, of any. Raises Problem (not_found)."""

    async def answer(request: PageRequest, rest: str) -> PageReply:
        request_id = path_param(rest)[:MAX_TEXT]
        found = await history.request(request_id)
        if found is None and wants_all(parse_qs(request.query).get("instances", [""])[-1]):
            told = await peers.ask("request", request_id)
            found = next((said for said in told.answers.values() if isinstance(said, dict)), None)
        if found is None:
            raise not_found("request on record")
        return json_reply(found)

    return answer


def _page(history: History, default: int, most: int, answer: Callable[[RequestsPage], Awaitable[PageReply]]) -> Page:
    def asked(request: PageRequest, _: str) -> Awaitable[PageReply]:
        given = _params(request)
        if wants_all(given.get("instances", "")):
            raise _wrong("instances", "cannot be all for a file: ask each instance for its own")
        wanted, after = request_filter(given), _cursor(given)
        return found(wanted, after, int_param(given, "limit", default, 1, most))

    async def found(wanted: RequestFilter, after: Place, limit: int) -> PageReply:
        return await answer(await history.requests(wanted, after, limit))

    return asked


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _csv(rows: list[dict[str, Any]]) -> bytes:
    return csv_bytes(csv_columns(), ({**row, **(row["usage"] or {})} for row in rows))


def _file(page: RequestsPage, content_type: str, name: str, body: bytes) -> PageReply:
    cursor = ((CURSOR_HEADER, page.next),) if page.next else ()
    disposition = ("Content-Disposition", f'attachment; filename="{name}"')
    return PageReply(200, body, (("Content-Type", content_type), ("Cache-Control", "no-store"), disposition, *cursor))


def _params(request: PageRequest) -> Mapping[str, str]:
    """Those that were given; an empty one is as if it was not. Raises Problem (invalid_request)."""
    given = parse_qs(request.query, keep_blank_values=True)
    for name, values in given.items():
        if name not in KNOWN:
            raise _wrong(name[:40], f"is no filter; known are {', '.join(KNOWN)}")
        if len(values) > 1:
            raise _wrong(name, "is given twice")
    return {name: values[0] for name, values in given.items() if values[0]}


def request_filter(given: Mapping[str, str]) -> RequestFilter:
    """Raises Problem (invalid_request), with the name of the filter that is wrong."""
    for name in ("q", *NAMES):
        if len(given.get(name, "")) > MAX_TEXT:
            raise _wrong(name, f"must have at most {MAX_TEXT} characters")
    since, until = _time(given, "since", 0.0), _time(given, "until", inf)
    if since > until:
        raise _wrong("since", "must not be after until")
    return RequestFilter(
        statuses=_statuses(given.get("status")),
        outcome=_word(given, "outcome", OUTCOMES),
        dialect=_word(given, "dialect", DIALECTS),
        text=given.get("q"),
        since=since,
        until=until,
        **{name: given.get(name) for name in NAMES},
    )


def _statuses(text: str | None) -> tuple[StatusRange, ...]:
    return tuple(map(_status, text.split(","))) if text else ()


def _status(word: str) -> StatusRange:
    if word == "none":
        return StatusRange(0, 0)
    found = STATUS.fullmatch(word)
    if found is None:
        raise _wrong("status", f"must be such as 404, 5xx, 429,503 or none, got {word[:20]!r}")
    if found[1]:
        return StatusRange(int(found[1]) * 100, int(found[1]) * 100 + 99)
    return StatusRange(int(found[2]), int(found[2]))


def _word(given: Mapping[str, str], name: str, words: tuple[str, ...]) -> str | None:
    if (word := given.get(name)) not in (None, *words):
        raise _wrong(name, f"must be one of {', '.join(words)}, got {str(word)[:20]!r}")
    return word


def _time(given: Mapping[str, str], name: str, default: float) -> float:
    """Unix time, from seconds or RFC 3339."""
    text = given.get(name)
    if text is None:
        return default
    problem = _wrong(name, f"must be Unix seconds or a time such as 2026-11-27T14:05:00Z, got {text[:30]!r}")
    if re.fullmatch(r"[0-9]{1,11}(\.[0-9]{1,9})?", text):
        return float(text)
    try:
        # A plus sign that is not encoded arrives as a space.
        moment = datetime.fromisoformat(re.sub(r" (?=[0-9]{2}:[0-9]{2}$)", "+", text))
        if moment.tzinfo is None:
            raise _wrong(name, f"must have a zone, as 2026-11-27T14:05:00Z has, got {text[:30]!r}")
        return (moment - datetime.fromtimestamp(0, UTC)).total_seconds()
    except (ValueError, OverflowError):
        raise problem from None


def _cursor(given: Mapping[str, str]) -> Place:
    text = given.get("cursor")
    try:
        return Place.parse(text) if text else TOP
    except ValueError:
        raise _wrong("cursor", "must be the `next` of an earlier page") from None


def _wrong(name: str, what: str) -> Problem:
    return Problem(Code.INVALID_REQUEST, f"{name} {what}.", param=name)
