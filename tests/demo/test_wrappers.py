from __future__ import annotations

import asyncio
import contextlib
import gzip
import json

import pytest

from demo.raw_client import RawClient, ask, dechunk, question
from pointsman.demo import Provider, behaviours


async def raw_answer(behaviour, stream: bool = True) -> tuple[str, bytes]:
    """Head and body of an answer, up to the end of the connection."""
    async with Provider(behaviour) as provider:
        client = await RawClient.open(provider)
        client.post(stream=stream, extra="Connection: close\r\n")
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
        await client.close()
    return head.decode(), body


async def test_gated_waits_for_its_gate(session):
    gate = asyncio.Event()
    async with Provider(behaviours.gated(behaviours.answer("open"), gate)) as provider:
        asking = asyncio.create_task(ask(session, provider))
        request = await provider.arrived()
        assert (request.sent, request.behaviour) == (0, "answer|gated")
        gate.set()
        assert (await asking).said == "open"


async def test_a_compressed_stream_can_be_read_event_by_event():
    head, body = await raw_answer(behaviours.compressed(behaviours.answer("a b"), "gzip"))
    chunks, _ = dechunk(body)
    assert "\r\nContent-Encoding: gzip\r\n" in head
    assert gzip.decompress(b"".join(chunks)).endswith(b"data: [DONE]\n\n")
    assert len(chunks) == 6  # five events, and the end of the coding


async def test_drip_makes_every_byte_a_chunk():
    _, body = await raw_answer(behaviours.drip(behaviours.answer("a b")))
    chunks, _ = dechunk(body)
    assert {len(chunk) for chunk in chunks} == {1}
    assert b"".join(chunks).endswith(b"data: [DONE]\n\n")


async def test_headers_replace_those_of_the_same_name():
    head, _ = await raw_answer(
        behaviours.with_headers(behaviours.answer(), [("content-type", "a/b"), ("Set-Cookie", "x=1")])
    )
    assert head.lower().count("content-type") == 1
    assert "\r\ncontent-type: a/b\r\n" in head
    assert "\r\nSet-Cookie: x=1\r\n" in head


@pytest.mark.parametrize(("given", "expected"), [([], "demo-1"), ([("x-request-id", "own")], "own")])
async def test_each_answer_has_one_request_id(session, given, expected):
    async with Provider(behaviours.with_headers(behaviours.answer(), given)) as provider:
        assert (await ask(session, provider)).headers.getall("X-Request-ID") == [expected]


async def test_trailers_follow_the_last_chunk():
    head, body = await raw_answer(
        behaviours.with_trailers(behaviours.answer(), [("X-A", "1"), ("X-B", "2")]), stream=False
    )
    assert "\r\nTrailer: X-A, X-B\r\n" in head
    assert dechunk(body)[1] == b"X-A: 1\r\nX-B: 2\r\n\r\n"


async def test_until_close_says_nothing_of_the_length():
    head, body = await raw_answer(behaviours.until_close(behaviours.answer("a b")))
    assert "Content-Length" not in head
    assert "Transfer-Encoding" not in head
    assert body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("announced", [True, False])
async def test_closing_closes_after_the_answer(announced):
    async with Provider(behaviours.closing(behaviours.answer("bye"), announced)) as provider:
        client = await RawClient.open(provider)
        client.post()
        raw = await client.rest()
        await client.close()
    assert b'"bye"' in raw
    assert (b"\r\nConnection: close\r\n" in raw) is announced
    assert provider.seen[0].finished


async def test_unread_answers_before_the_body_and_closes():
    async with Provider(behaviours.unread(behaviours.status(413))) as provider:
        client = await RawClient.open(provider)
        client.writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n{")
        assert (await client.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 413 ")
        with contextlib.suppress(ConnectionResetError):  # the close met the byte of body that had not been read
            await client.rest()
        await client.close()
    assert provider.seen[0].body == b""


async def test_manners_pile_up_without_touching_the_behaviour_they_change(session):
    plain = behaviours.answer("a b")
    piled = behaviours.drip(behaviours.compressed(behaviours.with_headers(plain, [("X-A", "1")])), piece=2)
    async with Provider([piled, plain]) as provider:
        first = await ask(session, provider)
        second = await ask(session, provider)
    assert (first.said, first.headers["X-A"], first.headers["Content-Encoding"]) == ("a b", "1", "gzip")
    assert second.said == "a b"
    assert not {"X-A", "Content-Encoding"} & set(second.headers)
    assert json.loads(provider.seen[0].body) == question()
