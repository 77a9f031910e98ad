"""The dashboard's playground asks the chat paths: with its session where a client key is wanted, and nothing less."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from pointsman.demo import behaviours
from support import router
from support.admin import ADMIN, CLIENT, SERVER, bearer
from support.http_requests import http_client, started
from support.settings import provider

PATH = "/v1/chat/completions"
ASKED = {"model": "auto", "messages": [{"role": "user", "content": "Which track?"}]}


@pytest.fixture
async def page(one: router.Router) -> AsyncIterator[httpx.AsyncClient]:
    """Logged in, with its CSRF token in every request."""
    async with http_client(base_url=one.url) as client:
        me = (await client.post("/api/login", json={"admin_key": ADMIN})).json()
        client.headers["X-CSRF-Token"] = me["csrf"]
        yield client


async def test_the_session_stands_for_the_key(page: httpx.AsyncClient) -> None:
    answer = await page.post(PATH, json=ASKED)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-routed-via"] == "a/m"
    assert CLIENT not in answer.text
    told = await page.get(f"/api/exchanges/{answer.headers['x-request-id']}")
    assert told.json()["attempts"][0]["why"]


async def test_its_requests_have_a_client_on_record_with_and_without_a_client_key(tmp_path: Path) -> None:
    for number, server in enumerate((SERVER, {"admin_key": ADMIN})):
        async with AsyncExitStack() as stack:
            [a] = await started(stack, behaviours.answer("from a"))
            sections = {"server": server, "history": {"path": str(tmp_path / f"{number}.db")}}
            one = await stack.enter_async_context(router.running(tmp_path, {"a": provider(a.base_url)}, **sections))
            page = await stack.enter_async_context(http_client(base_url=one.url))
            token = (await page.post("/api/login", json={"admin_key": ADMIN})).json()["csrf"]
            for headers in ({"X-CSRF-Token": token}, bearer(CLIENT)):
                assert (await page.post(PATH, json=ASKED, headers=headers)).status_code == 200
            rows = (await page.get("/api/requests")).json()["requests"]
            assert [row["client"] for row in rows] == ["default" if server is SERVER else None, "dashboard"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "guessed"},
        {"Cookie": "", "X-CSRF-Token": "guessed"},
        {"Origin": "https://elsewhere.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Authorization": "Bearer wrong"},
    ],
)
async def test_nothing_less_than_the_dashboard_itself_passes(page: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await page.post(PATH, json=ASKED, headers=headers)).status_code == 401


async def test_after_logging_out_it_is_refused(page: httpx.AsyncClient) -> None:
    assert (await page.post("/api/logout")).status_code == 204
    assert (await page.post(PATH, json=ASKED)).status_code == 401
