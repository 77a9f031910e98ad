"""Clients that break the rules of HTTP, or use them as few do: refused in plain words, or served."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from pointsman.transport.http1 import MAX_HEAD_BYTES
from pointsman.transport.mitm_patches.chunked_reader import MAX_CHUNK_LINE_BYTES
from support.damage_checks import connected, unharmed
from support.h1client import chat
from support.h2client import h2_through
from support.leak_checks import soon
from support.raw_requests import BODY, LENGTH, NEXT, PATH, chunked, chunks, post, said
from support.router import running
from support.settings import provider

ECHO = behaviours.echo("", "")


@dataclass(frozen=True)
class Broken:
    """Refused, and the connection is closed: where the next request would begin is not known."""

    name: str
    raw: bytes
    status: int = 400
    code: str = "invalid_request"


BROKEN = (
    Broken("no HTTP", b"Which track?\r\n\r\n"),
    Broken("no text", bytes(range(128, 256)) + b"\r\n\r\n"),
    Broken("a URL that is none", f"POST http://[::1{PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode()),
    Broken("a version that is none", post(LENGTH, version="one")),
    Broken("a header without a colon", post("Authorization Bearer sk-in-plain-sight", LENGTH)),
    Broken("a header without a name", post(": x", LENGTH)),
    Broken("a header's name with a blank", post("X Odd: x", LENGTH)),
    Broken("a first header that is folded", b"POST / HTTP/1.1\r\n x: y\r\n\r\n"),
    Broken("a negative length", post("Content-Length: -5")),
    Broken("a length in words", post("Content-Length: many")),
    Broken("a length of 5,000 digits", post(f"Content-Length: {'9' * 5000}")),
    Broken("two lengths", post(LENGTH, "Content-Length: 7")),
    Broken("a length twice", post(LENGTH, LENGTH)),
    Broken("a length and chunks", chunked(chunks(), LENGTH)),
    Broken("an unknown transfer coding", post("Transfer-Encoding: fancy", LENGTH)),
    Broken("a transfer coding without an end", post("Transfer-Encoding: gzip")),
    Broken("chunks in HTTP/1.0", post("Transfer-Encoding: chunked", body=chunks(), version="1.0")),
    Broken("a chunk's size that is none", chunked(b"zz\r\n" + BODY)),
    Broken("a negative chunk's size", chunked(b"-5\r\n" + BODY)),
    Broken("a chunk longer than its size", chunked(b"5\r\n" + BODY)),
    Broken("a chunk's line without end", chunked(b"5;" + b"x" * (MAX_CHUNK_LINE_BYTES + 1))),
    Broken("trailers without end", chunked(chunks(trailers=b"X-Trailer: " + b"x" * (MAX_CHUNK_LINE_BYTES + 1)))),
    Broken("a trailer that is none", chunked(chunks(trailers=b"nonsense\r\n"))),
    Broken("a head without end", post(f"X-Long: {'x' * MAX_HEAD_BYTES}", body=b"")[:-4], 431, "head_too_large"),
    Broken("a first line without end", b"POST /" + b"x" * (MAX_HEAD_BYTES + 1), 431, "head_too_large"),
    Broken(
        "headers without end", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (MAX_HEAD_BYTES // 6 + 1), 431, "head_too_large"
    ),
)


class TestBroken:
    @pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
    async def test_it_is_refused_and_cut_off(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: Broken
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, one, _):
            client.send(broken.raw + (NEXT if broken.status == 400 else b""))
            status, headers, body = await client.answer()
            assert (status, json.loads(body)["error"]["code"]) == (broken.status, broken.code)
            assert headers["connection"] == "close"
            assert await client.at_end()
            assert not one.seen
        assert "in-plain-sight" not in caplog.text

    async def test_one_after_a_good_one_does_not_affect_the_good_one(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(NEXT + chunked(b"zz\r\n"))
            assert said((await client.answer())[2]) == "next"
            assert (await client.answer())[0] == 400
            assert await client.at_end()

    async def test_half_a_head_that_is_given_up_stays_out_of_the_log(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        async with connected(tmp_path, caplog, ECHO) as (client, _, router):
            client.send(post("Authorization: Bearer sk-in-plain-sight", body=b"")[:-2])
            await soon(lambda: bool(router.server.connections))
            client.close()
        assert "malformed HTTP request" in caplog.text
        assert "in-plain-sight" not in caplog.text


UNUSUAL = {
    "chunked": chunked(chunks()),
    "a chunk for each byte": chunked(chunks(size=1)),
    "chunks with extensions": chunked(chunks(extension=b';a="b"')),
    "chunks with trailers": chunked(chunks(trailers=b"X-Checksum: 1\r\nX-Other: 2\r\n")),
    "blank lines first": b"\r\n\r\n\n" + post(LENGTH),
    "line feeds alone": post(LENGTH).replace(b"\r\n", b"\n"),
    "a folded header": post("User-Agent: one\r\n two", LENGTH),
    "a header with control characters": post("User-Agent: a\x00b\x7f", "Accept: \x01", LENGTH),
    "a header that is not UTF-8": post("User-Agent: caf\xe9", "X-Request-ID: \xff", LENGTH),
    "a thousand headers": post(*(f"X-{n}: {n}" for n in range(1000)), LENGTH),
    "an upgrade that was not asked for": post("Connection: Upgrade", "Upgrade: h2c", LENGTH),
    "an unknown expectation": post("Expect: miracles", LENGTH),
}


class TestUnusual:
    @pytest.mark.parametrize("name", UNUSUAL)
    async def test_it_is_served_and_so_is_the_next(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, one, _):
            client.send(UNUSUAL[name] + NEXT)
            answers = [await client.answer() for _ in range(2)]
            assert [(status, said(body)) for status, _, body in answers] == [(200, "first"), (200, "next")]
            assert [seen.body for seen in one.seen] == [BODY, chat("next", stream=False)]
            client.close()

    async def test_who_waits_to_be_asked_for_the_body_is_asked(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(post("Expect: 100-continue", LENGTH, body=b""))
            assert (await client.head())[0] == 100
            client.send(BODY)
            assert said((await client.answer())[2]) == "first"
            client.close()


class TestHttp10:
    async def test_a_stream_comes_without_chunks_and_ends_with_the_connection(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        body = chat()
        async with connected(tmp_path, caplog, behaviours.answer("one two")) as (client, *_):
            client.send(post(f"Content-Length: {len(body)}", "Connection: keep-alive", body=body, version="1.0"))
            status, headers, streamed = await client.answer()
            assert status == 200
            assert "transfer-encoding" not in headers
            assert headers["connection"] == "close"
            assert streamed.startswith(b"data: {")
            assert streamed.endswith(b"data: [DONE]\n\n")

    @pytest.mark.parametrize(("wish", "stays"), [((), False), (("Connection: keep-alive",), True)])
    async def test_a_whole_answer_has_its_length(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, wish: tuple[str, ...], stays: bool
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(post(LENGTH, *wish, version="1.0"))
            status, headers, body = await client.answer()
            assert (status, said(body)) == (200, "first")
            assert int(headers["content-length"]) == len(body)
            if stays:
                client.send(NEXT)
                assert said((await client.answer())[2]) == "next"
                client.close()
            else:
                assert await client.at_end()


class TestLyingLengths:
    async def test_one_too_short_makes_half_a_body_and_a_broken_next_request(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, one, _):
            client.send(post(f"Content-Length: {len(BODY) - 5}") + NEXT)
            status, _, body = await client.answer()
            assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_request")
            status, _, body = await client.answer()  # the rest of the body became a part of the next one's method
            assert (status, json.loads(body)["error"]["code"]) == (405, "method_not_allowed")
            assert await client.at_end()
            assert not one.seen

    async def test_one_too_long_swallows_what_follows(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, one, _):
            client.send(post(f"Content-Length: {len(BODY) + len(NEXT)}") + NEXT)
            status, _, body = await client.answer()
            assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_request")
            assert not one.seen
            client.close()

    @pytest.mark.parametrize("off", [-1, 1])
    async def test_over_http2_it_ends_the_stream(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, off: int
    ) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h2_through(router.url, router.ca) as client,
        ):
            await client.ask(BODY, length=len(BODY) + off)
            await soon(lambda: not router.server.connections)
            assert not one.seen
