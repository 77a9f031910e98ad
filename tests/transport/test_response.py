"""Responses are those that mitmproxy would make."""

import time

import pytest
from mitmproxy import http

from pointsman.transport.response import make_response


@pytest.mark.parametrize("body", [None, b"", b"told"])
@pytest.mark.parametrize(("status", "reason"), [(200, b"OK"), (429, b"Too Many Requests"), (599, b"")])
def test_one_is_made_as_mitmproxy_makes_it(
    body: bytes | None, status: int, reason: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1700000000.0)
    fields = ((b"Content-Type", b"text/plain"), (b"X-Odd", b"\xff"))
    stock = http.Response(b"HTTP/1.1", status, reason, http.Headers(fields), body, None, 1700000000.0, None)
    ours = make_response(status, (("Content-Type", "text/plain"), ("X-Odd", "\udcff")), body)
    assert ours.get_state() == stock.get_state()
    assert vars(ours.data).keys() == vars(stock.data).keys()
