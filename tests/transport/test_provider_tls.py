"""Providers behind TLS: whom the router trusts, what it shows of itself, and what it shows of the connection."""

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Provider, behaviours
from support.certificate_authority import CertificateAuthority
from support.http_requests import Asked, ask
from support.router import Router, running
from support.settings import provider


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path)


@asynccontextmanager
async def asked(
    folder: Path, tls: ssl.SSLContext, options: Mapping[str, Any], host: str = "127.0.0.1"
) -> AsyncIterator[tuple[Asked, Provider, Router]]:
    """A router with these options has been asked, and its one provider is behind TLS."""
    async with (
        Provider(behaviours.answer("hello"), tls=tls) as one,
        running(folder, {"one": provider(one.base_url.replace("127.0.0.1", host))}, options=options) as router,
    ):
        yield await ask(router.base_url), one, router


async def is_refused(folder: Path, tls: ssl.SSLContext, options: Mapping[str, Any], host: str = "127.0.0.1") -> str:
    """The attempt failed at TLS, and the provider got no request. Returns what the client is told."""
    async with asked(folder, tls, options, host) as (answer, one, router):
        assert answer.status == 502
        assert answer.headers["x-fallback-trail"] == "one/m@tls"
        assert not one.seen
        [record] = router.gateway.recent_exchanges.newest(10)
        assert [attempt.error for attempt in record.attempts] == ["tls"]
        message: str = answer.json["error"]["message"]
        return message


async def is_trusted(folder: Path, tls: ssl.SSLContext, options: Mapping[str, Any], host: str = "127.0.0.1") -> None:
    async with asked(folder, tls, options, host) as (answer, one, _):
        assert (answer.status, answer.headers["x-routed-via"]) == (200, "one/m")
        assert len(one.seen) == 1


async def is_turned_away(folder: Path, tls: ssl.SSLContext, options: Mapping[str, Any]) -> None:
    """The provider ends the handshake, or speaks up after it: on this side that may look like a broken connection."""
    async with asked(folder, tls, options) as (answer, one, _):
        assert answer.status == 502
        assert answer.headers["x-fallback-trail"] in ("one/m@tls", "one/m@connection_reset")
        assert not one.seen


@dataclass(frozen=True)
class Trust:
    """A way to say that a private authority is to be trusted."""

    name: str
    options: Callable[[CertificateAuthority], dict[str, Any]]


TRUST = pytest.mark.parametrize(
    "trust",
    [
        Trust("trusted_ca", lambda authority: {"ssl_verify_upstream_trusted_ca": str(authority.pem)}),
        Trust("trusted_confdir", lambda authority: {"ssl_verify_upstream_trusted_confdir": str(authority.hashed)}),
    ],
    ids=lambda trust: trust.name,
)


