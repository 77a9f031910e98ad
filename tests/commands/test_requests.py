"""`pointsman requests`, `tail` and `usage` against a running router."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pointsman import cli
from pointsman.commands import requests as requests_command
from pointsman.commands.request_args import moment
from pointsman.demo import Provider, behaviours
from support.admin import ADMIN, CLIENT, SERVER, bearer
from support.http_requests import ask
from support.router import Router, running
from support.settings import provider


@pytest.fixture
async def router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Router]:
    """Two requests were answered and one was refused."""
    monkeypatch.setenv("POINTSMAN_SERVER__ADMIN_KEY", ADMIN)
    async with Provider(behaviours.answer("hello")) as one:
        entry = provider(one.base_url, prices={"m": {"input": 1, "output": 2}})
        sections = {"server": SERVER, "history": {"path": str(tmp_path / "history.db")}}
        async with running(tmp_path, {"one": entry}, **sections) as router:
            for name in ("first", "second"):
                assert (await ask(router.base_url, headers={**bearer(CLIENT), "x-request-id": name})).status == 200
            refused = await ask(router.base_url, headers={**bearer(CLIENT), "x-request-id": "third"}, model="gpt-9")
            assert refused.status == 404
            yield router


async def run(router: Router, *arguments: str) -> int:
    return await asyncio.to_thread(cli.main, [*arguments, "--router", router.url])


async def test_the_list_shows_what_the_filters_ask_for(router: Router, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(router, "requests") == 0
    lines = capsys.readouterr().out.splitlines()
    found = [
        " ".join(line.split())
        for line in lines
        if line.split()[-1:] and line.split()[-1] in ("first", "second", "third")
    ]
    assert [line.split()[-1] for line in found] == ["third", "second", "first"]
    assert "404 model_not_found" in found[0]
    assert {"200", "one/m"} <= set(found[1].split())
    assert "$0.0" in found[1]
    assert await run(router, "requests", "--status", "4xx", "--since", "1h", "--json") == 0
    [row] = map(json.loads, capsys.readouterr().out.splitlines())
    assert (row["request_id"], row["reason"]) == ("third", "model_not_found")
    assert await run(router, "requests", "--until", "1h") == 0
    assert capsys.readouterr().out == "No request on record matches.\n"


@pytest.mark.parametrize("command", ["requests", "tail", "usage"])
async def test_without_a_history_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setenv("POINTSMAN_SERVER__ADMIN_KEY", ADMIN)
    async with running(tmp_path, {"one": provider()}, server=SERVER, history={"path": "off"}) as router:
        assert await run(router, command) == 1
    assert "history.path is off; set it in the configuration" in capsys.readouterr().err


async def test_csv_has_one_header_line_for_all_pages(
    router: Router, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = requests_command.query
    monkeypatch.setattr(requests_command, "query", lambda given, **more: whole(given, **{**more, "limit": 2}))
    assert await run(router, "requests", "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["request_id"] for row in rows] == ["third", "second", "first"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("requests", "--status", "abc"), "status must be"), (("usage", "--reference", "no/such"), "is not known")],
)
async def test_what_is_wrong_is_said_on_one_line(
    router: Router, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert await run(router, *arguments) == 1
    captured = capsys.readouterr()
    assert (captured.out, said in captured.err, captured.err.count("\n")) == ("", True, 1)


async def test_tail_shows_each_request_once_as_it_comes(router: Router, capsys: pytest.CaptureFixture[str]) -> None:
    following = asyncio.create_task(run(router, "tail", "--json", "--status", "2xx", "--every", "0.1", "--times", "12"))
    shown = ""
    while "second" not in shown:
        await asyncio.sleep(0.05)
        shown += capsys.readouterr().out
    assert (await ask(router.base_url, headers={**bearer(CLIENT), "x-request-id": "fourth"})).status == 200
    assert await following == 0
    shown += capsys.readouterr().out
    assert [json.loads(line)["request_id"] for line in shown.splitlines()] == ["first", "second", "fourth"]


async def test_usage_shows_tokens_cost_and_the_cost_elsewhere(
    router: Router, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(router, "usage", "--by", "model", "--since", "7d", "--reference", "openai/gpt-4o") == 0
    [line] = [line.split() for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["m"]]
    assert line[1:4] == ["2", "2", "100.0%"]
    assert len([word for word in line if word.startswith("$0.")]) == 2
    assert await run(router, "usage", "--by", "day", "--csv") == 0
    [row] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["requests"], row["refused"], row["attempts"], row["unpriced"]) == ("3", "1", "2", "0")
    assert row["reference_cost_usd"] == ""
    assert float(row["cost_usd"]) == pytest.approx((int(row["input"]) + 2 * int(row["output"])) / 10**6)


async def test_usage_of_one_client_by_day(router: Router, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {}
    for client in ("default", "nobody"):
        assert await run(router, "usage", "--client", client, "--by", "day", "--csv") == 0
        rows[client] = [row["requests"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))]
    assert rows == {"default": ["3"], "nobody": []}


def test_a_time_may_be_given_as_an_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_000_000.0)
    assert [moment(text) for text in ("90s", "1h", "7d", "2026-11-27T14:05:00Z")] == [
        "999910.000",
        "996400.000",
        "395200.000",
        "2026-11-27T14:05:00Z",
    ]


def test_a_wrong_group_gets_the_right_ones_as_they_are_typed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["usage", "--by", "clients"])
    assert "'provider', 'model'" in capsys.readouterr().err
