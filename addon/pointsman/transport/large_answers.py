"""The memory that incomplete events and whole answers take, of all exchanges together.

An event cannot go on before it is whole, and one with an image has tens of megabytes. So only a few answers at a time
may have more than a little held; the others' providers are not read meanwhile. Those that wait can always go on at
last: each of the few becomes whole, or its timeout ends it.
"""

import asyncio
from collections.abc import Callable

PLACES = 6
"""Answers of which more than FREE_BYTES may be held. With whole answers of 64 MiB, 384 MiB together."""
FREE_BYTES = 4 << 20


class LargeAnswers:
    """The places, given in the order in which they are asked for."""

    def __init__(self, places: int = PLACES) -> None:
        self.waiting = 0
        """Answers that are not read until there is a place."""
        self._places = asyncio.Semaphore(places)

    def place(self) -> "Place":
        """A place for one answer. Leave it when its reading ends."""
        return Place(self, self._places)


class Place:
    def __init__(self, of: LargeAnswers, places: asyncio.Semaphore) -> None:
        self._of, self._places = of, places
        self._is_taken = False

    def has_room(self, held: int) -> bool:
        """Whether the answer may be read on while this many bytes of it are held. Between two events, the place is
        left.
        """
        if not held:
            self.leave()
        return held <= FREE_BYTES or self._is_taken

    async def take(self, on_wait: Callable[[], object]) -> None:
        """Waits until there is one, `on_wait` being called before."""
        if self._places.locked():
            on_wait()
        self._of.waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._of.waiting -= 1
        self._is_taken = True

    def leave(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self._places.release()
