"""`pointsman models --refresh`: compares, proposes, and writes only with `--write`."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pointsman import cli
from pointsman.config import document
from pointsman.demo import Provider, behaviours

LISTED = ("stays", "fresh", "text-embedding-9")


async def refresh(path: Path, *more: str) -> int:
    return await asyncio.to_thread(cli.main, ["models", "--config", str(path), "--refresh", *more])


def written(path: Path, provider: str) -> list[dict[str, Any]]:
    models: list[dict[str, Any]] = document.read(path).tree["providers"][provider]["models"]
    return models


def config(folder: Path, base_url: str) -> Path:
    path = folder / "pointsman.yaml"
    text = f"""\
# mine
providers:
  local:
    base_url: {base_url}
    models: [{{id: stays}}, {{id: left}}]   # two
  off: {{base_url: {base_url}, enabled: false, models: [{{id: nothing}}]}}
"""
    path.write_text(text)
    path.chmod(0o640)
    return path


async def test_it_prints_what_is_gone_and_new_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Provider(behaviours.answer("x"), models=LISTED) as server:
        path = config(tmp_path, server.base_url)
        before = path.read_text()
        assert await refresh(path) == 0
    out = capsys.readouterr().out
    assert "local: lists 1 of 2 enabled models, and 1 others" in out
    assert "gone  left" in out
    assert "new   fresh" in out
    assert "embedding" not in out
    assert "off:" not in out
    assert "Nothing was changed" in out
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


async def test_write_disables_what_is_gone_and_keeps_the_former_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Provider(behaviours.answer("x"), models=LISTED) as server:
        path = config(tmp_path, server.base_url)
        before = path.read_text()
        assert await refresh(path, "--write") == 0
        assert written(path, "local") == [{"id": "stays"}, {"id": "left", "enabled": False}, {"id": "fresh"}]
        assert "# mine" in path.read_text()
        assert "# two" in path.read_text()
        backup = tmp_path / "pointsman.yaml.backup-1"
        assert (backup.read_text(), path.stat().st_mode & 0o777) == (before, 0o640)
        assert "its former text is in pointsman.yaml.backup-1" in capsys.readouterr().err
        assert await refresh(path, "--write") == 0
        assert "needs no change" in capsys.readouterr().err


async def test_new_models_of_other_providers_need_a_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They may cost something, and there may be hundreds."""
    monkeypatch.setattr("pointsman.catalog.is_local", lambda base_url: False)
    async with Provider(behaviours.answer("x"), models=[*LISTED, "stays-too"]) as server:
        path = config(tmp_path, server.base_url)
        assert await refresh(path, "--write", "--add", "local/fr*") == 0
    assert [model["id"] for model in written(path, "local")] == ["stays", "left", "fresh"]


async def test_a_provider_that_rejects_the_key_is_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Provider(behaviours.answer("x"), keys=()) as server:
        path = config(tmp_path, server.base_url)
        assert await refresh(path, "--write", "--json") == 0
        [row] = json.loads(capsys.readouterr().out)["providers"]
    assert row == {"provider": "local", "problem": "it rejects the key", "complete": True, "gone": [], "new": []}
    assert written(path, "local") == [{"id": "stays"}, {"id": "left"}]


async def test_what_is_not_on_the_page_of_a_longer_list_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = b'{"data": [{"id": "stays"}], "has_more": true}'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(page) + page)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        path = config(tmp_path, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        assert await refresh(path, "--write") == 0
    assert written(path, "local") == [{"id": "stays"}, {"id": "left"}]
    assert "longer than one page" in capsys.readouterr().out


@pytest.mark.parametrize("given", [["--write"], ["--add", "x"]])
def test_writing_without_comparing_is_refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["models", *given])
    assert "--refresh" in capsys.readouterr().err


def test_without_a_file_there_is_nothing_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli.main(["models", "--refresh"]) == 1
    assert "pointsman init" in capsys.readouterr().err
