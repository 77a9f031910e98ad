"""The router as its users start it: mitmproxy's own tools and the console script, each in a process of its own."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import httpx
import pytest

from pointsman.demo import Provider, behaviours
from support.http_requests import ask, get, http_client
from support.ports import free_port
from support.process import SCRIPT, Process, mitmdump, mitmweb, pointsman, tool
from support.settings import provider, write
from support.time_limit import LONGEST

type Start = Callable[..., AbstractAsyncContextManager[Process]]

KEY = "a-client-key-0123456789"


def dump(*arguments: str, folder: Path, **env: str) -> AbstractAsyncContextManager[Process]:
    return pointsman("dump", *arguments, folder=folder, **env)


def web(*arguments: str, folder: Path, **env: str) -> AbstractAsyncContextManager[Process]:
    return pointsman("web", "--set", "web_port=0", *arguments, folder=folder, **env)


def plain_web(*arguments: str, folder: Path) -> AbstractAsyncContextManager[Process]:
    return mitmweb("--no-web-open-browser", "--set", "web_port=0", *arguments, folder=folder)


WAYS = pytest.mark.parametrize(
    "start", [mitmdump, plain_web, dump, web], ids=["mitmdump", "mitmweb", "pointsman dump", "pointsman web"]
)


class TestStarting:
    @WAYS
    async def test_it_answers_on_loopback_alone_and_ends_with_status_0(self, tmp_path: Path, start: Start) -> None:
        async with Provider(behaviours.answer("hello")) as one:
            write(tmp_path, {"one": provider(one.base_url)})
            async with start("-p", "0", folder=tmp_path) as router:
                base_url = await router.base_url()
                assert base_url.startswith("http://127.0.0.1:")
                assert foreign_listeners(router.pid) == []
                assert re.findall(r"proxy listening at (\S+):\d+", router.text) == ["127.0.0.1"], "nor ever did"
                answer = await ask(base_url)
                assert (answer.status, answer.headers["x-routed-via"]) == (200, "one/m")
                assert b"hello" in answer.body
                assert (await get(f"{base_url.removesuffix('/v1')}/healthz")).json == {"status": "ok"}
                assert (await get(f"{base_url.removesuffix('/v1')}/readyz")).json == {"status": "ready"}
                router.tell(signal.SIGTERM)
                await router.ends_cleanly()

    async def test_a_client_that_connects_during_the_start_is_answered(self, tmp_path: Path) -> None:
        """It listens before mitmproxy runs, and reads its history in between."""
        async with Provider(behaviours.answer("hello")) as one:
            write(tmp_path, {"one": provider(one.base_url)}, history={"path": str(tmp_path / "history.db")})
            port = free_port()
            async with mitmdump("--listen-host", "127.0.0.1", "-p", str(port), folder=tmp_path) as router:
                answer = None
                async with asyncio.timeout(LONGEST):
                    while answer is None:
                        with suppress(httpx.ConnectError):
                            answer = await ask(f"http://127.0.0.1:{port}/v1")
                assert answer.status == 200
                await router.base_url()
                router.tell(signal.SIGTERM)
                await router.ends_cleanly()

    async def test_without_configuration_the_demo_answers_and_its_link_signs_in(self, tmp_path: Path) -> None:
        async with mitmdump("-p", "0", folder=tmp_path) as router:
            base_url = await router.base_url()
            assert foreign_listeners(router.pid) == []
            first, second = await ask(base_url, model="demo"), await ask(base_url, model="demo")
            assert first.status == second.status == 200
            assert b"Which" in first.body
            assert {first.headers["x-fallback-attempts"], second.headers["x-fallback-attempts"]} == {"0", "1"}
            answer = await ask(base_url, model="claude-opus-4-5-20251101")  # a name that clients insist on
            assert (answer.status, answer.headers["x-routed-as"]) == (200, "auto-smart")
            assert (await ask(base_url, model="nobody")).status == 404
            link = (await router.prints(r"within 5 minutes: (http://127\.0\.0\.1:\d+/sign-in/\S+)"))[1]
            async with http_client() as browser:
                entered = await browser.get(link, follow_redirects=True)
                assert (entered.status_code, entered.url.path) == (200, "/")
                assert (await browser.get(entered.url.join("/api/overview"))).status_code == 200
            router.tell(signal.SIGTERM)
            await router.ends_cleanly()
            assert "restart to apply" not in router.text
        assert [path.name for path in (tmp_path / ".pointsman").iterdir()] == ["admin.key"]
        key = (tmp_path / ".pointsman" / "admin.key").read_text().strip()
        assert key not in router.text
        async with mitmdump("-p", "0", folder=tmp_path) as again:
            url = (await again.base_url()).removesuffix("/v1")
            assert (await get(f"{url}/api/overview", authorization=f"Bearer {key}")).status == 200

    async def test_a_mode_with_an_address_of_its_own_is_moved_with_the_others(self, tmp_path: Path) -> None:
        """It listens before the addon is loaded, so the other's start cannot be stopped."""
        ports = [free_port() for _ in range(2)]
        modes = ["--mode", f"regular@127.0.0.1:{ports[0]}", "--mode", f"regular@{ports[1]}"]
        async with mitmdump(*modes, folder=tmp_path) as router:
            await router.base_url()
            assert foreign_listeners(router.pid) == []
            assert {address[9:] for address in listeners(router.pid)} >= {f"{port:04X}" for port in ports}

    async def test_a_port_in_use_ends_it_with_status_1_and_the_reason(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            async with mitmdump("-p", str(taken.getsockname()[1]), folder=tmp_path) as router:
                assert await router.ends() == 1
                assert "failed to listen on 127.0.0.1" in router.text
                assert "Traceback" not in router.text

    async def test_so_does_the_port_of_mitmwebs_page(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            async with pointsman("web", "-p", "0", "--set", f"web_port={port}", folder=tmp_path) as router:
                assert await router.ends() == 1
                assert f"pointsman web: Web server failed to listen on 127.0.0.1:{port}" in router.text
                assert "Traceback" not in router.text

    @pytest.mark.parametrize("start", [dump, web])
    async def test_its_log_is_not_held_back_where_it_goes_to_a_pipe(self, tmp_path: Path, start: Start) -> None:
        async with start("-p", "0", folder=tmp_path, PYTHONUNBUFFERED="") as router:
            await router.base_url()

    async def test_requests_import_nothing(self, tmp_path: Path) -> None:
        """All modules and tables are loaded before the port opens."""
        (watcher := tmp_path / "watcher.py").write_text(WATCHER)
        async with Provider(behaviours.answer("hello")) as one:
            write(tmp_path, {"one": provider(one.base_url), "far": provider("https://127.0.0.1:9/v1")})
            async with mitmdump("-p", "0", "-s", str(watcher), folder=tmp_path) as router:
                base_url = await router.base_url()
                assert (await ask(base_url)).status == 200
                async with http_client() as client:
                    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
                    answer = await client.post(f"{base_url}/messages", json=body)
                    assert answer.status_code == 200
                router.tell(signal.SIGTERM)
                await router.ends_cleanly()
                assert "late modules: []" in router.text
                assert "late facts: 0; TLS contexts: 1, late: 0" in router.text

    async def test_several_modes_leave_none_either(self, tmp_path: Path) -> None:
        ports = [free_port() for _ in range(3)]
        modes = [f"regular@{ports[0]}", f"reverse:http://127.0.0.1:9@{ports[1]}", f"socks5@{ports[2]}"]
        async with mitmdump(*(part for mode in modes for part in ("--mode", mode)), folder=tmp_path) as router:
            await router.base_url()
            assert {address[9:] for address in listeners(router.pid)} >= {f"{port:04X}" for port in ports}
            assert foreign_listeners(router.pid) == []

    async def test_listening_elsewhere_with_a_client_key_starts(self, tmp_path: Path) -> None:
        async with mitmdump(
            "-p", "0", "--listen-host", "0.0.0.0", folder=tmp_path, POINTSMAN_SERVER__CLIENT_KEY=KEY
        ) as router:
            port = (await router.prints(r"base URL http://0\.0\.0\.0:(\d+)/v1"))[1]
            assert foreign_listeners(router.pid)
            assert (await ask(f"http://127.0.0.1:{port}/v1", model="demo")).status == 401
            assert (await get(f"http://127.0.0.1:{port}/healthz")).status == 200

    async def test_a_script_that_is_touched_while_it_runs_is_not_started_twice(self, tmp_path: Path) -> None:
        """mitmproxy loads scripts again when their files change."""
        script = tmp_path / "main.py"
        script.write_bytes(SCRIPT.read_bytes())
        async with Provider(behaviours.answer("hello")) as one:
            write(tmp_path, {"one": provider(one.base_url)})
            async with tool("mitmdump", ["-p", "0"], tmp_path, {}, script) as router:
                base_url = await router.base_url()
                script.write_bytes(script.read_bytes() + b"\n")
                await router.prints("(?s)Loading script.*Loading script")
                assert (await ask(base_url)).headers["x-routed-via"] == "one/m"
                write(tmp_path, {"two": provider(one.base_url)})
                await router.prints("was reloaded")
                assert (await ask(base_url)).headers["x-routed-via"] == "two/m"
                router.tell(signal.SIGTERM)
                await router.ends_cleanly()
                assert router.text.count("was reloaded") == router.text.count("base URL") == 1

    async def test_a_damaged_history_is_moved_aside_and_the_router_starts(self, tmp_path: Path) -> None:
        (tmp_path / "history.db").write_bytes(b"no database at all" * 1000)
        async with Provider(behaviours.answer("hello")) as one:
            write(tmp_path, {"one": provider(one.base_url)}, history={"path": "history.db"})
            async with mitmdump("-p", "0", folder=tmp_path) as router:
                base_url = await router.base_url()
                assert "history.db is damaged" in router.text
                assert (await ask(base_url)).status == 200
                router.tell(signal.SIGTERM)
                await router.ends_cleanly()
        assert len(list(tmp_path.glob("history.db.damaged-*"))) == 1

    async def test_a_key_that_cannot_be_kept_is_printed(self, tmp_path: Path) -> None:
        (tmp_path / ".pointsman").write_text("in the way")
        async with mitmdump("-p", "0", folder=tmp_path) as router:
            key = (await router.prints(r"admin key for this run: (\S+)"))[1]
            url = (await router.base_url()).removesuffix("/v1")
            assert "cannot be kept" in router.text
            assert (await get(f"{url}/api/overview", authorization=f"Bearer {key}")).status == 200


class TestRefusingToStart:
    """Each reason with one of mitmproxy's tools and with the other; each way of starting with one reason at least."""

    @pytest.mark.parametrize("start", [plain_web, dump], ids=["mitmweb", "pointsman dump"])
    async def test_serving_other_machines_without_a_client_key_is_refused_in_one_line(
        self, tmp_path: Path, start: Start
    ) -> None:
        async with start("-p", "0", "--listen-host", "0.0.0.0", folder=tmp_path) as router:
            assert await router.ends() == 1
            [line] = [line for line in router.lines if "Pointsman" in line and "errored" not in line]
            assert "does not start" in line
            assert "0.0.0.0" in line
            assert "server.client_key" in line
            assert "Traceback" not in router.text

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--mode", "regular@0.0.0.0:0"], "client_key"),
            (["--mode", "regular", "--mode", "reverse:http://127.0.0.1:9@0.0.0.0:0"], "client_key"),
            (["--set", "pointsman_config=nowhere.yaml"], "nowhere.yaml"),
        ],
    )
    async def test_what_must_not_start_ends_with_status_1_and_says_why(
        self, tmp_path: Path, arguments: list[str], said: str
    ) -> None:
        async with mitmdump("-p", "0", *arguments, folder=tmp_path) as router:
            assert await router.ends() == 1
            assert said in router.text
            assert "Traceback" not in router.text

    @pytest.mark.parametrize("start", [mitmdump, web], ids=["mitmdump", "pointsman web"])
    async def test_every_fault_of_the_configuration_is_reported_at_once(self, tmp_path: Path, start: Start) -> None:
        (tmp_path / "pointsman.yaml").write_text(
            "providers: {a: {base_url: ftp://x, models: [{id: m, limits: {rpm: 30/min}}]}}\nstream: {stall: soon}\n"
        )
        async with start("-p", "0", folder=tmp_path) as router:
            assert await router.ends() == 1
            for path in ("providers.a.base_url", "providers.a.models[0].limits.rpm", "stream.stall"):
                assert path in router.text
            assert "Traceback" not in router.text
            assert "listening" not in router.text

    @pytest.mark.parametrize("start", [mitmdump, plain_web], ids=["mitmdump", "mitmweb"])
    async def test_another_mitmproxy_than_was_tested_is_refused_by_name(self, tmp_path: Path, start: Start) -> None:
        """Each of two methods has got a parameter more than the router knows of."""
        (tmp_path / "sitecustomize.py").write_text(CHANGED_MITMPROXY)
        async with start("-p", "0", folder=tmp_path) as router:
            assert await router.ends() == 1
            assert "mitmproxy, aiohttp or h11 differs from the tested version" in router.text
            for changed in ("HttpStream.flow_done: expected (self), found (self, more)", "HttpLayer.make_stream"):
                assert changed in router.text
            assert "HttpStream.check_killed" not in router.text
            assert "Traceback" not in router.text
            assert not re.search("base URL", router.text)


