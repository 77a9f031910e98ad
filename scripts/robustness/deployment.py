"""The processes of a run: mitmdump or mitmweb with the router, and the providers; and what can be observed of them."""

import asyncio
import json
import os
import re
import signal
import tempfile
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.testbed import ROUTER, SETTING_PREFIXES

from robustness.balancer import balancer
from support.h1client import h1_to
from support.valkey import Valkey, valkey

ROOT = Path(__file__).resolve().parents[2]
PARENT_WATCH = ROOT / "scripts" / "benchmarks" / "parent_watch.py"
PATH = os.pathsep.join(str(ROOT / folder) for folder in ("scripts", "tests", "addon"))
LAUNCHER = "from mitmproxy.tools.main import {tool}; {tool}()"
ADMIN_KEY = "chaos-admin-key"
SETTLING = 15.0
"""Seconds after the last request until everything has to be released."""
HISTORY = re.compile(r"/history(-\d+)?\.db-shm$")
"""The last file that a router opens before it is asked anything."""
LINKS = 3
"""Connections of each router to the server between them, which are opened when they are needed."""
WATCH_TASKS = 2
"""Tasks of each router that wait for what the others tell, while there is nothing to tell them."""
LEDGER = re.compile(r"/ledger(-\d+)?\.db")
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


@dataclass(frozen=True, slots=True)
class Instance:
    """One router. `name` is that of its log."""

    name: str
    port: int
    process: Process


