"""Hot reload: a changed configuration file is taken over while the router runs, a broken one is refused."""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from pointsman import config
from pointsman.config import ConfigError, Settings

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks at the file."""

type Fingerprint = tuple[int, int, int]


class Reloader:
    """`apply` takes new settings over, or says why it will not."""

    def __init__(self, path: Path, apply: Callable[[Settings], str | None]) -> None:
        self.path = path
        self._apply = apply
        self._seen = self._fingerprint()
        self._lock = asyncio.Lock()

    async def watch(self) -> None:
        """Looks until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if self._fingerprint() != self._seen:
                await self.reload()

    async def reload(self) -> list[str]:
        """Returns why the file was refused; nothing when it is in force. Large files are read off the loop."""
        async with self._lock:
            self._seen = self._fingerprint()
            try:
                settings = await asyncio.to_thread(config.load, self.path, os.environ)
                refused = self._apply(settings)
                faults = [refused] if refused else []
            except ConfigError as error:
                faults = [str(fault) for fault in error.faults]
            except Exception as error:  # or nobody would look at the file again
                logger.exception(f"Reading {self.path} failed inside the router.")
                faults = [f"reading it failed ({type(error).__name__})"]
            self._tell(faults)
            return faults

    def _tell(self, faults: list[str]) -> None:
        if faults:
            lines = "\n".join(faults)
            logger.error(f"Pointsman keeps its configuration: the changed {self.path} is at fault.\n{lines}")
        else:
            logger.info(f"Pointsman: {self.path} is in force for requests from now on.")

    def _fingerprint(self) -> Fingerprint | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
