"""What counts as a client's credential, and what vouches for a client of the proxy."""

import base64

import pytest

from pointsman.client_credentials import constant_time_equal, credentials, proxy_client
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
