"""`pointsman requests`, `tail` and `usage` against a running router."""

import asyncio
import csv
import io
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from history.history_builders import fill_disk
from pointsman import cli
from pointsman.commands import requests as requests_command
from pointsman.commands import status, tail
from pointsman.commands import usage as usage_command
from pointsman.commands.request_args import moment
from pointsman.demo import Provider, behaviours
from pointsman.history.requests import TOP, RequestFilter
from support.admin import ADMIN, CLIENT, SERVER, bearer
from support.http_requests import ask
from support.router import Router, running
from support.settings import provider
from support.time_limit import LONGEST


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
async def test_what_is_on_record_is_shown_while_the_disk_is_full(
    router: Router, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    assert await run(router, "status") == 0
    assert "history" not in capsys.readouterr().out
    await router.gateway.history.requests(RequestFilter(), TOP, 1)  # all is written
    fill_disk(monkeypatch)
    assert (await ask(router.base_url, headers=bearer(CLIENT))).status == 200
    assert await run(router, command, *(["--times", "1"] if command == "tail" else [])) == 0
    told = capsys.readouterr()
    assert "default" in told.out
    assert "newest requests are missing, the history cannot be written: database or disk is full" in told.err
    assert await run(router, "status") == 0
    assert "the history cannot be written: database or disk is full" in capsys.readouterr().out


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


async def test_tail_shows_each_request_once_as_it_comes(
    router: Router, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshes, shown = 0, ""
    fourth_is_asked = threading.Event()

    def pause(_: float) -> None:
        """Before each refresh: two of them come before the fourth request, and the others after it."""
        nonlocal refreshes
        refreshes += 1
        if refreshes > 2:
            fourth_is_asked.wait(LONGEST)

    monkeypatch.setattr(tail, "time", SimpleNamespace(time=time.time, sleep=pause))
    following = asyncio.create_task(run(router, "tail", "--json", "--status", "2xx", "--times", "6"))
    while "second" not in shown:
        await asyncio.sleep(0.05)
        shown += capsys.readouterr().out
    assert (await ask(router.base_url, headers={**bearer(CLIENT), "x-request-id": "fourth"})).status == 200
    fourth_is_asked.set()
    assert await following == 0
    shown += capsys.readouterr().out
    assert [json.loads(line)["request_id"] for line in shown.splitlines()] == ["first", "second", "fourth"]


@pytest.mark.parametrize("command", [("requests",), ("tail", "--times", "1"), ("explain",), ("usage",)])
async def test_names_cannot_change_how_the_terminal_reads(
    router: Router, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(status, "WIDTH", 300)
    name = "g\u202e\u2066\x9b"
    assert (await ask(router.base_url, headers=bearer(CLIENT), model=name)).status == 404
    if command[0] == "usage":
        await asyncio.to_thread(cli.main, ["usage", "--reference", name, "--router", router.url])
    else:
        await run(router, *command, *(["--model", name] if command[0] == "explain" else []))
    shown = "".join(capsys.readouterr())
    assert "g\\u202e\\u2066\\x9b" in "".join(shown.split())
    assert not {"\u202e", "\u2066", "\x9b"} & set(shown)


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
    assert [moment(text) for text in ("90s", "1.5h", "7d", "1w", "2026-11-27T14:05:00Z")] == [
        "999910.000",
        "994600.000",
        "395200.000",
        "395200.000",
        "2026-11-27T14:05:00Z",
    ]


def test_a_wrong_time_is_told_both_forms(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["requests", "--since", "yesterday"])
    assert "such as 30m, 1h or 7d, or a time such as 2026-" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("width", "kept", "missing"), [(60, "404", "target"), (80, "cost", "total"), (200, "total", "nothing")]
)
async def test_a_narrow_terminal_has_fewer_columns_and_whole_ones(
    router: Router,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    kept: str,
    missing: str,
) -> None:
    terminal = Console(width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr(requests_command, "console", lambda: terminal)
    assert await run(router, "requests") == 0
    shown = capsys.readouterr().out
    assert kept in shown
    assert missing not in shown
    assert max(map(len, shown.splitlines())) <= width
    for word in ("time", "status", "404", "model_not_found", "gpt-9", "third"):
        assert word in shown


async def test_usage_fits_too(
    router: Router, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Console(width=80, force_terminal=True, color_system=None)
    monkeypatch.setattr(usage_command, "console", lambda: terminal)
    assert await run(router, "usage", "--by", "target") == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    for word in ("target", "requests", "input", "output", "cost", "one/m"):
        assert word in shown


async def test_a_reader_that_leaves_gets_no_traceback(router: Router) -> None:
    """The first write already finds the pipe closed."""
    script = f"{sys.executable} -P -m pointsman requests --json --router {router.url} | true; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", script, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, error = await shell.communicate()
    assert (shell.returncode, error.decode()) == (1, "")


def test_a_wrong_group_is_told_the_right_ones_as_they_are_typed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["usage", "--by", "clients"])
    assert "'provider', 'model'" in capsys.readouterr().err
