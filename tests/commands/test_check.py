"""`pointsman check`: the configuration's faults, and each key at a real provider."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pointsman import cli
from pointsman.demo import Provider, behaviours
from support.ports import free_port
from support.settings import provider, write


async def check(folder: Path, providers: dict[str, Any], *more: str) -> int:
    path = write(folder, providers)
    return await asyncio.to_thread(cli.main, ["check", "--config", str(path), *more])


async def test_each_key_is_tried_and_what_is_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with Provider(behaviours.answer("x")) as good, Provider(behaviours.status(401), keys=()) as strict:
        entries = {
            "good": provider(good.base_url, keys=["sk-one-0001", {"value": "sk-two-0002", "label": "second"}]),
            "strict": provider(strict.base_url, keys=["sk-three-0003", {"value": "sk-four-0004", "enabled": False}]),
            "open": provider(good.base_url),
            "gone": provider(f"http://127.0.0.1:{free_port()}/v1"),
            "off": provider(strict.base_url, enabled=False),
        }
        assert await check(tmp_path, entries) == 1
    lines = [line.split(" (")[0].split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [line[:3] for line in lines] == [
        ["ok", "good", "key-1"],
        ["ok", "good", "second"],
        ["FAILED", "strict", "key-1"],
        ["ok", "open"],
        ["FAILED", "gone"],
    ]
    assert {dict(request.headers)["Authorization"] for request in strict.seen} == {"Bearer sk-three-0003"}


async def test_when_all_is_well_it_says_so_and_shows_no_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with Provider(behaviours.answer("x")) as good:
        assert await check(tmp_path, {"good": provider(good.base_url, keys=["sk-one-0001"])}) == 0
    out = capsys.readouterr().out
    assert "pointsman.yaml is valid." in out
    assert "the provider accepts this key" in out
    assert "sk-one" not in out


async def test_a_file_with_keys_that_others_can_read_is_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, {"one": provider(keys=["sk-one-0001"])})
    path.chmod(0o644)
    assert await asyncio.to_thread(cli.main, ["check", "--config", str(path), "--no-keys"]) == 0
    told = capsys.readouterr().out
    assert f"warning: {path}: holds keys in clear text" in told
    assert f"chmod 600 {path}" in told
    assert "sk-one" not in told


async def test_no_provider_is_asked_unless_wanted(tmp_path: Path) -> None:
    async with Provider(behaviours.status(401), keys=()) as strict:
        assert await check(tmp_path, {"strict": provider(strict.base_url)}, "--no-keys") == 0
        assert strict.seen == []


async def test_a_provider_at_fault_is_told_and_the_others_are_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Provider(behaviours.answer("x")) as good:
        entries = {"good": provider(good.base_url), "bad": provider("ftp://x")}
        assert await check(tmp_path, entries) == 1
    told = capsys.readouterr()
    assert "providers.bad.base_url: must be an absolute http or https URL" in told.err
    assert "is valid" not in told.out
    assert "good (no key)" in told.out


async def serve_below_v1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that has nothing but a list of models, under `/v1`."""
    head = await reader.readuntil(b"\r\n\r\n")
    found = head.startswith(b"GET /v1/models ")
    body = b'{"data": []}' if found else b"404 page not found"
    writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n" % (b"200 OK" if found else b"404 Not Found", len(body)))
    writer.write(b"Connection: close\r\n\r\n" + body)
    writer.close()


async def test_a_base_url_without_its_version_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with await asyncio.start_server(serve_below_v1, "127.0.0.1", 0) as server:
        base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await check(tmp_path, {"one": provider(base_url, keys=["sk-one-0001"])}) == 1
        told = capsys.readouterr().out
        assert f"base_url {base_url} answers 404 to every path; it probably lacks /v1" in told
        for other in ("/v7", "/inference"):
            assert await check(tmp_path, {"one": provider(base_url + other, keys=["sk-one-0001"])}) == 1
            assert "lacks /v1" not in capsys.readouterr().out
        assert await check(tmp_path, {"one": provider(f"{base_url}/v1", keys=["sk-one-0001"])}) == 0


def test_every_fault_of_the_configuration_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(json.dumps({"providers": {"a": {"base_url": "ftp://x"}}, "nonsense": 1}))
    assert cli.main(["check", "--config", str(path)]) == 1
    told = capsys.readouterr().err
    assert "providers.a.base_url: must be an absolute http or https URL" in told
    assert "nonsense: is not a known key" in told
