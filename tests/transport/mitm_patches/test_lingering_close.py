"""Connections that the router closes while their clients still send: the answer arrives whole."""

import asyncio
import socket
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from pointsman.transport.mitm_patches import lingering_close
from support.h1client import chat, h1_to, head
from support.leak_checks import no_leaks, soon
from support.router import running
from support.settings import provider

TEXT = " ".join(f"word-{n}" for n in range(40_000))
LAST = (("Connection", "close"),)


async def test_what_a_client_sends_after_its_last_request_costs_it_nothing_of_its_answer(tmp_path: Path) -> None:
    body = chat(stream=False)
    async with (
        Provider(behaviours.answer(TEXT)) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
        h1_to(router.host, router.port, room=4096) as client,
    ):
        client.send(head("/v1/chat/completions", len(body), LAST) + body)
        status, headers = await client.head()
        await soon(lambda: bool(router.watcher.ended))
        for _ in range(3):
            client.send(b"x" * 30_000)
            await asyncio.sleep(0.02)
        answer = await client.reader.readexactly(int(headers["content-length"]))
        assert (status, answer.count(b"word-")) == (200, 40_000)
        assert await client.at_end()
        client.close()
        await no_leaks(router)


async def test_one_that_goes_on_sending_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering_close, "LINGER", 0.05)
    body = chat(stream=False)
    async with Provider(behaviours.answer()) as one, running(tmp_path, {"one": provider(one.base_url)}) as router:
        async with h1_to(router.host, router.port) as client:
            client.send(head("/v1/chat/completions", len(body), LAST) + body)
            assert (await client.answer())[0] == 200
            assert await client.at_end()

            def is_cut_off() -> bool:
                client.send(b"x")
                return client.is_closed

            await soon(is_cut_off)
        await no_leaks(router)


async def test_one_that_closes_at_once_is_not_waited_for(tmp_path: Path) -> None:
    body = chat(stream=False)
    async with Provider(behaviours.answer()) as one, running(tmp_path, {"one": provider(one.base_url)}) as router:
        sock = socket.create_connection((router.host, router.port))
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, head("/v1/chat/completions", len(body), LAST) + body)
        while await loop.sock_recv(sock, 65_536):
            pass
        sock.close()
        await no_leaks(router)
