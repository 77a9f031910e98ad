"""The router as its users start it: a real mitmdump in a process of its own."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.asking import ask, get

ROOT = Path(__file__).parents[1]
MITMDUMP = "from mitmproxy.tools.main import mitmdump; mitmdump()"


class Process:
    """`lines` grows as the process prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._printed = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            self.lines.append(line.decode())
            self._printed.set()

    @property
    def text(self) -> str:
        return "".join(self.lines)

    async def prints(self, pattern: str) -> re.Match[str]:
        async with asyncio.timeout(30):
            while not (found := re.search(pattern, self.text)):
                assert self.process.returncode is None or not self._reading.done(), self.text
                self._printed.clear()
                await self._printed.wait()
        return found

    async def ends(self) -> int:
        async with asyncio.timeout(30):
            status = await self.process.wait()
            await self._reading
        return status


@asynccontextmanager
async def started(*command: str, folder: Path, **env: str) -> AsyncIterator[Process]:
    environment = {**os.environ, "HOME": str(folder), "PYTHONPATH": str(ROOT / "addon"), "PYTHONUNBUFFERED": "1", **env}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    running = Process(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await running.ends()


def mitmdump(*arguments: str, folder: Path, **env: str):
    script = str(ROOT / "addon" / "main.py")
    return started(sys.executable, "-c", MITMDUMP, "-s", script, *arguments, folder=folder, **env)


async def test_without_configuration_the_demo_answers_and_ends_with_status_0(tmp_path):
    async with mitmdump("-p", "0", folder=tmp_path) as router:
        base_url = (await router.prints(r"base URL (http://127\.0\.0\.1:\d+/v1)"))[1]
        first, second = await ask(base_url, model="demo"), await ask(base_url, model="demo")
        assert first.status == second.status == 200
        assert b"Which track?" in first.body or b"Which" in first.body
        assert {first.headers["x-fallback-attempts"], second.headers["x-fallback-attempts"]} == {"0", "1"}
        router.process.send_signal(signal.SIGTERM)
        assert await router.ends() == 0
        assert "Traceback" not in router.text


async def test_a_plain_start_leaves_no_socket_on_a_foreign_address(tmp_path):
    async with mitmdump("-p", "0", folder=tmp_path) as router:
        await router.prints(r"base URL (http://127\.0\.0\.1:\d+/v1)")
        assert foreign_listeners(router.process.pid) == []


def foreign_listeners(pid: int) -> list[str]:
    """Addresses that the process listens on and that are no loopback ones, as the system knows them."""
    folder = Path(f"/proc/{pid}/fd")
    if not folder.exists():
        pytest.fail("this test reads /proc")
    inodes = {target[8:-1] for fd in folder.iterdir() if (target := os.readlink(fd)).startswith("socket:[")}
    found = []
    for table, loopback in (("tcp", "0100007F"), ("tcp6", "00000000000000000000000001000000")):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == "0A" and fields[9] in inodes and not fields[1].startswith(loopback):
                found.append(fields[1])
    return found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen-host", "0.0.0.0"], "client_key"),
        (["--mode", "regular@0.0.0.0:0"], "client_key"),
        (["--set", "pointsman_config=nowhere.yaml"], "nowhere.yaml"),
    ],
)
async def test_what_must_not_start_ends_with_status_1_and_says_why(tmp_path, arguments, said):
    async with mitmdump("-p", "0", *arguments, folder=tmp_path) as router:
        assert await router.ends() == 1
        assert said in router.text
        assert "Traceback" not in router.text


async def test_every_fault_of_the_configuration_is_told_at_once(tmp_path):
    (tmp_path / "pointsman.yaml").write_text(
        "providers: {a: {base_url: ftp://x, models: [{id: m, limits: {rpm: 30/min}}]}}\nstream: {stall: soon}\n"
    )
    async with mitmdump("-p", "0", folder=tmp_path) as router:
        assert await router.ends() == 1
        for path in ("providers.a.base_url", "providers.a.models[0].limits.rpm", "stream.stall"):
            assert path in router.text
        assert "Traceback" not in router.text


async def test_listening_elsewhere_with_a_client_key_starts(tmp_path):
    async with mitmdump(
        "-p", "0", "--listen-host", "0.0.0.0", folder=tmp_path, POINTSMAN_SERVER__CLIENT_KEY="a-client-key-0123456789"
    ) as router:
        port = (await router.prints(r"base URL http://0\.0\.0\.0:(\d+)/v1"))[1]
        assert (await ask(f"http://127.0.0.1:{port}/v1", model="demo")).status == 401
        assert (await get(f"http://127.0.0.1:{port}/healthz")).status == 200
