"""Run by `test_strangers.py` in a network namespace, where a client that connects to OWN comes from another address
than loopback, as one of another machine does.
"""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Provider, behaviours
from pointsman.demo.responder import arm_reset
from support.forward_proxy import ForwardProxy
from support.h1client import H1Client, chat, h1_to, head
from support.h2client import h2_through
from support.http_requests import http_client
from support.leak_checks import no_leaks
from support.namespace import OWN
from support.router import Router, running
from support.settings import provider
from support.time_limit import LONGEST

KEY, ADMIN = "the-client-key-0123456789", "the-admin-key-0123456789"
CHAT = "/v1/chat/completions"
RIGHT = (("Proxy-Authorization", f"Basic {base64.b64encode(f'me:{KEY}'.encode()).decode()}"),)
WRONG = (("Proxy-Authorization", f"Basic {base64.b64encode(b'me:wrong').decode()}"),)
SPELLINGS = (
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    f"[::ffff:{OWN}]",
    "[0:0:0:0:0:FFFF:7F00:0001]",
    "127.0.0.1",
    "127.0.0.2",
    "127.1",
    "2130706433",
    "0x7f000001",
    "017700000001",
    "0.0.0.0",
    "0",
    "[::]",
    "localhost",
    "LOCALHOST",
    OWN,
    "router.test",
)
NAMES = {"router.test": OWN, "rebound.test": "198.51.100.1"}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hosts file could say."""
    stock = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **more: Any) -> Any:
        return stock(NAMES.get(host, host), *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@asynccontextmanager
async def keyed(folder: Path, mode: str = "regular", **more: Any) -> AsyncIterator[tuple[Router, Provider]]:
    """A router for other machines, with its provider."""
    options = {"listen_host": "0.0.0.0", **more.pop("options", {})}
    server = {"client_key": KEY, "admin_key": ADMIN, **more}
    async with (
        Provider(behaviours.answer("paid for")) as one,
        running(folder, {"one": provider(one.base_url)}, mode, options, server=server) as router,
    ):
        yield router, one


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def rest(client: H1Client) -> bytes:
    """What comes until the connection ends, however it does."""
    got = bytearray()
    try:
        while piece := await asyncio.wait_for(client.reader.read(65536), LONGEST):
            got += piece
    except ConnectionResetError:
        pass
    return bytes(got)


def connect(there: str, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in (("Host", there), *headers))
    return f"CONNECT {there} HTTP/1.1\r\n{fields}\r\n".encode()


async def hop(port: int, there: str, request: bytes) -> bytes:
    """What a stranger gets who has the router connect to `there`, and sends what does not look like HTTP."""
    async with h1_to(OWN, port) as client:
        client.send(connect(f"{there}:{port}"))
        status, _ = await client.head()
        if status != 200:
            return b""
        client.send(b"\r\n" + request)
        return await rest(client)


def paid_chat(target: str = f"http://api.openai.com{CHAT}") -> bytes:
    body = chat()
    return head(target, len(body), (("Host", "api.openai.com"), ("Connection", "close"))) + body


class TestTheRouterThroughItself:
    @pytest.mark.parametrize("forward", [None, "open"])
    async def test_no_spelling_makes_a_stranger_a_local_client(self, tmp_path: Path, forward: str | None) -> None:
        async with keyed(tmp_path, **({"forward": forward} if forward else {})) as (router, one):
            page = b"GET /internal/exchanges HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            got = {
                there: await hop(router.port, there, paid_chat()) + await hop(router.port, there, page)
                for there in SPELLINGS
            }
            assert got == dict.fromkeys(SPELLINGS, b"")
            assert not one.seen
            assert router.drivers == []

    async def test_a_listener_on_one_address_is_not_reached_by_another_spelling_of_it(self, tmp_path: Path) -> None:
        async with keyed(tmp_path, options={"listen_host": OWN}, forward="open") as (router, one):
            for there in (OWN, f"[::ffff:{OWN}]", "3221225985", "router.test"):
                assert await hop(router.port, there, paid_chat()) == b""
            assert not one.seen

    @pytest.mark.parametrize("there", [each for each in SPELLINGS if each != "router.test"])
    async def test_our_pages_by_any_spelling_are_asked_for_by_a_stranger(self, tmp_path: Path, there: str) -> None:
        async with keyed(tmp_path) as (router, _), h1_to(OWN, router.port) as client:
            where = f"{there}:{router.port}"
            client.send(f"GET http://{where}/internal/exchanges HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())
            assert (await client.head())[0] == 401

    async def test_a_name_that_leads_here_is_not_followed(self, tmp_path: Path) -> None:
        async with keyed(tmp_path, forward="open") as (router, _), h1_to(OWN, router.port) as client:
            where = f"router.test:{router.port}"
            client.send(f"GET http://{where}/internal/exchanges HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())
            status, _, body = await client.answer()
            assert status == 502
            assert b"router&#x27;s own address" in body or b"router's own address" in body

    async def test_a_name_that_changes_its_address_meanwhile_is_cut_off_before_a_byte_is_sent(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stock, asked = socket.getaddrinfo, list[str]()

        def rebound(host: Any, *args: Any, **more: Any) -> Any:
            if host != "rebound.test":
                return stock(host, *args, **more)
            asked.append(host)
            return stock("198.51.100.1" if len(asked) == 1 else "127.0.0.1", *args, **more)

        monkeypatch.setattr(socket, "getaddrinfo", rebound)
        async with keyed(tmp_path, forward="open") as (router, one):
            assert await hop(router.port, "rebound.test", paid_chat()) == b""
            assert len(asked) == 2
            await no_leaks(router)
            assert not one.seen
            assert router.watcher.flows == []

    async def test_nothing_is_done_for_one_who_is_gone_at_once(self, tmp_path: Path) -> None:
        """Its own connection ends before what it has sent through it is read."""
        async with keyed(tmp_path, forward="open") as (router, one):
            for _ in range(30):
                async with h1_to(OWN, router.port) as client:
                    client.send(connect(f"127.0.0.2:{router.port}"))
                    await client.head()
                    client.send(b"\r\n" + paid_chat())
                    await asyncio.sleep(0)
                    arm_reset(client._writer.get_extra_info("socket"))
            await no_leaks(router)
            assert not one.seen
            assert router.drivers == []

    async def test_wrong_keys_that_come_that_way_lock_no_client_out(self, tmp_path: Path) -> None:
        async with keyed(tmp_path, forward="open") as (router, _):
            for _ in range(12):
                await hop(
                    router.port,
                    "127.0.0.2",
                    b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\n"
                    b"Connection: close\r\n\r\n",
                )
            async with http_client() as client:
                url = f"http://127.0.0.1:{router.port}/api/health"
                answer = await client.get(url, headers={"Authorization": f"Bearer {ADMIN}"})
            assert answer.status_code == 200

    async def test_nor_is_a_proxy_on_this_machine_made_to_connect_back(self, tmp_path: Path) -> None:
        async with (
            ForwardProxy() as proxy,
            keyed(tmp_path, f"upstream:{proxy.url}", forward="open") as (router, one),
        ):
            for there in ("127.0.0.1", "[::ffff:127.0.0.1]", "router.test"):
                assert await hop(router.port, there, paid_chat()) == b""
            assert proxy.passages == []
            assert not one.seen

    async def test_the_routers_own_name_leads_to_its_pages_and_nowhere_else(self, tmp_path: Path) -> None:
        async with keyed(tmp_path) as (router, _), h1_to(OWN, router.port) as client:
            client.send(b"GET http://pointsman.local/healthz HTTP/1.1\r\nHost: pointsman.local\r\n\r\n")
            assert (await client.answer())[0] == 200
            client.send(connect("pointsman.local:22"))
            assert (await client.head())[0] == 200
            client.send(b"\r\nSSH-2.0-x\r\n")
            assert await rest(client) == b""
            assert router.watcher.dialled in ([], [("pointsman.local", 22)])  # asked about, and refused


class TestForwarding:
    """What is not routed, for those who are not on this machine."""

    @pytest.fixture
    async def other(self, stack: AsyncExitStack) -> Provider:
        return await stack.enter_async_context(Provider(behaviours.answer("from elsewhere"), host=OWN))

    def there(self, other: Provider) -> str:
        return other.base_url.removeprefix("http://").removesuffix("/v1")

    async def asked(
        self, host: str, port: int, raw: bytes, follow: bytes = b"", times: int = 1
    ) -> tuple[int, dict[str, str]]:
        """Status and headers that the last of so many requests gets; `follow` goes through the tunnel it has made."""
        for _ in range(times):
            async with h1_to(host, port) as client:
                client.send(raw)
                status, headers = await client.head()
                if follow and status == 200:
                    client.send(follow)
                    status, headers = await client.head()
        return status, headers

    def plain(self, url: str, headers: tuple[tuple[str, str], ...] = (), method: str = "GET") -> bytes:
        fields = "".join(f"{name}: {value}\r\n" for name, value in (("Host", "x.test"), *headers))
        return f"{method} {url} HTTP/1.1\r\n{fields}\r\n".encode()

    @pytest.mark.parametrize("headers", [(), WRONG], ids=["no key", "a wrong one"])
    async def test_without_the_key_nothing_is_dialled(
        self, tmp_path: Path, other: Provider, headers: tuple[tuple[str, str], ...]
    ) -> None:
        upgrade = (("Upgrade", "websocket"), ("Connection", "Upgrade"), *headers)
        async with keyed(tmp_path) as (router, _):
            for raw in (
                connect(self.there(other), headers),
                connect("api.openai.com:443", headers),
                self.plain(f"{other.base_url}/models", headers),
                self.plain(f"{other.base_url}/chat/completions", headers, "DELETE"),
                self.plain(f"ws://{self.there(other)}/socket".replace("ws:", "http:"), upgrade),
                self.plain("http://api.openai.com/v1/models", headers),
                self.plain("http://api.openai.com/v1/chat/completions", headers, "OPTIONS"),
            ):
                status, told = await self.asked(OWN, router.port, raw)
                assert (status, told.get("proxy-authenticate")) == (407, 'Basic realm="pointsman"'), raw
            assert router.watcher.dialled == []
            assert not other.seen

    async def test_the_refusal_says_what_to_send(self, tmp_path: Path) -> None:
        async with keyed(tmp_path) as (router, _), h1_to(OWN, router.port) as client:
            client.send(connect("elsewhere.test:443"))
            status, _, body = await client.answer()
            assert status == 407
            assert b"client key" in body
            client.send(connect("elsewhere.test:443", RIGHT))  # clients try again on the same connection
            assert (await client.head())[0] == 200

    async def test_with_the_key_everything_passes(self, tmp_path: Path, other: Provider) -> None:
        async with keyed(tmp_path) as (router, _):
            inner = self.plain("/v1/models")
            assert (await self.asked(OWN, router.port, connect(self.there(other), RIGHT), inner))[0] == 200
            assert (await self.asked(OWN, router.port, self.plain(f"{other.base_url}/models", RIGHT)))[0] == 200
            assert len(other.seen) == 2
            assert all(each.header("proxy-authorization") is None for each in other.seen)
            assert (await self.asked(OWN, router.port, self.plain(f"{other.base_url}/models")))[0] == 407

    async def test_clients_on_this_machine_need_none(self, tmp_path: Path, other: Provider) -> None:
        async with keyed(tmp_path) as (router, _):
            inner = self.plain("/v1/models")
            assert (await self.asked("127.0.0.1", router.port, connect(self.there(other)), inner))[0] == 200
            assert (await self.asked("127.0.0.1", router.port, self.plain(f"{other.base_url}/models")))[0] == 200

    async def test_a_tunnel_that_the_key_has_opened_carries_routed_chats(self, tmp_path: Path) -> None:
        async with (
            keyed(tmp_path) as (router, one),
            h2_through(f"http://{OWN}:{router.port}", router.ca, connect=RIGHT) as client,
        ):
            for _ in range(2):
                stream = await client.ask(chat())
                assert b"data: [DONE]" in await client.whole(stream)
                assert stream.headers["x-routed-via"] == "one/m"
            assert len(one.seen) == 2

    async def test_open_means_all_clients(self, tmp_path: Path, other: Provider) -> None:
        async with keyed(tmp_path, forward="open") as (router, _):
            inner = self.plain("/v1/models")
            assert (await self.asked(OWN, router.port, connect(self.there(other)), inner))[0] == 200
            assert (await self.asked(OWN, router.port, self.plain(f"{other.base_url}/models")))[0] == 200
            assert (await self.asked(OWN, router.port, paid_chat()))[0] == 401  # which is no reason to route for them

    async def test_local_means_no_other_but_for_routed_chats(self, tmp_path: Path, other: Provider) -> None:
        async with keyed(tmp_path, forward="local") as (router, one):
            assert (await self.asked(OWN, router.port, connect(self.there(other), RIGHT)))[0] == 407
            assert (await self.asked(OWN, router.port, self.plain(f"{other.base_url}/models", RIGHT)))[0] == 407
            tunnel = connect("api.openai.com:80", RIGHT)
            assert (await self.asked(OWN, router.port, tunnel, self.plain("/v1/models")))[0] == 407
            assert (await self.asked(OWN, router.port, tunnel, paid_chat(CHAT)))[0] == 200
            unknown = chat(model="nobody-has-this")
            foreign = head(CHAT, len(unknown), (("Host", "api.openai.com"),)) + unknown
            assert (await self.asked(OWN, router.port, tunnel, foreign))[0] == 404
            assert len(one.seen) == 1
            async with h1_to(OWN, router.port) as client:
                client.send(tunnel)
                await client.head()
                client.send(b"\r\nnot http\r\n")
                assert await rest(client) == b""
            assert not other.seen

    async def test_guessing_the_key_is_slow(self, tmp_path: Path, other: Provider) -> None:
        async with keyed(tmp_path) as (router, _):
            wrong, right = connect(self.there(other), WRONG), connect(self.there(other), RIGHT)
            assert (await self.asked(OWN, router.port, wrong, times=10))[0] == 407
            assert (await self.asked(OWN, router.port, wrong))[0] == 429
            assert (await self.asked(OWN, router.port, right))[0] == 429
            assert (await self.asked("127.0.0.1", router.port, right))[0] == 200

    async def test_mitmproxys_own_password_is_asked_for_instead(self, tmp_path: Path, other: Provider) -> None:
        given = (("Proxy-Authorization", f"Basic {base64.b64encode(b'mitm:proxy').decode()}"),)
        async with keyed(tmp_path, options={"proxyauth": "mitm:proxy"}) as (router, _):
            inner = self.plain("/v1/models")
            assert (await self.asked(OWN, router.port, connect(self.there(other), given), inner))[0] == 200
            assert (await self.asked(OWN, router.port, self.plain(f"{other.base_url}/models", given)))[0] == 200
            status, told = await self.asked(OWN, router.port, connect(self.there(other), WRONG))
            assert (status, told["proxy-authenticate"]) == (407, 'Basic realm="mitmproxy"')

    @pytest.mark.parametrize(("forward", "passes"), [(None, False), ("local", False), ("open", True)])
    async def test_socks_clients_cannot_send_the_key(
        self, tmp_path: Path, other: Provider, forward: str | None, passes: bool
    ) -> None:
        more: dict[str, Any] = {"forward": forward} if forward else {}
        async with keyed(tmp_path, "socks5", **more) as (router, _):
            port = int(self.there(other).rpartition(":")[2])
            for request in (self.plain("/v1/models"), b"\r\n" + self.plain("/v1/models")):
                async with h1_to(OWN, router.port) as client:
                    client.send(b"\x05\x01\x00")
                    assert await client.reader.readexactly(2) == b"\x05\x00"
                    client.send(b"\x05\x01\x00\x01" + socket.inet_aton(OWN) + port.to_bytes(2))
                    assert (await client.reader.readexactly(10))[:2] == b"\x05\x00"
                    client.send(request)
                    if passes:
                        assert (await client.head())[0] == 200
                    else:
                        assert b"200 OK" not in await asyncio.wait_for(client.reader.read(65536), LONGEST)
            assert bool(other.seen) is passes

    async def test_reverse_mode_is_no_forward_proxy(self, tmp_path: Path, other: Provider) -> None:
        async with keyed(tmp_path, f"reverse:http://{self.there(other)}", forward="local") as (router, _):
            assert (await self.asked(OWN, router.port, self.plain("/v1/other")))[0] == 404
            assert len(other.seen) == 1
