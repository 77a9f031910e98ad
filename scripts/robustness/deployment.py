"""The processes of a trial: a real mitmdump or mitmweb with the router, the providers, and what can be seen of them
from outside.
"""

import asyncio
import json
import os
import signal
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.testbed import ROUTER, SETTING_PREFIXES

from support.h1client import h1_to

ROOT = Path(__file__).resolve().parents[2]
PARENT_WATCH = ROOT / "scripts" / "benchmarks" / "parent_watch.py"
PATH = os.pathsep.join(str(ROOT / folder) for folder in ("scripts", "tests", "addon"))
LAUNCHER = "from mitmproxy.tools.main import {tool}; {tool}()"
SETTLING = 15.0
"""Seconds until nothing of a load that is over may be left."""
UGLY = ("Traceback", "crashed", "never retrieved", "was destroyed", "Unhandled", "failed inside the router", "is lost")
"""Words that a log has only when something went wrong that nobody foresaw."""


@dataclass(frozen=True, slots=True)
class Level:
    """What the router's process holds at one moment. `tables` is its own page about them."""

    files: int
    memory: int
    """Bytes resident."""
    tables: Mapping[str, int]

    @property
    def passing(self) -> Mapping[str, int]:
        """What must be as before when everybody has gone."""
        names = ("exchanges", "attempts", "clients", "tasks")
        return {"files": self.files, **{name: self.tables[name] for name in names}}


class House:
    """A router and the providers, which end with it."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self._stack = stack
        kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTING_PREFIXES)}
        self._environment = {**kept, "HOME": str(folder), "PYTHONPATH": PATH, "PYTHONUNBUFFERED": "1"}
        self.port = processes.free_port()
        self.router: Process
        self.providers: Process
        self.urls: Mapping[str, str] = {}

    @property
    def ca(self) -> Path:
        return self.folder / ".mitmproxy" / "mitmproxy-ca-cert.pem"

    async def start_providers(self) -> None:
        command = ["-m", "robustness.provider"]
        context = processes.child("providers", command, self._environment, self.folder, reads=True)
        self.providers = await self._stack.enter_async_context(context)
        self.urls = json.loads(await self._line())

    async def start_router(self, config: Mapping[str, Any], tool: str = "mitmdump", *arguments: str) -> None:
        self.write(config)
        listen = ("--listen-host", "127.0.0.1", "-p", str(self.port), *arguments)
        scripts = ("-s", str(ROUTER), "-s", str(PARENT_WATCH))
        command = ["-c", LAUNCHER.format(tool=tool), *scripts, *listen]
        context = processes.child("router", command, self._environment, self.folder)
        self.router = await self._stack.enter_async_context(context)
        await processes.wait_until_listening("router", self.router, self.port, self.folder)

    def write(self, config: Mapping[str, Any]) -> None:
        """The router's configuration, in one step."""
        draft = self.folder / "pointsman.yaml.new"
        draft.write_text(json.dumps(config))
        draft.replace(self.folder / "pointsman.yaml")

    async def report(self) -> dict[str, Any]:
        """What the providers have to tell: see `provider.Players.report`."""
        assert self.providers.stdin
        self.providers.stdin.write(b"report\n")
        told: dict[str, Any] = json.loads(await self._line())
        return told

    async def end_providers(self) -> None:
        await processes.end(self.providers)

    async def end_router(self) -> int:
        """Its exit status. Raises TimeoutError."""
        self.router.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SETTLING):
            return await self.router.wait()

    async def page(self, path: str) -> tuple[int, Any]:
        """One of the router's own pages, its JSON read."""
        async with h1_to("127.0.0.1", self.port) as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            async with asyncio.timeout(SETTLING):
                status, _, body = await client.answer()
        return status, json.loads(body)

    async def level(self) -> Level:
        """Whoever asks is there while he asks."""
        _, tables = await self.page("/internal/status/tables")
        files = len(os.listdir(f"/proc/{self.router.pid}/fd"))
        resident = int(Path(f"/proc/{self.router.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return Level(files, resident, tables)

    async def level_alone(self) -> Level:
        """Once nobody but who asks is there."""
        while (level := await self.level()).tables["clients"] > 1:
            await asyncio.sleep(0.05)
        return level

    async def level_again(self, before: Level) -> Level:
        """Waits until it is as before, or as long as that may take."""
        until = asyncio.get_running_loop().time() + SETTLING
        while (level := await self.level()).passing != before.passing:
            if asyncio.get_running_loop().time() > until:
                break
            await asyncio.sleep(0.2)
        return level

    def ugly_lines(self) -> list[str]:
        """What the processes have logged and should not."""
        logs = [(name, (self.folder / f"{name}.log").read_text(errors="replace")) for name in ("router", "providers")]
        lines = [(name, line) for name, text in logs for line in text.splitlines()]
        return [f"{name}: {line[:300]}" for name, line in lines if any(word in line for word in UGLY)]

    async def _line(self) -> str:
        return await processes.read_line("providers", self.providers, self.folder, processes.START_TIMEOUT)


@asynccontextmanager
async def house(keep: Path | None = None) -> AsyncIterator[House]:
    """All processes end with this context, and their folder goes; `keep` is a folder for both that stays."""
    with tempfile.TemporaryDirectory(prefix="pointsman-trial-") as folder:
        async with AsyncExitStack() as stack:
            home = keep or Path(folder)
            home.mkdir(parents=True, exist_ok=True)
            yield House(home, stack)
