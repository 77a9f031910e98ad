"""Connections to providers that do not read what they are sent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pointsman.domain.outbound import UpstreamRequest
from pointsman.transport.mitm_patches.provider_connection import ConnectionTrace
from pointsman.transport.upstream_client import UpstreamClient
from pointsman.transport.upstream_options import UpstreamOptions
from support.leak_checks import soon
from support.time_limit import LONGEST

OPTIONS = UpstreamOptions(None, None, None, False, None, None, None, "TLS1_2", "UNBOUNDED", None)
TOO_MUCH = b"x" * (16 << 20)
"""More than the buffers of both ends hold."""


@asynccontextmanager
async def stuck() -> AsyncIterator[tuple[UpstreamClient, asyncio.Task[None], asyncio.Transport]]:
    """A request of which the rest waits in the router for a provider that reads nothing."""
    over, trace, client = asyncio.Event(), ConnectionTrace(lambda: None, lambda: None), UpstreamClient()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

        async def send() -> None:
            async with client.send(UpstreamRequest(url, (), TOO_MUCH), OPTIONS, trace):
                pass

        sending = asyncio.create_task(send())
        try:
            await soon(lambda: trace.transport is not None and trace.transport.get_write_buffer_size() > 0)
            assert trace.transport
            yield client, sending, trace.transport
        finally:
            over.set()
            sending.cancel()
            with suppress(Exception, asyncio.CancelledError):
                await sending
            await client.close()


async def test_an_attempt_that_is_cancelled_leaves_nothing_to_send() -> None:
    async with stuck() as (_, sending, transport):
        sending.cancel()
        await soon(lambda: transport.get_write_buffer_size() == 0 and transport.get_extra_info("socket").fileno() < 0)


async def test_closing_does_not_wait_for_a_provider_that_does_not_read() -> None:
    async with stuck() as (client, _, _), asyncio.timeout(LONGEST):
        await client.close()
