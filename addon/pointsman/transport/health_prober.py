"""Probes providers that cannot be reached, and reports when one is back.

Which providers are probed, when, and what follows is decided elsewhere.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from random import random
from typing import Protocol
from urllib.parse import urlsplit

from mitmproxy.utils import asyncio_utils

from pointsman.domain.outbound import UpstreamRequest
from pointsman.transport.mitm_patches.provider_connection import ConnectionTrace
from pointsman.transport.upstream_client import UpstreamClient
from pointsman.transport.upstream_options import UpstreamOptions

logger = logging.getLogger(__name__)

POLL_INTERVAL = 1.0
"""Seconds between two looks at what is due."""
PROBE_TIMEOUT = 10.0
"""Seconds for one probe."""


class ProbeSource(Protocol):
    """The source of providers to probe. Times are on the loop's clock."""

    def probes_due(self, chance: Callable[[], float], now: float) -> Sequence[tuple[str, UpstreamRequest]]:
        """Names, and what to ask each; they count as being probed until `on_probe_result` is called. `chance` gives
        random numbers from 0 to 1.
        """
        ...

    def on_probe_result(self, provider: str, alive: bool) -> str | None:
        """Returns what that changes, in words."""
        ...


class HealthProber:
    """`connect_only` are providers that are merely connected to. `upstream` is the way to providers now."""

    def __init__(
        self,
        source: ProbeSource,
        providers: UpstreamClient,
        upstream: Callable[[], UpstreamOptions],
        connect_only: Collection[str] = (),
    ) -> None:
        self._source = source
        self._client = providers
        self._upstream = upstream
        self._connect_only = connect_only
        self._probes: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Looks until it is cancelled."""
        while True:
            self.start_due_probes()
            await asyncio.sleep(POLL_INTERVAL)

    def start_due_probes(self) -> None:
        """Begin what is due."""
        for name, request in self._source.probes_due(random, asyncio.get_running_loop().time()):
            probe = asyncio_utils.create_task(self._probe(name, request), name=f"probe of {name}", keep_ref=False)
            self._probes.add(probe)
            probe.add_done_callback(self._probes.discard)

    async def close(self) -> None:
        for probe in list(self._probes):
            probe.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)

    async def _probe(self, name: str, request: UpstreamRequest) -> None:
        alive = False
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                if name in self._connect_only:
                    alive = await _accepts_connections(request.url)
                else:
                    alive = await self._responds(request)
        except Exception as error:  # whatever it is, the provider does not respond
            logger.debug(f"Pointsman: the probe of {name} failed ({type(error).__name__}).")
        finally:
            if change := self._source.on_probe_result(name, alive):
                logger.info(f"Pointsman: {change}")

    async def _responds(self, request: UpstreamRequest) -> bool:
        """A provider that refuses the request, or does not know it, is reachable."""
        dial = ConnectionTrace(on_connecting=lambda: None, on_connected=lambda: None)
        async with self._client.send(request, self._upstream(), dial) as answer:
            return answer.status < 500


async def _accepts_connections(url: str) -> bool:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    _, writer = await asyncio.open_connection(parts.hostname, port)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
