"""Under which host names the router serves: real clients, HTTP/1 and HTTPS with HTTP/2, at every door of its own."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Provider, behaviours
from support.h1client import Headers, h1_to
from support.h2client import h2_to
from support.raw_requests import BODY, LENGTH, PATH, post
from support.router import Router, running
from support.settings import provider

KEY = "the-client-key-0123456789"
EVIL = "evil.example"
SERVER = {"hosts": ["listed.example"], "admin_key": "the-admin-key-0123456789"}

type Answer = tuple[int, bytes]
type Start = Callable[..., Any]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a router that may spend the keys of one provider."""
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(Provider(behaviours.answer("hello")))

        async def started(mode: str = "regular", options: Mapping[str, Any] | None = None, **server: Any) -> Router:
            sections = {"server": SERVER | server}
            return await stack.enter_async_context(
                running(tmp_path, {"one": provider(one.base_url)}, mode, options, **sections)
            )

        yield started


async def over_http1(router: Router, method: str, path: str, host: str, headers: Headers = ()) -> Answer:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    body = BODY if method == "POST" else b""
    async with h1_to(router.host, router.port) as client:
        client.send("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)
        status, _, answered = await client.answer()
        return status, answered


async def over_http2(router: Router, method: str, path: str, host: str, headers: Headers = ()) -> Answer:
    async with h2_to((router.host, router.port), router.ca, host) as client:
        stream = await client.ask(BODY if method == "POST" else b"", path, headers, method=method)
        body = await client.whole(stream)
        return stream.status, body


WAYS = pytest.mark.parametrize(
    ("mode", "asked"),
    [
        ("regular", over_http1),
        ("reverse:http://127.0.0.1:9", over_http1),
        ("reverse:https://127.0.0.1:9", over_http2),
    ],
    ids=["HTTP/1", "HTTP/1 in reverse mode", "HTTP/2 in reverse mode"],
)


@WAYS
class TestWithoutAClientKey:
    @pytest.mark.parametrize("host", [EVIL, f"{EVIL}:8080", "127.0.0.1.evil.example"])
    async def test_a_rebound_name_reads_no_page_and_spends_no_key(
        self, start: Start, mode: str, asked: Any, host: str
    ) -> None:
        router = await start(mode)
        assert (await asked(router, "GET", "/internal/exchanges", host))[0] == 401
        status, body = await asked(router, "POST", PATH, host)
        assert status == 403
        error = json.loads(body)["error"]
        assert error["code"] == "forbidden"
        assert "server.hosts" in error["message"]
        assert "server.client_key" in error["message"]
        status, body = await asked(router, "POST", "/v1/messages", host)
        assert (status, json.loads(body)["type"]) == (403, "error")
        assert router.drivers == []
        assert router.watcher.dialled == []

    @pytest.mark.parametrize(
        "host", ["localhost", "127.0.0.1:1", "pointsman.local", "listed.example:8443", "Listed.Example"]
    )
    async def test_a_name_of_ours_is_served(self, start: Start, mode: str, asked: Any, host: str) -> None:
        router = await start(mode)
        assert (await asked(router, "GET", "/internal/exchanges", host))[0] == 200
        assert (await asked(router, "POST", PATH, host))[0] == 200


@WAYS
async def test_with_the_client_key_the_name_does_not_matter(start: Start, mode: str, asked: Any) -> None:
    router = await start(mode, client_key=KEY)
    bearer = (("authorization", f"Bearer {KEY}"),)
    assert (await asked(router, "POST", PATH, EVIL, bearer))[0] == 200
    assert (await asked(router, "POST", PATH, EVIL))[0] == 401
    assert (await asked(router, "GET", "/internal/exchanges", EVIL, bearer))[0] == 401


@pytest.mark.parametrize("path", ["/v1/models", "/v1beta/models"])
async def test_the_model_list_is_for_names_of_ours_too(start: Start, path: str) -> None:
    router = await start()
    status, body = await over_http1(router, "GET", path, EVIL)
    assert (status, b'"forbidden"' in body) == (403, True)
    assert (await over_http1(router, "GET", path, "localhost"))[0] == 200


@pytest.mark.parametrize(("origin", "status"), [("https://listed.example", 204), ("https://evil.example", 403)])
async def test_a_session_over_http2_makes_changes_under_its_own_name_only(
    start: Start, origin: str, status: int
) -> None:
    router = await start("reverse:https://127.0.0.1:9")
    async with h2_to((router.host, router.port), router.ca, "listed.example") as client:
        entered = await client.ask(json.dumps({"admin_key": SERVER["admin_key"]}).encode(), "/api/login")
        csrf = json.loads(await client.whole(entered))["csrf"]
        cookie = entered.headers["set-cookie"].partition(";")[0]
        assert cookie.startswith(f"pointsman-{router.port}=")
        leaving = await client.ask(b"", "/api/logout", (("cookie", cookie), ("x-csrf-token", csrf), ("origin", origin)))
        await client.whole(leaving)
        assert leaving.status == status


class TestUnclearHosts:
    """No client key helps where the request itself is at fault."""

    @pytest.mark.parametrize("path", [PATH, "/internal/health", "/v1/models"])
    @pytest.mark.parametrize(
        "lines", [(), ("Host: localhost", "Host: evil.example"), ("Host: evil.example@localhost",)]
    )
    async def test_in_http1_they_are_bad_requests(self, start: Start, path: str, lines: tuple[str, ...]) -> None:
        router = await start(client_key=KEY)
        async with h1_to(router.host, router.port) as client:
            client.send(post(*lines, f"x-api-key: {KEY}", LENGTH, host=False).replace(PATH.encode(), path.encode()))
            status, _, body = await client.answer()
            assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_request")

    async def test_http10_may_name_none_and_then_counts_as_foreign(self, start: Start) -> None:
        router = await start()
        async with h1_to(router.host, router.port) as client:
            client.send(post(LENGTH, version="1.0", host=False))
            assert (await client.answer())[0] == 403

    async def test_an_absolute_request_line_counts_more_than_host(self, start: Start) -> None:
        router = await start()
        here = f"http://127.0.0.1:{router.port}/internal/exchanges"
        assert (await over_http1(router, "GET", here, EVIL))[0] == 200

    @pytest.mark.parametrize(
        ("authority", "headers", "status"),
        [("", (), 403), ("", (("host", "localhost"),), 200), ("localhost", (("host", EVIL),), 400)],
        ids=["none", "only Host", "two that differ"],
    )
    async def test_in_http2_where_mitmproxy_does_not_look_at_heads(
        self, start: Start, authority: str, headers: Headers, status: int
    ) -> None:
        router = await start("reverse:https://127.0.0.1:9", {"validate_inbound_headers": False})
        assert (await over_http2(router, "POST", PATH, authority, headers))[0] == status
        page = await over_http2(router, "GET", "/internal/exchanges", authority, headers)
        assert page[0] == (401 if status == 403 else status)
