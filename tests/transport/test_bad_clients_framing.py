"""Clients that break the rules of HTTP, or use them as few do: refused in plain words, or served."""

import json
import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from pointsman.demo import Provider, menu
from pointsman.transport.http1 import MAX_HEAD, MAX_LINE
from support.aftermath import unharmed
from support.asking import get
from support.h1client import Headers, chat, h1_to, head
from support.h2client import h2_through
from support.remains import soon
from support.router import running
from support.settings import provider

PATH = "/v1/chat/completions"
BODY = chat("first", stream=False)
NEXT = head(PATH, len(chat("next", stream=False))) + chat("next", stream=False)
ECHO = menu.echo("", "")


def said(body: bytes) -> str:
    """The text of an answer that was not streamed."""
    return str(json.loads(body)["choices"][0]["message"]["content"])


def post(*lines: str, body: bytes = BODY, version: str = "1.1", host: bool = True) -> bytes:
    named = ["Host: router"] if host else []
    return "\r\n".join([f"POST {PATH} HTTP/{version}", *named, *lines, "", ""]).encode("latin-1") + body


def chunked(body: bytes, *lines: str) -> bytes:
    return post("Transfer-Encoding: chunked", *lines, body=body)


def chunks(size: int = len(BODY), extension: bytes = b"", trailers: bytes = b"") -> bytes:
    """`BODY` in chunks of that size."""
    pieces = [BODY[at : at + size] for at in range(0, len(BODY), size)]
    return b"".join(b"%x%b\r\n%b\r\n" % (len(p), extension, p) for p in pieces) + b"0\r\n" + trailers + b"\r\n"


LENGTH = f"Content-Length: {len(BODY)}"


@dataclass(frozen=True)
class Broken:
    """Refused, and the connection is closed: where the next request would begin, nobody knows."""

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
    Broken("a chunk's line without end", chunked(b"5;" + b"x" * (MAX_LINE + 1))),
    Broken("trailers without end", chunked(chunks(trailers=b"X-Trailer: " + b"x" * (MAX_LINE + 1)))),
    Broken("a trailer that is none", chunked(chunks(trailers=b"nonsense\r\n"))),
    Broken("a head without end", post(f"X-Long: {'x' * MAX_HEAD}")[:-4], 431, "head_too_large"),
    Broken("a first line without end", b"POST /" + b"x" * (MAX_HEAD + 1), 431, "head_too_large"),
    Broken("headers without end", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (MAX_HEAD // 6 + 1), 431, "head_too_large"),
)


class TestBroken:
    @pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
    async def test_it_is_told_so_and_cut_off(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: Broken
    ) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h1_to(router.host, router.port) as client,
        ):
            client.send(broken.raw + (NEXT if broken.status == 400 else b""))
            status, headers, body = await client.answer()
            assert (status, json.loads(body)["error"]["code"]) == (broken.status, broken.code)
            assert headers["connection"] == "close"
            assert await client.is_closed()
            assert not one.seen
        assert "in-plain-sight" not in caplog.text

    async def test_one_after_a_good_one_does_the_good_one_no_harm(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h1_to(router.host, router.port) as client,
        ):
            client.send(NEXT + chunked(b"zz\r\n"))
            assert said((await client.answer())[2]) == "next"
            assert (await client.answer())[0] == 400
            assert await client.is_closed()

    async def test_half_a_head_that_is_given_up_stays_out_of_the_log(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h1_to(router.host, router.port) as client,
        ):
            client.send(post("Authorization: Bearer sk-in-plain-sight", body=b"")[:-2])
            await soon(lambda: bool(router.server.connections))
            client.close()
        assert "half of one" in caplog.text
        assert "in-plain-sight" not in caplog.text


UNUSUAL = {
    "chunked": chunked(chunks()),
    "a chunk for each byte": chunked(chunks(size=1)),
    "chunks with extensions": chunked(chunks(extension=b';a="b"')),
    "chunks with trailers": chunked(chunks(trailers=b"X-Checksum: 1\r\nX-Other: 2\r\n")),
    "blank lines first": b"\r\n\r\n\n" + post(LENGTH),
    "line feeds alone": post(LENGTH).replace(b"\r\n", b"\n"),
    "no Host": post(LENGTH, host=False),
    "an odd Host": post("Host: [::1", LENGTH, host=False),
    "a folded header": post("User-Agent: one\r\n two", LENGTH),
    "a header with control characters": post("User-Agent: a\x00b\x7f", "Accept: \x01", LENGTH),
    "a header that is not UTF-8": post("User-Agent: caf\xe9", "X-Request-ID: \xff", LENGTH),
    "a thousand headers": post(*(f"X-{n}: {n}" for n in range(1000)), LENGTH),
    "an upgrade nobody asked for": post("Connection: Upgrade", "Upgrade: h2c", LENGTH),
    "an unknown expectation": post("Expect: miracles", LENGTH),
}


