"""The end of clients' connections when the router ends: in good order, and without waiting for who does not listen."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from mitmproxy.proxy.server import ConnectionHandler

PATIENCE = 1.0
LOOK_EVERY = 0.005


async def hang_up(connections: Mapping[object, ConnectionHandler]) -> None:
    """Closes them all. Returns when `connections`, which mitmproxy keeps, is empty, or after a second."""
    for handler in list(connections.values()):
        io = handler.transports.get(handler.client)
        if io is not None and io.handler is not None:
            handler.close_connection(handler.client)
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while connections:
                await asyncio.sleep(LOOK_EVERY)
