"""Addons are asked at once, and waited for where one of them waits."""

import asyncio
from typing import Any, cast

from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http import HttpRequestHook
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.test import tflow

from pointsman.transport.asking import is_answered


class Connection:
    """What a connection is for a hook: whoever asks the addons, and is told once they have answered."""

    def __init__(self, hold: asyncio.Event | None = None) -> None:
        self.client = tflow.tclient_conn()
        self.asked: list[commands.StartHook] = []
        self.told: list[events.Event] = []
        self._hold = hold

    async def handle_hook(self, hook: commands.StartHook) -> None:
        self.asked.append(hook)
        if self._hold:
            await self._hold.wait()

    async def server_event(self, event: events.Event) -> None:
        self.told.append(event)


def ask(connection: Connection) -> tuple[Any, bool]:
    hook = HttpRequestHook(tflow.tflow())
    return hook, is_answered(hook, cast(ConnectionHandler, connection))


async def test_a_hook_that_nobody_holds_up_is_answered_at_once() -> None:
    connection = Connection()
    hook, answered = ask(connection)
    assert answered
    assert connection.asked == [hook]
    await asyncio.sleep(0)
    assert connection.told == []


async def test_one_that_is_held_up_is_told_when_it_is_over() -> None:
    hold = asyncio.Event()
    connection = Connection(hold)
    hook, answered = ask(connection)
    assert not answered
    assert connection.asked == [hook]
    for _ in range(5):
        await asyncio.sleep(0)
    assert connection.told == []
    hold.set()
    while not connection.told:
        await asyncio.sleep(0)
    [event] = connection.told
    assert isinstance(event, events.HookCompleted)
    assert event.command is hook
