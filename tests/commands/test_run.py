"""`pointsman run CLIENT`: a client in the place of the real one, which asks the router that its environment names."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from pointsman import cli
from pointsman.client_setup import CLIENTS, child, setup_of
from pointsman.commands import run
from support.http_requests import http_client
from support.ports import free_port
from support.process import Process, pointsman

ASKING = """\
import json, os, sys, urllib.request
base = os.environ["ANTHROPIC_BASE_URL"]
body = {"model": os.environ["ANTHROPIC_DEFAULT_HAIKU_MODEL"], "max_tokens": 9,
        "messages": [{"role": "user", "content": "Which track?"}]}
headers = {"content-type": "application/json", "x-api-key": os.environ["ANTHROPIC_AUTH_TOKEN"]}
request = urllib.request.Request(base + "/v1/messages", json.dumps(body).encode(), headers)
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
    print("answered:", json.load(answer)["content"][0]["text"], flush=True)
print("arguments:", json.dumps(sys.argv[1:]), flush=True)
sys.exit(7)
"""
WAITING = """\
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))
print("the client waits", flush=True)
while True:
    time.sleep(0.05)
"""


def install(folder: Path, program: str, text: str) -> str:
    """A program of that name; returns the PATH on which it is."""
    place = folder / "bin"
    place.mkdir(exist_ok=True)
    file = place / program
    file.write_text(f"#!{sys.executable}\n{text}")
    file.chmod(0o700)
    return os.pathsep.join([str(place), os.environ["PATH"]])


@asynccontextmanager
async def client(folder: Path, name: str, *arguments: str, url: str, path: str, **env: str) -> AsyncIterator[Process]:
    async with pointsman("run", "--router", url, name, *arguments, folder=folder, PATH=path, **env) as process:
        yield process


async def answers(url: str) -> bool:
    async with http_client() as asking:
        try:
            return (await asking.get(f"{url}/healthz")).status_code == 200
        except httpx.ConnectError:
            return False


async def test_starts_the_router_for_as_long_as_the_client_runs(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    path = install(tmp_path, "claude", ASKING)
    async with client(tmp_path, "claude-code", "-p", "Which track?", "--model", "x", url=url, path=path) as process:
        assert await process.ends() == 7
    assert "demo provider! You said" in process.text
    assert 'arguments: ["-p", "Which track?", "--model", "x"]' in process.text
    log = tmp_path / ".pointsman" / f"router-{url.rpartition(':')[2]}.log"
    assert f"starting the router at {url}; its log is {log}" in process.text
    assert "auto-fast" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    assert not await answers(url)
    assert sorted(os.listdir(log.parent)) == ["admin.key", log.name]


async def test_uses_the_router_that_runs_and_leaves_it_running(tmp_path: Path) -> None:
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    async with pointsman("dump", "--listen-port", port, folder=tmp_path) as router:
        await router.base_url()
        path = install(tmp_path, "claude", ASKING)
        async with client(tmp_path, "claude", url=url, path=path, HTTP_PROXY="http://127.0.0.1:9") as process:
            assert await process.ends() == 7
        assert "demo provider! You said" in process.text
        assert "starting the router" not in process.text
        assert await answers(url)


async def test_two_that_are_started_together_share_one_router(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    path = install(tmp_path, "codex", WAITING)
    async with (
        client(tmp_path, "codex", url=url, path=path) as one,
        client(tmp_path, "codex", url=url, path=path) as two,
    ):
        for each in (one, two):
            await each.prints("the client waits")
        assert (one.text + two.text).count("starting the router") == 1
        for each in (one, two):
            each.tell(signal.SIGTERM)
            assert await each.ends() == 42
    assert not await answers(url)


async def test_a_signal_reaches_the_client_and_its_status_is_ours(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    path = install(tmp_path, "codex", WAITING)
    async with client(tmp_path, "codex", url=url, path=path) as process:
        await process.prints("the client waits")
        process.tell(signal.SIGTERM)
        assert await process.ends() == 42
    assert not await answers(url)


async def test_a_signal_before_the_client_runs_stops_the_router(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with client(tmp_path, "codex", url=url, path=install(tmp_path, "codex", WAITING)) as process:
        await process.prints("starting the router")
        process.tell(signal.SIGTERM)
        assert await process.ends() in (128 + signal.SIGTERM, 42)  # 42: the client has just been started
    assert not await answers(url)
    assert "Traceback" not in process.text


async def test_a_client_that_a_signal_ends_has_the_exit_code_of_a_shell(tmp_path: Path) -> None:
    path = install(tmp_path, "codex", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    async with client(tmp_path, "codex", url=f"http://127.0.0.1:{free_port()}", path=path) as process:
        assert await process.ends() == 128 + signal.SIGKILL


async def test_a_router_that_does_not_start_is_reported_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "pointsman.yaml").write_text("providers: {p: {base_url: nowhere}}")
    path = install(tmp_path, "codex", WAITING)
    async with client(tmp_path, "codex", url=f"http://127.0.0.1:{free_port()}", path=path) as process:
        assert await process.ends() == 1
    assert "the router did not start (its log is " in process.text
    assert "providers.p.base_url" in process.text
    assert "the client waits" not in process.text


async def test_another_server_at_the_address_is_named(tmp_path: Path) -> None:
    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, client(tmp_path, "codex", url=url, path=install(tmp_path, "codex", WAITING)) as process:
        assert await process.ends() == 1
    assert f"the server at {url} is not Pointsman" in process.text


class TestRefused:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.chdir(tmp_path)

    @pytest.mark.parametrize("name", [name for name, client in CLIENTS.items() if client.start])
    def test_a_client_that_is_not_installed(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["run", name]) == 127
        error = capsys.readouterr().err
        assert f"there is no {CLIENTS[name].start[0]!r} on PATH" in error
        assert f"To install it: {CLIENTS[name].install}" in error

    @pytest.mark.parametrize("name", [name for name, client in CLIENTS.items() if client.start and client.needs_files])
    def test_a_client_whose_file_is_not_written(
        self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        install(tmp_path, CLIENTS[name].start[0], WAITING)
        assert cli.main(["run", name]) == 2
        assert f"First run: pointsman setup {name} --write" in capsys.readouterr().err

    def test_no_router_on_another_machine(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        install(tmp_path, "codex", WAITING)
        assert cli.main(["run", "--router", "https://127.0.0.1:9", "codex"]) == 1
        assert "no router answers at https://127.0.0.1:9; start it there" in capsys.readouterr().err

    def test_a_client_that_has_no_program(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            cli.main(["run", "cursor"])
        assert "invalid choice: 'cursor'" in capsys.readouterr().err


class TestWithoutClient:
    @pytest.mark.parametrize(
        ("arguments", "is_router"),
        [
            ([], True),
            (["-p", "9000"], True),
            (["--dump"], True),
            (["--set", "web_port=1"], True),
            (["codex"], False),
            (["--router", "http://x", "codex"], False),
            (["--router=http://x", "codex"], False),
            (["--help"], False),
        ],
    )
    def test_the_router_is_started(self, arguments: Sequence[str], is_router: bool) -> None:
        assert run.starts_router(list(arguments)) is is_router


def test_the_environment_leads_nowhere_else() -> None:
    url, elsewhere = "http://127.0.0.1:8080", "http://r.test"
    environ = {"ANTHROPIC_API_KEY": "sk-real", "HTTP_PROXY": "http://p", "NO_PROXY": "x.test", "MINE": "1"}
    env = child.environment(setup_of("claude-code", url), url, environ)
    assert "ANTHROPIC_API_KEY" not in env
    assert env["NO_PROXY"] == "x.test,127.0.0.1"
    assert env["MINE"] == "1"
    assert child.environment(setup_of("claude-code", elsewhere), elsewhere, environ)["NO_PROXY"] == "x.test"