class TestUnusual:
    @pytest.mark.parametrize("name", UNUSUAL)
    async def test_it_is_served_and_so_is_the_next(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h1_to(router.host, router.port) as client,
        ):
            client.send(UNUSUAL[name] + NEXT)
            answers = [await client.answer() for _ in range(2)]
            assert [(status, said(body)) for status, _, body in answers] == [(200, "first"), (200, "next")]
            assert [seen.body for seen in one.seen] == [BODY, chat("next", stream=False)]
            client.close()

    async def test_who_waits_to_be_asked_for_the_body_is_asked(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h1_to(router.host, router.port) as client,
        ):
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
        async with (
            Provider(menu.answer("one two")) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h1_to(router.host, router.port) as client,
        ):
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
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h1_to(router.host, router.port) as client,
        ):
            client.send(post(LENGTH, *wish, version="1.0", host=False))
            status, headers, body = await client.answer()
            assert (status, said(body)) == (200, "first")
            assert int(headers["content-length"]) == len(body)
            if stays:
                client.send(NEXT)
                assert said((await client.answer())[2]) == "next"
                client.close()
            else:
                assert await client.is_closed()


class TestLyingLengths:
    async def test_one_too_short_makes_half_a_body_and_a_broken_next_request(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h1_to(router.host, router.port) as client,
        ):
            client.send(post(f"Content-Length: {len(BODY) - 5}") + NEXT)
            status, _, body = await client.answer()
            assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_request")
            status, _, body = await client.answer()  # the rest of the body became a part of the next one's method
            assert (status, json.loads(body)["error"]["code"]) == (405, "method_not_allowed")
            assert await client.is_closed()
            assert not one.seen

    async def test_one_too_long_swallows_what_follows(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h1_to(router.host, router.port) as client,
        ):
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


METHODS = ("HEAD", "GET", "PUT", "PATCH", "DELETE", "TRACE", "FROB")


class TestMethods:
    @pytest.mark.parametrize("method", METHODS)
    async def test_only_post_is_taken_and_the_connection_goes_on(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str
    ) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h1_to(router.host, router.port) as client,
        ):
            client.send(f"{method} {PATH} HTTP/1.1\r\nHost: router\r\n\r\n".encode())
            status, headers = await client.head()
            assert (status, headers["allow"]) == (405, "POST")
            assert "connection" not in headers
            if method != "HEAD":
                body = await client.reader.readexactly(int(headers["content-length"]))
                assert json.loads(body)["error"]["code"] == "method_not_allowed"
            client.send(NEXT)
            assert said((await client.answer())[2]) == "next"
            client.close()

    @pytest.mark.parametrize("method", METHODS)
    async def test_over_http2_too(self, tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}, mode="reverse:http://127.0.0.1:9") as router,
            unharmed(router, caplog, one),
            httpx.AsyncClient(
                http1=False, http2=True, verify=ssl.create_default_context(cafile=router.ca), trust_env=False
            ) as client,
        ):
            url = f"https://{router.host}:{router.port}{PATH}"
            refused = await client.request(method, url)
            assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
            assert (method == "HEAD") == (refused.content == b"")
            answer = await client.post(url, content=BODY)
            assert (answer.http_version, said(answer.content)) == ("HTTP/2", "first")

    async def test_a_method_with_a_body_is_refused_before_it_is_in(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h1_to(router.host, router.port) as client,
        ):
            client.send(f"PUT {PATH} HTTP/1.1\r\nHost: router\r\nContent-Length: 5\r\n\r\n".encode())
            status, headers, _ = await client.answer()
            assert (status, headers["connection"]) == (405, "close")
            client.send(b"hello")
            assert await client.is_closed()


HERE = ("http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:8080", "https://app.localhost")
ELSEWHERE = ("https://evil.test", "null", "http://localhost.evil.test", "http://127.0.0.1.evil.test", "http://[::1", "")