class TestTrust:
    async def test_an_authority_that_is_not_configured_is_not_trusted(
        self, tmp_path: Path, authority: CertificateAuthority
    ) -> None:
        told = await is_refused(tmp_path, authority.server(), {})
        assert "certificate" in told

    @TRUST
    async def test_one_that_an_option_names_is(
        self, tmp_path: Path, authority: CertificateAuthority, trust: Trust
    ) -> None:
        await is_trusted(tmp_path, authority.server(), trust.options(authority))

    @TRUST
    async def test_another_one_of_the_same_name_is_not(
        self, tmp_path: Path, authority: CertificateAuthority, trust: Trust
    ) -> None:
        (tmp_path / "other").mkdir()
        await is_refused(tmp_path, CertificateAuthority(tmp_path / "other").server(), trust.options(authority))

    @TRUST
    @pytest.mark.parametrize("name", ["localhost.test", "127.0.0.2", "*.0.0.1"])
    async def test_a_certificate_for_another_host_is_refused(
        self, tmp_path: Path, authority: CertificateAuthority, trust: Trust, name: str
    ) -> None:
        await is_refused(tmp_path, authority.server(name), trust.options(authority))

    async def test_a_hosts_name_counts_not_its_address(self, tmp_path: Path, authority: CertificateAuthority) -> None:
        options = {"ssl_verify_upstream_trusted_ca": str(authority.pem)}
        await is_trusted(tmp_path, authority.server("localhost"), options, "localhost")
        await is_refused(tmp_path, authority.server("127.0.0.1"), options, "localhost")

    async def test_one_that_has_expired_is_refused(self, tmp_path: Path, authority: CertificateAuthority) -> None:
        options = {"ssl_verify_upstream_trusted_ca": str(authority.pem)}
        told = await is_refused(tmp_path, authority.server(until=timedelta(hours=-1)), options)
        assert "expired" in told

    async def test_one_that_signed_itself_is_refused(self, tmp_path: Path) -> None:
        stranger = CertificateAuthority(tmp_path)
        await is_refused(tmp_path, stranger.server(), {})

    @pytest.mark.parametrize("name", ["127.0.0.1", "elsewhere.test"])
    async def test_with_ssl_insecure_anything_goes(
        self, tmp_path: Path, authority: CertificateAuthority, name: str
    ) -> None:
        await is_trusted(tmp_path, authority.server(name), {"ssl_insecure": True})

    async def test_a_file_that_is_missing_fails_the_attempt_and_is_named(
        self, tmp_path: Path, authority: CertificateAuthority
    ) -> None:
        async with asked(
            tmp_path, authority.server(), {"ssl_verify_upstream_trusted_ca": str(tmp_path / "gone.pem")}
        ) as (answer, one, _):
            assert answer.status == 502
            assert not one.seen

    async def test_an_older_tls_than_the_option_allows_is_refused(
        self, tmp_path: Path, authority: CertificateAuthority
    ) -> None:
        old = authority.server()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        options = {"ssl_verify_upstream_trusted_ca": str(authority.pem)}
        await is_trusted(tmp_path, old, options)
        await is_turned_away(tmp_path, old, {**options, "tls_version_server_min": "TLS1_3"})

    async def test_trust_that_is_given_while_running_holds_from_then_on(
        self, tmp_path: Path, authority: CertificateAuthority
    ) -> None:
        async with asked(tmp_path, authority.server(), {}) as (answer, _, router):
            assert answer.status == 502
            router.context.options.update(ssl_verify_upstream_trusted_ca=str(authority.pem))
            assert (await ask(router.base_url)).status == 200
            router.context.options.update(ssl_verify_upstream_trusted_ca=None)
            assert (await ask(router.base_url)).status == 502


class TestClientCertificates:
    """`client_certs` names a file, or a folder with a file for each host."""

    @pytest.fixture
    def demanding(self, authority: CertificateAuthority) -> ssl.SSLContext:
        return authority.server(asks_for_certificate=True)

    def options(self, authority: CertificateAuthority, certs: Path | None) -> dict[str, Any]:
        return {
            "ssl_verify_upstream_trusted_ca": str(authority.pem),
            "client_certs": str(certs) if certs else None,
        }

    async def test_one_in_a_file_is_shown(
        self, tmp_path: Path, authority: CertificateAuthority, demanding: ssl.SSLContext
    ) -> None:
        await is_trusted(tmp_path, demanding, self.options(authority, authority.issue("a-client")))

    async def test_so_is_the_hosts_own_in_a_folder(
        self, tmp_path: Path, authority: CertificateAuthority, demanding: ssl.SSLContext
    ) -> None:
        folder = tmp_path / "certs"
        folder.mkdir()
        authority.issue("a-client").rename(folder / "127.0.0.1.pem")
        await is_trusted(tmp_path, demanding, self.options(authority, folder))

    async def test_a_folder_without_one_for_the_host_shows_none(
        self, tmp_path: Path, authority: CertificateAuthority, demanding: ssl.SSLContext
    ) -> None:
        folder = tmp_path / "certs"
        folder.mkdir()
        authority.issue("a-client").rename(folder / "elsewhere.test.pem")
        await is_turned_away(tmp_path, demanding, self.options(authority, folder))

    async def test_without_any_a_provider_that_needs_one_refuses_the_router(
        self, tmp_path: Path, authority: CertificateAuthority, demanding: ssl.SSLContext
    ) -> None:
        await is_turned_away(tmp_path, demanding, self.options(authority, None))

    async def test_one_of_another_authority_is_turned_away_too(
        self, tmp_path: Path, authority: CertificateAuthority, demanding: ssl.SSLContext
    ) -> None:
        (tmp_path / "other").mkdir()
        theirs = CertificateAuthority(tmp_path / "other").issue("a-client")
        await is_turned_away(tmp_path, demanding, self.options(authority, theirs))


