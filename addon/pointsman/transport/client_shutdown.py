"""Closing clients' connections at shutdown: in good order, and with a timeout for clients that do not react."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from mitmproxy.proxy.server import ConnectionHandler

from pointsman.transport.mitm_patches.lingering_close import lingering

CLOSE_TIMEOUT = 1.0
POLL_INTERVAL = 0.005


async def close_connections(connections: Mapping[object, ConnectionHandler]) -> None:
    """Closes them all. Returns when `connections`, which mitmproxy keeps, is empty and all that was sent is on its way,
    or after a second.
    """
    for handler in list(connections.values()):
        io = handler.transports.get(handler.client)
        if io is not None and io.handler is not None:
            handler.close_connection(handler.client)
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT):
            while connections or any(each.transport.get_write_buffer_size() for each in lingering):
                await asyncio.sleep(POLL_INTERVAL)
    for each in list(lingering):
        each.transport.abort()
    await asyncio.sleep(0)  # until they are closed