class TestPreflights:
    """A browser asks before it lets a page post."""

    @staticmethod
    def asking(origin: str) -> Headers:
        names = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,x-session-id",
        }
        return (("Origin", origin), *names.items()) if origin else tuple(names.items())

    @pytest.mark.parametrize("origin", HERE)
    async def test_a_page_of_this_machine_may(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, origin: str
    ) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}, server={"client_key": "k-0123456789abcdef"}) as router,
            httpx.AsyncClient(trust_env=False) as browser,
        ):
            url = f"{router.base_url}/chat/completions"
            answer = await browser.options(url, headers=self.asking(origin))
            assert (answer.status_code, answer.content) == (204, b"")
            assert answer.headers["access-control-allow-origin"] == origin
            assert "POST" in answer.headers["access-control-allow-methods"]
            assert answer.headers["access-control-allow-headers"] == "authorization,content-type,x-session-id"
            assert answer.headers["vary"] == "Origin"
            posted = await browser.post(
                url, content=BODY, headers={"Origin": origin, "X-Api-Key": "k-0123456789abcdef"}
            )
            assert (posted.status_code, posted.headers["access-control-allow-origin"]) == (200, origin)
            assert posted.headers["access-control-expose-headers"] == "*"

    @pytest.mark.parametrize("origin", ELSEWHERE)
    async def test_others_may_not(self, tmp_path: Path, caplog: pytest.LogCaptureFixture, origin: str) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            httpx.AsyncClient(trust_env=False) as browser,
        ):
            answer = await browser.options(f"{router.base_url}/chat/completions", headers=self.asking(origin))
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
            assert not [name for name in answer.headers if name.startswith("access-control")]


class TestAhead:
    """Requests sent on one connection before the answers to those before them."""

    async def test_they_are_answered_in_order(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        bodies = [chat(str(n), stream=n % 2 == 0) for n in range(20)]
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h1_to(router.host, router.port) as client,
        ):
            client.send(b"".join(head(PATH, len(body)) + body for body in bodies))
            for n in range(20):
                _, _, answer = await client.answer()
                assert (f'"content":"{n}"' if n % 2 == 0 else f'"content":"{n}",').encode() in answer
            client.close()

    async def test_pages_refusals_and_chats_may_be_mixed(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        page = b"GET /healthz HTTP/1.1\r\nHost: router\r\n\r\n"
        wrong = f"DELETE {PATH} HTTP/1.1\r\nHost: router\r\n\r\n".encode()
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h1_to(router.host, router.port) as client,
        ):
            client.send(page + wrong + post(LENGTH) + page + chunked(chunks()) + post("Content-Length: 2", body=b"[]"))
            statuses = [(await client.answer())[0] for _ in range(6)]
            assert statuses == [200, 405, 200, 200, 200, 400]
            client.close()

    async def test_thousands_of_pages_at_once(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h1_to(router.host, router.port) as client,
        ):
            client.send(b"GET /healthz HTTP/1.1\r\nHost: router\r\n\r\n" * 3000)
            for _ in range(3000):
                assert (await client.answer())[0] == 200
            client.close()

    async def test_more_than_a_body_may_have_is_not_kept(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with (
            Provider(menu.hang()) as one,
            running(tmp_path, {"one": provider(one.base_url)}, server={"max_body": "64KiB"}) as router,
            unharmed(router, caplog, one),
            h1_to(router.host, router.port) as client,
        ):
            client.send(post(LENGTH))
            seen = await one.arrived()
            client.send(NEXT * 1000)
            assert await seen.closed_by_peer()


async def test_the_own_pages_have_no_flow_even_if_their_upload_breaks_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is posted there may be a secret."""
    async with (
        running(tmp_path, {"one": provider()}) as router,
        h1_to(router.host, router.port) as client,
    ):
        client.send(
            b"POST /api/anything HTTP/1.1\r\nHost: router\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"
        )
        assert await client.is_closed()
        async with h1_to(router.host, router.port) as other:
            other.send(b"POST /api/anything HTTP/1.1\r\nHost: router\r\nContent-Length: 100\r\n\r\nhello")
            await soon(lambda: len(router.server.connections) == 1)
        await soon(lambda: not router.server.connections)
        assert (await get(f"{router.url}/healthz")).status == 200
        assert (router.watcher.flows, router.watcher.ended) == ([], [])
