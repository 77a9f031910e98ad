"""Changes made at runtime reach the other workers by the file that they are saved in."""

import asyncio
import logging
from pathlib import Path

from pointsman.config import ConfigError
from pointsman.overrides import Configuration

logger = logging.getLogger(__name__)

POLL_INTERVAL = 0.5
"""Seconds between two looks at the file."""


async def follow_other_workers(configuration: Configuration) -> None:
    """Until cancelled. Nothing where changes are not saved."""
    if configuration.store is None:
        return
    path = configuration.store.path
    last = _fingerprint(path)
    while True:
        await asyncio.sleep(POLL_INTERVAL)
        found = _fingerprint(path)
        if found == last:
            continue
        last = found
        try:
            if await configuration.adopt_saved():
                logger.info("Pointsman: a change that another worker saved applies to new requests.")
        except (ConfigError, OSError) as error:
            logger.error(f"Pointsman: a change that another worker saved is not applied: {error}")


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
