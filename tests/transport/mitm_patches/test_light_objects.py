"""What is made in fewer steps is the same."""

import pytest
from mitmproxy.connection import ConnectionState, Server
from mitmproxy.net.http.http1 import read
from mitmproxy.proxy.context import Context
from mitmproxy.test import taddons, tflow

from pointsman.transport.mitm_patches.light_objects import fork, new_server
from pointsman.transport.mitm_patches.unchecked_messages import read_request_head

HEADS = [
    [b"POST /v1/messages HTTP/1.1", b"Host: localhost:8080", b"Content-Length: 5"],
    [b"GET http://example.com:81/a?b=c HTTP/1.0", b"X-Odd:\xff"],
    [b"CONNECT example.com:443 HTTP/1.1", b"Host: example.com:443", b"X-Folded: one", b"  two"],
]
BAD_HEADS = [
    [b"POST /v1"],
    [b"GET / HTTP/1.1", b"no colon"],
    [b"GET / HTTP/x"],
    [b"GET / HTTP/1.1", b" folded: first"],
]


@pytest.mark.parametrize("lines", HEADS)
def test_a_request_is_read_as_mitmproxy_reads_it(lines: list[bytes]) -> None:
    quick, stock = read_request_head(lines), read.read_request_head(lines)
    quick.timestamp_start = stock.timestamp_start
    assert type(quick) is type(stock)
    assert quick.get_state() == stock.get_state()


@pytest.mark.parametrize("lines", BAD_HEADS)
def test_a_malformed_head_is_refused_alike(lines: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r".") as stock:
        read.read_request_head(lines)
    with pytest.raises(ValueError, match=r".") as quick:
        read_request_head(lines)
    assert str(quick.value) == str(stock.value)


def test_a_server_has_every_field() -> None:
    values = {"address": ("example.com", 443), "peername": ("192.0.2.1", 443), "timestamp_start": 5.0}
    stock, quick = Server(**values), new_server(**values, state=ConnectionState.OPEN)
    assert quick.get_state() | {"id": ""} == stock.get_state() | {"id": ""}
    assert quick.connected
    assert quick != stock
    assert new_server(address=None).id != quick.id
    assert "example.com" in repr(quick)


def test_a_context_has_layers_of_its_own() -> None:
    with taddons.context() as tools:
        parent = Context(tflow.tclient_conn(), tools.options)
        parent.layers.append(None)  # type: ignore[arg-type]
        child = fork(parent)
        assert vars(child) == vars(parent.fork())
        child.layers.clear()
        assert parent.layers == [None]
