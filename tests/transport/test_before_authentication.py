"""What strangers send before they have shown a key: it costs no more than its length, and ends in time."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy.test import tutils

from pointsman.demo import behaviours
from pointsman.host_names import host_of
from pointsman.transport import http1
from pointsman.transport.client_stream import ClientStream
from pointsman.transport.credentials import Credentials
from pointsman.transport.early_response import has_long_host
from pointsman.transport.http1 import MAX_BLANK_BYTES, MAX_PIPELINED
from pointsman.transport.mitm_patches import client_hello
from pointsman.transport.mitm_patches.chunked_reader import MalformedChunk, TolerantChunkedReader
from pointsman.transport.mitm_patches.client_buffer import MAX_FRAMING_BYTES, MAX_LINES, ClientBuffer
from pointsman.transport.mitm_patches.client_hello import MAX_HELLO_BYTES
from pointsman.web.http import PageReply, PageRequest
from pointsman.web.logins import token_of
from pointsman.web.openapi import COOKIE
from support.damage_checks import connected
from support.h1client import H1Client, h1_through
from support.leak_checks import soon
from support.raw_requests import BODY, LENGTH, NEXT, chunked, chunks, post, said

ECHO = behaviours.echo("", "")
MANY = 5_000_000
"""So many that the work of their square would take hours."""


async def refused(client: H1Client, status: int, code: str) -> str:
    """Reads an error after which the connection ends, and gives its message."""
    told, headers, body = await client.answer()
    error = json.loads(body)["error"]
    assert (told, error["code"], headers["connection"]) == (status, code, "close")
    assert await client.at_end()
    return str(error["message"])


class TestTheWorkGrowsNoFasterThanTheInput:
    """Each of these took time with the square of its length."""

    @pytest.mark.parametrize("value", ['a\\"' * MANY, "\\101" * MANY, "a" * MANY, " " * MANY, ";" * MANY, "=;" * MANY])
    def test_a_cookie(self, value: str) -> None:
        assert token_of(f'{COOKIE}="{value}"', COOKIE) in ("", '"', '"=')

    def test_an_origin_with_accents(self) -> None:
        assert host_of("http://a" + "\u0301\u0323" * MANY) == ""

    def test_many_credentials(self) -> None:
        names = [b"x%d-api-key" % n for n in range(200_000)]
        own: http.Request = tutils.treq(headers=http.Headers([(name, b"sk-0123456789abcdef") for name in names]))
        taken = Credentials.extract(own)
        assert {value for _, value in own.headers.fields} == {"sk-…cdef".encode()}
        assert taken.with_credentials(own).headers.fields[-1] == (names[-1], b"sk-0123456789abcdef")

    @pytest.mark.parametrize(
        "raw",
        [
            b"5;" + b" " * MANY + b"\n\r\n",
            b"0\r\na:" + b" " * MANY + b"\0\r\n\r\n",
            b"0\r\n" + b"a" * MANY + b"\r\n\r\n",
        ],
        ids=["a chunk's line", "blanks in a trailer", "a trailer's name"],
    )
    def test_a_chunked_body(self, raw: bytes) -> None:
        read, buffer = TolerantChunkedReader(), ClientBuffer()
        buffer += raw
        try:
            event = read(buffer)
        except MalformedChunk:
            event = None
        assert event is None or not buffer

    def test_blank_lines(self) -> None:
        buffer = ClientBuffer()
        buffer += b"\r\n" * MANY + b"GET"
        assert buffer.skip_blank_lines() == 2 * MANY
        assert bytes(buffer) == b"GET"

    def test_a_folded_header(self) -> None:
        buffer = ClientBuffer()
        buffer += b"GET / HTTP/1.1\r\na: b\r\n" + b" x\r\n" * (MAX_LINES - 2) + b"\r\n"
        assert buffer.maybe_extract_lines() == [b"GET / HTTP/1.1", b"a: b" + b" x" * (MAX_LINES - 2)]

    @pytest.mark.parametrize(("length", "is_long"), [(MAX_FRAMING_BYTES, False), (MAX_FRAMING_BYTES + 1, True)])
    def test_a_host_over_http2(self, length: int, is_long: bool) -> None:
        own: http.Request = tutils.treq(
            http_version=b"HTTP/2.0", authority=b"", headers=http.Headers([(b"host", b"a" * length)])
        )
        assert has_long_host(own) is is_long


class TestHeads:
    async def test_a_quoted_cookie_delays_no_other_client(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        cookie = f'{COOKIE}-8080="' + 'a\\"' * 80_000
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(f"GET /api/me HTTP/1.1\r\nHost: localhost:8080\r\nCookie: {cookie}\r\n\r\n".encode())
            assert (await client.answer())[0] == 401
            client.close()

    @pytest.mark.parametrize(
        ("lines", "says"),
        [
            (["Transfer-Encoding: a" + " " * 200_000 + "b"], "transfer-encoding exceeds"),
            (["Transfer-Encoding: a" + " " * 600 + "b"] * 2, "transfer-encoding exceeds"),
            (["Host: " + "é" * 20_000, LENGTH], "host exceeds"),
            (["Content-Length: " + "0" * 2000 + "5"], "content-length exceeds"),
        ],
        ids=["transfer coding", "two transfer codings", "host", "length"],
    )
    async def test_what_frames_a_request_is_short(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, lines: list[str], says: str
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, one, _):
            client.send(post(*lines, host=False))
            assert says in await refused(client, 400, "invalid_request")
            assert not one.seen

    @pytest.mark.parametrize("line", ["X: y", " y"], ids=["headers", "folds"])
    async def test_a_head_has_only_so_many_lines(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, line: str
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, one, _):
            client.send(post("X: y", *[line] * MAX_LINES, LENGTH))
            assert f"more than {MAX_LINES} lines" in await refused(client, 431, "head_too_large")
            assert not one.seen

    async def test_a_folded_header_is_one_line(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, _, router):
            client.send(post("X-Folded: one\r\n two\r\n\tthree", LENGTH))
            assert said((await client.answer())[2]) == "first"
            assert router.watcher.flows[0].request.headers["x-folded"] == "one two three"
            client.close()

    async def test_a_login_is_small(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        body = json.dumps({f"member{n}": n for n in range(20_000)}).encode()
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            await client.ask(body, "/api/login", (("Host", "localhost"),))
            status, _, told = await client.answer()
            assert (status, json.loads(told)["error"]["code"]) == (413, "request_too_large")
            client.close()


class TestBlankLines:
    async def test_too_many_end_the_connection(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(b"\r\n" * (MAX_BLANK_BYTES // 2 + 1))
            assert "blank lines" in await refused(client, 400, "invalid_request")

    async def test_they_are_counted_however_they_come(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            answer = asyncio.create_task(client.answer())
            while not answer.done():
                client.send(b"\n" * 100)
                await asyncio.sleep(0.001)
            assert (await answer)[0] == 400

    async def test_a_few_before_each_request_are_nothing(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            for _ in range(3):
                client.send(b"\r\n" * (MAX_BLANK_BYTES // 2) + NEXT)
                assert said((await client.answer())[2]) == "next"
            client.close()


async def test_many_requests_sent_ahead_take_turns_with_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(tmp_path, caplog, ECHO) as (client, _, router):
        turn, answered = 0, Counter[int]()

        async def turns() -> None:
            nonlocal turn
            while True:
                turn += 1
                await asyncio.sleep(0)

        def page(request: PageRequest, stream: ClientStream) -> PageReply | None:
            answered[turn] += 1
            return answer(request, stream)

        answer = router.gateway.serve_page
        monkeypatch.setattr(router.gateway, "serve_page", page)
        counting = asyncio.create_task(turns())
        client.send(b"".join(f"GET /nothing/{n} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for n in range(1000)))
        for n in range(1000):
            assert f"/nothing/{n}." in json.loads((await client.answer())[2])["error"]["message"]
        counting.cancel()
        assert answered.total() == 1000
        assert max(answered.values()) <= 3 * MAX_PIPELINED
        client.close()


def timers(of: str) -> Iterable[object]:
    """asyncio has no public list of its timers."""
    scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    live = (handle._callback for handle in scheduled if not handle.cancelled())
    return [callback for callback in live if of in getattr(callback, "__qualname__", "")]


class TestSlowHeads:
    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http1, "HEAD_TIMEOUT", 0.05)
        monkeypatch.setattr(client_hello, "HELLO_TIMEOUT", 0.05)

    async def test_a_head_that_stops_is_refused_and_cut_off(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, one, _):
            client.send(NEXT)
            assert said((await client.answer())[2]) == "next"
            client.send(post(LENGTH, body=b"")[:-2])
            assert "request's head" in await refused(client, 408, "request_timeout")
            assert len(one.seen) == 1

    async def test_so_is_who_sends_a_byte_now_and_then(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(b"GET / HTTP/1.1\r\nX: ")
            answer = asyncio.create_task(client.answer())
            while not answer.done():
                client.send(b"x")
                await asyncio.sleep(0.01)
            assert (await answer)[0] == 408

    async def test_within_a_tunnel_too(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (outer, _, router):
            outer.close()
            monkeypatch.setattr(client_hello, "HELLO_TIMEOUT", 30.0)
            async with h1_through(router.url, router.ca, "pointsman.local:443") as client:
                client.send(b"GET / HTTP/1.1\r\n")
                assert "request's head" in await refused(client, 408, "request_timeout")

    async def test_a_connection_that_is_kept_is_not_slow(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            await asyncio.sleep(0.2)
            for _ in range(2):
                client.send(NEXT + b"\r\n")  # as some clients end each request
                assert said((await client.answer())[2]) == "next"
                await asyncio.sleep(0.2)
            client.close()

    async def test_no_timer_outlives_its_head(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http1, "HEAD_TIMEOUT", 3600.0)
        of = "RoutedHttpLayer._post"
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(NEXT[:20])
            await soon(lambda: bool(timers(of)))
            client.send(NEXT[20:] + NEXT[:20])  # the next head begins in the same piece
            assert said((await client.answer())[2]) == "next"
            assert len(list(timers(of))) == 1
            client.send(NEXT[20:])
            assert said((await client.answer())[2]) == "next"
            assert not timers(of)
            client.send(NEXT[:20])
            await soon(lambda: bool(timers(of)))
            client.close()
            await soon(lambda: not timers(of))

    async def test_a_hello_that_does_not_end_ends_the_connection(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(records(100))
            assert await client.at_end()
            await soon(lambda: not timers("bound_hello"))


def records(content: int) -> bytes:
    """The beginning of a long ClientHello, each of its bytes in a TLS record of its own."""
    hello = b"\x01\xff\xff\xff" + bytes(content - 4)
    return b"".join(b"\x16\x03\x01\x00\x01" + hello[at : at + 1] for at in range(content))


async def test_a_hello_that_is_too_long_ends_the_connection(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(tmp_path, caplog, ECHO) as (client, *_):
        client.send(records(MAX_HELLO_BYTES // 6 + 1))
        assert await client.at_end()
        assert f"exceeds {MAX_HELLO_BYTES} bytes" in caplog.text


async def test_long_trailers_and_extensions_are_still_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    body = chunks(extension=b";a=" + b"b" * 1000, trailers=b"X-Trailer: " + b"x" * 1000 + b"\r\n folded\r\n")
    async with connected(tmp_path, caplog, ECHO) as (client, one, _):
        client.send(chunked(body) + NEXT)
        assert [said((await client.answer())[2]) for _ in range(2)] == ["first", "next"]
        assert one.seen[0].body == BODY
        client.close()
