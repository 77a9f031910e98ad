"""Methods that are not taken, preflights of browsers, and requests sent ahead of their time."""

import json
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from support.damage_checks import connected, unharmed
from support.h1client import Headers, chat, h1_to, head
from support.h2client import h2_through
from support.http_requests import get, http_client
from support.leak_checks import soon
from support.raw_requests import BODY, LENGTH, NEXT, PATH, chunked, chunks, post, said
from support.router import running
from support.settings import provider

ECHO = behaviours.echo("", "")

METHODS = ("HEAD", "GET", "PUT", "PATCH", "DELETE", "TRACE", "FROB")


class TestMethods:
    @pytest.mark.parametrize("method", METHODS)
    async def test_only_post_is_taken_and_the_connection_goes_on(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(f"{method} {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
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
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h2_through(router.url, router.ca, host=f"127.0.0.1:{router.port}") as client,
        ):
            refused = await client.ask(b"", method=method)
            body = await client.whole(refused)
            assert (refused.status, refused.headers["allow"]) == (405, "POST")
            assert (method == "HEAD") == (body == b"")
            assert said(await client.whole(await client.ask(BODY))) == "first"

    async def test_a_method_with_a_body_is_refused_before_it_is_in(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(f"PUT {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n".encode())
            status, headers, _ = await client.answer()
            assert (status, headers["connection"]) == (405, "close")
            client.send(b"hello")
            assert await client.at_end()


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
            http_client() as browser,
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
            http_client() as browser,
        ):
            answer = await browser.options(f"{router.base_url}/chat/completions", headers=self.asking(origin))
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
            assert not [name for name in answer.headers if name.startswith("access-control")]


class TestAhead:
    """Requests sent on one connection before the answers to those before them."""

    async def test_they_are_answered_in_order(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        bodies = [chat(str(n), stream=n % 2 == 0) for n in range(20)]
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(b"".join(head(PATH, len(body)) + body for body in bodies))
            for n in range(20):
                _, _, answer = await client.answer()
                assert (f'"content":"{n}"' if n % 2 == 0 else f'"content":"{n}",').encode() in answer
            client.close()

    async def test_pages_refusals_and_chats_may_be_mixed(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        page = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        wrong = f"DELETE {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(page + wrong + post(LENGTH) + page + chunked(chunks()) + post("Content-Length: 2", body=b"[]"))
            statuses = [(await client.answer())[0] for _ in range(6)]
            assert statuses == [200, 405, 200, 200, 200, 400]
            client.close()

    async def test_thousands_of_pages_at_once(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, *_):
            client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3000)
            for _ in range(3000):
                assert (await client.answer())[0] == 200
            client.close()

    async def test_more_than_a_body_may_have_is_not_kept(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(tmp_path, caplog, behaviours.hang(), server={"max_body": "64KiB"}) as (client, one, _):
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
            b"POST /api/anything HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"
        )
        assert (await client.answer())[0] == 400
        assert await client.at_end()
        async with h1_to(router.host, router.port) as other:
            other.send(b"POST /api/anything HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhello")
            await soon(lambda: len(router.server.connections) == 1)
        await soon(lambda: not router.server.connections)
        assert (await get(f"{router.url}/healthz")).status == 200
        assert (router.watcher.flows, router.watcher.ended) == ([], [])
