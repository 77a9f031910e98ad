"""Pages of all instances: histories that are added up are as one history that has recorded everything."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest

from history.history_builders import mixed_exchanges
from pointsman.config import HistorySettings, Settings
from pointsman.history import History
from pointsman.history.analytics import GroupBy, TimeWindow
from pointsman.history.requests import TOP
from pointsman.prices import Rates, listed_rates
from pointsman.routing.router import Router
from pointsman.shared.questions import PeerAnswers
from pointsman.web.analytics import analytics_page
from pointsman.web.peers import Alone, add_clients, analytics_of_all, requests_for_peer, requests_of_all, sums_for_peer
from pointsman.web.requests import request_filter
from support.audit_records import exchange_record
from web.page_requests import payload_of, request

RATES = listed_rates("openai", (), "gpt-4o")


class Peer:
    """Another instance, whose answers take the way over JSON. `garbled`: it says what cannot be read."""

    title = "one"

    def __init__(self, history: History, rates: Rates | None = None, garbled: Any = None) -> None:
        self.history, self.rates, self.garbled = history, rates, garbled

    async def ask(self, kind: str, asked: Any) -> PeerAnswers:
        asked = orjson.loads(orjson.dumps(asked))
        if self.garbled is not None:
            return PeerAnswers({"two": self.garbled}, ("three",))
        if kind == "analytics":
            said = await sums_for_peer(self.history, TimeWindow(asked[0]), GroupBy(asked[1]), self.rates, asked[3])
        else:
            given, after, ended, limit = asked
            said = await requests_for_peer(self.history, "two", request_filter(given), after, ended, limit)
        return PeerAnswers({"two": orjson.loads(orjson.dumps(said))})


class Histories:
    """`whole` has what `one` and `two` have."""

    def __init__(self, folder: Path) -> None:
        self.one, self.two, self.whole = (
            History(HistorySettings(path=str(folder / f"{name}.db"))) for name in ("one", "two", "whole")
        )


@pytest.fixture
async def histories(tmp_path: Path) -> AsyncIterator[Histories]:
    made = Histories(tmp_path)
    async with AsyncExitStack() as stack:
        for each in (made.one, made.two, made.whole):
            each.start()
            stack.push_async_callback(each.close)
        for number, record in enumerate(mixed_exchanges(400, time.time(), days=2)):
            for each in (made.two if number % 3 else made.one, made.whole):
                each.record(record, 100, "/v1/chat/completions")
        yield made


@pytest.mark.parametrize(("by", "client"), [*((by, "") for by in GroupBy), (GroupBy.DAY, "ci")])
async def test_sums_are_those_of_one_history(histories: Histories, by: GroupBy, client: str) -> None:
    peer = Peer(histories.two, RATES)
    found = await analytics_of_all(histories.one, peer, TimeWindow.WEEK, by, "openai/gpt-4o", RATES, client)
    expected = await histories.whole.analytics(TimeWindow.WEEK, by, RATES, client)
    assert found.pop("instances") == {"answered": ["one", "two"], "missing": []}
    rows = [{row[by.value]: row for row in told.pop("rows")} for told in (found, expected)]
    rows[0]["total"], rows[1]["total"] = found.pop("total"), expected.pop("total")
    assert found == expected
    assert rows[0].keys() == rows[1].keys()
    for name, row in rows[1].items():
        assert rows[0][name].pop("weighted") == pytest.approx(row.pop("weighted"), rel=1e-4)
        del rows[0][name]["weighted_success_rate"], row["weighted_success_rate"]
        assert rows[0][name].pop("failures_by_kind").items() == row.pop("failures_by_kind").items()
        assert rows[0][name] == row


async def test_requests_of_all_come_once_and_newest_first(histories: Histories) -> None:
    moment = time.time() + 5
    for number, own in enumerate((histories.one, histories.two, histories.one)):
        for each in (own, histories.whole):
            each.record(exchange_record(f"tie-{number}", started=moment), 10, "/v1/chat/completions")
    expected = (await histories.whole.requests(request_filter({}), TOP, 1000)).rows
    seen: list[Any] = []
    given = {"instances": "all"}
    for _ in range(100):
        page, instances = await requests_of_all(histories.one, Peer(histories.two), given, request_filter(given), 37)
        assert instances == {"answered": ["one", "two"], "missing": []}
        seen += page.rows
        if page.next is None:
            break
        given["cursor"] = page.next
    assert sorted(row["request_id"] for row in seen) == sorted(row["request_id"] for row in expected)
    assert [row["time"] for row in seen] == [row["time"] for row in expected]
    assert {row["instance"] for row in seen} == {"one", "two"}


@pytest.mark.parametrize("garbled", [{}, {"groups": [["a"]], "rows": [{}]}, {"groups": 1, "rows": 1}, [], "x"])
async def test_an_instance_that_says_nothing_readable_counts_as_missing(histories: Histories, garbled: Any) -> None:
    peer = Peer(histories.two, garbled=garbled)
    told = await analytics_of_all(histories.one, peer, TimeWindow.WEEK, GroupBy.ALL, "", None)
    assert told["instances"] == {"answered": ["one"], "missing": ["three", "two"]}
    _, instances = await requests_of_all(histories.one, peer, {}, request_filter({}), 10)
    assert instances["missing"] == ["three", "two"]


async def test_an_instance_that_is_alone_answers_for_itself(histories: Histories) -> None:
    page = analytics_page(histories.one, Router(Settings(), b"0" * 32), Alone())
    told = payload_of(await page(request(query="instances=all&by=all"), ""))
    assert told["instances"] == {"answered": ["this instance"], "missing": []}
    [row], [same] = told["rows"], payload_of(await page(request(query="by=all"), ""))["rows"]
    assert row["raw"] == same["raw"]


def test_what_runs_is_added_up_and_what_was_used_is_known_already() -> None:
    def client(**more: Any) -> dict[str, Any]:
        return {"name": "zoe", "requests": 3, "running": 1, "cost_usd": "0.1", "budgets": ["own"], **more}

    clients = [client(), client(name="adam")]
    add_clients(clients, {"zoe": client(running=2)})
    assert clients == [client(running=3), client(name="adam")]
