"""What a request's head says: credentials, vouchers, origins, hosts."""

import base64

import pytest

from pointsman.admission import (
    constant_time_equal,
    credentials,
    host_of,
    is_address,
    is_loopback_name,
    proxy_client,
)
from pointsman.clients.identity import NO_CLIENTS, ClientKeys
from pointsman.config.clients import client_table

KEY = "the-client-key"
OPEN = NO_CLIENTS
KEYED = ClientKeys(client_table({}, KEY))


def basic(password: str, user: str = "me") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class TestVouching:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (basic(KEY), True),
            (basic(KEY, user=""), True),
            (basic(KEY).replace("Basic", "basic "), True),
            (f"Bearer {KEY}", True),
            (f"bearer  {KEY}", True),
            ("", False),
            (KEY, False),
            (basic("wrong"), False),
            (basic("", user=KEY), False),
            (basic(f"x:{KEY}"), False),
            (f"Basic {KEY}", False),
            ("Basic !!!", False),
            ("Basic YTpi=", False),
            ("Basic /w==", False),
            ("Basic \udcff", False),
            ("Basic é", False),
            ("Bearer wrong", False),
        ],
    )
    def test_proxy_authorization_vouches_with_the_client_key_only(self, value: str, expected: bool) -> None:
        assert (proxy_client({"proxy-authorization": value}, KEYED) == "default") is expected

    @pytest.mark.parametrize("value", ["", "Bearer ", basic("")])
    def test_without_a_client_key_nothing_vouches(self, value: str) -> None:
        assert not proxy_client({"proxy-authorization": value}, OPEN)
        assert not proxy_client({}, KEYED)


def test_credentials_are_all_that_the_dialects_know() -> None:
    headers = {"authorization": "Bearer a", "x-api-key": "b", "x-goog-api-key": "c", "api-key": "d", "cookie": "e"}
    assert sorted(credentials(headers, "/x?key=f&key=g&other=h")) == ["a", "b", "c", "d", "f", "g"]


@pytest.mark.parametrize(
    ("given", "expected"), [("abc", True), ("abd", False), ("abcd", False), ("", False), ("\udcff", False)]
)
def test_only_the_same_text_is_the_same(given: str, expected: bool) -> None:
    assert constant_time_equal(given, "abc") is expected


@pytest.mark.parametrize(
    ("host", "loopback", "address"),
    [
        ("localhost", True, False),
        ("LocalHost", True, False),
        ("a.localhost", True, False),
        ("127.0.0.1", True, True),
        ("127.255.0.9", True, True),
        ("::1", True, True),
        ("0.0.0.0", False, True),
        ("::", False, True),
        ("10.0.0.1", False, True),
        ("fe80::1%eth0", False, True),
        ("localhost.evil.test", False, False),
        ("127.0.0.1.evil.test", False, False),
        ("127.1", False, False),
        ("notlocalhost", False, False),
        ("", False, False),
    ],
)
def test_a_host_can_be_judged_by_its_name(host: str, loopback: bool, address: bool) -> None:
    assert is_loopback_name(host) is loopback
    assert is_address(host) is address


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://Some.Test:80/x", "some.test"),
        ("//[::1]:80", "::1"),
        ("//user:secret@some.test", "some.test"),
        ("some.test", ""),
        ("null", ""),
        ("http://[", ""),
        ("", ""),
    ],
)
def test_the_host_of_a_url_is_bare_and_in_lower_case(url: str, host: str) -> None:
    assert host_of(url) == host
