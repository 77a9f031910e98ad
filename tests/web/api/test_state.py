"""What the admin API tells of the router's state, and what clearing it does."""

import asyncio
from pathlib import Path
from time import monotonic, time
from typing import Any

import pytest

from pointsman.demo import Provider, behaviours
from pointsman.domain.failures import Scope
from pointsman.domain.records import Outcome
from pointsman.recent_exchanges import WINDOW_SECONDS
from pointsman.sessions.penalties import Ban, SessionPenalties
from pointsman.web.api.overview import rates
from routing.routing_builders import cool
from support import router
from support.admin import CLIENT, SERVER, bearer, call
from support.audit_records import attempt_record, exchange_record
from support.http_requests import ask, http_client
from support.settings import provider
from web.api.conftest import FILE_KEY


async def get(one: router.Router, path: str) -> Any:
    return (await call(one.url, "GET", path)).json()


class TestRates:
    def test_before_and_after_failover_differ_by_what_failover_saved(self) -> None:
        good = attempt_record(n=1, outcome=Outcome.REQUEST_SUCCESS)
        saved = (attempt_record(n=1, outcome=Outcome.RETRY_FAILED), attempt_record(n=2, outcome=Outcome.RETRY_SUCCESS))
        lost = (attempt_record(n=1, outcome=Outcome.RETRY_FAILED),)
        aborted = (attempt_record(n=1, outcome=Outcome.CLIENT_ABORT),)
        records = [exchange_record(attempts=each) for each in ((good,), saved, lost, aborted, ())]
        told = rates(records)
        assert (told["success_rate"], told["first_attempt_success_rate"]) == (2 / 4, 1 / 4)

    def test_a_wait_is_the_clients_own_from_its_request_on(self) -> None:
        failed = attempt_record(n=1, outcome=Outcome.RETRY_FAILED, started=100.0)
        winner = attempt_record(n=2, outcome=Outcome.RETRY_SUCCESS, started=102.0, first_content_ms=500.0)
        told = rates([exchange_record(started=100.0, streamed=True, attempts=(failed, winner))])
        assert told["first_content_ms"] == {"p50": 2500.0, "p95": 2500.0}

    def test_without_state_the_lists_are_empty(self) -> None:
        empty = {
            "success_rate": None,
            "first_attempt_success_rate": None,
            "first_content_ms": {"p50": None, "p95": None},
        }
        assert rates([]) == empty


class TestOverview:
    async def test_it_counts_what_has_just_ended(self, one: router.Router) -> None:
        for _ in range(3):
            await ask(one.base_url, headers=bearer(CLIENT))
        told = await get(one, "overview")
        assert (told["exchanges"], told["requests_per_minute"], told["running"]) == (3, 3, 0)
        assert (told["success_rate"], told["sessions"], told["demo"]) == (1.0, 1, False)
        assert [each["name"] for each in told["providers"]] == ["a", "b"]

    async def test_what_is_older_than_the_window_does_not_count(self, one: router.Router) -> None:
        one.gateway.recent_exchanges.add(exchange_record(started=time() - WINDOW_SECONDS - 60))
        assert (await get(one, "overview"))["exchanges"] == 0


class TestConditions:
    async def test_one_set_of_words_is_everywhere(self, one: router.Router) -> None:
        """For the provider, its model and its key, in the API and on the page of health checks."""
        await ask(one.base_url, headers=bearer(CLIENT))
        words = {"a": "works (100 % of 1 in the last hour)", "b": "not tried yet"}
        for path, rows in (("overview", "providers"), ("health", "providers"), ("providers", "providers")):
            assert {each["name"]: each["condition"]["text"] for each in (await get(one, path))[rows]} == words
        targets = (await get(one, "fallback"))["targets"]
        assert {each["provider"]: each["condition"]["text"] for each in targets} == words
        (key,) = (await get(one, "keys"))["keys"]
        assert (key["condition"]["text"], key["totals"]["successes"]) == (words["a"], 1)
        assert key["models"][0]["condition"]["state"] == "works"
        async with http_client() as client:
            checked = (await client.get(f"{one.url}/internal/health")).json()
        assert {each["name"]: each["text"] for each in checked["providers"]} == words


class TestExchanges:
    async def test_pages_follow_each_other(self, one: router.Router) -> None:
        for n in range(5):
            one.gateway.recent_exchanges.add(exchange_record(f"req-{n}"))
        seen, path = [], "exchanges?limit=2"
        while path:
            page = await get(one, path)
            seen += [row["request_id"] for row in page["exchanges"]]
            path = f"exchanges?limit=2&before={page['next']}" if page["next"] is not None else ""
        assert seen == [f"req-{n}" for n in reversed(range(5))]

    async def test_one_has_what_the_row_leaves_out(self, one: router.Router) -> None:
        await ask(one.base_url, headers=bearer(CLIENT) | {"x-request-id": "mine"})
        (row,) = (await get(one, "exchanges"))["exchanges"]
        whole = await get(one, "exchanges/mine")
        assert len(whole.pop("excluded")) == row.pop("excluded_count")
        assert row.pop("seq") == 0
        assert row == whole

    @pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "before=-1", "limit=1&befor=3"])
    async def test_a_strange_query_is_refused(self, one: router.Router, query: str) -> None:
        assert (await call(one.url, "GET", f"exchanges?{query}")).status_code == 400


