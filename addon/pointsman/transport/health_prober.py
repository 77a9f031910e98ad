"""Probing: looks after providers that cannot be reached, and reports when one is back.

Who is to be probed, when, and what follows is not decided here.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from random import random
from typing import Protocol
from urllib.parse import urlsplit

from mitmproxy.utils import asyncio_utils

from pointsman.domain.outbound import Outbound
from pointsman.transport.upstream_client import Dial, Providers
from pointsman.transport.upstream_options import Outlet

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks at what is due."""
PATIENCE = 10.0
"""Seconds for one probe."""


class Ward(Protocol):
    """Who has providers to be probed. Times are on the loop's clock."""

    def probes_due(self, chance: Callable[[], float], now: float) -> Sequence[tuple[str, Outbound]]:
        """Names, and what to ask each; they count as being probed until `probed` is called. `chance` gives random
        numbers from 0 to 1.
        """
        ...

    def probed(self, provider: str, alive: bool) -> str | None:
        """Returns what that changes, in words."""
        ...


class Prober:
    """`by_connection` are providers that are merely connected to. `outlet` is the way to providers now."""

    def __init__(
        self, ward: Ward, providers: Providers, outlet: Callable[[], Outlet], by_connection: Collection[str] = ()
    ) -> None:
        self._ward = ward
        self._providers = providers
        self._outlet = outlet
        self._by_connection = by_connection
        self._probes: set[asyncio.Task[None]] = set()

    async def watch(self) -> None:
        """Looks until it is cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY)

    def look(self) -> None:
        """Begin what is due."""
        for name, question in self._ward.probes_due(random, asyncio.get_running_loop().time()):
            probe = asyncio_utils.create_task(self._probe(name, question), name=f"probe of {name}", keep_ref=False)
            self._probes.add(probe)
            probe.add_done_callback(self._probes.discard)

    async def close(self) -> None:
        for probe in list(self._probes):
            probe.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)

    async def _probe(self, name: str, question: Outbound) -> None:
        alive = False
        try:
            async with asyncio.timeout(PATIENCE):
                if name in self._by_connection:
                    alive = await _listens(question.url)
                else:
                    alive = await self._answers(question)
        except Exception as error:  # whatever it is, nobody is there
            logger.debug(f"Pointsman: the probe of {name} failed ({type(error).__name__}).")
        finally:
            if learnt := self._ward.probed(name, alive):
                logger.info(f"Pointsman: {learnt}")

    async def _answers(self, question: Outbound) -> bool:
        """Whoever refuses the question, or does not know it, is there."""
        dial = Dial(dialling=lambda: None, connected=lambda: None)
        async with self._providers.send(question, self._outlet(), dial) as answer:
            return answer.status < 500


async def _listens(url: str) -> bool:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    _, writer = await asyncio.open_connection(parts.hostname, port)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
