"""Names that have an address, and those that have none."""

import socket

import pytest

from pointsman.transport.mitm_patches.dns_resolver import ThreadedResolver

ANY = socket.AF_UNSPEC


@pytest.mark.parametrize(("host", "family"), [("localhost", socket.AF_INET), ("127.0.0.1", ANY)])
async def test_a_name_is_looked_up(host: str, family: socket.AddressFamily) -> None:
    [first, *_] = await ThreadedResolver().resolve(host, 80, family)
    assert (first["hostname"], first["host"], first["port"]) == (host, "127.0.0.1", 80)


@pytest.mark.parametrize("host", ["x" * 64 + ".test", "a..test", ".test"])
async def test_what_has_no_address_is_an_error_of_the_network(host: str) -> None:
    with pytest.raises(socket.gaierror):
        await ThreadedResolver().resolve(host, 80, ANY)


async def test_a_zone_belongs_to_the_address_that_holds_in_it_only(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 80, 0, 3))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [found])
    [only] = await ThreadedResolver().resolve("near.test", 80, ANY)
    assert only["host"] == "fe80::1%3"


async def test_any_error_reaches_the_waiting_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        await ThreadedResolver().resolve("odd.test", 80, ANY)