class Deployment:
    """A router and its providers; `folder` has their home, configuration and logs. Of several routers each takes its
    turn with new connections to `port`, and they share their state over `engine`.
    """

    def __init__(self, folder: Path, stack: AsyncExitStack, instances: int = 1) -> None:
        self.folder = folder
        self.number = instances
        self.instances: list[Instance] = []
        self.engine: Valkey | None = None
        self._stack = stack
        kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTING_PREFIXES)}
        self._environment = {**kept, "HOME": str(folder), "PYTHONPATH": PATH, "PYTHONUNBUFFERED": "1"}
        self.port = processes.free_port()
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

    @property
    def router(self) -> Process:
        """The first one."""
        return self.instances[0].process

    async def start_router(self, config: Mapping[str, Any], tool: str = "mitmdump", *arguments: str) -> None:
        """All of them, one after the other, as the first makes what the others use."""
        self.write(config)
        if self.number == 1:
            await self._start_instance(1, self.port, {}, tool, *arguments)
            return
        self.engine = await self._stack.enter_async_context(valkey(self.folder / "valkey"))
        for number in range(1, self.number + 1):
            environment = {"POINTSMAN_SHARED__URL": self.engine.url, "POINTSMAN_WORKER": str(number)}
            await self._start_instance(number, processes.free_port(), environment, tool, *arguments)
        await self._stack.enter_async_context(balancer(self.port, [each.port for each in self.instances]))

    async def _start_instance(
        self, number: int, port: int, environment: Mapping[str, str], tool: str, *arguments: str
    ) -> None:
        name = "router" if number == 1 else f"router-{number}"
        listen = ("--listen-host", "127.0.0.1", "-p", str(port), *arguments)
        scripts = ("-s", str(ROUTER), "-s", str(PARENT_WATCH))
        command = ["-c", LAUNCHER.format(tool=tool), *scripts, *listen]
        context = processes.child(name, command, {**self._environment, **environment}, self.folder)
        process = await self._stack.enter_async_context(context)
        self.instances.append(Instance(name, port, process))
        await processes.wait_until_listening(name, process, port, self.folder)

    def tell_routers(self, signum: signal.Signals) -> None:
        for each in self.instances:
            with suppress(ProcessLookupError):
                each.process.send_signal(signum)

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
        """Returns the exit status; of several the highest. Raises TimeoutError."""
        self.tell_routers(signal.SIGTERM)
        async with asyncio.timeout(SETTLING):
            return max([await each.process.wait() for each in self.instances], key=abs)

    async def page(self, path: str, method: str = "GET") -> tuple[int, Any]:
        """Status and JSON document of one of the router's own pages. Of several routers, the one that knows it."""
        for each in self.instances:
            status, document = await self.page_of(each, path, method)
            if status != 404:
                break
        return status, document

    async def page_of(self, instance: Instance, path: str, method: str = "GET") -> tuple[int, Any]:
        async with h1_to("127.0.0.1", instance.port) as client:
            fields = ("Host: 127.0.0.1", "Connection: close", f"Authorization: Bearer {ADMIN_KEY}")
            client.send("\r\n".join((f"{method} {path} HTTP/1.1", *fields, "", "")).encode())
            async with asyncio.timeout(SETTLING):
                status, _, body = await client.answer()
        return status, json.loads(body)

    async def usage(self) -> ResourceUsage:
        """Of all routers together. The request for `tables` itself counts as a client."""
        found = [await self._usage_of(each) for each in self.instances]
        tables = Counter[str]()
        for each in found:
            tables.update(each.tables)
        return ResourceUsage(sum(each.files for each in found), sum(each.memory for each in found), tables)

    async def _usage_of(self, instance: Instance) -> ResourceUsage:
        _, tables = await self.page_of(instance, "/internal/status/tables")
        files = len({name for name in _open_files(instance) if not LEDGER.search(name)})  # SQLite may hold one twice
        return ResourceUsage(files, processes.memory(instance.process.pid), tables)

    async def idle_usage(self) -> ResourceUsage:
        """Waits until there is no other client, and the thread of the history has opened its files. Raises
        TimeoutError.
        """
        async with asyncio.timeout(SETTLING):
            while (usage := await self.usage()).tables["clients"] > len(self.instances) or not self._have_histories():
                await asyncio.sleep(0.05)
        return usage

    def _have_histories(self) -> bool:
        return all(any(HISTORY.search(name) for name in _open_files(each)) for each in self.instances)

    def left_over(self, before: ResourceUsage, after: ResourceUsage) -> list[str]:
        """What is more than before."""
        more = {"files": LINKS, "tasks": WATCH_TASKS} if self.engine else {}
        allowed = {n: count + more.get(n, 0) * len(self.instances) for n, count in before.transient.items()}
        over = {name: count for name, count in after.transient.items() if count > allowed[name]}
        return [f"{name}: {count} after the run, {allowed[name]} before" for name, count in over.items()]

    async def usage_after(self, before: ResourceUsage) -> ResourceUsage:
        """Waits until it is as before, at most SETTLING seconds."""
        until = asyncio.get_running_loop().time() + SETTLING
        while self.left_over(before, usage := await self.usage()):
            if asyncio.get_running_loop().time() > until:
                break
            await asyncio.sleep(0.2)
        return usage

    def unexpected_log_lines(self) -> list[str]:
        """Lines in the logs that show an unexpected error."""
        names = [*(each.name for each in self.instances), "providers"]
        logs = [(name, (self.folder / f"{name}.log").read_text(errors="replace")) for name in names]
        lines = [(name, line) for name, text in logs for line in text.splitlines()]
        return [f"{name}: {line[:300]}" for name, line in lines if any(word in line for word in UNEXPECTED)]

    async def _line(self) -> str:
        return await processes.read_line("providers", self.providers, self.folder, processes.START_TIMEOUT)


def _open_files(instance: Instance) -> Iterator[str]:
    folder = f"/proc/{instance.process.pid}/fd"
    for number in os.listdir(folder):
        with suppress(FileNotFoundError):
            yield os.readlink(f"{folder}/{number}")


@asynccontextmanager
async def deployment(keep: Path | None = None, instances: int = 1) -> AsyncIterator[Deployment]:
    """All processes end with this context and their folder is removed; `keep` is a folder that is not removed."""
    with tempfile.TemporaryDirectory(prefix="pointsman-robustness-") as folder:
        async with AsyncExitStack() as stack:
            deployed = keep or Path(folder)
            deployed.mkdir(parents=True, exist_ok=True)
            yield Deployment(deployed, stack, instances)
