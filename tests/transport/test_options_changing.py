"""mitmproxy's options change while answers are on their way: those go on to their end, and who comes next is routed."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pointsman.demo import Provider, behaviours, closed_port
from support.h1client import chat, h1_through, h1_to
from support.h2client import h2_through
from support.http_requests import ask
from support.leak_checks import no_leaks, soon
from support.ports import free_port
from support.router import running
from support.settings import provider

TEXT = "one two three four"
DONE = b"data: [DONE]\n\n"
CHANGES: dict[str, Any] = {
    "stream_large_bodies": "1",
    "body_size_limit": "1m",
    "store_streamed_bodies": True,
    "validate_inbound_headers": False,
    "http2": False,
    "http2_ping_keepalive": 1,
    "keep_host_header": True,
    "connection_strategy": "eager",
    "ignore_hosts": [".*"],
    "allow_hosts": ["elsewhere.test"],
    "tcp_hosts": [".*"],
    "rawtcp": False,
    "ssl_insecure": True,
    "upstream_cert": False,
    "connect_addr": "127.0.0.2",
    "tls_version_client_min": "TLS1_3",
    "pointsman_config": "other.yaml",
    "pointsman_data": "elsewhere",
    "pointsman_record_attempts": True,
    "pointsman_max_flows": 1,
}


@pytest.mark.parametrize(("name", "value"), CHANGES.items(), ids=CHANGES)
async def test_streams_that_are_open_end_well_and_the_next_request_is_routed(
    tmp_path: Path, name: str, value: object
) -> None:
    gate = asyncio.Event()
    paused = behaviours.answer(TEXT, gate_after={2: gate})
    async with (
        Provider([paused, paused, behaviours.answer(TEXT)]) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
    ):
        router.server.running()  # from here on mitmproxy itself follows its options
        async with h1_to(router.host, router.port) as plain, h2_through(router.url, router.ca) as tunnelled:
            await plain.ask(chat())
            await plain.head()
            inner = await tunnelled.ask(chat())
            while b" two" not in await plain.chunk():
                pass
            await tunnelled.until(lambda: b" two" in inner.data)
            router.context.options.update(**{name: value})
            gate.set()
            for rest in (await plain.chunks(), await tunnelled.whole(inner)):
                assert b" four" in rest
                assert b"error" not in rest
                assert rest.endswith(DONE)
            await plain.ask(chat())
            assert (await plain.head())[1]["x-routed-via"] == "one/m"
            assert (await plain.chunks()).endswith(DONE)
        assert (await ask(router.base_url)).headers["x-routed-via"] == "one/m"
        await no_leaks(router)


async def test_a_mode_that_is_taken_away_ends_no_stream(tmp_path: Path) -> None:
    gate, port, other = asyncio.Event(), free_port(), free_port()
    async with (
        Provider([behaviours.answer(TEXT, gate_after={2: gate}), behaviours.answer(TEXT)]) as one,
        running(tmp_path, {"one": provider(one.base_url)}, f"regular@{port}") as router,
        h1_to(router.host, router.port) as client,
    ):
        router.server.running()
        await client.ask(chat())
        await client.head()
        while b" two" not in await client.chunk():
            pass
        router.context.options.update(mode=[f"regular@{other}"])
        await soon(lambda: [address[1] for address in router.server.listen_addrs()] == [other])
        gate.set()
        rest = await client.chunks()
        assert b" four" in rest
        assert rest.endswith(DONE)
        await client.ask(chat())
        assert (await client.head())[1]["x-routed-via"] == "one/m"
        assert (await client.chunks()).endswith(DONE)
        assert (await ask(f"http://{router.host}:{other}/v1")).headers["x-routed-via"] == "one/m"


async def test_eager_connections_need_the_host_that_lazy_ones_do_without(tmp_path: Path) -> None:
    there = f"localhost:{urlsplit(closed_port()).port}"
    async with (
        Provider(behaviours.answer(TEXT)) as one,
        running(tmp_path, {"one": provider(one.base_url)}, server={"intercept": ["localhost"]}) as router,
    ):
        async with h1_through(router.url, router.ca, there) as client:
            await client.ask(chat())
            assert (await client.head())[1]["x-routed-via"] == "one/m"
        router.context.options.update(connection_strategy="eager")
        async with h1_to(router.host, router.port) as client:
            client.send(f"CONNECT {there} HTTP/1.1\r\nHost: {there}\r\n\r\n".encode())
            assert (await client.head())[0] == 502
        assert (await ask(router.base_url)).headers["x-routed-via"] == "one/m"
