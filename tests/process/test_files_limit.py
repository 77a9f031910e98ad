"""The real process at its limit of open files."""

import asyncio
import os
import resource
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

from pointsman.demo import Provider, behaviours
from support.h1client import chat, h1_to
from support.http_requests import ask
from support.leak_checks import soon
from support.process import mitmdump
from support.settings import provider, write

TEXT = "one two three four"
SPARE = 6
CROWD = 40


async def test_streams_go_on_and_others_are_answered_again_once_there_is_room(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with (
        Provider([behaviours.answer(TEXT, gate_after={2: gate}), behaviours.answer(TEXT)]) as one,
        AsyncExitStack() as crowd,
    ):
        write(tmp_path, {"one": provider(one.base_url)}, cooldowns={"transient": "1ms"})
        async with mitmdump("-p", "0", "--set", f"confdir={tmp_path}", folder=tmp_path) as router:
            where = urlsplit(await router.base_url())
            assert where.hostname
            assert where.port
            async with h1_to(where.hostname, where.port) as client, h1_to(where.hostname, where.port) as other:
                await client.ask(chat())
                await client.head()
                while b" two" not in await client.chunk():
                    pass
                soft, hard = resource.prlimit(router.pid, resource.RLIMIT_NOFILE)
                most = _open(router.pid) + SPARE
                resource.prlimit(router.pid, resource.RLIMIT_NOFILE, (most, hard))
                for _ in range(CROWD):
                    await crowd.enter_async_context(h1_to(where.hostname, where.port))
                await soon(lambda: _open(router.pid) >= most)
                await other.ask(chat())
                status, headers = await other.head()
                assert (status, headers["x-fallback-trail"]) == (502, "one/m@connection_reset")
                gate.set()
                rest = await client.chunks()
                assert b" four" in rest
                assert b"error" not in rest
                await crowd.aclose()
                resource.prlimit(router.pid, resource.RLIMIT_NOFILE, (soft, hard))
                answer = await ask(f"http://{where.hostname}:{where.port}/v1")
                assert answer.status == 200


def _open(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))
