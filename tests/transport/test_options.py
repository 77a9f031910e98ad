"""mitmproxy's own options mean for routed requests, and for providers, what they mean for others."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from mitmproxy.http import HTTPFlow

from pointsman.demo import Provider, behaviours
from pointsman.transport.upstream_client import MAX_IDLE_SESSIONS
from support.certificate_authority import CertificateAuthority
from support.forward_proxy import ForwardProxy, behind_proxy
from support.h1client import H1Client, Headers, chat, h1_through, h1_to, head
from support.h2client import h2_through
from support.leak_checks import soon
from support.router import Router, running
from support.settings import provider

CHAT = "/v1/chat/completions"
BIG = chat("x" * 20_000)


@asynccontextmanager
async def routing(folder: Path, **options: Any) -> AsyncIterator[tuple[Router, Provider]]:
    """A router with these options, and its one provider."""
    async with (
        Provider(behaviours.answer("routed")) as one,
        running(folder, {"one": provider(one.base_url)}, options=options) as router,
    ):
        yield router, one


def chunked(body: bytes, size: int = 1000) -> bytes:
    """A whole request whose length is not announced."""
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    fields = head(CHAT, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    return fields + framed + b"0\r\n\r\n"


async def code_of(client: H1Client, headers: dict[str, str]) -> bytes:
    return await client.reader.readexactly(int(headers["content-length"]))


def from_(flow: HTTPFlow) -> str:
    """The local address of the connection that the answer came by."""
    assert flow.server_conn.sockname
    return flow.server_conn.sockname[0]


class TestConnectAddr:
    """The local address of connections to servers."""

    async def test_providers_are_dialled_from_it(self, tmp_path: Path) -> None:
        async with (
            routing(tmp_path, connect_addr="127.0.0.2") as (router, _),
            h1_to(router.host, router.port) as client,
        ):
            await client.ask(chat())
            assert (await client.head())[0] == 200
            await client.chunks()
            [(_, flow)] = router.watcher.ended
            assert from_(flow) == "127.0.0.2"

    async def test_so_is_an_upstream_proxy(self, tmp_path: Path) -> None:
        async with (
            Provider(behaviours.answer("routed")) as one,
            ForwardProxy() as proxy,
            running(
                tmp_path,
                {"one": provider(behind_proxy(one.base_url))},
                f"upstream:{proxy.url}",
                {"connect_addr": "127.0.0.2"},
            ) as router,
            h1_to(router.host, router.port) as client,
        ):
            await client.ask(chat())
            assert (await client.head())[0] == 200
            assert proxy.peers == ["127.0.0.2"]

    async def test_one_that_changes_often_leaves_little_behind(self, tmp_path: Path) -> None:
        async with routing(tmp_path) as (router, one), h1_to(router.host, router.port) as client:
            for n in range(2, 30):
                router.context.options.update(connect_addr=f"127.0.0.{n}")
                await client.ask(chat())
                assert (await client.head())[0] == 200
                await client.chunks()
            assert len(router.watcher.ended) == 28
            assert {from_(flow) for _, flow in router.watcher.ended} == {f"127.0.0.{n}" for n in range(2, 30)}
            await soon(lambda: one.connections <= MAX_IDLE_SESSIONS)

    async def test_one_that_this_machine_has_not_is_a_failed_attempt(self, tmp_path: Path) -> None:
        async with routing(tmp_path, connect_addr="192.0.2.1") as (router, one):
            async with h1_to(router.host, router.port) as client:
                await client.ask(chat())
                assert (await client.head())[0] == 502
            assert not one.seen


class TestIgnoreHosts:
    """Traffic to these hosts passes without being looked at, even to hosts whose chat requests are routed."""

    @asynccontextmanager
    async def between(self, folder: Path, *ignored: str) -> AsyncIterator[tuple[Router, Provider, str, Path]]:
        authority = CertificateAuthority(folder)
        async with (
            Provider(behaviours.answer("from the host itself"), tls=authority.server("localhost")) as host,
            Provider(behaviours.answer("routed")) as one,
            running(
                folder,
                {"one": provider(one.base_url)},
                options={"ignore_hosts": list(ignored)},
                server={"intercept": ["localhost"]},
            ) as router,
        ):
            yield router, host, f"localhost:{urlsplit(host.base_url).port}", authority.pem

    async def test_an_ignored_host_is_passed_through(self, tmp_path: Path) -> None:
        async with (
            self.between(tmp_path, r"^localhost:\d+$") as (router, host, there, its_ca),
            h1_through(router.url, its_ca, there) as client,
        ):
            await client.ask(chat(), headers=(("Authorization", "Bearer its-own"),))
            assert (await client.head())[0] == 200
            assert b'" itself"' in await client.chunks()
            assert host.seen[0].header("authorization") == "Bearer its-own"
            assert router.watcher.flows == []
            assert router.drivers == []

    async def test_another_one_is_routed_as_ever(self, tmp_path: Path) -> None:
        async with (
            self.between(tmp_path, r"^elsewhere\.test:443$") as (router, host, there, _),
            h1_through(router.url, router.ca, there) as client,
        ):
            await client.ask(chat())
            assert (await client.head())[1]["x-routed-via"] == "one/m"
            assert not host.seen


class TestStreamLargeBodies:
    """Bodies beyond that size are passed on as they come; a routed request has to be whole to be read."""

    @pytest.mark.parametrize("raw", [head(CHAT, len(BIG)) + BIG, chunked(BIG)], ids=["announced", "chunked"])
    async def test_a_routed_request_is_routed_and_whole(self, tmp_path: Path, raw: bytes) -> None:
        async with (
            routing(tmp_path, stream_large_bodies="1k") as (router, one),
            h1_to(router.host, router.port) as client,
        ):
            client.send(raw)
            assert (await client.head())[1]["x-routed-via"] == "one/m"
            assert b"routed" in await client.chunks()
            assert one.seen[0].body == BIG
            [(_, flow)] = router.watcher.ended
            assert flow.request.raw_content == BIG
            assert router.watcher.dialled == []

    async def test_so_is_one_over_http2(self, tmp_path: Path) -> None:
        async with (
            routing(tmp_path, stream_large_bodies="1k") as (router, one),
            h2_through(router.url, router.ca) as client,
        ):
            assert b"routed" in await client.whole(await client.ask(BIG))
            assert one.seen[0].body == BIG

    async def test_a_whole_answer_beyond_it_is_whole(self, tmp_path: Path) -> None:
        text = "token " * 2000
        async with (
            Provider(behaviours.answer(text)) as one,
            running(tmp_path, {"one": provider(one.base_url)}, options={"stream_large_bodies": "1k"}) as router,
            h1_to(router.host, router.port) as client,
        ):
            await client.ask(chat(stream=False))
            assert text.encode() in await code_of(client, (await client.head())[1])


LIMITS = pytest.mark.parametrize(
    ("option", "max_body"), [("2k", "64MiB"), ("64m", "2KiB")], ids=["body_size_limit", "server.max_body"]
)


class TestBodySizeLimit:
    """The smaller of mitmproxy's limit and the router's own holds."""

    @asynccontextmanager
    async def limited(self, folder: Path, option: str, max_body: str) -> AsyncIterator[tuple[Router, Provider]]:
        async with (
            Provider(behaviours.answer("routed" * 2000)) as one,
            running(
                folder,
                {"one": provider(one.base_url)},
                options={"body_size_limit": option},
                server={"max_body": max_body},
            ) as router,
        ):
            yield router, one

    @LIMITS
    async def test_a_request_that_announces_more_is_refused_by_its_head(
        self, tmp_path: Path, option: str, max_body: str
    ) -> None:
        async with (
            self.limited(tmp_path, option, max_body) as (router, one),
            h1_to(router.host, router.port) as client,
        ):
            client.send(head(CHAT, len(BIG)))
            status, headers = await client.head()
            assert (status, headers["connection"]) == (413, "close")
            assert b'"request_too_large"' in await code_of(client, headers)
            assert not one.seen

    @LIMITS
    async def test_one_that_turns_out_to_have_more_is_refused_when_it_does(
        self, tmp_path: Path, option: str, max_body: str
    ) -> None:
        async with (
            self.limited(tmp_path, option, max_body) as (router, one),
            h1_to(router.host, router.port) as client,
        ):
            client.send(chunked(BIG))
            status, headers = await client.head()
            assert status == 413
            assert b'"request_too_large"' in await code_of(client, headers)
            assert not one.seen

    @LIMITS
    async def test_a_smaller_one_has_its_answer_however_long_that_is(
        self, tmp_path: Path, option: str, max_body: str
    ) -> None:
        async with (
            self.limited(tmp_path, option, max_body) as (router, _),
            h1_to(router.host, router.port) as client,
        ):
            await client.ask(chat(stream=False))
            status, headers = await client.head()
            assert status == 200
            assert int(headers["content-length"]) > 4096

    async def test_a_limit_that_is_changed_while_running_holds_from_then_on(self, tmp_path: Path) -> None:
        async with self.limited(tmp_path, "64m", "64MiB") as (router, _):
            for limit, expected in (("2k", 413), ("64m", 200)):
                router.context.options.update(body_size_limit=limit)
                async with h1_to(router.host, router.port) as client:
                    await client.ask(BIG)
                    assert (await client.head())[0] == expected


PASSWORD = "pw-9Kd3vRm7Tz2x"
RIGHT = (("Proxy-Authorization", f"Basic {base64.b64encode(f'me:{PASSWORD}'.encode()).decode()}"),)
WRONG = (("Proxy-Authorization", f"Basic {base64.b64encode(b'me:' + PASSWORD[::-1].encode()).decode()}"),)
AS_A_PROXY = (f"http://api.openai.com{CHAT}", (("Host", "api.openai.com"),))


class TestProxyauth:
    """mitmproxy asks for its password at CONNECT, or in every request."""

    @pytest.mark.parametrize(
        ("given", "status"), [(RIGHT, 200), (WRONG, 407), ((), 407)], ids=["right", "wrong", "absent"]
    )
    @pytest.mark.parametrize(("path", "host"), [AS_A_PROXY, (CHAT, ())], ids=["as a proxy", "as a base URL"])
    async def test_it_is_asked_of_every_request(
        self, tmp_path: Path, path: str, host: Headers, given: Headers, status: int
    ) -> None:
        async with (
            routing(tmp_path, proxyauth=f"me:{PASSWORD}") as (router, one),
            h1_to(router.host, router.port) as client,
        ):
            await client.ask(chat(), path, (*host, *given))
            assert (await client.head())[0] == status
            assert bool(one.seen) is (status == 200)
            leaves_no_trace(router)

    @pytest.mark.parametrize(("given", "status"), [(RIGHT, 413), (WRONG, 407)], ids=["right", "wrong"])
    async def test_it_comes_before_every_other_refusal(self, tmp_path: Path, given: Headers, status: int) -> None:
        async with (
            routing(tmp_path, proxyauth=f"me:{PASSWORD}", body_size_limit="1k") as (router, _),
            h1_to(router.host, router.port) as client,
        ):
            await client.ask(BIG, headers=given)
            assert (await client.head())[0] == status
            leaves_no_trace(router)

    async def test_at_connect_it_opens_the_tunnel_for_all_that_follows(self, tmp_path: Path) -> None:
        async with (
            routing(tmp_path, proxyauth=f"me:{PASSWORD}") as (router, one),
            h2_through(router.url, router.ca, connect=RIGHT) as client,
        ):
            for _ in range(2):
                stream = await client.ask(chat())
                assert b"routed" in await client.whole(stream)
                assert stream.headers["x-routed-via"] == "one/m"
            assert one.seen[0].header("proxy-authorization") is None
            leaves_no_trace(router)

    @pytest.mark.parametrize("given", [WRONG, ()], ids=["wrong", "absent"])
    async def test_without_it_there_is_no_tunnel(self, tmp_path: Path, given: Headers) -> None:
        async with (
            routing(tmp_path, proxyauth=f"me:{PASSWORD}") as (router, _),
            h1_to(router.host, router.port) as client,
        ):
            fields = "".join(f"{name}: {value}\r\n" for name, value in given)
            client.send(f"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n{fields}\r\n".encode())
            assert (await client.head())[0] == 407
            leaves_no_trace(router)

    async def test_a_password_that_is_the_client_key_lets_the_tunnel_in(self, tmp_path: Path) -> None:
        """mitmproxy takes its password out of the request before any addon sees it."""
        async with (
            Provider(behaviours.answer("routed")) as one,
            running(
                tmp_path,
                {"one": provider(one.base_url)},
                options={"proxyauth": f"me:{PASSWORD}"},
                server={"client_key": PASSWORD},
            ) as router,
            h2_through(router.url, router.ca, connect=RIGHT),
        ):
            assert len(router.gateway.admission.trusted_connections) == 1


def leaves_no_trace(router: Router) -> None:
    """Neither password, the wrong one included, is in any flow."""
    flows = [*router.watcher.flows, *router.watcher.connects, *(flow for _, flow in router.watcher.ended)]
    assert flows
    for flow in flows:
        state = repr(flow.get_state())
        for secret in (PASSWORD, PASSWORD[::-1], RIGHT[0][1][6:-4], WRONG[0][1][6:-4]):
            assert secret not in state


class TestValidateInboundHeaders:
    """Requests whose framing can be read in two ways are refused, unless the option says otherwise."""

    @pytest.mark.parametrize(("option", "status"), [(True, 400), (False, 200)], ids=["on", "off"])
    @pytest.mark.parametrize("odd", ["X-Odd : 1", "X Odd: 1"])
    async def test_it_decides_about_routed_requests_too(
        self, tmp_path: Path, odd: str, option: bool, status: int
    ) -> None:
        async with (
            routing(tmp_path, validate_inbound_headers=option) as (router, one),
            h1_to(router.host, router.port) as client,
        ):
            body = chat()
            client.send(head(CHAT, len(body)).replace(b"\r\n\r\n", f"\r\n{odd}\r\n\r\n".encode()) + body)
            assert (await client.head())[0] == status
            assert len(one.seen) == (status == 200)
