"""Connections that wait to be accepted at the moment when a router stops listening."""

import asyncio
import socket
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from pointsman.transport.mitm_patches.listen_queue import stop_listening
from support.h1client import H1Client, chat, head
from support.router import running
from support.settings import provider


async def test_they_are_served_and_later_ones_are_refused(tmp_path: Path) -> None:
    async with (
        Provider(behaviours.answer("one two")) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
    ):
        waiting = [socket.create_connection((router.host, router.port)) for _ in range(8)]  # no turn of the loop
        await stop_listening(router.server)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(router.host, router.port)
        for each in waiting:
            client = H1Client(*await asyncio.open_connection(sock=each))
            client.send(head("/v1/chat/completions", len(chat())) + chat())
            status, _, body = await client.answer()
            assert (status, body.endswith(b"data: [DONE]\n\n")) == (200, True)
            client.close()
