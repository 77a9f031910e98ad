"""Adds finished flows to mitmproxy's view, dump and files, through the hooks that every flow ends with.

Flows are queued until the loop has written what clients wait for, and are added one after the other.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from mitmproxy import ctx, hooks, http
from mitmproxy.proxy.layers.http import HttpErrorHook, HttpResponseHook
from mitmproxy.utils import asyncio_utils

logger = logging.getLogger(__name__)

MAX_QUEUED = 1000
"""Flows that may wait; of more, the oldest are lost, and the log says how many."""

type FlowFactory = Callable[[], http.HTTPFlow]


class FlowQueue:
    def __init__(self) -> None:
        self._waiting: deque[FlowFactory] = deque(maxlen=MAX_QUEUED)
        self._dropped = 0
        self._add_task: asyncio.Task[None] | None = None

    def put(self, make: FlowFactory) -> None:
        """`make` is called when it is the flow's turn."""
        self._dropped += len(self._waiting) == MAX_QUEUED
        self._waiting.append(make)
        if self._add_task is None:
            self._add_task = asyncio_utils.create_task(self._add_all(), name="attempts enter the view", keep_ref=True)

    async def close(self) -> None:
        """Records what still waits, then closes."""
        if self._add_task is not None:
            await self._add_task

    async def _add_all(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)
                await self._add(self._waiting.popleft())
        finally:
            self._add_task = None
        if self._dropped:
            logger.warning(f"Pointsman: {self._dropped} attempts were not recorded: the queue was full.")
            self._dropped = 0

    async def _add(self, make: FlowFactory) -> None:
        try:
            await add_flow(make())
        except Exception:  # a flow that cannot be shown must not keep the others out
            logger.exception("An attempt could not be recorded.")


async def add_flow(flow: http.HTTPFlow) -> None:
    """Show a finished flow to every addon, as if it ended now. Nothing may hold it: it is over.

    It was never a client's request, so it goes into the view by itself: by the hook that the view waits for,
    mitmproxy's own addons would ask it for the proxy's password, or put one in.
    """
    if view := ctx.master.addons.get("view"):
        view.add([flow])
    await ctx.master.addons.trigger_event(HttpResponseHook(flow) if flow.response else HttpErrorHook(flow))
    was_held = flow.intercepted
    flow.resume()
    if was_held:  # and was shown so
        await ctx.master.addons.trigger_event(hooks.UpdateHook([flow]))