class TestCooldowns:
    @pytest.mark.parametrize(
        ("query", "left"),
        [
            ("", set()),
            ("?provider=a", {"b/m"}),
            ("?provider=a&model=m", {"b/m", "#key-1"}),
            ("?provider=a&key=key-1", {"a/m", "b/m"}),
            ("?provider=a&model=m&key=key-1", {"a/m", "b/m", "#key-1"}),
            ("?provider=a&key=key-7", {"a/m", "b/m", "#key-1", "m#key-1"}),
            ("?provider=nobody", {"a/m", "b/m", "#key-1", "m#key-1"}),
        ],
    )
    async def test_some_or_all_of_them_end(self, one: router.Router, query: str, left: set[str]) -> None:
        own = one.gateway.router
        for label in ("a/m", "b/m"):
            cool(own, Scope.TARGET, label, "503", 60, monotonic())
        cool(own, Scope.KEY, "a/m", "key_invalid", 60, monotonic())
        cool(own, Scope.MODEL_OF_KEY, "a/m", "rate_limit", 60, monotonic())
        answer = await call(one.url, "DELETE", f"cooldowns{query}")
        assert answer.json() == {"cleared": 4 - len(left)}
        told = await get(one, "cooldowns")
        labels = {f"{row['provider']}/{row['model']}" for row in told["targets"]}
        assert labels | {f"{row['model'] or ''}#{row['key']}" for row in told["keys"]} == left

    @pytest.mark.parametrize("query", ["model=m", "key=k", "nonsense=1"])
    async def test_a_query_that_would_mean_all_by_mistake_is_refused(self, one: router.Router, query: str) -> None:
        assert (await call(one.url, "DELETE", f"cooldowns?{query}")).status_code == 400


class TestSessions:
    @pytest.mark.parametrize(
        ("query", "cleared"),
        [("", 2), ("?provider=a", 2), ("?provider=a&model=m", 1), ("?session={id}", 2), ("?session=ffffffff", 0)],
    )
    async def test_bans_are_reported_and_lifted(self, one: router.Router, query: str, cleared: int) -> None:
        await ask(one.base_url, headers=bearer(CLIENT))
        (session,) = one.gateway.router.sessions._store
        (row,) = (await get(one, "sessions"))["sessions"]
        ban(session, "a", "a/m")
        assert [(each["provider"], each["model"]) for each in (await get(one, "bans"))["bans"]] == [
            ("a", None),
            ("a", "m"),
        ]
        answer = await call(one.url, "DELETE", f"bans{query.format(id=row['session'])}")
        assert answer.json() == {"cleared": cleared}
        assert len((await get(one, "bans"))["bans"]) == 2 - cleared

    async def test_a_session_shows_its_client_turns_and_model_but_no_words(self, one: router.Router) -> None:
        for _ in range(2):
            await ask(one.base_url, model="a/m", headers=bearer(CLIENT))
        (row,) = (await get(one, "sessions"))["sessions"]
        assert (row["model"], row["turns"], row["words"]) == ("a/m", 2, None)

    async def test_first_words_are_shown_masked_and_forgotten_where_the_setting_says_so(
        self, one: router.Router
    ) -> None:
        assert (await call(one.url, "PATCH", "settings", json={"sticky": {"show_words": True}})).status_code == 200
        said = [{"role": "user", "content": f"Why is {FILE_KEY} refused?"}]
        await ask(one.base_url, headers=bearer(CLIENT), messages=said)
        (row,) = (await get(one, "sessions"))["sessions"]
        assert row["words"] == "Why is *** refused?"
        await call(one.url, "PATCH", "settings", json={"sticky": {"show_words": None}})
        (row,) = (await get(one, "sessions"))["sessions"]
        assert row["words"] is None

    async def test_a_session_that_is_dropped_begins_again(self, one: router.Router) -> None:
        await ask(one.base_url, headers=bearer(CLIENT))
        (row,) = (await get(one, "sessions"))["sessions"]
        assert (await call(one.url, "DELETE", f"sessions/{row['session']}")).status_code == 204
        assert (await get(one, "sessions"))["sessions"] == []
        assert (await call(one.url, "DELETE", f"sessions/{row['session']}")).status_code == 404
        assert (await ask(one.base_url, headers=bearer(CLIENT))).headers["x-sticky-session"] == "miss"


def ban(session: Any, *scopes: str) -> None:
    session.penalties = session.penalties or SessionPenalties()
    session.penalties.bans.update(dict.fromkeys(scopes, Ban("failed twice", 0.0, monotonic() + 600, True)))


async def test_health_says_when_a_provider_is_in_trouble(one: router.Router) -> None:
    assert (await get(one, "health"))["status"] == "healthy"
    health = one.gateway.router.health
    while not health.outage("a"):
        health.on_connection_failed("a", "connect_refused", monotonic())
    told = await get(one, "health")
    assert told["status"] == "degraded"
    assert told["providers"][0]["status"] == "unhealthy"
    assert told["providers"][0]["problem"] == "connect_refused"


async def test_a_running_request_is_listed_with_its_attempts(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with (
        Provider(behaviours.status(503)) as bad,
        Provider(behaviours.gated(behaviours.answer("at last"), gate)) as slow,
    ):
        entries = {"bad": provider(bad.base_url), "slow": provider(slow.base_url)}
        async with router.running(tmp_path, entries, server=SERVER) as own:
            asked = asyncio.create_task(ask(own.base_url, headers=bearer(CLIENT) | {"x-request-id": "mine"}))
            await slow.arrived()
            told = await get(own, "overview")
            gate.set()
            attempts = int((await asked).headers["x-fallback-attempts"]) + 1
            (running,) = told["running_exchanges"]
            assert (told["running"], running["request_id"], running["model"]) == (1, "mine", "m")
            assert running["attempts"] == attempts
            assert (await get(own, "overview"))["running"] == 0
