"""The one host that a request names, from all the places where it may stand."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.client_host import AMBIGUOUS_MESSAGE, MALFORMED_MESSAGE, MISSING_MESSAGE, named_host


@pytest.mark.parametrize(
    ("authority", "hosts", "name", "port"),
    [
        ("", ["Router.Example:8080"], "router.example", 8080),
        ("", ["localhost"], "localhost", None),
        ("", ["localhost.:80"], "localhost", 80),
        ("", ["[::1]:8080"], "::1", 8080),
        ("", ["127.0.0.1:"], "127.0.0.1", None),
        ("", [""], "", None),
        ("127.0.0.1:8080", ["whatever"], "127.0.0.1", 8080),
    ],
)
def test_in_http1_it_is_the_request_lines_or_the_host_header(
    authority: str, hosts: Sequence[str], name: str, port: int | None
) -> None:
    found = named_host("HTTP/1.1", authority, tuple(hosts))
    assert (found.name, found.port, found.fault) == (name, port, "")


@pytest.mark.parametrize(
    ("authority", "hosts", "name"),
    [("evil.example", [], "evil.example"), ("", ["a.example"], "a.example"), ("a:1", ["A:1"], "a"), ("", [], "")],
)
def test_in_http2_it_is_the_authority(authority: str, hosts: Sequence[str], name: str) -> None:
    found = named_host("HTTP/2.0", authority, tuple(hosts))
    assert (found.name, found.fault) == (name, "")


@pytest.mark.parametrize(
    ("version", "authority", "hosts", "fault"),
    [
        ("HTTP/1.1", "", [], MISSING_MESSAGE),
        ("HTTP/1.1", "localhost", [], MISSING_MESSAGE),
        ("HTTP/1.0", "", [], ""),
        ("HTTP/1.1", "", ["a", "b"], AMBIGUOUS_MESSAGE),
        ("HTTP/1.1", "", ["a", "a"], AMBIGUOUS_MESSAGE),
        ("HTTP/2.0", "localhost", ["evil.example"], AMBIGUOUS_MESSAGE),
        ("HTTP/2.0", "a:1", ["a:2"], AMBIGUOUS_MESSAGE),
        ("HTTP/2.0", "", ["a", "b"], AMBIGUOUS_MESSAGE),
    ],
)
def test_a_name_that_is_missing_or_stands_in_two_ways_is_a_fault(
    version: str, authority: str, hosts: Sequence[str], fault: str
) -> None:
    found = named_host(version, authority, tuple(hosts))
    assert (found.fault, found.name) == (fault, "")


@pytest.mark.parametrize(
    "host",
    ["evil.example@localhost", "localhost/x", "localhost#", "a b", "a,b", "[::1", "][", "a:x", "a\r\n b"],
)
def test_what_could_be_read_as_two_names_is_a_fault(host: str) -> None:
    assert named_host("HTTP/1.1", "", (host,)).fault == MALFORMED_MESSAGE


@given(st.text(), st.lists(st.text(), max_size=3), st.sampled_from(["HTTP/1.0", "HTTP/1.1", "HTTP/2.0"]))
def test_whatever_is_sent_there_is_a_name_or_a_fault_or_nothing(
    authority: str, hosts: Sequence[str], version: str
) -> None:
    found = named_host(version, authority, tuple(hosts))
    assert not (found.fault and found.name)
    assert "@" not in found.name
