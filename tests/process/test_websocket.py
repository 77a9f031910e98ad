"""WebSocket connections of a real mitmdump in a process of its own."""

import asyncio
import json
import signal

import pytest

from pointsman.config.enums import Dialect
from pointsman.demo import Provider, behaviours
from support.dialects import entry
from support.process import mitmdump
from support.settings import write
from support.socket_client import socket_to


@pytest.mark.parametrize("patches", ["", "all"], ids=["patched", "without patches"])
async def test_mitmdump_answers_over_websocket_and_fails_over_between_dialects(patches, tmp_path):
    a = Provider([behaviours.answer("one"), *[behaviours.status(503)] * 3], models=("m",))
    others = {each: Provider(behaviours.answer(f"by {each}"), models=("m",)) for each in Dialect}
    async with a:
        for other in others.values():
            await other.start()
        fallbacks = {f"p-{each}": entry(each, other) for each, other in others.items()}
        write(tmp_path, {"a": entry(Dialect.OPENAI_RESPONSES, a), **fallbacks}, cooldowns={"transient": "off"})
        arguments = ("-p", "0", "--set", "pointsman_config=pointsman.yaml")
        async with mitmdump(*arguments, folder=tmp_path, POINTSMAN_PATCHES_OFF=patches) as process:
            url = await process.base_url()
            async with socket_to(url) as socket:
                assert await socket.says("first") == "one"
                for dialect in Dialect:
                    assert await socket.says(f"to {dialect}", model=f"p-{dialect}/m") == f"by {dialect}"
                    assert "first" in json.dumps(others[dialect].seen[-1].json)
            async with socket_to(url) as one, socket_to(url) as two:
                answers = await asyncio.gather(one.says("left", model="auto"), two.says("right", model="auto"))
                assert set(answers) == {"by openai-chat"}
            process.tell(signal.SIGTERM)
            await process.ends_cleanly()
        for other in others.values():
            await other.close()


async def test_a_process_that_ends_lets_answers_end_and_closes_connections(tmp_path):
    gate = asyncio.Event()
    async with Provider(behaviours.answer("one two", gate_after={1: gate}), models=("m",)) as a:
        write(tmp_path, {"a": entry(Dialect.OPENAI_RESPONSES, a)}, server={"drain": "1m"})
        arguments = ("-p", "0", "--set", "pointsman_config=pointsman.yaml")
        async with mitmdump(*arguments, folder=tmp_path) as process:
            url = await process.base_url()
            async with socket_to(url) as busy, socket_to(url) as idle:
                await busy.send("first")
                while "delta" not in await busy.event():
                    pass
                process.tell(signal.SIGTERM)
                await process.prints("shutting down")
                gate.set()
                assert (await busy.answer())[-1]["type"] == "response.completed"
                assert (await busy.closed())[0] == 1001
                assert (await idle.closed())[0] == 1001
            await process.ends_cleanly()
