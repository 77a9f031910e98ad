"""The thread for what takes too long to be done between others: large requests, read and converted.

There is one, since such work holds the interpreter's lock for most of the time: a second one would finish nothing
earlier, and all other requests would wait for the lock twice as long. It is passed on every 5 ms.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from llm_rosetta.converters.base.helpers.cache import LRUCache


class Worker:
    """Does one thing after the other. What waits for it is as much as there are large requests in flight."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "large requests")

    async def run[T](self, work: Callable[[], T]) -> T:
        """Returns what `work` returns, and raises what it raises. If cancelled, it does not start, or its result is
        dropped.
        """
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def outcome[T](self, work: Callable[[], T]) -> Callable[[], T]:
        """Gives what `work` returned, or raises what it raised."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, work)
        await asyncio.wait([future])
        return future.result

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def make_converters_thread_safe() -> None:
    """Make the library that converts fit for two threads: its caches alone are not."""
    for name in ("get", "put"):
        method = getattr(LRUCache, name)
        if not hasattr(method, "__wrapped__"):
            setattr(LRUCache, name, _locked(method))


_CACHES = threading.Lock()


def _locked(method: Callable[..., Any]) -> Callable[..., Any]:
    def locked(*arguments: Any) -> Any:
        with _CACHES:
            return method(*arguments)

    locked.__wrapped__ = method  # type: ignore[attr-defined]
    return locked
