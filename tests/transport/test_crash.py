"""The router's own failure ends one request, with a word to its client, and nothing else."""

import json
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from support.h1client import chat, h1_to
from support.h2client import h2_through
from support.http_requests import ask
from support.leak_checks import no_leaks
from support.router import Router, running
from support.settings import provider


def breaks(router: Router, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(router.gateway, name, broken)


@pytest.mark.parametrize("step", ["admit", "open_exchange", "start_driver"])
async def test_the_client_is_told_over_http1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
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


@pytest.mark.parametrize("step", ["admit", "open_exchange", "start_driver"])
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


async def test_once_the_request_is_known_it_is_told_in_its_dialect(
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
