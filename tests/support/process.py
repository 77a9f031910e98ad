"""A real mitmdump or mitmweb, or the console script, in a process of its own."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from support.time_limit import LONGEST

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "addon" / "main.py"


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
        self._printed.set()

    @property
    def text(self) -> str:
        return "".join(self.lines)

    @property
    def pid(self) -> int:
        return self.process.pid

    async def prints(self, pattern: str) -> re.Match[str]:
        """Waits until the text so far has the pattern. Raises AssertionError if the process ends without it."""
        async with asyncio.timeout(LONGEST):
            while not (found := re.search(pattern, self.text)):
                assert not self._reading.done(), self.text
                self._printed.clear()
                await self._printed.wait()
        return found

    async def base_url(self) -> str:
        """What it announces: it serves from then on."""
        return (await self.prints(r"base URL (http://\S+:\d+/v1)"))[1]

    def tell(self, signum: signal.Signals) -> None:
        self.process.send_signal(signum)

    async def ends(self, within: float = LONGEST) -> int:
        """Waits, so many seconds at most, for its exit status, with everything it printed."""
        async with asyncio.timeout(within):
            status = await self.process.wait()
            await self._reading
        return status

    async def ends_cleanly(self) -> None:
        assert await self.ends() == 0, self.text
        assert "Traceback" not in self.text, self.text
        assert "error" not in self.text.lower(), self.text


@asynccontextmanager
async def started(*command: str, folder: Path, **env: str) -> AsyncIterator[Process]:
    """The command in that folder, which is its home too. Killed at the end if it still runs."""
    path = os.pathsep.join([str(folder), str(ROOT / "addon")])  # what it imports may be changed by a file in its folder
    environment = {**os.environ, "HOME": str(folder), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **env}
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


def tool(
    name: str, arguments: Sequence[str], folder: Path, env: Mapping[str, str], script: Path = SCRIPT
) -> AbstractAsyncContextManager[Process]:
    """One of mitmproxy's tools, as its own launcher starts it."""
    launcher = f"from mitmproxy.tools.main import {name}; {name}()"
    return started(sys.executable, "-c", launcher, "-s", str(script), *arguments, folder=folder, **env)


def mitmdump(*arguments: str, folder: Path, **env: str) -> AbstractAsyncContextManager[Process]:
    return tool("mitmdump", arguments, folder, env)


def mitmweb(*arguments: str, folder: Path, **env: str) -> AbstractAsyncContextManager[Process]:
    return tool("mitmweb", arguments, folder, env)


def pointsman(*arguments: str, folder: Path, **env: str) -> AbstractAsyncContextManager[Process]:
    return started(sys.executable, "-m", "pointsman", *arguments, folder=folder, **env)
