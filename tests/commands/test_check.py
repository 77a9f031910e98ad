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
    async with (
        Provider(behaviours.answer("x"), models=("m",)) as good,
        Provider(behaviours.status(401), keys=()) as strict,
    ):
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


async def test_a_provider_at_fault_is_reported_and_the_others_are_checked(
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


def test_every_fault_of_the_configuration_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(json.dumps({"providers": {"a": {"base_url": "ftp://x"}}, "nonsense": 1}))
    assert cli.main(["check", "--config", str(path)]) == 1
    told = capsys.readouterr().err
    assert "providers.a.base_url: must be an absolute http or https URL" in told
    assert "nonsense: is not a known key" in told


def url_of(server: asyncio.Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class ListingProvider:
    """Lists its models below `base`, to those with the key, or to all; knows nothing else."""

    def __init__(self, models: list[str], *, base: str = "/v1", key: str | None = None, page: bytes = b"") -> None:
        self.models, self.base, self.key, self.page = models, base, key, page
        self.is_part = False

    async def __aenter__(self) -> "ListingProvider":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = url_of(self._server)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, body = self._answer(head)
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body)) + body)
        writer.close()

    def _answer(self, head: str) -> tuple[int, bytes]:
        path = head.split()[1]
        if not path.startswith(f"{self.base}/models"):
            return (200, self.page) if self.page else (404, b"404 page not found")
        if self.key and f"Bearer {self.key}" not in head:
            return 401, b"{}"
        more = {"has_more": True} if self.is_part else {}
        return 200, json.dumps({"data": [{"id": model} for model in self.models], **more}).encode()


@pytest.mark.parametrize("base", ["/v1", "/api/v1", "/openai/v1"])
@pytest.mark.parametrize("page", [b"", b"<html>Welcome</html>"])
async def test_the_base_url_that_works_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], base: str, page: bytes
) -> None:
    async with ListingProvider(["m"], base=base, page=page) as server:
        assert await check(tmp_path, {"one": provider(server.url)}) == 1
        told = capsys.readouterr().out
        assert f"write base_url: {server.url}{base})" in told
        assert await check(tmp_path, {"one": provider(f"{server.url}{base}")}) == 0


async def test_a_page_is_no_list_of_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with ListingProvider([], base="/nowhere", page=b"<html>Welcome</html>") as server:
        assert await check(tmp_path, {"one": provider(server.url)}) == 1
    assert f"base_url {server.url} answers with a page, not as an API; correct it" in capsys.readouterr().out


async def test_a_model_that_the_provider_does_not_list_is_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ["llama-3.3-70b", "qwen3:latest", "gpt-oss-120b", "kimi-k2"]
    async with ListingProvider(models) as server:
        entry = provider(f"{server.url}/v1", "llama-3.3-70", "qwen3", "kimi-k2", "off", "renamed", "zzz")
        entry["models"][3]["enabled"] = False
        entry["redirects"] = [{"match": "exact", "source": "renamed", "target": "gpt-oss-120b"}]
        assert await check(tmp_path, {"one": entry}) == 0
    told = capsys.readouterr().out
    assert [line for line in told.splitlines() if "does not list" in line] == [
        'warning: providers.one.models[0]: one does not list "llama-3.3-70" (did you mean "llama-3.3-70b"?);'
        " `--live all` shows whether it answers",
        'warning: providers.one.models[5]: one does not list "zzz"; correct or remove it;'
        " `--live all` shows whether it answers",
    ]
    assert ", 4 models (" in told


async def test_a_list_that_is_not_whole_says_nothing_of_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with ListingProvider(["n"]) as server:
        server.is_part = True
        assert await check(tmp_path, {"one": provider(f"{server.url}/v1")}) == 0
    assert "does not list" not in capsys.readouterr().out


