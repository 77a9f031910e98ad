"""A plain request reaches its provider as aiohttp would have sent it, and its answer comes back the same."""

import asyncio
import socket
from collections.abc import Iterator

import aiohttp
import pytest

from pointsman.domain.outbound import UpstreamRequest
from pointsman.transport.mitm_patches.plain_requests import MAX_BODY_BYTES, PlainRequests
from pointsman.transport.mitm_patches.provider_connection import ConnectionTrace
from pointsman.transport.mitm_patches.switches import VARIABLE, switches
from pointsman.transport.upstream_client import UpstreamClient
from pointsman.transport.upstream_options import UpstreamOptions
from support.patches import needs_patch
from support.time_limit import LONGEST

ANSWER = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-Name: a\r\nX-Name: b\r\nContent-Length: 4\r\n\r\nsaid"
OPTIONS = UpstreamOptions(None, None, None, False, None, None, None, "TLS1_2", "UNBOUNDED", None)
HEADERS = (("Content-Type", "application/json"), ("Authorization", "Bearer sk"), ("X-Twice", "1"), ("X-Twice", "2"))

pytestmark = needs_patch("plain_requests", "every request goes aiohttp's way")


@pytest.fixture(params=["", "plain_requests"], ids=["plain", "stock"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(VARIABLE, request.param)
    switches.cache_clear()
    yield
    switches.cache_clear()


class Upstream:
    """Keeps what it gets; closes the connection instead of answering where it is told to."""

    def __init__(self, answers: list[bytes]) -> None:
        self.seen: list[bytes] = []
        self.connections = 0
        self._answers = answers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while self._answers:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
            self.seen.append(head + await reader.readexactly(length))
            answer = self._answers.pop(0)
            writer.write(answer)
            if not answer:
                break
        writer.close()


async def ask(client: UpstreamClient, request: UpstreamRequest) -> tuple[int, list[tuple[str, str]], bytes, bool]:
    trace = ConnectionTrace(lambda: None, lambda: None)
    async with client.send(request, OPTIONS, trace) as answer:
        return answer.status, list(answer.headers.items()), await answer.read(), trace.reused


async def asked(answers: list[bytes], *requests: UpstreamRequest) -> tuple[Upstream, list[object]]:
    upstream, client = Upstream(answers), UpstreamClient()
    async with await asyncio.start_server(upstream.serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        said: list[object] = []
        try:
            for each in requests:
                there = UpstreamRequest(url + each.url, each.headers, each.body, each.method)
                said.append(await ask(client, there))
        finally:
            await client.close()
        upstream.seen = [each.replace(url.removeprefix("http://").encode(), b"HOST") for each in upstream.seen]
        return upstream, said


@pytest.mark.usefixtures("_way")
async def test_both_ways_send_the_same_bytes_and_read_the_same_answer() -> None:
    request = UpstreamRequest("/v1/chat?a=%20b", HEADERS, b'{"model":"m"}')
    upstream, said = await asked([ANSWER, ANSWER], request, request)
    head = (
        b"POST /v1/chat?a=%20b HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nAuthorization: Bearer sk\r\n"
    )
    assert upstream.seen == [head + b'X-Twice: 1\r\nX-Twice: 2\r\nContent-Length: 13\r\n\r\n{"model":"m"}'] * 2
    headers = [("X-Name", "a"), ("X-Name", "b"), ("Content-Length", "4")]
    assert said == [(200, headers, b"said", False), (200, headers, b"said", True)]
    assert upstream.connections == 1


@pytest.mark.usefixtures("_way")
async def test_a_kept_connection_that_was_closed_costs_nothing() -> None:
    request = UpstreamRequest("/", HEADERS, b"{}")
    upstream, said = await asked([ANSWER, b"", ANSWER], request, request)
    assert len(said) == 2
    assert upstream.connections == 2
    assert b"Connection: close" in upstream.seen[-1]  # the retry is on a connection of its own


async def answer_at_the_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """To each of two requests; the body of the second one is not read."""
    for _ in range(2):
        await reader.readuntil(b"{")
        writer.write(ANSWER)
    await asyncio.Event().wait()


@pytest.mark.usefixtures("_way")
async def test_an_answer_is_read_while_its_provider_does_not_take_the_body() -> None:
    client, trace = UpstreamClient(), ConnectionTrace(lambda: None, lambda: None)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    server = await asyncio.start_server(answer_at_the_head, sock=listener, limit=4096)
    try:
        async with client.send(UpstreamRequest(url, HEADERS, b"{"), OPTIONS, trace) as answer:
            assert await answer.read() == b"said"
            assert trace.transport
            trace.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            trace.transport.set_write_buffer_limits(0)
        large = UpstreamRequest(url, (*HEADERS, ("X-Long", "x" * 1000)), b"{".ljust(MAX_BODY_BYTES))
        async with asyncio.timeout(LONGEST), client.send(large, OPTIONS, trace) as answer:
            assert answer.status == 200
            assert trace.reused
    finally:
        if trace.transport:
            trace.transport.abort()  # closed in good order, it would wait until the rest is taken
        await client.close()
        server.close()
        server.close_clients()


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"", aiohttp.ServerDisconnectedError), (b"no HTTP\r\n\r\n", aiohttp.ClientResponseError)],
    ids=["closed", "not HTTP"],
)
async def test_what_is_no_answer_raises_what_aiohttp_raises(answer: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        await asked([answer], UpstreamRequest("/", HEADERS, b"{}"))


@pytest.mark.usefixtures("_way")
async def test_a_header_with_a_second_line_is_not_sent() -> None:
    with pytest.raises(ValueError, match=r"(?i)newline|header"):
        await asked([ANSWER], UpstreamRequest("/", (("X-Bad", "a\r\nX-Injected: b"),), b"{}"))


@pytest.mark.parametrize(
    ("request_", "is_taken"),
    [
        (UpstreamRequest("http://a.test/", (), b"x"), True),
        (UpstreamRequest("http://a.test/", (), b"x" * MAX_BODY_BYTES), True),
        (UpstreamRequest("http://a.test/", (), b"x" * (MAX_BODY_BYTES + 1)), False),
        (UpstreamRequest("http://a.test/", (), b""), False),
        (UpstreamRequest("http://user:password@a.test/", (), b"x"), False),
    ],
    ids=["small", "as large as may be", "large", "empty", "with a password"],
)
def test_only_plain_requests_are_taken(request_: UpstreamRequest, is_taken: bool) -> None:
    assert PlainRequests.take(request_) is is_taken
