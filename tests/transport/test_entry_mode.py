"""By which door a request comes in, whatever mode mitmproxy runs in."""

from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import tflow, tutils

from pointsman.admission import EntryMode, RequestHead
from pointsman.transport.entry_mode import is_local, request_head

LISTENING: Any = [("127.0.0.1", 8080), ("::1", 8080, 0, 0)]
"""As the sockets tell it: an IPv6 address has four parts."""


def context(
    mode: str = "regular", peer: str = "127.0.0.1", server: tuple[str, int] | None = None, sni: str | None = None
) -> Context:
    client = tflow.tclient_conn()
    client.proxy_mode = ProxyMode.parse(mode)
    client.peername = (peer, 50000)
    client.sni = sni
    made = Context(client, Options())
    made.server.address = server
    return made


def request(host: str = "", port: int = 0, header: str | None = None, authority: str = "") -> http.Request:
    headers = http.Headers(host=header) if header is not None else http.Headers()
    made: http.Request = tutils.treq(
        host=host, port=port, method=b"POST", path=b"/v1/x?y=1", headers=headers, authority=authority.encode()
    )
    return made


def arrived(
    own: http.Request, where: Context, mode: HTTPMode = HTTPMode.regular, listening: Any = LISTENING
) -> RequestHead:
    return request_head(own, where, mode, lambda: listening, None, local=True)


@pytest.mark.parametrize("mode", [HTTPMode.regular, HTTPMode.upstream])
class TestAsAProxy:
    @pytest.mark.parametrize("header", ["127.0.0.1:8080", "evil.test", None])
    def test_a_request_without_a_destination_is_at_our_own_door_whatever_its_host(
        self, mode: HTTPMode, header: str | None
    ) -> None:
        arrival = arrived(request(header=header), context(), mode)
        assert (arrival.entry_mode, arrival.host) == (EntryMode.OWN, "")

    @pytest.mark.parametrize(
        ("host", "port"),
        [
            ("127.0.0.1", 8080),
            ("localhost", 8080),
            ("LOCALHOST", 8080),
            ("::1", 8080),
            ("127.0.0.2", 8080),
            ("pointsman.local", 80),
            ("Pointsman.Local", 443),
        ],
    )
    def test_one_to_an_address_we_listen_on_is_too(self, mode: HTTPMode, host: str, port: int) -> None:
        arrival = arrived(request(host, port), context(), mode)
        assert (arrival.entry_mode, arrival.host) == (EntryMode.OWN, "")

    @pytest.mark.parametrize(
        ("host", "port"),
        [("api.openai.com", 443), ("api.openai.com", 8080), ("localhost", 8081), ("192.168.1.5", 8080)],
    )
    def test_one_to_any_other_address_is_proxied(self, mode: HTTPMode, host: str, port: int) -> None:
        arrival = arrived(request(host, port, header="localhost:8080"), context(), mode)
        assert (arrival.entry_mode, arrival.host) == (EntryMode.PROXY, host)

    def test_with_another_listening_address_its_name_counts(self, mode: HTTPMode) -> None:
        own = arrived(request("192.168.1.5", 8080), context(), mode, [("192.168.1.5", 8080)])
        assert own.entry_mode is EntryMode.OWN


class TestBehindATunnel:
    """Within a CONNECT, and in local and transparent mode, the destination is the connection's."""

    @pytest.mark.parametrize(
        ("server", "sni", "header", "host"),
        [
            (("api.openai.com", 443), None, "other.test", "api.openai.com"),
            (("api.openai.com", 443), "other.test", None, "api.openai.com"),
            (("1.2.3.4", 443), "api.openai.com", "other.test", "api.openai.com"),
            (("1.2.3.4", 443), None, "api.openai.com", "api.openai.com"),
            (("1.2.3.4", 443), None, "api.openai.com:443", "api.openai.com"),
            (("1.2.3.4", 443), None, None, "1.2.3.4"),
            (("2001:db8::1", 443, 0, 0), None, "[2001:db8::1]:443", "2001:db8::1"),
        ],
        ids=[
            "a name outranks the Host header",
            "and the TLS name",
            "for an address it is the TLS name",
            "or the Host header",
            "without its port",
            "or the address itself",
            "an IPv6 address has no brackets",
        ],
    )
    def test_the_host_is_the_name_that_says_most(
        self, server: tuple[str, int], sni: str | None, header: str | None, host: str
    ) -> None:
        arrival = arrived(request(header=header), context("transparent", server=server, sni=sni), HTTPMode.transparent)
        assert (arrival.entry_mode, arrival.host) == (EntryMode.PROXY, host)

    @pytest.mark.parametrize(
        ("server", "header"),
        [
            (("127.0.0.1", 8080), "127.0.0.1:8080"),
            (("localhost", 8080), "localhost:8080"),
            (("127.0.0.1", 8080), None),
            (("::1", 8080, 0, 0), "[::1]:8080"),
            (("::1", 8080, 0, 0), "localhost:8080"),
        ],
    )
    def test_our_own_address_through_a_tunnel_is_our_own_door(
        self, server: tuple[str, int], header: str | None
    ) -> None:
        arrival = arrived(request(header=header), context(server=server), HTTPMode.transparent)
        assert (arrival.entry_mode, arrival.host) == (EntryMode.OWN, "")

    def test_an_http2_request_names_its_host_as_authority(self) -> None:
        where = context("transparent", server=("1.2.3.4", 443))
        own = tutils.treq(http_version=b"HTTP/2.0", authority=b"api.openai.com", headers=http.Headers())
        assert arrived(own, where, HTTPMode.transparent).host == "api.openai.com"

    def test_a_request_without_a_destination_is_not_at_our_own_door(self) -> None:
        where = context("transparent", server=("1.2.3.4", 443))
        assert arrived(request(), where, HTTPMode.transparent).entry_mode is EntryMode.PROXY

    def test_without_any_connections_address_the_requests_own_counts(self) -> None:
        assert arrived(request("api.openai.com", 443), context(), HTTPMode.transparent).host == "api.openai.com"


