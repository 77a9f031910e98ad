"""Hot reload: a changed configuration file is taken over while the router runs, a broken one is refused."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from pointsman.config import ConfigError, ConfigIssue

logger = logging.getLogger(__name__)

POLL_INTERVAL = 1.0
"""Seconds between two looks at the file."""

type Fingerprint = tuple[int, int, int]


class ConfigWatcher:
    """`take_over` reads the file and puts it in force, or raises ConfigError."""

    def __init__(self, path: Path, take_over: Callable[[], Awaitable[None]]) -> None:
        self.path = path
        self._take_over = take_over
        self._last_fingerprint = self._fingerprint()
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        """Looks until it is cancelled."""
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            if self._fingerprint() != self._last_fingerprint:
                await self.reload()

    async def reload(self) -> list[ConfigIssue]:
        """Returns why the file was refused; nothing when it is in force."""
        async with self._lock:
            self._last_fingerprint = self._fingerprint()
            try:
                await self._take_over()
                faults: list[ConfigIssue] = []
            except ConfigError as error:
                faults = list(error.issues)
            except Exception as error:  # else the file would no longer be watched
                logger.exception(f"Reading {self.path} failed with an internal error.")
                faults = [ConfigIssue(str(self.path), f"could not be read ({type(error).__name__})")]
            self._log_result(faults)
            return faults

    def _log_result(self, faults: list[ConfigIssue]) -> None:
        if faults:
            lines = "\n".join(map(str, faults))
            logger.error(f"Pointsman keeps its configuration: the changed {self.path} is invalid.\n{lines}")
        else:
            logger.info(f"Pointsman: {self.path} is in force for new requests.")

    def _fingerprint(self) -> Fingerprint | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
