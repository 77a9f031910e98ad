"""Stops listening without losing the connections that wait to be accepted.

Why: a client is connected as soon as the kernel says so. What still waits in the listen queue when the socket is closed
is reset, although the client may have sent its request. With one port for several workers, each of them has a queue.
Inner parts: `Servers._instances`, `AsyncioServerInstance._servers` and `handle_stream`. Gain: none in speed. No switch:
without this, clients lose requests whenever a router ends.
"""

import asyncio
import socket
from collections.abc import Iterator

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy.mode_servers import AsyncioServerInstance
from mitmproxy.utils import asyncio_utils


async def stop_listening(server: Proxyserver) -> None:
    """The connections that were waiting are served like those before them. No later one is accepted."""
    queues = [(instance, queue) for instance in server.servers for queue in _queues(instance)]
    await server.servers.update([])  # the sockets go on listening, since there is a second descriptor of each
    accepted = [(instance, client) for instance, queue in queues for client in _accept_all(queue)]
    for instance, client in accepted:
        reader, writer = await asyncio.open_connection(sock=client)
        serving = instance.handle_stream(reader, writer)
        asyncio_utils.create_task(serving, name="client of the listen queue", keep_ref=True)


def _queues(instance: object) -> Iterator[socket.socket]:
    if isinstance(instance, AsyncioServerInstance):
        for listener in instance._servers:
            if isinstance(listener, asyncio.Server):
                yield from (each.dup() for each in listener.sockets)


def _accept_all(queue: socket.socket) -> list[socket.socket]:
    """Closes the queue once it is empty, without a turn of the loop in between."""
    clients = []
    with queue:
        try:
            while True:
                clients.append(queue.accept()[0])
        except OSError:  # none is left, or there are too many open files
            return clients
