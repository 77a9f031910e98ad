"""The processes of a run: mitmdump or mitmweb with the router, and the providers; and what can be observed of them."""

import asyncio
import json
import os
import signal
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
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
ADMIN_KEY = "chaos-admin-key"
SETTLING = 15.0
"""Seconds after the last request until everything has to be released."""
HISTORY = "history.db-shm"
"""The last file that the router opens before it is asked anything."""
LEDGER = "/ledger.db"
"""Opened when a client has spent something, with the files beside it."""
UNEXPECTED = (
    "Traceback",
    "crashed",
    "never retrieved",
    "was destroyed",
    "Unhandled",
    "failed inside the router",
    "is lost",
)
"""Words that occur in a log only after an unexpected error."""


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """Resources of the router's process. `tables` is its page `/internal/status/tables`."""

    files: int
    memory: int
    """Bytes resident."""
    tables: Mapping[str, int]

    @property
    def transient(self) -> Mapping[str, int]:
        """What has to be as before when all clients have left."""
        names = ("exchanges", "attempts", "clients", "tasks")
        return {"files": self.files, **{name: self.tables[name] for name in names}}


class Deployment:
    """A router and its providers; `folder` has their home, configuration and logs."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self._stack = stack
        kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTING_PREFIXES)}
        self._environment = {**kept, "HOME": str(folder), "PYTHONPATH": PATH, "PYTHONUNBUFFERED": "1"}
        self.port = processes.free_port()
        self.router: Process
        self.providers: Process
        self.urls: Mapping[str, str] = {}
        self._asking = asyncio.Lock()

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
        """Replaces the router's configuration file atomically."""
        draft = self.folder / "pointsman.yaml.new"
        draft.write_text(json.dumps(config))
        draft.replace(self.folder / "pointsman.yaml")

    async def report(self) -> dict[str, Any]:
        """See `provider.FaultyProviders.report`."""
        return await self._tell_providers("report")

    async def outage(self, seconds: float) -> None:
        """No provider accepts connections for that long."""
        await self._tell_providers(f"outage {seconds:g}")

    async def _tell_providers(self, command: str) -> dict[str, Any]:
        assert self.providers.stdin
        async with self._asking:  # one answer at a time
            self.providers.stdin.write(f"{command}\n".encode())
            told: dict[str, Any] = json.loads(await self._line())
        return told

    async def end_providers(self) -> None:
        await processes.end(self.providers)

    async def end_router(self) -> int:
        """Returns its exit status. Raises TimeoutError."""
        self.router.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SETTLING):
            return await self.router.wait()

    async def page(self, path: str, method: str = "GET") -> tuple[int, Any]:
        """Status and JSON document of one of the router's own pages."""
        async with h1_to("127.0.0.1", self.port) as client:
            fields = ("Host: 127.0.0.1", "Connection: close", f"Authorization: Bearer {ADMIN_KEY}")
            client.send("\r\n".join((f"{method} {path} HTTP/1.1", *fields, "", "")).encode())
            async with asyncio.timeout(SETTLING):
                status, _, body = await client.answer()
        return status, json.loads(body)

    async def usage(self) -> ResourceUsage:
        """The request for `tables` itself counts as a client."""
        _, tables = await self.page("/internal/status/tables")
        files = len({name for name in self._open_file_names() if LEDGER not in name})  # SQLite may hold one twice
        resident = int(Path(f"/proc/{self.router.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return ResourceUsage(files, resident, tables)

    async def idle_usage(self) -> ResourceUsage:
        """Waits until there is no other client, and the thread of the history has opened its files. Raises
        TimeoutError.
        """
        async with asyncio.timeout(SETTLING):
            while (usage := await self.usage()).tables["clients"] > 1 or not self._has_opened_history():
                await asyncio.sleep(0.05)
        return usage

    def _has_opened_history(self) -> bool:
        return any(name.endswith(HISTORY) for name in self._open_file_names())

    def _open_file_names(self) -> Iterator[str]:
        for number in os.listdir(self._open_files):
            with suppress(FileNotFoundError):
                yield os.readlink(f"{self._open_files}/{number}")

    @property
    def _open_files(self) -> str:
        return f"/proc/{self.router.pid}/fd"

    async def usage_after(self, before: ResourceUsage) -> ResourceUsage:
        """Waits until it is as before, at most SETTLING seconds."""
        until = asyncio.get_running_loop().time() + SETTLING
        while (usage := await self.usage()).transient != before.transient:
            if asyncio.get_running_loop().time() > until:
                break
            await asyncio.sleep(0.2)
        return usage

    def unexpected_log_lines(self) -> list[str]:
        """Lines in the logs that show an unexpected error."""
        logs = [(name, (self.folder / f"{name}.log").read_text(errors="replace")) for name in ("router", "providers")]
        lines = [(name, line) for name, text in logs for line in text.splitlines()]
        return [f"{name}: {line[:300]}" for name, line in lines if any(word in line for word in UNEXPECTED)]

    async def _line(self) -> str:
        return await processes.read_line("providers", self.providers, self.folder, processes.START_TIMEOUT)


@asynccontextmanager
async def deployment(keep: Path | None = None) -> AsyncIterator[Deployment]:
    """All processes end with this context and their folder is removed; `keep` is a folder that is not removed."""
    with tempfile.TemporaryDirectory(prefix="pointsman-robustness-") as folder:
        async with AsyncExitStack() as stack:
            deployed = keep or Path(folder)
            deployed.mkdir(parents=True, exist_ok=True)
            yield Deployment(deployed, stack)
