"""What a host's name tells, and which host a URL names."""

import pytest

from pointsman.host_names import host_of, is_address, is_loopback_name


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
