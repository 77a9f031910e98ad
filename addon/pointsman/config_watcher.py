"""Hot reload: a changed configuration file is applied while the router runs, an invalid one is refused."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from pointsman.config import ConfigError, ConfigIssue

logger = logging.getLogger(__name__)

POLL_INTERVAL = 1.0
"""Seconds between two checks of the file."""

type Fingerprint = tuple[int, int, int]


class ConfigWatcher:
    """`apply` reads the file and applies it to new requests, or raises ConfigError."""

    def __init__(self, path: Path, apply: Callable[[], Awaitable[None]]) -> None:
        self.path = path
        self.refused: list[ConfigIssue] = []
        """Why the file as it is now was refused; empty if it is in force."""
        self._apply = apply
        self._last_fingerprint = self._fingerprint()
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        """Checks the file until cancelled."""
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            if self._fingerprint() != self._last_fingerprint:
                await self.reload()

    async def reload(self) -> list[ConfigIssue]:
        """Returns the errors for which the file was refused; empty if it was applied."""
        async with self._lock:
            self._last_fingerprint = self._fingerprint()
            try:
                await self._apply()
                faults: list[ConfigIssue] = []
            except ConfigError as error:
                faults = list(error.issues)
            except Exception as error:  # else the file would no longer be watched
                logger.exception(f"Reading {self.path} failed with an internal error.")
                faults = [ConfigIssue(str(self.path), f"could not be read ({type(error).__name__})")]
            self.refused = faults
            self._log_result(faults)
            return faults

    def _log_result(self, faults: list[ConfigIssue]) -> None:
        if faults:
            lines = "\n".join(map(str, faults))
            logger.error(
                f"Pointsman: the changed {self.path} is invalid; the previous configuration stays in effect.\n{lines}"
            )
        else:
            logger.info(f"Pointsman: {self.path} was reloaded and applies to new requests.")

    def _fingerprint(self) -> Fingerprint | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