WATCHER = """
import sys
from mitmproxy.proxy.mode_servers import AsyncioServerInstance
from pointsman.model_facts import facts_of
from pointsman.transport.upstream_client import _ssl_context

stock, before = AsyncioServerInstance.listen, {}

def loaded():
    return set(sys.modules), facts_of.cache_info().misses, _ssl_context.cache_info().misses

async def listen(self, host, port):
    before.setdefault("state", loaded())
    return await stock(self, host, port)

def done():
    (modules, facts, contexts), (modules_now, facts_now, contexts_now) = before["state"], loaded()
    print("late modules:", sorted(modules_now - modules))
    print(f"late facts: {facts_now - facts}; TLS contexts: {contexts}, late: {contexts_now - contexts}")

AsyncioServerInstance.listen = listen
"""

CHANGED_MITMPROXY = """
from mitmproxy.proxy.layers import http

def flow_done(self, more): ...
def make_stream(self, stream_id, more): ...

flow_done.__qualname__, make_stream.__qualname__ = "HttpStream.flow_done", "HttpLayer.make_stream"
http.HttpStream.flow_done, http.HttpLayer.make_stream = flow_done, make_stream
"""


def listeners(pid: int) -> list[str]:
    """Addresses that the process listens on, as the system knows them."""
    inodes = set(sockets(pid))
    found = []
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.append(fields[1])
    return found


def foreign_listeners(pid: int) -> list[str]:
    loopback = ("0100007F:", "00000000000000000000000001000000:")
    return [address for address in listeners(pid) if not address.startswith(loopback)]


def sockets(pid: int) -> list[str]:
    targets = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            targets.append(os.readlink(fd))
    return [target[8:-1] for target in targets if target.startswith("socket:[")]
