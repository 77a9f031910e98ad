"""Which proxy a provider is reached through, and that its password stays secret."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.options import Options
from mitmproxy.proxy.mode_specs import ProxyMode

from pointsman.config import Provider as ProviderSettings
from pointsman.demo import Provider, behaviours
from pointsman.key_check import KeyCheck
from pointsman.transport.proxies import EnvironmentProxies, Proxy, is_on_this_machine
from pointsman.transport.upstream_client import UpstreamClient
from pointsman.transport.upstream_options import UpstreamOptions
from support.certificate_authority import CertificateAuthority
from support.forward_proxy import ForwardProxy, behind_proxy
from support.http_requests import ask, get
from support.leak_checks import soon
from support.ports import free_port
from support.router import Router, running
from support.settings import provider

PASSWORD = "pp-4Rk8sWq2Vn6z"
CREDENTIAL = f"me:{PASSWORD}"
DEAD = "http://127.0.0.1:9"
VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def with_password(proxy: ForwardProxy) -> str:
    return proxy.url.replace("://", f"://{CREDENTIAL}@")


class TestEnvironment:
    @pytest.mark.parametrize(
        ("env", "http", "https"),
        [
            ({}, None, None),
            ({"HTTP_PROXY": "http://p:1"}, "http://p:1", None),
            ({"HTTPS_PROXY": "http://p:1/"}, None, "http://p:1"),
            ({"https_proxy": "http://small:1", "HTTPS_PROXY": "http://LARGE:1"}, None, "http://small:1"),
            ({"https_proxy": "", "HTTPS_PROXY": "http://p:1"}, None, None),
            ({"HTTPS_PROXY": "p:3128"}, None, "http://p:3128"),
            ({"HTTPS_PROXY": "https://p"}, None, "https://p"),
        ],
    )
    def test_each_scheme_has_its_variable_and_lower_case_comes_first(
        self, env: dict[str, str], http: str | None, https: str | None
    ) -> None:
        found = EnvironmentProxies.from_environment(env)
        urls = [each and each.url for each in (found.http, found.https)]
        assert urls == [http, https]

    def test_a_credential_is_kept_apart_from_the_url(self) -> None:
        found = EnvironmentProxies.from_environment({"HTTPS_PROXY": "http://me:p%40ss@[::1]:3128"})
        assert found.https == Proxy("http://[::1]:3128", "Basic bWU6cEBzcw==")
        assert "bWU6" not in repr(found)

    @pytest.mark.parametrize("value", ["socks5://me:hunter2-and-3@p:1", "http://", "http://p:1/path", "http://p:port"])
    def test_what_names_no_http_proxy_is_ignored_and_said_so_without_it(
        self, value: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert EnvironmentProxies.from_environment({"HTTPS_PROXY": value}).https is None
        assert "hunter2" not in caplog.text

    @pytest.mark.parametrize(
        ("no_proxy", "direct", "proxied"),
        [
            ("*", ["a.test", "192.0.2.7"], []),
            (".a.test", ["x.a.test", "y.x.a.test", "a.test"], ["xa.test", "b.test"]),
            ("a.test", ["a.test", "x.a.test"], ["xa.test", "a.test.b"]),
            ("*.a.test", ["x.a.test"], ["xa.test"]),
            ("A.Test", ["a.test"], []),
            ("10.0.0.0/8", ["10.1.2.3"], ["11.1.2.3", "a.test"]),
            ("2001:db8::/32", ["2001:db8::7"], ["2001:db9::7"]),
            ("192.0.2.7", ["192.0.2.7"], ["192.0.2.8"]),
            ("a.test:8443", ["a.test:8443"], ["a.test", "a.test:8444"]),
            ("192.0.2.7:8443", ["192.0.2.7:8443"], ["192.0.2.7"]),
            ("b.test, .c.test d.test", ["b.test", "c.test", "d.test"], ["a.test"]),
            ("", [], ["a.test"]),
            (" , ,/,.,:8", [], ["a.test"]),
        ],
    )
    def test_the_exceptions(self, no_proxy: str, direct: list[str], proxied: list[str]) -> None:
        own = EnvironmentProxies.from_environment({"HTTPS_PROXY": "http://p:1", "NO_PROXY": no_proxy})

        def is_direct(place: str) -> bool:
            host, _, port = (place, "", "443") if place.count(":") > 1 else place.partition(":")
            return own.proxy_for("https", host, int(port or 443)) is None

        assert [place for place in (*direct, *proxied) if is_direct(place)] == direct

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "a.localhost", "0.0.0.0", "127.1"])
    def test_this_machine_is_known_in_every_spelling(self, host: str) -> None:
        assert is_on_this_machine(host)
        assert not is_on_this_machine("192.0.2.7")
        assert not is_on_this_machine("localhost.test")


class TestProviders:
    """Over real sockets. A name below `test` is one that only the proxy can resolve."""

    async def through(
        self, stack: AsyncExitStack, folder: Path, mode: str = "regular", **settings: Any
    ) -> tuple[Router, Provider]:
        one = await stack.enter_async_context(Provider(behaviours.answer("hello")))
        entry = provider(behind_proxy(one.base_url), keys=["sk-one-1234567890"]) | settings
        return await stack.enter_async_context(running(folder, {"one": entry}, mode)), one

    async def test_its_own_proxy_is_used_and_its_password_is_in_no_place(
        self, tmp_path: Path, stack: AsyncExitStack, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        proxy = await stack.enter_async_context(ForwardProxy(CREDENTIAL))
        router, one = await self.through(stack, tmp_path, proxy=with_password(proxy))
        answer = await ask(router.base_url)
        assert answer.status == 200
        assert [passage.credential for passage in proxy.passages] == [CREDENTIAL]
        assert len(one.seen) == 1
        [(_, flow)] = router.watcher.ended
        assert flow.server_conn.via == ("http", ("127.0.0.1", int(proxy.url.rpartition(":")[2])))
        shown = [str(flow.get_state()), caplog.text, repr(router.gateway.settings), repr(router.drivers)]
        for page in ("status/endpoints", "status/models", "exchanges"):
            shown.append((await get(f"{router.url}/internal/{page}")).body.decode())
        for page in ("settings", "keys", "fallback", "overview"):
            got = await get(f"{router.url}/api/{page}", authorization=f"Bearer {router.addon._admin_key.value}")
            assert got.status == 200
            shown.append(got.body.decode())
        assert not [text for text in shown if PASSWORD in text or "cHAtNFJrOHNXcTJWbjZ6" in text]
        assert PASSWORD in router.gateway.masker.secrets

    @pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
    async def test_the_environments_proxy_is_used_where_nothing_else_is_said(
        self, tmp_path: Path, stack: AsyncExitStack, environment: pytest.MonkeyPatch, secure: bool
    ) -> None:
        authority = CertificateAuthority(tmp_path)
        proxy = await stack.enter_async_context(ForwardProxy(CREDENTIAL))
        environment.setenv("https_proxy" if secure else "HTTP_PROXY", with_password(proxy))
        environment.setenv("HTTP_PROXY" if secure else "https_proxy", DEAD)
        tls = authority.server("provider.test") if secure else None
        one = await stack.enter_async_context(Provider(behaviours.answer("hello"), tls=tls))
        options = {"ssl_verify_upstream_trusted_ca": str(authority.pem)}
        entries = {"one": provider(behind_proxy(one.base_url))}
        router = await stack.enter_async_context(running(tmp_path, entries, options=options))
        assert (await ask(router.base_url)).status == 200
        [passage] = proxy.passages
        assert (passage.method, passage.credential) == ("CONNECT" if secure else "POST", CREDENTIAL)
        assert PASSWORD in router.gateway.masker.secrets

    async def test_its_own_proxy_comes_before_the_upstream_mode_and_that_before_the_environment(
        self, tmp_path: Path, stack: AsyncExitStack, environment: pytest.MonkeyPatch
    ) -> None:
        environment.setenv("HTTP_PROXY", DEAD)
        own, upstream = [await stack.enter_async_context(ForwardProxy()) for _ in range(2)]
        one, two = [await stack.enter_async_context(Provider(behaviours.answer("hello"))) for _ in range(2)]
        entries = {
            "one": provider(behind_proxy(one.base_url), "m1", proxy=own.url),
            "two": provider(behind_proxy(two.base_url), "m2"),
        }
        router = await stack.enter_async_context(running(tmp_path, entries, f"upstream:{upstream.url}"))
        assert [(await ask(router.base_url, model=model)).status for model in ("m1", "m2")] == [200, 200]
        assert [len(own.passages), len(upstream.passages)] == [1, 1]

    async def test_direct_is_direct(
        self, tmp_path: Path, stack: AsyncExitStack, environment: pytest.MonkeyPatch
    ) -> None:
        proxy = await stack.enter_async_context(ForwardProxy())
        environment.setenv("HTTP_PROXY", proxy.url)
        router, _ = await self.through(stack, tmp_path, f"upstream:{proxy.url}", proxy="direct")
        assert (await ask(router.base_url)).headers["x-fallback-trail"] == "one/m@dns"
        assert proxy.passages == []

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    @pytest.mark.parametrize("way", ["own", "mode", "environment"])
    async def test_this_machine_is_always_reached_directly(
        self, tmp_path: Path, stack: AsyncExitStack, environment: pytest.MonkeyPatch, way: str, host: str
    ) -> None:
        if way == "environment":
            environment.setenv("HTTP_PROXY", DEAD)
        one = await stack.enter_async_context(Provider(behaviours.answer("hello")))
        entry = provider(one.base_url.replace("127.0.0.1", host)) | ({"proxy": DEAD} if way == "own" else {})
        mode = f"upstream:{DEAD}" if way == "mode" else "regular"
        router = await stack.enter_async_context(running(tmp_path, {"one": entry}, mode))
        assert (await ask(router.base_url)).status == 200

    async def test_the_router_is_not_its_own_proxy(
        self, tmp_path: Path, stack: AsyncExitStack, environment: pytest.MonkeyPatch
    ) -> None:
        port = free_port()
        environment.setenv("HTTP_PROXY", f"http://localhost:{port}")
        router, _ = await self.through(stack, tmp_path, f"regular@{port}")
        assert (await ask(router.base_url)).headers["x-fallback-trail"] == "one/m@dns"

    async def test_a_proxy_that_requires_another_password_is_a_failed_attempt(
        self, tmp_path: Path, stack: AsyncExitStack
    ) -> None:
        proxy = await stack.enter_async_context(ForwardProxy("somebody:else"))
        router, one = await self.through(stack, tmp_path, proxy=with_password(proxy))
        answer = await ask(router.base_url)
        assert (answer.status, answer.headers["x-fallback-trail"]) == (502, "one/m@connect_refused")
        assert b"the upstream proxy answered 407" in answer.body
        assert PASSWORD.encode() not in answer.body
        assert not one.seen

    async def test_probes_and_key_checks_go_the_same_way(self, tmp_path: Path, stack: AsyncExitStack) -> None:
        proxy = await stack.enter_async_context(ForwardProxy())
        router, one = await self.through(stack, tmp_path, proxy=proxy.url)
        health, prober = router.gateway.router.health, router.addon._prober
        assert prober
        health.probe_interval = 0.0
        for _ in range(3):
            health.on_connection_failed("one", "refused", asyncio.get_running_loop().time())
        prober.start_due_probes()
        await soon(lambda: health.outage("one") is None)
        own = router.gateway.settings.providers["one"]
        check = KeyCheck(router.addon._upstream_client, lambda: router.gateway.upstream_options(REGULAR))
        assert (await check(own, own.keys[0]))["status"]
        targets = [passage.target for passage in proxy.passages]
        assert targets == [f"{behind_proxy(one.base_url)}/models"] * 3, "the check asks with the key and without"


REGULAR = ProxyMode.parse("regular")


async def test_the_check_of_a_key_without_a_router_reads_the_environment(environment: pytest.MonkeyPatch) -> None:
    async with Provider(behaviours.answer("hello")) as one, ForwardProxy() as proxy:
        environment.setenv("http_proxy", proxy.url)
        client = UpstreamClient()
        check = KeyCheck(client, lambda: UpstreamOptions.from_options(Options(), REGULAR))
        await check(ProviderSettings(name="one", base_url=behind_proxy(one.base_url)), None)
        await client.close()
        assert len(proxy.passages) == 1
        await soon(lambda: one.connections == 0)
