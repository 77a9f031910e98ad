"""`/api/analytics`: what may be asked, and a page that takes its time."""

import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from pointsman.config import HistorySettings, Server, Settings
from pointsman.history import History
from pointsman.routing.router import Router
from pointsman.web.access import AccessControl, AccessLevel
from pointsman.web.analytics import analytics_csv, analytics_page, reference_rates
from pointsman.web.http import PageReply, PageRequest, json_reply
from pointsman.web.page_router import PageRoute, PageRouter
from pointsman.web.peers import Alone
from pointsman.wire.errors import Code, Problem
from pointsman.wire.frames import Usage
from support.audit_records import attempt_record, exchange_record
from support.settings import provider
from web.page_requests import ADMIN, payload_of, request


async def asked(history: History, query: str = "") -> Any:
    router = Router(Settings(), b"0" * 32)
    return payload_of(await analytics_page(history, router, Alone())(request(query=query), ""))


@pytest.fixture
async def history(tmp_path: Path) -> History:
    own = History(HistorySettings(path=str(tmp_path / "h.db")))
    own.start()
    return own


async def test_keys_that_have_the_same_label_are_distinguished_in_the_file(history: History) -> None:
    for name in ("a", "b"):
        attempt = attempt_record(provider=name, key="key-1", started=time.time())
        history.record(exchange_record(name, started=time.time(), attempts=(attempt,)), 10)
    reply = await analytics_csv(history, Router(Settings(), b"0" * 32), Alone())(request(query="by=key"), "")
    head, *lines = reply.body.decode().splitlines()
    assert head.startswith("provider,key,requests,")
    assert sorted(line.split(",")[0] for line in lines) == ["a", "b"]
    await history.close()


class TestAsking:
    @pytest.mark.parametrize(
        ("query", "window", "by"),
        [
            ("", "24h", "target"),
            ("window=7d", "7d", "target"),
            ("by=key&window=30d", "30d", "key"),
            ("by=mode&by=outcome", "24h", "outcome"),
        ],
    )
    async def test_the_answer_says_what_was_asked(self, history: History, query: str, window: str, by: str) -> None:
        answer = await asked(history, query)
        assert answer == {"window": window, "by": by, "rows": [], "total": None, "dropped": 0, "problem": None}
        await history.close()

    @pytest.mark.parametrize(
        ("query", "name", "choices"),
        [
            ("window=", "window", "1h, 24h, 7d, 30d"),
            ("window=24H", "window", "1h, 24h, 7d, 30d"),
            ("window=1d", "window", "1h, 24h, 7d, 30d"),
            ("by=", "by", "target, provider, model, key, client, mode, outcome, day, all"),
            ("by=models", "by", "target, provider, model, key, client, mode, outcome, day, all"),
            ("by=target;DROP TABLE log", "by", "target, provider, model, key, client, mode, outcome, day, all"),
            ("by=" + "9" * 5000, "by", "target, provider, model, key, client, mode, outcome, day, all"),
        ],
    )
    async def test_anything_else_is_named_as_the_fault(self, query: str, name: str, choices: str) -> None:
        with pytest.raises(Problem) as caught:
            await asked(History(HistorySettings(path="off")), query)
        assert (caught.value.code, caught.value.param) == (Code.INVALID_REQUEST, name)
        assert choices in caught.value.message
        assert len(caught.value.message) < 200


