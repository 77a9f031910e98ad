"""Ports that several workers listen on: the kernel gives each connection to one of them.

Why: mitmproxy opens its ports for one process alone.
Inner parts: `AsyncioServerInstance.listen`. Gain: one process for each core. No switch: without it the
second worker has no port.
"""

import asyncio
from typing import Any

from mitmproxy.proxy.mode_servers import AsyncioServerInstance


def install() -> None:
    """For ports of this process that open from now on. UDP ports, and port 0, are opened as ever."""
    stock = AsyncioServerInstance.listen

    async def listen(self: Any, host: str, port: int) -> list[Any]:
        if port == 0 or self.mode.transport_protocol != "tcp":
            return await stock(self, host, port)
        return [await asyncio.start_server(self.handle_stream, host, port, reuse_port=True)]

    AsyncioServerInstance.listen = listen  # type: ignore[method-assign]
