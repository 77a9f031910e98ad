"""The hub and its task with a real server: one part in two instances, and the faults of the server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from secrets import token_hex

import orjson
import pytest

from pointsman.domain.engine_address import parse_address
from pointsman.shared.hub import Hub
from pointsman.shared.link import Link, is_done_within
from pointsman.shared.part import Call, Delta, Script, SharedTime
from pointsman.shared.task import HASTENED_A_SECOND, LONGEST_SILENCE, MAX_HASTENED, HasteLimit, SharedTask
from support.time_limit import LONGEST
from support.valkey import Valkey

ECHO = Script("echo", "return {ARGV[1], #KEYS}")


class Words:
    """A part: a set of words that only grows."""

    name = "words"

    def __init__(self) -> None:
        self.all: set[str] = set()
        self.new: list[str] = []
        self.ticks = 0
        self.connected: list[bool] = []
        self.lost = 0
        self.due_calls: list[Call] = []

    def say(self, word: str) -> None:
        self.all.add(word)
        self.new.append(word)

    def deltas(self, now: SharedTime) -> Iterable[Delta]:
        new, self.new = self.new, []
        return [Delta(self.name, orjson.dumps(word)) for word in new]

    def on_delta(self, delta: Delta, now: SharedTime) -> None:
        self.all.add(orjson.loads(delta.body))

    def calls(self, now: SharedTime) -> Iterable[Call]:
        self.ticks += 1
        due, self.due_calls = self.due_calls, []
        return due

    def publish_all(self, now: SharedTime) -> None:
        self.new = sorted(self.all)

    def on_connected(self, now: SharedTime, is_new_engine: bool) -> None:
        self.connected.append(is_new_engine)

    def on_disconnected(self, now: SharedTime) -> None:
        self.lost += 1


class Instance:
    def __init__(self, url: str, tick: float = 0.01) -> None:
        self.words = Words()
        self.hub = Hub("test", token_hex(8), lambda: token_hex(8), [self.words])
        address = parse_address(url)
        self.task = SharedTask(self.hub, *(Link(address) for _ in range(3)), tick, 0.02)


@asynccontextmanager
async def instance(url: str, tick: float = 0.01) -> AsyncIterator[Instance]:
    made = Instance(url, tick)
    await made.task.start()
    try:
        yield made
    finally:
        await made.task.stop()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LONGEST):
        while not condition():
            await asyncio.sleep(0.005)


async def test_what_one_sends_the_other_receives(engine: Valkey) -> None:
    async with instance(engine.url) as one, instance(engine.url) as two:
        await until(lambda: one.hub.instances == two.hub.instances == 2)
        one.words.say("first")
        two.words.say("second")
        await until(lambda: one.words.all == two.words.all == {"first", "second"})
        assert one.words.connected[0], "an engine is new at first"


async def test_a_hastened_tick_comes_at_once(engine: Valkey) -> None:
    """Although no peer sends anything meanwhile."""
    async with instance(engine.url, tick=3600.0) as one:
        for _ in range(MAX_HASTENED // 2):
            before = one.words.ticks
            one.hub.hasten()
            await until(lambda before=before: one.words.ticks > before)  # type: ignore[misc]


def test_ticks_are_hastened_at_a_bounded_rate() -> None:
    limit = HasteLimit(0.0)
    assert [limit.take(0.0) for _ in range(MAX_HASTENED + 1)] == [True] * MAX_HASTENED + [False]
    assert [limit.take(1 / HASTENED_A_SECOND) for _ in range(2)] == [True, False]
    assert sum(limit.take(1e6) for _ in range(2 * MAX_HASTENED)) == MAX_HASTENED


async def test_a_script_that_fails_ends_nothing_else(engine: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    told: list[object] = []
    good = Call(ECHO, ("k",), ("said",), lambda reply, _: told.append(reply))
    bad = Call(Script("bad", "return redis.call('HINCRBY', KEYS[1], 'a', '-0')"), ("k",), (), good.on_reply)
    async with instance(engine.url) as one:
        for _ in range(2):
            one.words.due_calls += [bad, good]
            await until(lambda: not one.words.due_calls)
        await until(lambda: len(told) == 2)
        assert (told, one.words.lost) == ([[b"said", 1]] * 2, 0)
    assert sum("the script bad" in message for message in caplog.messages) == 1


async def test_a_busy_process_waits_twice_as_long_at_most() -> None:
    """What blocks the event loop again and again must not hold up a request for ever."""

    async def block() -> None:
        while True:
            time.sleep(0.015)
            await asyncio.sleep(0)

    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    blocking = asyncio.create_task(block())
    async with asyncio.timeout(LONGEST):
        assert not await is_done_within(never, 0.01)
    blocking.cancel()


async def test_a_reply_that_came_while_the_process_was_busy_counts() -> None:
    answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(is_done_within(answered, 0.01))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(time.sleep, 0.05)
    asyncio.get_running_loop().call_later(0.02, answered.set_result, None)
    assert await waiting


async def test_a_newcomer_gets_what_was_said_before(engine: Valkey) -> None:
    async with instance(engine.url) as one:
        for number in range(300):
            one.words.say(f"{number} {'x' * 200}")
        await until(lambda: one.hub.is_connected and not one.words.new)
        async with instance(engine.url) as two:
            await until(lambda: two.words.all == one.words.all)


async def test_the_last_messages_of_an_instance_arrive(engine: Valkey) -> None:
    async with instance(engine.url) as one:
        async with instance(engine.url) as two:
            await until(lambda: two.hub.is_connected)
            two.words.say("good-bye")
        await until(lambda: "good-bye" in one.words.all)


async def test_an_instance_that_ends_is_no_longer_counted(engine: Valkey) -> None:
    async with instance(engine.url) as one:
        async with instance(engine.url):
            await until(lambda: one.hub.instances == 2)
        began = time.monotonic()
        await until(lambda: one.hub.instances == 1)
        assert one.hub.is_connected
        assert time.monotonic() - began < LONGEST


async def test_an_idle_instance_asks_rarely(engine: Valkey) -> None:
    async with instance(engine.url) as one, engine.client() as client:
        await until(lambda: one.hub.is_quiet)
        began, before = time.monotonic(), int(await client.hget("{test}:engine", "ticks"))
        await asyncio.sleep(1.5)
        asked = int(await client.hget("{test}:engine", "ticks")) - before
        assert asked <= 2 + (time.monotonic() - began) / LONGEST_SILENCE


async def test_what_a_peer_says_ends_the_silence(engine: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.shared.task.LONGEST_SILENCE", 1000.0)
    async with instance(engine.url) as one, instance(engine.url) as two:
        for number in range(3):
            await until(lambda: one.hub.is_quiet and two.hub.is_quiet)
            one.words.say(f"{number}")
            await until(lambda: len(one.words.all) == len(two.words.all))


async def test_a_question_is_answered_on_the_other_connection(engine: Valkey) -> None:
    async with instance(engine.url) as one:
        await until(lambda: one.hub.is_connected)
        replies: list[object] = []
        call = Call(ECHO, (one.hub.key("echo"),), ("word",), lambda reply, _: replies.append(reply))
        await until_answered(one.hub, call)
        assert replies
        assert replies[0] == [b"word", 1]


async def until_answered(hub: Hub, call: Call) -> None:
    """A busy machine may need more than the time that a request waits."""
    async with asyncio.timeout(LONGEST):
        while not await hub.prepare([call]):
            await asyncio.sleep(0.01)