async def test_it_states_what_needs_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with ListingProvider(["m"]) as free, ListingProvider(["m"], key="sk-right-0001") as strict:
        entries = {
            "free": provider(f"{free.url}/v1", keyless=True),
            "local": provider(f"{free.url}/v1"),
            "needless": provider(f"{free.url}/v1", keyless=True, keys=["sk-any-0001"]),
            "untested": provider(f"{free.url}/v1", keys=["sk-any-0002"]),
            "right": provider(f"{strict.url}/v1", keys=["sk-right-0001"]),
            "without": provider(f"{strict.url}/v1"),
        }
        assert await check(tmp_path, entries) == 1
    told = dict([*line.split()[1:2], line] for line in capsys.readouterr().out.splitlines()[1:])
    assert "the provider needs no key, 1 model (" in told["free"]
    assert "the provider lists its models without a key, 1" in told["local"]
    assert "accepts this key, but needs none" in told["needless"]
    assert "lists its models without one too: only `pointsman check --live` tests it" in told["untested"]
    assert "the provider accepts this key, 1 model (" in told["right"]
    assert "the provider requires a key: add it to providers.without.keys" in told["without"]


async def test_one_token_is_asked_for_with_each_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with Provider(behaviours.answer("x"), models=("m", "n")) as good, Provider(behaviours.status(401)) as bad:
        entries = {"good": provider(good.base_url, "e", "m", "n"), "bad": provider(bad.base_url, keys=["sk-one-0001"])}
        entries["good"]["models"][0]["kind"] = "embedding"
        entries["good"]["headers"] = {"X-Title": "mine"}
        assert await check(tmp_path, entries, "--live") == 1
        chats = [request for request in good.seen if request.method == "POST"]
        assert [request.fields["model"] for request in chats] == ["m"]
        assert {request.header("x-title") for request in good.seen} == {"mine"}
        assert chats[0].fields["max_tokens"] == 1
        told = capsys.readouterr().out
        assert "good/m       answered (" in told
        assert "bad/m key-1  401 " in told
        assert "; correct the key (" in told

        assert await check(tmp_path, entries, "--live", "all") == 1
        chats = [request for request in good.seen if request.method == "POST"]
        assert [request.fields["model"] for request in chats] == ["m", "m", "n"]


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "openai-responses"])
async def test_every_dialect_is_asked_in_its_own_words(tmp_path: Path, dialect: str) -> None:
    async with Provider(behaviours.answer("x"), models=("m",)) as good:
        base_url = good.base_url.replace("/v1", "/v1beta") if dialect == "gemini" else good.base_url
        entry = provider(base_url, dialect=dialect, keys=["sk-one-0001"])
        assert await check(tmp_path, {"one": entry}, "--live") == 0
        (asked,) = [request for request in good.seen if request.method == "POST"]
    assert (
        asked.route.removeprefix("/v1beta/").removeprefix("/v1/")
        == {
            "anthropic": "messages",
            "gemini": "models/m:generateContent",
            "openai-responses": "responses",
        }[dialect]
    )


async def test_a_refused_parameter_is_no_fault_of_the_model(tmp_path: Path) -> None:
    refusal = {
        "error": {
            "message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
            " 'max_completion_tokens' instead.",
            "type": "invalid_request_error",
            "param": "max_tokens",
            "code": "unsupported_parameter",
        }
    }
    async with Provider([behaviours.status(400, refusal), behaviours.answer("x")], models=("m",)) as picky:
        assert await check(tmp_path, {"one": provider(picky.base_url)}, "--live") == 0
        asked = [request.fields for request in picky.seen if request.method == "POST"]
    assert [set(fields) & {"max_tokens", "max_completion_tokens"} for fields in asked] == [
        {"max_tokens"},
        {"max_completion_tokens"},
    ]


async def test_no_key_is_shown_when_a_provider_repeats_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = {"error": {"message": "Incorrect API key provided: sk-one-0001.", "code": "invalid_api_key"}}
    async with Provider(behaviours.status(401, body)) as strict:
        assert await check(tmp_path, {"one": provider(strict.base_url, keys=["sk-one-0001"])}, "--live") == 1
    told = capsys.readouterr().out
    assert "401 Incorrect API key provided: ***" in told
    assert "sk-one" not in told
