"""`pointsman explain`: what the running router says, as a table, and plain words when there is no router."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pointsman import cli
from pointsman.demo import behaviours
from support.http_requests import ask, started
from support.ports import free_port
from support.router import running
from support.settings import provider

BODY = '{"model":"auto","messages":[{"role":"user","content":"Which track?"}]}'
PROVIDERS = {"a": provider(keys=["sk-secret"]), "b": provider(), "off": provider(enabled=False)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "request.json"
    path.write_text(BODY)
    return path


async def said(tmp_path: Path, *arguments: str, **sections: Any) -> int:
    async with AsyncExitStack() as stack:
        router = await stack.enter_async_context(running(tmp_path, PROVIDERS, **sections))
        return await asyncio.to_thread(cli.main, ["explain", *arguments, "--router", router.url])


async def test_the_table_shows_candidates_and_the_excluded_ones(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await said(tmp_path, str(file)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("auto means auto, mode balanced")
    assert [line.split()[:4] for line in lines[3:5]] == [["1", "a/m", "#key-1", "rank"], ["2", "b/m", "rank", "2"]]
    assert lines[-1] == "  off/m: disabled"


async def test_without_a_file_it_is_a_short_chat(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await said(tmp_path) == 0
    assert capsys.readouterr().out.startswith("auto means auto, mode balanced")
    assert await said(tmp_path, "--model", "b/m") == 0
    assert capsys.readouterr().out.startswith("b/m means b/m")


def test_a_file_names_its_own_model(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["explain", str(file), "--model", "m"])
    assert ended.value.code == 2
    assert "a file names its own model" in capsys.readouterr().err


async def test_chains_strategies_and_options_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, own = tmp_path / "request.json", {"X-Pointsman-Provider": "a,b", "X-Pointsman-Hedge": "off"}
    path.write_text(json.dumps({**json.loads(BODY), "model": "best", "metadata": {**own, "X-Pointsman-Timeout": "2s"}}))
    routing = {"aliases": {"best": ["b/m", "auto-fast"]}, "strategy": "round_robin"}
    assert await said(tmp_path, str(path), routing=routing) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("best means b/m, then auto-fast, mode fast")
    assert lines[1:3] == ["ordered by round_robin, not by score", "options: providers a or b, hedge off, timeout 2s"]
    assert [line.split()[1] for line in lines[6:8]] == ["b/m", "a/m"]


async def test_an_option_that_is_not_known_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "request.json"
    path.write_text(json.dumps({**json.loads(BODY), "metadata": {"X-Pointsman-Modle": "fast"}}))
    assert await said(tmp_path, str(path)) == 0
    assert (
        "'X-Pointsman-Modle' is not an option of a request and does nothing (did you mean \"X-Pointsman-Mode\"?)"
        in (capsys.readouterr().out)
    )


async def test_what_became_of_streams_that_broke_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with AsyncExitStack() as stack:
        broken, other = await started(
            stack, behaviours.cut("Take the left", after_tokens=3), behaviours.answer(" now.")
        )
        entries = {name: provider(each.base_url) for name, each in (("a", broken), ("b", other))}
        entries["b"]["models"] = [{"id": "m", "prefill": True}]
        router = await stack.enter_async_context(
            running(
                tmp_path, entries, stream={"recover": "prefill"}, cooldowns={"transient": 0}, sticky={"enabled": False}
            )
        )
        for options in ({}, {"X-Pointsman-Recover": "off"}):
            assert (await ask(router.base_url, headers=options)).status == 200
        assert await asyncio.to_thread(cli.main, ["explain", "--router", router.url]) == 0
    told = "streams that broke in the last 15 minutes: 2, of which 1 went on; the others: off 1"
    assert told in capsys.readouterr().out.splitlines()


async def test_a_client_that_is_not_there_is_named(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await said(tmp_path, str(file), "--client", "bob") == 1
    assert "There is no client 'bob'; clients: none is configured" in capsys.readouterr().err


async def test_the_whole_answer_is_json(tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await said(tmp_path, str(file), "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["candidates"]) == 2


async def test_what_the_router_refuses_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "no.json"
    path.write_text('{"model":"nobody","messages":[{"role":"user","content":"hi"}]}')
    assert await said(tmp_path, str(path)) == 1
    assert "'nobody'" in capsys.readouterr().err


def test_without_a_router_it_says_how_to_get_one(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", str(file), "--router", f"http://127.0.0.1:{free_port()}"]) == 1
    assert "start it, or set --router" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", str(tmp_path / "gone.json")]) == 1
    assert "gone.json: No such file or directory; for a model's name, write --model" in capsys.readouterr().err
