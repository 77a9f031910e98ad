from __future__ import annotations

import asyncio

import aiohttp
import pytest

from demo.raw_client import RawClient, ask
from pointsman.demo import Provider, behaviours, closed_port


async def test_a_closed_port_refuses_connections(session):
    with pytest.raises(aiohttp.ClientConnectorError) as caught:
        await session.get(f"{closed_port()}/models")
    assert isinstance(caught.value.os_error, ConnectionRefusedError)


class TestReset:
    async def test_at_connect_uses_up_its_turn_before_there_is_a_request(self, session):
        async with Provider([behaviours.reset("connect"), behaviours.answer("next")]) as provider:
            client = await RawClient.open(provider)
            with pytest.raises(ConnectionResetError):
                await client.rest()
            await client.close()
            assert provider.seen == []
            assert (await ask(session, provider)).said == "next"
        assert provider.accepted == 2

    async def test_at_connect_on_an_open_connection_comes_when_the_request_is_read(self):
        async with Provider([behaviours.answer("first"), behaviours.reset("connect")]) as provider:
            client = await RawClient.open(provider)
            client.post()
            assert b"first" in await client.reader.readuntil(b'"first"')
            await provider.seen[0].ended()
            client.post()
            with pytest.raises(ConnectionResetError):
                await client.rest()
            await client.close()
        assert [request.connection for request in provider.seen] == [1, 1]

    async def test_after_the_request_is_read(self):
        async with Provider(behaviours.reset()) as provider:
            client = await RawClient.open(provider)
            client.post()
            with pytest.raises(ConnectionResetError):
                await client.rest()
            await client.close()
        assert provider.seen[0].question == "hi"

    async def test_after_the_head(self):
        async with Provider(behaviours.reset("headers")) as provider:
            client = await RawClient.open(provider)
            client.post(stream=True)
            assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
            with pytest.raises(ConnectionResetError):
                await client.rest()
            await client.close()


async def test_hang_up_closes_without_a_byte():
    async with Provider(behaviours.hang_up()) as provider:
        client = await RawClient.open(provider)
        client.post()
        assert await client.rest() == b""
        await client.close()


async def test_silence_never_reads_the_request():
    async with Provider(behaviours.silence()) as provider:
        client = await RawClient.open(provider)
        client.post()
        while not provider.connections:
            await asyncio.sleep(0)
        assert provider.seen == []
        client.writer.write_eof()
        assert await client.rest() == b""
        await client.close()


class TestHang:
    async def test_before_the_headers_not_a_byte_is_sent(self):
        async with Provider(behaviours.hang()) as provider:
            client = await RawClient.open(provider)
            client.post()
            await provider.arrived()
        assert await client.rest() == b""
        await client.close()

    async def test_after_the_headers_there_is_no_body(self):
        async with Provider(behaviours.hang("after-headers")) as provider:
            client = await RawClient.open(provider)
            client.post(stream=True)
            head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"text/event-stream" in head
        assert await client.rest() == b""
        await client.close()

    async def test_after_the_role_there_is_no_content(self):
        async with Provider(behaviours.hang("after-role")) as provider:
            client = await RawClient.open(provider)
            client.post(stream=True)
            await client.reader.readuntil(b'"role":"assistant"')
        assert b'"content":"one"' not in await client.rest()
        await client.close()


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
class TestNoAnswer:
    async def test_hints_without_end(self, stream):
        async with Provider(behaviours.endless_hints()) as provider:
            client = await RawClient.open(provider)
            client.post(stream)
            for _ in range(100):
                assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 103 ")
            await client.close()
            assert await provider.seen[0].closed_by_peer()

    async def test_a_long_head_ends_with_the_connection(self, stream):
        async with Provider(behaviours.long_head(100_000)) as provider:
            client = await RawClient.open(provider)
            client.post(stream)
            head, _, body = (await client.rest()).partition(b"\r\n\r\n")
            await client.close()
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert head.count(b"x") >= 100_000
        assert body == b""

    async def test_another_protocol(self, stream):
        async with Provider(behaviours.no_http("220 ready")) as provider:
            client = await RawClient.open(provider)
            client.post(stream)
            assert await client.rest() == b"220 ready\r\n"
            await client.close()


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
class TestGoodAfterAll:
    async def test_slow_headers(self, session, stream):
        async with Provider(behaviours.slow_headers("slowly", pieces=30, every=0.001)) as provider:
            assert (await ask(session, provider, stream=stream)).said == "slowly"

    @pytest.mark.parametrize("code", [100, 102, 103])
    async def test_informational_heads_before_the_answer(self, stream, code):
        async with Provider(behaviours.early_hints("after hints", code, times=2)) as provider:
            client = await RawClient.open(provider)
            client.post(stream, extra="Connection: close\r\n")
            raw = await client.rest()
            await client.close()
        heads = raw.split(b"\r\n\r\n")
        assert [head.split(b" ")[1] for head in heads[:3]] == [b"%d" % code, b"%d" % code, b"200"]

    async def test_a_client_reads_past_early_hints(self, session, stream):
        async with Provider(behaviours.early_hints("after hints")) as provider:
            assert (await ask(session, provider, stream=stream)).said == "after hints"

    async def test_json_whatever_was_asked(self, session, stream):
        async with Provider(behaviours.json_for_stream("whole")) as provider:
            reply = await ask(session, provider, stream=stream)
        assert reply.json["choices"][0]["message"]["content"] == "whole"

    async def test_a_stream_whatever_was_asked(self, session, stream):
        async with Provider(behaviours.sse_for_whole("in pieces")) as provider:
            reply = await ask(session, provider, stream=stream)
        assert reply.said == "in pieces"
        assert reply.events[-1] == "[DONE]"