@pytest.mark.parametrize("host", ["", "api.openai.com", "127.0.0.1"])
def test_in_reverse_mode_every_request_is_at_the_reverse_door(host: str) -> None:
    where = context("reverse:https://api.openai.com", server=("api.openai.com", 443))
    arrival = arrived(request(host, 8080), where, HTTPMode.transparent)
    assert (arrival.entry_mode, arrival.host) == (EntryMode.REVERSE, "")


class TestArrival:
    def test_it_has_what_the_head_says(self) -> None:
        own = request()
        own.headers = http.Headers([(b"X-One", b"1"), (b"x-two", b"a"), (b"X-Two", b"b")])
        arrival = arrived(own, context())
        assert (arrival.method, arrival.path) == ("POST", "/v1/x?y=1")
        assert arrival.headers == {"x-one": "1", "x-two": "a, b"}

    @pytest.mark.parametrize("client", ["ci", None])
    def test_it_carries_the_client_of_an_earlier_connect(self, client: str | None) -> None:
        assert (
            request_head(request(), context(), HTTPMode.regular, lambda: LISTENING, client, local=True).tunnel_client
            == client
        )


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.168.1.9", False),
        ("192.168.1.9", False),
        ("fe80::1%eth0", False),
        ("0.0.0.0", False),
        ("", False),
        ("localhost", False),
    ],
)
def test_a_client_is_local_by_its_address_not_by_a_name(peer: str, local: bool) -> None:
    assert is_local(context(peer=peer).client) is local


@pytest.mark.parametrize(("mode", "local"), [("local:Code", True), ("wireguard", False), ("transparent", False)])
def test_in_local_mode_every_client_is_whatever_its_address(mode: str, local: bool) -> None:
    assert is_local(context(mode, peer="10.0.0.7").client) is local


@pytest.mark.parametrize("mode", [HTTPMode.regular, HTTPMode.upstream, HTTPMode.transparent])
@pytest.mark.parametrize("listening", [LISTENING, [("0.0.0.0", 8080)]], ids=["loopback", "everywhere"])
@pytest.mark.parametrize(
    "host", ["::ffff:127.0.0.1", "::ffff:7f00:1", "127.1", "2130706433", "0x7f000001", "0.0.0.0", "::", "localhost."]
)
def test_our_own_address_is_our_own_door_in_every_spelling(host: str, listening: Any, mode: HTTPMode) -> None:
    where = context(server=(host, 8080) if mode is HTTPMode.transparent else None)
    own = request(host, 8080, header="api.openai.com")
    assert arrived(own, where, mode, listening).entry_mode is EntryMode.OWN


@pytest.mark.parametrize(
    ("mode", "proxyauth", "exempt"),
    [
        ("regular", False, False),
        ("upstream:http://127.0.0.1:9", False, False),
        ("socks5", False, False),
        ("regular", True, True),
        ("reverse:http://127.0.0.1:9", False, True),
        ("transparent", False, True),
        ("local:Code", False, True),
        ("wireguard", False, True),
    ],
)
def test_the_forward_policy_is_for_proxies_that_mitmproxy_does_not_guard(
    mode: str, proxyauth: bool, exempt: bool
) -> None:
    where = context(mode, server=("1.2.3.4", 443))
    own = request_head(request("1.2.3.4", 443), where, HTTPMode.regular, lambda: LISTENING, False, True, proxyauth)
    assert own.is_exempt is exempt


@pytest.mark.parametrize(("host", "is_compared"), [("", False), ("example.com", True)])
def test_the_own_sockets_are_looked_up_only_to_compare_a_destination(host: str, is_compared: bool) -> None:
    asked: list[bool] = []
    request_head(request(host, 80), context(), HTTPMode.regular, lambda: asked.append(True) or [], None, local=True)
    assert bool(asked) is is_compared
