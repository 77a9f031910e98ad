"""`pointsman clients` against a running router."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pointsman import cli
from pointsman.commands.client_args import router_key
from pointsman.demo import Provider, behaviours
from support.admin import ADMIN
from support.http_requests import ask
from support.router import Router, running
from support.settings import provider, settings


@pytest.fixture
async def router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Router]:
    monkeypatch.setenv("POINTSMAN_SERVER__ADMIN_KEY", ADMIN)
    async with Provider(behaviours.answer("hello")) as one:
        sections = {"server": {"admin_key": ADMIN}, "clients": {"ci": {"key": "key-of-ci-0123456789"}}}
        async with running(tmp_path, {"one": provider(one.base_url)}, **sections) as router:
            yield router


async def run(router: Router, *arguments: str) -> int:
    return await asyncio.to_thread(cli.main, ["clients", *arguments, "--router", router.url])


async def test_a_client_is_added_and_managed(router: Router, capsys: pytest.CaptureFixture[str]) -> None:
    made = ("--models", "one/*", "auto-fast", "--rpm", "30", "--budget", "0.50usd/day")
    assert await run(router, "add", "anna", *made, "--budget", "9000tokens/month@Europe/Berlin") == 0
    key = capsys.readouterr().out.strip()
    assert (await ask(router.base_url, headers={"x-api-key": key})).status == 200
    assert await run(router, "list") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "ci * – – 0 $0 never enabled, in the file" in shown
    assert "anna one/*, auto-fast rpm 30" in shown
    assert "of $0.5 a day" in shown
    assert "of 9000 tokens a month" in shown
    assert await run(router, "change", "anna", "--rpm", "5") == 0
    assert await run(router, "disable", "anna") == 0
    capsys.readouterr()
    assert await run(router, "list", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["clients"]}
    assert (rows["anna"]["limits"]["rpm"], rows["anna"]["disabled"]) == (5, True)
    assert await run(router, "enable", "anna") == 0
    assert await run(router, "rotate", "anna") == 0
    assert capsys.readouterr().out.splitlines()[-1] not in ("", key)
    assert (await ask(router.base_url, headers={"x-api-key": key})).status == 401
    assert await run(router, "remove", "anna") == 0
    assert await run(router, "remove", "anna") == 1
    assert "There is no such client." in capsys.readouterr().err


async def test_what_is_wrong_is_said(router: Router, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(router, "rotate", "ci") == 1
    assert "in the configuration file" in capsys.readouterr().err
    assert await run(router, "add", "x", "--on-exhausted", "no-such-model") == 1
    assert "must be refuse, a model" in capsys.readouterr().err
    for arguments in (("add",), ("list", "x"), ("add", "x", "--budget", "5/year")):
        with pytest.raises(SystemExit):
            await run(router, *arguments)


def test_a_set_up_says_that_the_key_is_known_as_a_hash_alone() -> None:
    named = settings({"one": provider()}, clients={"ci": {"key": "key-of-ci-0123456789"}})
    key = router_key(None, named)
    assert key.is_missing
    assert "(ci)" in key.note
    assert not router_key("mine", named).is_missing
    both = settings({"one": provider()}, clients=named.clients and {"ci": {"key": "k-1"}}, server={"client_key": "k-2"})
    assert router_key(None, both).used == "k-2"
