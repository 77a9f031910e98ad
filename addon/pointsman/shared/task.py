"""The background task that carries out the hub's ticks, and the questions of requests that wait."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pointsman.shared.hub import Hub, Tick
from pointsman.shared.link import EngineLost, Link, ended, is_done_within
from pointsman.shared.part import Call, SharedTime

logger = logging.getLogger(__name__)

PATIENCE = 0.5
"""Seconds after which an engine that does not answer is given up. No request waits for that."""
LONGEST_QUESTION = 0.01
"""Seconds for which a request waits for the engine at most."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between two tries to reach an engine that does not answer."""
LONGEST_SILENCE = 0.5
"""Seconds without a call after which the engine is told that this instance is alive."""
LONGEST_WATCH = 20.0
"""Seconds for which one call waits for the next entry of the stream."""
MAX_HASTENED, HASTENED_A_SECOND = 50, 10.0
"""Ticks that may come at once, together and on average: under load, the ticks that come anyway are soon enough."""
PAUSE_BETWEEN_PAGES = 0.002
"""Seconds before the next tick while there is more to read."""


def shared_time(hub: Hub) -> SharedTime:
    return hub.time(time.monotonic(), time.time())


class Questions:
    """What requests wait for: calls on a connection of its own, those of all requests together. A reply that comes too
    late for its request is applied all the same.
    """

    def __init__(self, hub: Hub, link: Link, longest: float) -> None:
        self._hub, self._link, self._longest = hub, link, longest
        self._waiting: list[Call] = []
        self._answered: asyncio.Future[bool] | None = None
        """Of the calls that wait."""
        self._task: asyncio.Task[None] | None = None
        self._is_overdue = False
        """What was asked last has not been answered in time yet."""

    async def ask(self, calls: Sequence[Call]) -> bool:
        """Whether all were answered in time. Without a wait while earlier ones are overdue."""
        if self._is_overdue:
            return False
        self._waiting += calls
        if self._answered is None:
            self._answered = asyncio.get_running_loop().create_future()
        answered = self._answered
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="shared state: questions")
        return await asyncio.shield(answered)

    def open(self) -> None:
        """Connect before the first request has to wait for that."""
        if self._task is None or self._task.done():
            loop = asyncio.get_running_loop()
            self._answered = self._answered or loop.create_future()
            self._task = loop.create_task(self._run(), name="shared state: questions")

    async def close(self) -> None:
        """Ends waiting questions without an answer, and accepts no more."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._give_up()
        await self._link.close()

    async def _run(self) -> None:
        """Until nothing waits."""
        while self._answered is not None:
            calls, self._waiting = self._waiting, []
            answered, self._answered = self._answered, None
            replies, is_answered = asyncio.ensure_future(self._link.run(calls, PATIENCE)), False
            try:
                if not await is_done_within(replies, self._longest):
                    self._give_up(answered)
                self._apply(calls, await replies)
                is_answered = True
            except EngineLost:  # the next tick will find out, and say so
                pass
            except Exception:
                logger.exception("Pointsman: shared state: a reply could not be applied.")
            finally:
                replies.cancel()
                self._is_overdue = False
                if not answered.done():
                    answered.set_result(is_answered)

    def _apply(self, calls: Sequence[Call], replies: Sequence[Any]) -> None:
        self._hub.apply(calls, replies, shared_time(self._hub))

    def _give_up(self, *answered: asyncio.Future[bool]) -> None:
        """No request waits for what is asked now, or behind it."""
        self._is_overdue = True
        for each in (*answered, self._answered):
            if each is not None:
                each.set_result(False)
        self._answered, self._waiting = None, []


class Watch:
    """Waits on a connection of its own for what the peers tell, so that an idle instance need not ask."""

    def __init__(self, hub: Hub, link: Link) -> None:
        self._hub, self._link = hub, link
        self._task: asyncio.Task[None] | None = None
        self._may_begin = float("-inf")

    @property
    def is_waiting(self) -> bool:
        return self._task is not None and not self._task.done()

    def begin(self, now: float) -> None:
        """Does nothing while it waits already, or soon after it has failed: the ticks read the messages then."""
        if not self.is_waiting and now >= self._may_begin:
            self._task = asyncio.get_running_loop().create_task(self._wait(), name="shared state: watch")

    async def _wait(self) -> None:
        hub = self._hub
        try:
            while not await self._link.has_entry(hub.stream, hub.last, LONGEST_WATCH, PATIENCE):
                pass
        except EngineLost:  # the next tick will find out, and say so
            self._may_begin = time.monotonic() + LONGEST_PAUSE
        except Exception:
            self._may_begin = time.monotonic() + LONGEST_PAUSE
            logger.exception("Pointsman: shared state: the stream cannot be watched.")

    async def sleep(self, seconds: float, hastened: asyncio.Future[None]) -> None:
        """Sleeps for this long, or until a message of a peer arrives or the next tick is hastened."""
        waiting = {self._task} if self._task and not self._task.done() else set()
        await asyncio.wait({hastened, *waiting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def end(self) -> None:
        if self._task:
            self._task.cancel()

    async def close(self) -> None:
        if self._task:
            await ended(self._task)
        await self._link.close()


class HasteLimit:
    """A token bucket of the ticks that may be hastened. Times are monotonic, in seconds."""

    def __init__(self, now: float) -> None:
        self._left, self._counted = float(MAX_HASTENED), now

    def take(self, now: float) -> bool:
        """Whether one more may be hastened now."""
        self._left = min(MAX_HASTENED, self._left + HASTENED_A_SECOND * (now - self._counted))
        self._counted = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class SharedTask:
    """`tick` is in seconds; a request waits for the engine for `timeout` seconds at most, and never longer than
    LONGEST_QUESTION.
    """

    def __init__(self, hub: Hub, link: Link, questions: Link, watch: Link, tick: float, timeout: float) -> None:
        self._hub, self._link, self._tick, self._timeout = hub, link, tick, timeout
        self._questions = Questions(hub, questions, min(timeout, LONGEST_QUESTION))
        self._watch = Watch(hub, watch)
        self._exchanged = float("-inf")
        """When the last tick was sent that the engine has answered."""
        self._task: asyncio.Task[None] | None = None
        self._is_late = False
        """The tick that now runs has not been answered in time."""
        self._told_actions: set[str] = set()
        """Reasons that an operator has to correct, logged since the engine last answered."""
        self._is_first = True
        self._faulty: set[str] = set()
        """Scripts that failed, each logged once. Bounded by the number of scripts."""
        self._haste = HasteLimit(time.monotonic())
        self._is_hastened = False
        self._hastened: asyncio.Future[None] | None = None
        """Ends the pause before the next tick."""
        hub.asker, hub.on_fault, hub.hasten = self._ask, self._on_fault, self._hasten

    async def start(self) -> None:
        """Returns when it is known whether the engine answers, within two seconds."""
        await self._one_tick()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="shared state")

    async def stop(self) -> None:
        """Publishes the last changes, and that this instance leaves, if the engine answers."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._hub.is_connected:
            await self._one_tick()  # what has changed since the last one
        if self._hub.is_connected:
            with suppress(EngineLost):
                await self._link.run([self._hub.leaving()], PATIENCE)
        await self._watch.close()
        await self._questions.close()
        await self._link.close()

    async def _ask(self, calls: Sequence[Call]) -> bool:
        return False if self._is_late else await self._questions.ask(calls)

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            if self._hub.is_connected:
                pause = FIRST_PAUSE
                await self._pause()
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            await self._one_tick()

    async def _pause(self) -> None:
        """The pause between two ticks while the engine answers."""
        if self._hub.has_more:
            await asyncio.sleep(PAUSE_BETWEEN_PAGES)
        elif not self._is_hastened:
            self._hastened = asyncio.get_running_loop().create_future()
            await self._watch.sleep(self._tick, self._hastened)
        self._is_hastened = False

    def _hasten(self) -> None:
        if not self._is_hastened and self._haste.take(time.monotonic()):
            self._is_hastened = True
            if self._hastened and not self._hastened.done():
                self._hastened.set_result(None)

    async def _one_tick(self) -> None:
        hub, tick = self._hub, None
        was_connected = hub.is_connected
        try:
            sent = shared_time(hub)
            tick = hub.begin_tick(sent)
            if self._is_needless(tick, sent.now):
                return
            replies = await self._replies(tick)
            hub.end_tick(tick, replies, sent, shared_time(hub))
            self._exchanged = sent.now
        except EngineLost as error:
            self._on_lost(tick, str(error), error.needs_action)
        except Exception as error:
            logger.debug("Pointsman: shared state: a tick failed.", exc_info=True)
            self._on_lost(tick, f"a tick failed: {type(error).__name__}: {error}", False)
        else:
            if not was_connected:
                self._on_connected()
            if hub.is_quiet:
                self._watch.begin(sent.now)
        finally:
            self._is_late = False

    def _is_needless(self, tick: Tick, now: float) -> bool:
        """Nothing is to be told, and the peers have told nothing."""
        is_recent = now - self._exchanged < LONGEST_SILENCE
        return tick.is_idle and is_recent and self._hub.is_connected and self._watch.is_waiting

    async def _replies(self, tick: Tick) -> Sequence[Any]:
        replies = asyncio.ensure_future(self._link.run(tick.calls, PATIENCE))
        try:
            self._is_late = not await is_done_within(replies, self._timeout)
            return await replies
        finally:
            await ended(replies)  # the next run on this connection must not meet its end

    def _on_fault(self, script: str, problem: str) -> None:
        if script not in self._faulty:
            self._faulty.add(script)
            logger.error(f"Pointsman: shared state: the script {script}: {problem}")

    def _on_connected(self) -> None:
        self._questions.open()
        self._is_first = False
        self._told_actions.clear()
        address, others = self._link.address, self._hub.instances - 1
        logger.info(f"Pointsman: shared state: connected to {address}; other instances known so far: {others}.")

    def _on_lost(self, tick: Tick | None, reason: str, needs_action: bool) -> None:
        self._watch.end()  # on a connection that is cut off silently, it would wait for nothing
        is_new = self._hub.on_lost(tick, reason, shared_time(self._hub)) or self._is_first
        self._is_first = False
        if is_new or (needs_action and reason not in self._told_actions):
            logger.warning(f"Pointsman: shared state: degraded: {reason}. This instance continues on its own.")
        if needs_action:
            self._told_actions.add(reason)