class TestWhatTheFlowShows:
    """The connection of the answer that went out, as mitmproxy shows those it makes itself."""

    async def test_after_a_failover_it_is_the_winners(self, tmp_path: Path, authority: CertificateAuthority) -> None:
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            bad = await enter(Provider(behaviours.status(503), tls=authority.server()))
            good = await enter(Provider(behaviours.answer("hello"), tls=authority.server("localhost")))
            port = int(good.base_url.rpartition(":")[2].removesuffix("/v1"))
            providers = {
                "bad": provider(bad.base_url),
                "good": provider(good.base_url.replace("127.0.0.1", "localhost")),
            }
            options = {"ssl_verify_upstream_trusted_ca": str(authority.pem)}
            router = await enter(running(tmp_path, providers, options=options))
            assert (await ask(router.base_url)).headers["x-fallback-trail"] == "bad/m@503"

            [(_, flow)] = router.watcher.ended
            server, response = flow.server_conn, flow.response
            assert server.peername
            assert server.sockname
            assert server.cipher
            assert response
            assert server.address == ("localhost", port)
            assert server.peername[:2] == ("127.0.0.1", port)
            assert server.sockname[0] == "127.0.0.1"
            assert (server.tls, server.sni, server.tls_version) == (True, "localhost", "TLSv1.3")
            assert server.cipher.startswith("TLS_")
            [certificate] = server.certificate_list
            assert (certificate.cn, certificate.issuer[-1]) == ("localhost", ("CN", "Private Test CA"))
            times = (
                flow.request.timestamp_start,
                server.timestamp_start,
                server.timestamp_tcp_setup,
                server.timestamp_tls_setup,
                server.timestamp_end,
                response.timestamp_end,
            )
            assert sorted(time or 0.0 for time in times) == list(times)
            assert not server.connected

    async def test_one_that_was_kept_from_before_says_all_but_how_it_was_made(
        self, tmp_path: Path, authority: CertificateAuthority
    ) -> None:
        options = {"ssl_verify_upstream_trusted_ca": str(authority.pem)}
        async with asked(tmp_path, authority.server(), options) as (_, one, router):
            assert (await ask(router.base_url)).status == 200
            assert one.accepted == 1
            first, second = (flow.server_conn for _, flow in router.watcher.ended)
            assert first.id != second.id
            assert (second.peername, second.cipher) == (first.peername, first.cipher)
            assert second.certificate_list == first.certificate_list
            assert second.timestamp_start is None

    async def test_a_plain_one_claims_no_tls(self, tmp_path: Path) -> None:
        async with (
            Provider(behaviours.answer("hello")) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
        ):
            assert (await ask(router.base_url)).status == 200
            [(_, flow)] = router.watcher.ended
            assert (flow.server_conn.tls, flow.server_conn.tls_version, flow.server_conn.certificate_list) == (
                False,
                None,
                (),
            )
            assert flow.server_conn.peername

    async def test_without_a_connection_there_is_none(self, tmp_path: Path, authority: CertificateAuthority) -> None:
        async with asked(tmp_path, authority.server(), {}) as (_, _, router):
            [(_, flow)] = router.watcher.ended
            assert flow.server_conn.peername is None
            assert not flow.server_conn.certificate_list
