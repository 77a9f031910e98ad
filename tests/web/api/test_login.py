"""The dashboard's way in, over a socket."""

from pathlib import Path

import httpx
import pytest

from pointsman.web.openapi import CSRF_HEADER
from support import router
from support.admin import ADMIN, bearer, call
from support.http_requests import http_client
from support.ports import free_port
from support.settings import provider


@pytest.fixture
async def browser(one: router.Router):  # type: ignore[no-untyped-def]
    async with http_client(base_url=one.url) as client:
        yield client


async def test_a_session_sees_and_changes_and_ends(browser: httpx.AsyncClient) -> None:
    cookie = f"pointsman-{browser.base_url.port}"
    assert (await browser.get("/api/me")).status_code == 401
    assert (await browser.post("/api/login", json={"admin_key": "nonsense"})).status_code == 401
    entered = await browser.post("/api/login", json={"admin_key": ADMIN})
    assert entered.status_code == 200
    assert list(browser.cookies) == [cookie]
    assert ADMIN not in entered.text + str(entered.headers)
    assert (await browser.get("/api/me")).json() == entered.json()
    change = {"routing": {"default_mode": "fast"}}
    assert (await browser.patch("/api/settings", json=change)).status_code == 403
    token = {CSRF_HEADER: entered.json()["csrf"]}
    assert (await browser.patch("/api/settings", json=change, headers=token)).status_code == 200
    assert (await browser.post("/api/logout", headers=token)).status_code == 204
    assert cookie not in browser.cookies
    assert (await browser.get("/api/me")).status_code == 401


async def test_a_session_holds_at_the_port_that_it_began_at_and_at_no_other(tmp_path: Path) -> None:
    ports = [free_port(), free_port()]
    modes = [f"regular@{port}" for port in ports]
    async with (
        router.running(tmp_path, {"a": provider()}, modes, server={"admin_key": ADMIN}),
        http_client() as browser,  # which sends its cookies to both, as a browser does
    ):
        here, there = (f"http://127.0.0.1:{port}" for port in ports)
        assert (await browser.post(f"{here}/api/login", json={"admin_key": ADMIN})).status_code == 200
        assert (await browser.get(f"{here}/api/me")).status_code == 200
        assert (await browser.get(f"{there}/api/me")).status_code == 401
        browser.cookies.set(f"pointsman-{ports[1]}", next(iter(browser.cookies.values())))
        assert (await browser.get(f"{there}/api/me")).status_code == 401
        described = (await browser.get(f"{here}/api/openapi.json")).json()
        assert described["components"]["securitySchemes"]["session"]["name"] == f"pointsman-{ports[0]}"


async def test_the_key_itself_needs_no_token(one: router.Router) -> None:
    told = (await call(one.url, "GET", "me")).json()
    assert (told["by"], told["csrf"]) == ("key", None)


async def test_too_many_wrong_keys_have_to_wait(one: router.Router) -> None:
    statuses = [(await call(one.url, "GET", "me", "nonsense")).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    waiting = await call(one.url, "GET", "me")
    assert (waiting.status_code, waiting.json()["error"]["code"]) == (429, "rate_limited")
    assert 50 <= int(waiting.headers["retry-after"]) <= 60


async def test_what_has_not_changed_is_not_sent_again(one: router.Router) -> None:
    first = await call(one.url, "GET", "keys")
    again = await call(one.url, "GET", "keys", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    await call(one.url, "POST", "keys", json={"provider": "b", "value": "sk-1234567890"})
    assert (await call(one.url, "GET", "keys", headers={"If-None-Match": first.headers["etag"]})).status_code == 200


async def test_on_chat_paths_a_guesser_has_to_wait_and_others_are_served(one: router.Router) -> None:
    url = f"{one.base_url}/chat/completions"
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    async with http_client() as client:
        wrong = [(await client.post(url, json=body, headers=bearer("nonsense"))).status_code for _ in range(11)]
        right = await client.post(url, json=body, headers=bearer("the-client-key-of-tests"))
    assert wrong == [401] * 10 + [429]
    assert right.status_code == 200


async def link_of(url: str) -> str:
    made = await call(url, "POST", "sign-in-links")
    assert made.status_code == 201
    return str(made.json()["path"])


async def test_a_sign_in_link_opens_the_dashboard_once(one: router.Router, browser: httpx.AsyncClient) -> None:
    link = await link_of(one.url)
    assert (await browser.head(link)).status_code == 405  # a preview does not use it up
    entered = await browser.get(link)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert "HttpOnly" in entered.headers["set-cookie"]
    assert (await browser.get("/api/me")).json()["by"] == "session"
    assert (await browser.get(link)).status_code == 303  # a signed-in browser is sent on
    async with http_client(base_url=one.url) as another:
        refused = await another.get(link)
        assert refused.status_code == 401
        assert "pointsman dashboard" in refused.json()["error"]["message"]
        assert (await another.get("/api/me")).status_code == 401


async def test_a_page_of_another_site_cannot_open_a_link(one: router.Router, browser: httpx.AsyncClient) -> None:
    link = await link_of(one.url)
    assert (await browser.get(link, headers={"sec-fetch-site": "cross-site"})).status_code == 403
    assert (await browser.get(link)).status_code == 303


async def test_guessed_links_are_counted(one: router.Router, browser: httpx.AsyncClient) -> None:
    statuses = [(await browser.get(f"/sign-in/guess-{number}")).status_code for number in range(11)]
    assert (statuses[0], statuses[-1]) == (401, 429)
