"""Resolves providers' names, each on a thread that delays nothing else.

The loop's own threads are few, and the process does not end before they do: names that do not resolve would keep it,
and whatever else is done on those threads, waiting for as long as the system tries.

Why: see above; `aiohttp.ThreadedResolver` uses the loop's threads. Inner parts: none, the interface `AbstractResolver`
is public. Gain: no waiting at the end of the process, and none for other work in threads. Switch: `dns_resolver`.
"""

import asyncio
import socket
from contextlib import suppress
from threading import Thread

from aiohttp.abc import AbstractResolver, ResolveResult

from pointsman.transport.mitm_patches.switches import switches

NUMERIC_FLAGS = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
LOCALHOST = "localhost"


def new_resolver() -> AbstractResolver | None:
    """None: aiohttp takes its own."""
    return ThreadedResolver() if switches().dns_resolver else None


class ThreadedResolver(AbstractResolver):
    """aiohttp asks, once at a time for each name."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Its addresses. Raises OSError where it has none."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def deliver(result: list[ResolveResult] | Exception) -> None:
            if found.done():
                return
            if isinstance(result, Exception):
                found.set_exception(result)
            else:
                found.set_result(result)

        def look_up() -> None:
            try:
                result: list[ResolveResult] | Exception = resolve_addresses(host, port, family)
            except Exception as error:  # whatever it is, a request waits for it
                result = error
            with suppress(RuntimeError):  # the loop has ended in the meantime
                loop.call_soon_threadsafe(deliver, result)

        Thread(target=look_up, name=f"look-up of {host}", daemon=True).start()
        return await found

    async def close(self) -> None:
        pass


def resolve_addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    """Waits for the system. Raises OSError."""
    flags = 0 if host == LOCALHOST else socket.AI_ADDRCONFIG  # a machine without a network has a localhost all the same
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family, flags=flags)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "not a valid host name") from None
    return [
        ResolveResult(hostname=host, host=_numeric(address), port=port, family=kind, proto=proto, flags=NUMERIC_FLAGS)
        for kind, _, proto, _, address in infos
        if kind in (socket.AF_INET, socket.AF_INET6)
    ]


def _numeric(address: tuple[object, ...]) -> str:
    """With its zone, where it holds in one only."""
    host = str(address[0])
    if len(address) == 4 and address[3] and "%" not in host:
        return f"{host}%{address[3]}"
    return host
