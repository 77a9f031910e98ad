from __future__ import annotations

import asyncio

import aiohttp
import pytest

from demo.raw_client import RawClient, ask
from pointsman.demo import Provider, behaviours


@pytest.mark.parametrize("after_tokens", [0, 1, 3])
class TestPlaceOfTheBreak:
    async def test_that_many_tokens_are_out(self, session, after_tokens):
        async with Provider(behaviours.cut("a b c d", after_tokens)) as provider:
            reply = await ask(session, provider, stream=True)
        assert reply.error is None
        assert reply.said == " ".join("abcd"[:after_tokens])
        assert len(reply.events) == 1 + after_tokens

    async def test_within_an_event_its_first_half_is_out(self, session, after_tokens):
        async with Provider(behaviours.cut("a b c d", after_tokens, in_event=True)) as provider:
            body = (await ask(session, provider, stream=True)).body
        *whole_events, half = body.split(b"\n\n")
        assert len(whole_events) == 1 + after_tokens
        assert half.startswith(b'data: {"id"')
        assert not half.endswith(b"}")

    async def test_a_body_that_is_not_streamed_breaks_at_that_share_of_it(self, session, after_tokens):
        async with Provider([behaviours.answer("a b c d"), behaviours.truncated("a b c d", after_tokens)]) as provider:
            length = len((await ask(session, provider)).body)
            reply = await ask(session, provider)
        assert isinstance(reply.error, aiohttp.ClientPayloadError)
        assert len(reply.body) == after_tokens * (length - 1) // 4


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_a_bad_chunk_breaks_the_body(stream):
    async with Provider(behaviours.bad_chunk("a b c", after_tokens=1)) as provider:
        client = await RawClient.open(provider)
        client.post(stream)
        raw = await client.rest()
        await client.close()
    assert b'"id"' in raw
    assert raw.endswith(b"\r\nzz\r\n") is stream
    assert not provider.seen[0].finished


async def test_after_the_last_token_there_is_no_finish(session):
    async with Provider(behaviours.cut("a b", after_tokens=2)) as provider:
        reply = await ask(session, provider, stream=True)
    assert reply.said == "a b"
    assert [event["choices"][0]["finish_reason"] for event in reply.events] == [None] * 3


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
class TestKindsOfBreak:
    async def test_a_pause_ends_well(self, session, stream):
        for in_event in (False, True):
            async with Provider(behaviours.pause("a b c", 1, seconds=0.02, in_event=in_event)) as provider:
                start = asyncio.get_running_loop().time()
                reply = await ask(session, provider, stream=stream)
                assert asyncio.get_running_loop().time() - start >= 0.02
            assert (reply.said, reply.error) == ("a b c", None)

    async def test_a_stall_keeps_the_connection_open(self, stream):
        async with Provider(behaviours.stall("a b c", 1)) as provider:
            client = await RawClient.open(provider)
            client.post(stream)
            await client.reader.readuntil(b'"id"')
            assert provider.connections == 1
            assert not client.reader.at_eof()
            await client.close()
            assert await provider.seen[0].closed_by_peer()

    @pytest.mark.parametrize("in_event", [True, False])
    async def test_a_reset_is_a_reset(self, stream, in_event):
        async with Provider(behaviours.reset_within("a b c", 2, in_event)) as provider:
            client = await RawClient.open(provider)
            client.post(stream)
            await client.reader.readuntil(b"\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                await client.rest()
            await client.close()

    async def test_a_truncated_body_lacks_its_end(self, session, stream):
        async with Provider(behaviours.truncated()) as provider:
            reply = await ask(session, provider, stream=stream)
        assert isinstance(reply.error, aiohttp.ClientPayloadError)
        assert not provider.seen[0].finished

    async def test_a_length_too_long_is_a_body_too_short(self, session, stream):
        async with Provider(behaviours.wrong_length("abc", off=5)) as provider:
            reply = await ask(session, provider, stream=stream)
        assert reply.said == "abc"
        assert isinstance(reply.error, aiohttp.ClientPayloadError)

    async def test_a_length_too_short_leaves_bytes_behind_the_body(self, stream):
        async with Provider(behaviours.wrong_length("abc", off=-5)) as provider:
            client = await RawClient.open(provider)
            client.post(stream)
            head, _, body = (await client.rest()).partition(b"\r\n\r\n")
            await client.close()
        assert f"Content-Length: {len(body) - 5}\r\n".encode() in head + b"\r\n"


async def test_a_cut_leaves_the_connection_usable(session):
    async with Provider([behaviours.cut(), behaviours.answer("next")]) as provider:
        await ask(session, provider, stream=True)
        assert (await ask(session, provider)).said == "next"
    assert [request.connection for request in provider.seen] == [1, 1]


class TestErrorWithin:
    async def test_is_the_last_event(self, session):
        async with Provider(behaviours.error_within("a b c", after_tokens=1, code=429)) as provider:
            reply = await ask(session, provider, stream=True)
        assert reply.error is None
        assert reply.events[-1]["error"]["code"] == "rate_limit_exceeded"
        assert reply.events[-2]["choices"][0]["delta"] == {"content": "a"}

    async def test_may_have_another_shape_and_the_end_marker_after_it(self, session):
        async with Provider(behaviours.error_within(shape="cohere", done=True)) as provider:
            *_, error, done = (await ask(session, provider, stream=True)).events
        assert (list(error), done) == (["message"], "[DONE]")

    async def test_truncates_a_body_that_is_not_streamed(self, session):
        async with Provider(behaviours.error_within()) as provider:
            assert isinstance((await ask(session, provider)).error, aiohttp.ClientPayloadError)


async def test_garbled_events_are_followed_by_the_rest_of_the_answer(session):
    async with Provider(behaviours.garbled("a b c", after_tokens=1, times=3)) as provider:
        events = (await ask(session, provider, stream=True)).events
        whole = await ask(session, provider)
    garbled = [event for event in events if isinstance(event, str) and event != "[DONE]"]
    assert garbled == ['{"choices":[{"delta"'] * 3
    assert events[-1] == "[DONE]"
    assert whole.said == "a b c"
