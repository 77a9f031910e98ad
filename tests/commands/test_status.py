"""`pointsman status` and `pointsman top` against a running router."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from pointsman import cli
from pointsman.commands.admin_client import AdminClient, admin_key
from pointsman.commands.status import render
from pointsman.commands.top import exchanges
from pointsman.demo import Provider, behaviours
from pointsman.overrides import keep_admin_key
from pointsman.shared.hub import Hub
from pointsman.shared.part import SharedState
from support.admin import ADMIN, CLIENT, SERVER, bearer
from support.http_requests import ask, http_client
from support.ports import free_port
from support.router import Router, running
from support.settings import provider

type Run = Callable[..., int]


@pytest.fixture
async def router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Router]:
    """One provider works, one does not, one is disabled; one request was answered in spite of that."""
    monkeypatch.setenv("POINTSMAN_SERVER__ADMIN_KEY", ADMIN)
    async with Provider(behaviours.answer("hello")) as good, Provider(behaviours.status(503)) as bad:
        entries = {
            "bad": provider(bad.base_url),
            "good": provider(good.base_url, keys=["sk-secret-0001"]),
            "off": provider(enabled=False),
        }
        async with running(tmp_path, entries, server=SERVER, cooldowns={"transient": "10m"}) as router:
            while not router.gateway.router.cooldowns_to_dict(0, 0)["targets"]:
                assert (await ask(router.base_url, headers=bearer(CLIENT))).status == 200
            yield router


async def run(router: Router, *arguments: str) -> int:
    return await asyncio.to_thread(cli.main, [*arguments, "--router", router.url])


async def test_status_shows_every_provider_and_cooldowns(router: Router, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(router, "status") == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "1 sessions; success 100.0%" in lines[0]
    bad, good, off = (next(line for line in lines if line.startswith(f"{name} ")) for name in ("bad", "good", "off"))
    assert re.match(r"bad cooling until \d\d:\d\d: 503 1 not needed 0 – \d+ s ago 503, \d+ s ago$", bad)
    assert re.match(r"good works \(100 % of \d+ in the last hour\) 1 1 of 1 \d+ unknown \d+ s ago$", good)
    assert off == "off disabled 1 not needed 0 – never"
    assert any(re.match(r"good key-1 works \(100 % of \d+ in the last hour\)", line) for line in lines)
    assert any(line.startswith("bad/m in cooldown for") and line.endswith(": 503") for line in lines)


async def test_status_shows_whether_state_is_shared(
    router: Router, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub("test", "one", lambda: "word")
    monkeypatch.setattr(router.gateway, "shared", SimpleNamespace(hub=hub))
    hub.reason, hub.instances = "valkey://engine:6379/0 does not answer", 3
    assert await run(router, "status") == 0
    assert "state not shared: valkey://engine:6379/0 does not answer; 3 instances before" in capsys.readouterr().out
    hub.state = SharedState.CONNECTED
    assert await run(router, "status") == 0
    assert "state shared by 3 instances" in capsys.readouterr().out
    monkeypatch.undo()


@pytest.mark.parametrize("command", [["status"], ["top", "--times", "1"]])
async def test_the_address_needs_no_scheme(
    router: Router, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asyncio.to_thread(cli.main, [*command, "--router", f"{router.host}:{router.port}"]) == 0
    assert "good works (100 % of" in " ".join(capsys.readouterr().out.split())


async def test_status_as_json_is_the_whole_overview(router: Router, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(router, "status", "--json") == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)["providers"]] == ["bad", "good", "off"]


async def test_top_shows_the_last_exchanges(router: Router, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(router, "top", "--times", "2", "--every", "0.1") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "m good/m" in out
    assert "bad/m in cooldown for" in out


async def test_names_cannot_change_how_the_terminal_reads(router: Router, capsys: pytest.CaptureFixture[str]) -> None:
    overview, last = (json.loads(text) for text in (await asyncio.to_thread(answers, router)))
    for each in (*overview["providers"], *last["exchanges"]):
        each["name" if "name" in each else "model"] = "g\u202e\u2066\x1b[2J"
    Console(width=200).print(render(overview, [], [], 0.0), exchanges(last["exchanges"]))
    shown = capsys.readouterr().out
    assert shown.count("g\\u202e\\u2066\\x1b[2J") == 3 + len(last["exchanges"]) > 3
    assert not {"\u202e", "\u2066", "\x1b"} & set(shown)


def answers(router: Router) -> tuple[str, str]:
    admin = AdminClient(router.url, ADMIN)
    return admin.get_text("/api/overview")[0], admin.get_text("/api/exchanges")[0]


@pytest.mark.parametrize("command", ["status", "top"])
async def test_a_wrong_key_is_reported_with_its_remedy(
    router: Router, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POINTSMAN_SERVER__ADMIN_KEY", "nonsense")
    assert await run(router, command) == 1
    told = capsys.readouterr().err
    assert f"pointsman {command}: Wrong admin key" in told
    assert "server.admin_key" in told


async def test_the_key_is_found_in_the_configuration(
    router: Router, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("POINTSMAN_SERVER__ADMIN_KEY")
    assert await run(router, "status", "--config", str(router.confdir / "pointsman.yaml")) == 0
    assert "good" in capsys.readouterr().out


def test_without_a_router_it_says_how_to_get_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--router", f"http://127.0.0.1:{free_port()}"]) == 1
    assert "start it, or set --router" in capsys.readouterr().err


async def test_another_server_is_not_taken_for_a_router(capsys: pytest.CaptureFixture[str]) -> None:
    async with Provider(behaviours.html()) as other:
        url = other.base_url.removesuffix("/v1")
        assert await asyncio.to_thread(cli.main, ["status", "--router", url]) == 1
    assert "is not Pointsman" in capsys.readouterr().err


KEPT = {"server": {"client_key": CLIENT}}


async def with_kept_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Router]:
    """The router has made the key; commands find its data folder as users name it."""
    monkeypatch.delenv("POINTSMAN_SERVER__ADMIN_KEY", raising=False)
    monkeypatch.setenv("POINTSMAN_DATA", str(folder / "data"))
    async with running(folder, {"good": provider()}, **KEPT) as router:
        yield router


@pytest.fixture
async def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Router]:
    async for router in with_kept_key(tmp_path, monkeypatch):
        yield router


@pytest.mark.parametrize("command", [["status"], ["top", "--times", "1"], ["dashboard"]])
async def test_commands_find_the_kept_key(kept: Router, command: list[str]) -> None:
    assert await run(kept, *command) == 0


async def test_the_router_may_be_named_without_a_scheme(kept: Router) -> None:
    assert await asyncio.to_thread(cli.main, ["status", "--router", kept.url.removeprefix("http://")]) == 0


async def test_the_dashboard_command_prints_a_link_that_signs_in(
    kept: Router, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(kept, "dashboard") == 0
    link = capsys.readouterr().out.strip()
    assert link.startswith(f"{kept.url}/sign-in/")
    async with http_client(base_url=kept.url) as browser:
        assert (await browser.get(link)).status_code == 303
        assert (await browser.get("/api/overview")).status_code == 200


def test_the_kept_key_is_sent_to_no_other_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POINTSMAN_SERVER__ADMIN_KEY", raising=False)
    monkeypatch.setenv("POINTSMAN_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    key = keep_admin_key(tmp_path)
    assert admin_key(None, "http://127.0.0.1:8080") == admin_key(None, "http://localhost:8080") == key
    assert admin_key(None, "http://192.0.2.1:8080") is None
