"""The same stream, the same failover and the same client that leaves, by every way in that mitmproxy has."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import tflow

from pointsman.connection_guard import ConnectionGuard
from pointsman.demo import Provider, behaviours
from support.certificate_authority import CertificateAuthority
from support.forward_proxy import ForwardProxy, behind_proxy
from support.h1client import H1Client, Headers, chat, h1_to
from support.h2client import H2Client, Stream, h2_through
from support.http_requests import get
from support.leak_checks import no_leaks
from support.ports import free_port
from support.router import Router, running
from support.settings import provider

EXACT = [
    b'data: {"choices":[{"index":0,"delta":{"content":"to the"}}],"x":1e400}\n\n: theirs\n\n',
    b'data:{"choices":[{"index":0,"delta":{"content":" byte"},"finish_reason":"stop"}]}\r\n\r\n',
    b"data: [DONE]\n\n",
]
TEXT = "one two three four"
CHAT = "/v1/chat/completions"

type Providers = Mapping[str, Mapping[str, Any]]


class Client(Protocol):
    """Asks one thing, and hears it to the end or leaves."""

    async def ask(self, body: bytes) -> None: ...

    async def until(self, shown: bytes) -> None: ...

    async def whole(self) -> tuple[int, Mapping[str, str], bytes]: ...

    async def leave(self) -> None: ...


class OverHttp1:
    def __init__(self, client: H1Client, path: str = CHAT, headers: Headers = ()) -> None:
        self._client, self._path, self._headers = client, path, headers

    async def ask(self, body: bytes) -> None:
        await self._client.ask(body, self._path, self._headers)

    async def until(self, shown: bytes) -> None:
        await self._client.head()
        while shown not in await self._client.chunk():
            pass

    async def whole(self) -> tuple[int, Mapping[str, str], bytes]:
        return (*await self._client.head(), await self._client.chunks())

    async def leave(self) -> None:
        self._client.close()


class OverHttp2:
    stream: Stream

    def __init__(self, client: H2Client) -> None:
        self._client = client

    async def ask(self, body: bytes) -> None:
        self.stream = await self._client.ask(body)

    async def until(self, shown: bytes) -> None:
        await self._client.until(lambda: shown in self.stream.data)

    async def whole(self) -> tuple[int, Mapping[str, str], bytes]:
        body = await self._client.whole(self.stream)
        return self.stream.status, self.stream.headers, body

    async def leave(self) -> None:
        await self._client.close()


class Way(Protocol):
    """A router and a client of it that comes in that way."""

    async def __call__(self, stack: AsyncExitStack, folder: Path, providers: Providers) -> tuple[Router, Client]: ...


async def own_door(stack: AsyncExitStack, folder: Path, providers: Providers) -> tuple[Router, Client]:
    router = await stack.enter_async_context(running(folder, providers))
    return router, OverHttp1(await stack.enter_async_context(h1_to(router.host, router.port)))


async def http_proxy(stack: AsyncExitStack, folder: Path, providers: Providers) -> tuple[Router, Client]:
    router = await stack.enter_async_context(running(folder, providers))
    client = await stack.enter_async_context(h1_to(router.host, router.port))
    return router, OverHttp1(client, f"http://api.openai.com{CHAT}", (("Host", "api.openai.com"),))


async def https_proxy(stack: AsyncExitStack, folder: Path, providers: Providers) -> tuple[Router, Client]:
    router = await stack.enter_async_context(running(folder, providers))
    return router, OverHttp2(await stack.enter_async_context(h2_through(router.url, router.ca)))


async def reverse(stack: AsyncExitStack, folder: Path, providers: Providers) -> tuple[Router, Client]:
    router = await stack.enter_async_context(running(folder, providers, "reverse:http://127.0.0.1:9"))
    return router, OverHttp1(await stack.enter_async_context(h1_to(router.host, router.port)))


async def upstream(stack: AsyncExitStack, folder: Path, providers: Providers) -> tuple[Router, Client]:
    proxy = await stack.enter_async_context(ForwardProxy())
    behind = {name: {**each, "base_url": behind_proxy(each["base_url"])} for name, each in providers.items()}
    router = await stack.enter_async_context(running(folder, behind, f"upstream:{proxy.url}"))
    return router, OverHttp1(await stack.enter_async_context(h1_to(router.host, router.port)))


async def https_proxy_upstream(stack: AsyncExitStack, folder: Path, providers: Providers) -> tuple[Router, Client]:
    proxy = await stack.enter_async_context(ForwardProxy())
    behind = {name: {**each, "base_url": behind_proxy(each["base_url"])} for name, each in providers.items()}
    router = await stack.enter_async_context(running(folder, behind, f"upstream:{proxy.url}"))
    return router, OverHttp2(await stack.enter_async_context(h2_through(router.url, router.ca)))


async def first_of_two(stack: AsyncExitStack, folder: Path, providers: Providers) -> tuple[Router, Client]:
    router, ports = await two_modes(stack, folder, providers)
    return router, OverHttp1(await stack.enter_async_context(h1_to(router.host, ports[0])))


async def second_of_two(stack: AsyncExitStack, folder: Path, providers: Providers) -> tuple[Router, Client]:
    router, ports = await two_modes(stack, folder, providers)
    return router, OverHttp1(await stack.enter_async_context(h1_to(router.host, ports[1])))


async def two_modes(stack: AsyncExitStack, folder: Path, providers: Providers) -> tuple[Router, list[int]]:
    ports = [free_port(), free_port()]
    modes = [f"regular@{ports[0]}", f"reverse:http://127.0.0.1:9@{ports[1]}"]
    return await stack.enter_async_context(running(folder, providers, modes)), ports


WAYS = (
    own_door,
    http_proxy,
    https_proxy,
    reverse,
    upstream,
    https_proxy_upstream,
    first_of_two,
    second_of_two,
)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
class TestSmoke:
    async def test_a_stream_comes_through_to_the_byte(self, tmp_path: Path, stack: AsyncExitStack, way: Way) -> None:
        one = await stack.enter_async_context(Provider(behaviours.exact(EXACT)))
        router, client = await way(stack, tmp_path, {"one": provider(one.base_url)})
        await client.ask(chat())
        status, headers, body = await client.whole()
        assert (status, body) == (200, b"".join(EXACT))
        assert (headers["x-routed-via"], headers["x-fallback-attempts"]) == ("one/m", "0")
        assert one.seen[0].json["messages"][0]["content"] == "Which track?"
        assert router.watcher.dialled == []

    async def test_a_failure_before_the_first_content_is_not_seen(
        self, tmp_path: Path, stack: AsyncExitStack, way: Way
    ) -> None:
        bad = await stack.enter_async_context(Provider(behaviours.wrapped()))
        good = await stack.enter_async_context(Provider(behaviours.exact(EXACT)))
        _, client = await way(stack, tmp_path, {"bad": provider(bad.base_url), "good": provider(good.base_url)})
        await client.ask(chat())
        status, headers, body = await client.whole()
        assert (status, body) == (200, b"".join(EXACT))
        assert (headers["x-routed-via"], headers["x-fallback-trail"]) == ("good/m", "bad/m@wrapped_500")

    async def test_a_client_that_leaves_takes_its_attempt_along(
        self, tmp_path: Path, stack: AsyncExitStack, way: Way
    ) -> None:
        one = await stack.enter_async_context(Provider(behaviours.stall(TEXT, after_tokens=2)))
        router, client = await way(stack, tmp_path, {"one": provider(one.base_url)})
        await client.ask(chat())
        seen = await one.arrived()
        await client.until(b" two")
        await client.leave()
        assert await seen.closed_by_peer()
        await no_leaks(router)
        [record] = router.gateway.recent_exchanges.newest(10)
        assert [attempt.outcome for attempt in record.attempts] == ["client_abort"]


class TestReverse:
    """Chat paths and the operators' pages are ours, the rest is the target's."""

    @pytest.fixture
    async def target(self, stack: AsyncExitStack) -> Provider:
        return await stack.enter_async_context(Provider(behaviours.answer("from the target")))

    @pytest.fixture
    async def router(self, tmp_path: Path, stack: AsyncExitStack, target: Provider) -> Router:
        one = await stack.enter_async_context(Provider(behaviours.answer("routed")))
        mode = f"reverse:{target.base_url.removesuffix('/v1')}"
        return await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url)}, mode))

    @pytest.mark.parametrize("path", ["/healthz", "/internal/exchanges", "/internal/nothing", "/api/nothing"])
    async def test_our_pages_are_ours(self, router: Router, target: Provider, path: str) -> None:
        answer = await get(router.url + path)
        assert answer.headers["content-type"].startswith("application/json")
        assert not target.seen

    @pytest.mark.parametrize("path", [CHAT, f"/olla/proxy{CHAT}", f"{CHAT}?api-version=1"])
    async def test_chat_paths_are_ours_under_any_prefix(self, router: Router, target: Provider, path: str) -> None:
        async with h1_to(router.host, router.port) as client:
            await client.ask(chat(), path)
            status, headers = await client.head()
            assert (status, headers["x-routed-via"]) == (200, "one/m")
            assert b"routed" in await client.chunks()
        assert not target.seen

    @pytest.mark.parametrize("path", ["/v1/models", "/v1/assistants?x=%20y&x=2", "/healthzz", "/apis", "/statics"])
    async def test_the_rest_goes_to_the_target_untouched(self, router: Router, target: Provider, path: str) -> None:
        body, own = b'{"input": "\xff \\ud800"}', (("Authorization", "Bearer sk-its-own-key"), ("X-Own", "1"))
        async with h1_to(router.host, router.port) as client:
            await client.ask(body, path, own)
            status, headers = await client.head()
            assert status == 404
            assert b"There is nothing here." in await client.reader.readexactly(int(headers["content-length"]))
            assert "x-routed-via" not in headers
        [seen] = target.seen
        assert (seen.method, seen.path, seen.body) == ("POST", path, body)
        assert (seen.header("authorization"), seen.header("x-own")) == ("Bearer sk-its-own-key", "1")
        assert router.drivers == []

    async def test_a_target_that_is_away_is_no_matter_of_ours(self, tmp_path: Path, stack: AsyncExitStack) -> None:
        one = await stack.enter_async_context(Provider(behaviours.answer("routed")))
        router = await stack.enter_async_context(
            running(tmp_path, {"one": provider(one.base_url)}, "reverse:https://127.0.0.1:9")
        )
        assert (await get(f"{router.url}/healthz")).status == 200
        assert (await get(f"{router.url}/v1/models")).status == 502
        async with h1_to(router.host, router.port) as client:
            await client.ask(chat())
            assert (await client.head())[0] == 200


class TestForeignPeers:
    """Who connects from another machine, whatever the router listens on."""

    @pytest.mark.parametrize(
        ("peer", "mode", "keyed", "refused"),
        [
            ("192.0.2.7", "regular", False, True),
            ("2001:db8::7", "reverse:http://127.0.0.1:9", False, True),
            ("192.0.2.7", "regular", True, False),
            ("192.0.2.7", "local:Code", False, False),
            ("127.0.0.1", "regular", False, False),
        ],
    )
    async def test_without_a_client_key_they_are_not_let_in(
        self, tmp_path: Path, peer: str, mode: str, keyed: bool, refused: bool
    ) -> None:
        server = {"client_key": "a-client-key-0123456789"} if keyed else {}
        async with running(tmp_path, {"one": provider()}, server=server) as router:
            client = tflow.tclient_conn()
            client.peername, client.proxy_mode = (peer, 50000), ProxyMode.parse(mode)
            ConnectionGuard(lambda: router.gateway).client_connected(client)
            assert bool(client.error) is refused


PASSWORD = "router:pp-6Tg3mKw9Zd2x"


class TestUpstream:
    """Providers are dialled through the proxy that the clients' mode names."""

    async def test_a_provider_is_asked_by_its_absolute_url_with_the_proxys_password(
        self, tmp_path: Path, stack: AsyncExitStack
    ) -> None:
        async with (
            Provider(behaviours.answer("hello")) as one,
            ForwardProxy(PASSWORD) as proxy,
            through(proxy, tmp_path, one.base_url) as router,
        ):
            assert await status_of(router) == 200
            [passage] = proxy.passages
            assert (passage.method, passage.target) == ("POST", f"{behind_proxy(one.base_url)}/chat/completions")
            assert passage.credential == PASSWORD
            [(_, flow)] = router.watcher.ended
            assert flow.server_conn.via == ("http", ("127.0.0.1", int(proxy.url.rpartition(":")[2])))
            assert "pp-6Tg3" not in str(flow.get_state())

    async def test_one_behind_tls_by_a_tunnel_that_the_password_opens(self, tmp_path: Path) -> None:
        authority = CertificateAuthority(tmp_path)
        async with (
            Provider(behaviours.answer("hello"), tls=authority.server("provider.test", "127.0.0.1")) as one,
            ForwardProxy(PASSWORD) as proxy,
            through(proxy, tmp_path, one.base_url, ssl_verify_upstream_trusted_ca=str(authority.pem)) as router,
        ):
            assert await status_of(router) == 200
            [passage] = proxy.passages
            assert (passage.method, passage.target) == ("CONNECT", behind_proxy(one.base_url)[8:].removesuffix("/v1"))
            assert passage.credential == PASSWORD
            assert one.seen[0].header("proxy-authorization") is None

    @pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
    async def test_the_proxy_itself_may_be_behind_tls(self, tmp_path: Path, secure: bool) -> None:
        authority = CertificateAuthority(tmp_path)
        async with (
            Provider(
                behaviours.answer("hello"), tls=authority.server("provider.test", "127.0.0.1") if secure else None
            ) as one,
            ForwardProxy(PASSWORD, tls=authority.server("provider.test", "127.0.0.1")) as proxy,
            through(proxy, tmp_path, one.base_url, ssl_verify_upstream_trusted_ca=str(authority.pem)) as router,
        ):
            assert await status_of(router) == 200
            assert [passage.credential for passage in proxy.passages] == [PASSWORD]

    @pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
    async def test_a_proxy_that_requires_another_password_is_a_failure_of_the_attempt(
        self, tmp_path: Path, secure: bool
    ) -> None:
        authority = CertificateAuthority(tmp_path)
        async with (
            Provider(
                behaviours.answer("hello"), tls=authority.server("provider.test", "127.0.0.1") if secure else None
            ) as one,
            ForwardProxy("somebody:else") as proxy,
            through(proxy, tmp_path, one.base_url) as router,
            h1_to(router.host, router.port) as client,
        ):
            await client.ask(chat())
            status, headers = await client.head()
            assert status == 502
            assert headers["x-fallback-trail"] == "one/m@connect_refused"
            told = await client.reader.readexactly(int(headers["content-length"]))
            assert b"the upstream proxy answered 407" in told
            assert b"pp-6Tg3" not in told
            assert not one.seen

    async def test_an_unreachable_proxy_fails_without_a_direct_connection(self, tmp_path: Path) -> None:
        async with (
            Provider(behaviours.answer("hello")) as one,
            running(tmp_path, {"one": provider(behind_proxy(one.base_url))}, "upstream:http://127.0.0.1:9") as router,
        ):
            assert await status_of(router) == 502
            assert not one.seen

    async def test_what_is_not_routed_goes_through_the_proxy_too(self, tmp_path: Path) -> None:
        async with (
            Provider(behaviours.answer("hello")) as other,
            ForwardProxy(PASSWORD) as proxy,
            through(proxy, tmp_path, "http://127.0.0.1:9/v1") as router,
            h1_to(router.host, router.port) as client,
        ):
            await client.ask(chat(), f"{other.base_url}/chat/completions", (("Host", "other.test"),))
            assert (await client.head())[0] == 200
            assert b"hello" in await client.chunks()
            [passage] = proxy.passages
            assert (passage.target, passage.credential) == (f"{other.base_url}/chat/completions", PASSWORD)
            assert router.drivers == []

    async def test_each_of_two_modes_has_its_own_way_out(self, tmp_path: Path) -> None:
        ports = [free_port(), free_port()]
        async with (
            Provider(behaviours.answer("hello")) as one,
            ForwardProxy() as proxy,
            running(
                tmp_path,
                {"one": provider(behind_proxy(one.base_url))},
                [f"regular@{ports[0]}", f"upstream:{proxy.url}@{ports[1]}"],
            ) as router,
        ):
            assert await status_of(router, ports[0]) == 502, "a name that only the proxy knows"
            assert proxy.passages == []
            assert await status_of(router, ports[1]) == 200
            assert len(proxy.passages) == 1


@asynccontextmanager
async def through(proxy: ForwardProxy, folder: Path, base_url: str, **options: Any) -> AsyncIterator[Router]:
    """A router that reaches its one provider through that proxy, whose password it knows."""
    given = {"upstream_auth": PASSWORD, **options}
    async with running(folder, {"one": provider(behind_proxy(base_url))}, f"upstream:{proxy.url}", given) as router:
        yield router


async def status_of(router: Router, port: int | None = None) -> int:
    """What one chat request is answered with."""
    async with h1_to(router.host, port or router.port) as client:
        await client.ask(chat(stream=False))
        return (await client.head())[0]
