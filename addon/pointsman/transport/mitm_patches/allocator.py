"""The C library's allocator: memory of large bodies is used again, and given back to the system once it is not.

Why: glibc fetches a large block from the system each time and returns it at once, so that each page of each body and of
each parse is mapped and cleared again; that took as long as all the parsing. With a heap that keeps what was freed, it
takes half as long. But then memory stays with the process, in part for ever: glibc gives back only what is free at the
heap's end, and each thread has a heap of its own, whose blocks another thread may free.
Inner parts: glibc's `mallopt` and `malloc_trim`. Elsewhere nothing is changed.
Gain: see "Patches" in docs/measurements.md. Switch: `allocator`.
"""

import asyncio
import ctypes
import sys
from functools import cache
from typing import Any

from pointsman.transport.mitm_patches.switches import switches

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
KEPT_BYTES = 256 << 20
"""Freed bytes at the heap's end that are kept until memory is given back."""
LARGE_BYTES = 512 * 1024
"""Bytes of a body from which on memory is given back after it."""
QUIET = 15.0
"""Seconds without a large body."""
LONGEST_WAIT = 45.0
"""Seconds from a large body on, however many follow."""


@cache
def tune_allocator() -> None:
    """For the whole process. To be called before there are threads: each would get a heap of its own."""
    if (libc := _glibc()) is not None:
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


@cache
def _glibc() -> Any:
    """None where the switch is off, and where the allocator is another one."""
    if sys.platform != "linux" or not switches().allocator:
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None


class FreedMemory:
    """Gives memory back after large bodies. For one event loop."""

    def __init__(self) -> None:
        self._first = self._last = 0.0
        """When the first large body since then was noted, and the last one, on the loop's clock."""
        self._timer: asyncio.TimerHandle | None = None

    def on_body(self, size: int) -> None:
        """A body of so many bytes is here, or has just been freed."""
        if size < LARGE_BYTES or _glibc() is None:
            return
        loop = asyncio.get_running_loop()
        self._last = loop.time()
        if self._timer is None:
            self._first = self._last
            self._timer = loop.call_later(QUIET, self._check)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        loop = asyncio.get_running_loop()
        due = min(self._last + QUIET, self._first + LONGEST_WAIT)
        if loop.time() < due:
            self._timer = loop.call_at(due, self._check)
        else:
            self._timer = None
            loop.run_in_executor(None, _glibc().malloc_trim, 0)  # some 0.1 ms for each MiB
