"""Own pages and refusals check a request's head as chats do, and take no more of its body than they need."""

import json
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from pointsman.host_names import OWN_HOST
from pointsman.transport.page_responder import MAX_PAGE_BODY_BYTES
from support.damage_checks import connected, memory_below, unharmed
from support.h1client import head
from support.h2client import h2_through
from support.raw_requests import NEXT, said
from support.router import running
from support.settings import provider

ECHO = behaviours.echo("", "")
LOCAL = (("Host", "localhost"),)
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
AMBIGUOUS = {
    "a blank before a colon": (f"Content-Length : {len(SMUGGLED)}",),
    "a length and chunks": (f"Content-Length: {len(SMUGGLED)}", "Transfer-Encoding: chunked"),
    "two lengths": ("Content-Length: 0", f"Content-Length: {len(SMUGGLED)}"),
    "a coding that does not end": ("Transfer-Encoding: identity",),
    "a header's name with a blank": ("X Odd: x",),
    "a name with a control character": ("Transfer-Encoding\x01: chunked",),
}


def request(method: str, path: str, *lines: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: localhost", *lines, "", ""]).encode()


class TestHeads:
    @pytest.mark.parametrize("name", AMBIGUOUS)
    @pytest.mark.parametrize(("method", "path"), [("GET", "/healthz"), ("POST", "/api/login"), ("GET", "/nothing")])
    async def test_one_that_can_be_read_in_two_ways_ends_the_connection(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, method: str, path: str
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(request(method, path, *AMBIGUOUS[name]) + SMUGGLED)
            status, headers, body = await client.answer()
            assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_request")
            assert headers["connection"] == "close"
            assert await client.at_end()

    async def test_chunks_in_http10_are_ambiguous_too(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(request("GET", "/healthz", "Transfer-Encoding: chunked", version="1.0") + b"0\r\n\r\n")
            assert (await client.answer())[0] == 400
            assert await client.at_end()

    @pytest.mark.parametrize("name", AMBIGUOUS)
    async def test_nor_does_a_refused_chat_hide_it(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, one, _):
            client.send(request("PUT", "/v1/chat/completions", *AMBIGUOUS[name]) + SMUGGLED)
            status, headers, body = await client.answer()
            assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_request")
            assert headers["connection"] == "close"
            assert await client.at_end()
            assert not one.seen

    async def test_a_good_one_with_a_body_keeps_the_connection(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(request("POST", "/api/login", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n" + NEXT)
            assert (await client.answer())[0] == 400
            assert said((await client.answer())[2]) == "next"
            client.close()

    async def test_bad_chunks_are_reported(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(request("POST", "/api/login", "Transfer-Encoding: chunked") + b"zz\r\n" + NEXT)
            status, headers, _ = await client.answer()
            assert (status, headers["connection"]) == (400, "close")
            assert await client.at_end()


class TestBodies:
    async def test_one_that_is_announced_too_long_is_not_waited_for(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, _, router):
            client.send(head("/api/anything", MAX_PAGE_BODY_BYTES + 1, LOCAL))
            status, headers, body = await client.answer()
            assert (status, json.loads(body)["error"]["code"]) == (413, "request_too_large")
            assert headers["connection"] == "close"
            client.send(bytes(MAX_PAGE_BODY_BYTES + 1) + NEXT)  # of use to a client that looks for its answer only then
            assert await client.at_end()
            assert router.watcher.flows == []

    @pytest.mark.parametrize("length", [20 * MAX_PAGE_BODY_BYTES, 10**30])
    async def test_nothing_of_it_is_kept(self, tmp_path: Path, caplog: pytest.LogCaptureFixture, length: int) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(head("/api/anything", length, LOCAL))
            assert (await client.answer())[0] == 413
            with memory_below(4 * MAX_PAGE_BODY_BYTES):
                for _ in range(8):
                    client.send(bytes(MAX_PAGE_BODY_BYTES))
                    await client._writer.drain()
            client.close()

    async def test_one_that_turns_out_too_long_is_refused(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        piece = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(request("POST", "/api/anything", "Transfer-Encoding: chunked") + piece * 17)
            status, headers, body = await client.answer()
            assert (status, json.loads(body)["error"]["code"]) == (413, "request_too_large")
            assert headers["connection"] == "close"
            client.send(piece + b"0\r\n\r\n" + NEXT)
            assert await client.at_end()

    async def test_the_longest_is_read(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(head("/internal/explain", MAX_PAGE_BODY_BYTES, LOCAL) + b" " * MAX_PAGE_BODY_BYTES + NEXT)
            assert (await client.answer())[0] == 400
            assert said((await client.answer())[2]) == "next"
            client.close()

    async def test_over_http2_it_ends_the_stream_alone(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h2_through(router.url, router.ca, OWN_HOST) as client,
        ):
            long = await client.ask(b"{}", "/api/anything", length=MAX_PAGE_BODY_BYTES + 1, ends=False)
            await client.until(lambda: bool(long.data))
            assert long.status == 413
            assert "connection" not in long.headers
