"""Which destinations lead back to the router, in whatever way they are written."""

import ipaddress
import socket
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Provider, behaviours
from pointsman.transport.own_listeners import is_of_this_machine, is_own, is_peer_own, leads_here, spelled_ip
from support.h1client import H1Client, chat, h1_to, head
from support.http_requests import ask
from support.router import running
from support.settings import provider

HERE = [("127.0.0.1", 8080)]
EVERYWHERE = [("0.0.0.0", 8080), ("::", 8080)]


@pytest.mark.parametrize(
    ("host", "ip"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("[::FFFF:7f00:1]", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("[::]", "::"),
        ("0:0::1", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("::ffff:127.0.0.1%1", "127.0.0.1"),
        ("localhost", None),
        ("127.0.0.1.evil.test", None),
        ("", None),
        ("1.2.3.4.5", None),
        ("\u0661", None),
        ("a\0b", None),
    ],
)
def test_an_address_is_known_in_every_spelling(host: str, ip: str | None) -> None:
    assert spelled_ip(host) == (ipaddress.ip_address(ip) if ip else None)


@pytest.mark.parametrize(
    ("host", "port", "sockets", "own"),
    [
        ("127.0.0.1", 8080, HERE, True),
        ("127.0.0.1", 8081, HERE, False),
        ("127.0.0.2", 8080, HERE, False),
        ("0.0.0.0", 8080, HERE, True),
        ("::", 8080, HERE, True),
        ("::ffff:7f00:1", 8080, HERE, True),
        ("127.0.0.2", 8080, EVERYWHERE, True),
        ("::1", 8080, EVERYWHERE, True),
        ("192.0.2.77", 8080, EVERYWHERE, False),
        ("192.0.2.77", 8080, [("192.0.2.77", 8080)], True),
        ("::ffff:192.0.2.77", 8080, [("192.0.2.77", 8080)], True),
        ("fe80::1%2", 8080, [("fe80::1%eth0", 8080)], True),
        ("127.0.0.1", 8080, [], False),
    ],
)
async def test_it_is_ours_if_a_connection_would_arrive_here(
    host: str, port: int, sockets: list[tuple[str, int]], own: bool
) -> None:
    ip = spelled_ip(host)
    assert ip
    assert is_own(ip, port, sockets) is own
    assert await leads_here(host, port, sockets) is own
    assert is_peer_own((host, port, 0, 0), sockets) is own


@pytest.mark.parametrize(("name", "own"), [("localhost", True), ("elsewhere.test", False), ("nowhere.test", False)])
async def test_a_name_is_resolved(name: str, own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stock = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **more: Any) -> Any:
        if host == "nowhere.test":
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return stock("192.0.2.77" if host == "elsewhere.test" else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert await leads_here(name, 8080, HERE) is own


async def test_a_name_with_another_port_is_none_of_our_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "getaddrinfo")
    assert not await leads_here("elsewhere.test", 443, HERE)


@pytest.mark.parametrize(
    ("host", "own"), [("127.0.0.1", True), ("::1", True), ("0.0.0.0", True), ("192.0.2.77", False)]
)
def test_the_machines_own_addresses_are_those_one_can_bind_to(host: str, own: bool) -> None:
    assert is_of_this_machine(ipaddress.ip_address(host)) is own


async def through(client: H1Client, port: int, there: str, payload: bytes) -> bytes:
    client.send(f"CONNECT {there}:{port} HTTP/1.1\r\nHost: {there}:{port}\r\n\r\n".encode())
    assert (await client.head())[0] == 200
    client.send(payload)
    return await client.reader.read()


@pytest.mark.parametrize("there", ["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "127.1", "2130706433", "localhost"])
async def test_a_tunnel_to_ourselves_ends_where_it_would_have_to_be_dialled(tmp_path: Path, there: str) -> None:
    body = chat()
    request = head("/v1/chat/completions", len(body), (("Connection", "close"),)) + body
    async with (
        Provider([behaviours.answer("hello"), behaviours.answer("hello")]) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
    ):
        async with h1_to(router.host, router.port) as client:
            assert await through(client, router.port, there, b"\r\n" + request) == b""
        assert not one.seen
        async with h1_to(router.host, router.port) as client:
            assert (await through(client, router.port, there, request)).startswith(b"HTTP/1.1 200 ")
        assert len(one.seen) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_provider_that_is_the_router_itself_is_not_asked(tmp_path: Path, host: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"listen_port": port}
    providers = {"loop": provider(f"http://{host}:{port}/v1")}
    async with running(tmp_path, providers, options=options) as router:
        answer = await ask(router.base_url)
        assert answer.status == 502
        assert answer.headers["x-fallback-trail"] == "loop/m@connect_refused"
        assert b"the router's own address" in answer.body
        assert len(router.drivers) == 1