class TestReference:
    @pytest.mark.parametrize(
        ("name", "dollars_for_a_million"),
        [("one/m", 2), ("m", 2), ("openai/gpt-4o", 2.5), ("gpt-4o", 2.5), ("one/other", None), ("no-such-model", None)],
    )
    def test_a_model_is_configured_or_of_the_table(self, name: str, dollars_for_a_million: float | None) -> None:
        one = provider("http://one.test/v1", prices={"m": {"input": 2, "output": 4}})
        settings = Settings.model_validate({"providers": {"one": {**one, "name": "one"}}})
        if dollars_for_a_million is None:
            with pytest.raises(Problem) as caught:
                reference_rates(name, settings)
            assert caught.value.param == "reference"
            return
        rates = reference_rates(name, settings)
        assert rates.tier(10, 0.0).input == dollars_for_a_million * 10**6

    async def test_each_group_says_what_it_had_cost_there(self, history: History) -> None:
        used = attempt_record(started=4e9, usage=Usage(input=1000, output=100), cost=5)
        history.record(exchange_record(attempts=(used,), client="ci"), 10)
        [row] = (await asked(history, "by=client&reference=openai/gpt-4o"))["rows"]
        assert (row["client"], row["cost_usd"], row["reference_cost_usd"]) == ("ci", "0.000000005", "0.0035")
        [row] = (await asked(history, "by=client"))["rows"]
        assert "reference_cost_usd" not in row
        await history.close()


class TestHistory:
    async def test_what_has_just_ended_is_reported(self, history: History) -> None:
        now = 4_000_000_000.0
        history.record(exchange_record(attempts=(attempt_record(started=now),)), 10)
        [row] = (await asked(history))["rows"]
        assert (row["target"], row["raw"]["successes"], row["weighted"]["successes"]) == ("groq/llama", 1, 1)
        await history.close()

    async def test_one_that_is_off_says_so(self) -> None:
        off = History(HistorySettings(path="off"))
        off.start()
        off.record(exchange_record(), 10)
        answer = await asked(off)
        assert (answer["rows"], answer["problem"]) == ([], "history.path is off")
        assert not (await off.restore(["groq/llama"])).hours
        await off.close()

    async def test_one_that_cannot_be_kept_says_why(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        out_of_reach = History(HistorySettings(path=str(tmp_path / "file" / "h.db")))
        out_of_reach.start()
        assert (await asked(out_of_reach))["problem"]
        assert not (await out_of_reach.restore(["groq/llama"])).hours
        await out_of_reach.close()

    async def test_another_path_begins_another_file(self, history: History, tmp_path: Path) -> None:
        history.record(exchange_record(attempts=(attempt_record(started=4e9),)), 10)
        assert len((await asked(history))["rows"]) == 1
        history.update_settings(HistorySettings(path=str(tmp_path / "other.db")))
        assert (await asked(history))["rows"] == []
        history.update_settings(HistorySettings(path=str(tmp_path / "h.db")))
        assert [row["target"] for row in (await asked(history))["rows"]] == ["groq/llama"]
        history.update_settings(HistorySettings(path="off"))
        assert (await asked(history))["problem"]


class TestPagesThatTakeTheirTime:
    @pytest.mark.parametrize(
        ("fault", "status", "code"),
        [
            (None, 200, None),
            (Problem(Code.NOT_FOUND, "no"), 404, "not_found"),
            (RuntimeError("a secret"), 502, "internal_error"),
        ],
    )
    async def test_they_end_as_others_do(self, fault: Exception | None, status: int, code: str | None) -> None:
        async def later() -> PageReply:
            if fault:
                raise fault
            return json_reply({"said": "at last"})

        def answer(_: PageRequest, __: str) -> Awaitable[PageReply]:
            return later()

        pages = PageRouter([PageRoute("GET", "/slow", AccessLevel.ADMIN, answer)], AccessControl(Server, lambda: ADMIN))
        pending = pages.handle(request("/slow", authorization=f"Bearer {ADMIN}", origin="http://localhost:3000"))
        assert not isinstance(pending, PageReply)
        reply = await pending
        assert reply.status == status
        assert payload_of(reply).get("error", {}).get("code") == code
        assert "secret" not in reply.body.decode()
        assert ("Access-Control-Allow-Origin", "http://localhost:3000") in reply.headers

    def test_an_unauthorized_request_is_refused_at_once(self) -> None:
        pages = PageRouter(
            [PageRoute("GET", "/slow", AccessLevel.ADMIN, lambda _, __: 1 / 0)], AccessControl(Server, lambda: ADMIN)
        )
        reply = pages.handle(request("/slow"))
        assert isinstance(reply, PageReply)
        assert reply.status == 401
