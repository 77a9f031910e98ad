"""The router's own failure ends one request, with a word to its client, and nothing else."""

import json
from pathlib import Path

import pytest

from pointsman.config.enums import Dialect
from pointsman.demo import Provider, behaviours
from pointsman.request_reader import LARGE_BODY_BYTES
from support.admin import CLIENT, SERVER, bearer, call
from support.dialects import CHATS, PROVIDER_KEY, entry
from support.h1client import chat, h1_to
from support.h2client import h2_through
from support.http_requests import ask, http_client
from support.leak_checks import no_leaks
from support.router import Router, running
from support.settings import provider
from support.socket_client import socket_to


def breaks(router: Router, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(router.gateway, name, broken)


@pytest.mark.parametrize("step", ["admit", "request_reader", "prepare", "open_exchange", "start_driver"])
async def test_the_client_gets_an_error_over_http1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    async with (
        Provider(behaviours.answer()) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
        h1_to(router.host, router.port) as client,
    ):
        with monkeypatch.context() as patch:
            breaks(router, patch, step)
            await client.ask(chat(), headers=(("Connection", "close"),))
            assert (await client.head())[0] == 502
            await client.reader.read()
        await no_leaks(router)
        assert (await ask(router.base_url)).status == 200


@pytest.mark.parametrize("step", ["admit", "request_reader", "prepare", "open_exchange", "start_driver"])
async def test_other_streams_of_its_connection_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    async with (
        Provider(behaviours.answer("one two three")) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
        h2_through(router.url, router.ca) as client,
    ):
        with monkeypatch.context() as patch:
            breaks(router, patch, step)
            failing = await client.ask(chat())
            await client.whole(failing)
        assert failing.status == 502
        assert b"three" in await client.whole(await client.ask(chat()))


async def test_once_the_request_is_known_the_error_is_in_its_dialect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        Provider(behaviours.answer()) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
    ):
        breaks(router, monkeypatch, "open_exchange")
        answer = await ask(router.base_url)
        request_id = answer.headers["x-request-id"]
        error = json.loads(answer.body)["error"]
        assert (answer.status, error["code"]) == (502, "internal_error")
        assert request_id in error["message"]
        assert request_id in caplog.text
        assert "RuntimeError: broken" in caplog.text


@pytest.mark.parametrize("size", [0, LARGE_BODY_BYTES], ids=["small", "large"])
@pytest.mark.parametrize("dialect", Dialect)
async def test_what_fails_before_an_exchange_begins_is_reported_logged_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, dialect: Dialect, size: int
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(f"broken with {PROVIDER_KEY}")

    path, members = CHATS[dialect]
    history = {"path": str(tmp_path / "history.db")}
    async with (
        Provider(behaviours.answer()) as one,
        running(tmp_path, {"one": entry(dialect, one, keys=[PROVIDER_KEY])}, server=SERVER, history=history) as router,
        http_client(headers=bearer(CLIENT)) as client,
    ):
        with monkeypatch.context() as patch:
            patch.setattr(router.gateway, "prepare", broken)
            answer = await client.post(f"{router.url}{path}", json={**members, "metadata": {"x": "x" * size}})
        request_id, error = answer.headers["x-request-id"], answer.json()["error"]
        assert answer.status_code == 502
        assert request_id in error["message"]
        assert error["code"] == (502 if dialect is Dialect.GEMINI else "internal_error")
        rows = (await call(router.url, "GET", "requests", params={"q": request_id})).json()["requests"]
        assert [(row["status"], row["reason"], row["dialect"]) for row in rows] == [(502, "internal_error", dialect)]
        assert request_id in caplog.text
        assert "RuntimeError: broken with " in caplog.text
        assert PROVIDER_KEY not in caplog.text
        assert one.seen == []
        assert (await client.post(f"{router.url}{path}", json=members)).status_code == 200


async def test_over_a_websocket_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        Provider(behaviours.answer("hello")) as one,
        running(tmp_path, {"one": entry(Dialect.OPENAI_RESPONSES, one)}) as router,
        socket_to(router.base_url) as client,
    ):
        with monkeypatch.context() as patch:
            breaks(router, patch, "prepare")
            [error] = await client.ask("Which track?")
        assert (error["status"], error["error"]["code"]) == (502, "internal_error")
        assert await client.says("Which track?") == "hello"
