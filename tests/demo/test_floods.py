from __future__ import annotations

import asyncio
import gzip

import pytest

from demo.raw_client import RawClient, ask, dechunk
from pointsman.demo import Provider, behaviours


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(
    "behaviour", [behaviours.endless(), behaviours.endless_line()], ids=lambda behaviour: behaviour.name
)
async def test_an_endless_answer_goes_on_for_as_long_as_it_is_read(behaviour, stream):
    async with Provider(behaviour) as provider:
        client = await RawClient.open(provider)
        client.post(stream)
        await client.reader.readuntil(b"\r\n\r\n")
        for _ in range(20):
            assert await client.reader.readexactly(1000)
        await client.close()
        assert await provider.seen[0].closed_by_peer()


async def test_an_endless_line_has_no_end_of_line():
    async with Provider(behaviours.endless_line()) as provider:
        client = await RawClient.open(provider)
        client.post(stream=True)
        await client.reader.readuntil(b"data: ")
        assert b"\n" not in (await client.reader.readexactly(50_000)).replace(b"\r\n", b"")
        await client.close()


async def test_a_peer_that_does_not_read_holds_the_writing_back():
    async with Provider(behaviours.endless_line()) as provider:
        client = await RawClient.open(provider)
        client.post(stream=True)
        client.writer.transport.pause_reading()
        request = await provider.arrived()
        before = -1
        while before != request.sent:
            before = request.sent
            await asyncio.sleep(0.05)
        assert not request.finished
        client.writer.transport.abort()


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
class TestLargeButFinite:
    async def test_a_flood_after_the_end_marker(self, session, stream):
        async with Provider(behaviours.flood("a b", size=1_000_000)) as provider:
            reply = await ask(session, provider, stream=stream)
        assert (reply.said, reply.error) == ("a b", None)
        assert len(reply.body) > 1_000_000
        if stream:
            assert len(reply.body.partition(b"[DONE]")[2]) >= 1_000_000

    async def test_a_big_event(self, session, stream):
        async with Provider(behaviours.big_event(5_000_000)) as provider:
            reply = await ask(session, provider, stream=stream)
        assert reply.said == "x" * 5_000_000
        if stream:
            assert len(reply.events) == 4

    async def test_a_bomb_is_small_on_the_wire(self, stream):
        async with Provider(behaviours.bomb(20_000_000)) as provider:
            client = await RawClient.open(provider)
            client.post(stream, extra="Connection: close\r\n")
            head, _, body = (await client.rest()).partition(b"\r\n\r\n")
            await client.close()
        assert b"Content-Encoding: gzip" in head
        assert len(body) < 200_000
        assert gzip.decompress(b"".join(dechunk(body)[0])).count(b"x") >= 20_000_000
