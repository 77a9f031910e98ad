"""The background task ends in the midst of a tick."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from pointsman.shared.exchange_script import LEAVE
from pointsman.shared.hub import Hub
from pointsman.shared.link import EngineLost, Link
from pointsman.shared.part import Call, Script
from pointsman.shared.task import Questions, SharedTask
from shared.fake_engine import FakeEngine
from support.time_limit import LONGEST


class SlowLink:
    """It takes a while to run calls, and to clean up after some that were cut off."""

    address = "valkey://test"

    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.began = asyncio.Event()
        self.left, self._runs = False, 0

    async def run(self, calls: Sequence[Call], patience: float) -> list[Any]:
        self._runs += 1
        assert self._runs == 1, "two runs on one connection"
        try:
            self.began.set()
            await asyncio.sleep(0.01)
            if calls[0].script is LEAVE:
                self.left = True
                return [1]
            return [self.engine.run(call) for call in calls]
        finally:
            await asyncio.sleep(0.01)
            self._runs -= 1

    async def has_entry(self, *_: object) -> bool:
        raise EngineLost("not here")  # so that each tick asks

    async def close(self) -> None:
        pass


async def test_a_tick_that_is_cut_off_has_ended_before_the_last_one() -> None:
    link, hub = SlowLink(), Hub("test", "one", lambda: "fresh")
    task = SharedTask(hub, cast(Link, link), cast(Link, SlowLink()), cast(Link, SlowLink()), 0.001, 1.0)
    await task.start()
    link.began.clear()
    await link.began.wait()
    await task.stop()
    assert hub.is_connected
    assert link.left, "the peers know at once"


async def test_no_request_waits_for_an_answer_once_it_has_ended() -> None:
    """Neither for what is being asked, nor for what is to be asked next, nor for what comes later."""
    link, calls = SlowLink(), [Call(Script("none", "return 1"), ("x",))]
    questions = Questions(Hub("test", "one", lambda: "fresh"), cast(Link, link), 1.0)
    first = asyncio.ensure_future(questions.ask(calls))
    await link.began.wait()
    second = asyncio.ensure_future(questions.ask(calls))
    await asyncio.sleep(0)
    await questions.close()
    async with asyncio.timeout(LONGEST):
        assert await asyncio.gather(first, second) == [False, False]
        assert not await questions.ask(calls)
