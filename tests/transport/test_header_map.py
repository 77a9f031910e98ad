"""Headers as mappings are what mitmproxy makes of them."""

import pytest
from mitmproxy import http

from pointsman.transport.header_map import header_map


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"Host", b"a"), (b"Accept", b"*/*")],
        [(b"Accept", b"text/html"), (b"X-One", b"1"), (b"ACCEPT", b"*/*")],
        [(b"X-Odd", b"\xff\xfe"), (b"X-Empty", b"")],
        [(b"\xc3\x84", "ä".encode())],
    ],
)
def test_names_are_lower_and_values_joined(fields: list[tuple[bytes, bytes]]) -> None:
    headers = http.Headers(fields)
    assert header_map(headers) == {name.lower(): value for name, value in headers.items()}
