"""The daily limits that will be used up at the present pace, for clients that poll them."""

from asyncio import Lock
from collections.abc import Callable
from typing import Any

from pointsman.routing.router import Router
from pointsman.web.slices import in_slices

MAX_SHOWN = 50
LIFETIME = 5.0
"""Seconds for which they are kept: every limit in use is looked at, and a forecast is for hours."""


class EndingQuotas:
    def __init__(self, router: Router, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._router, self._clock, self._wall = router, clock, wall
        self._known: list[dict[str, Any]] = []
        self._as_of: float | None = None
        self._reading = Lock()

    async def to_list(self) -> list[dict[str, Any]]:
        """In plain JSON types, the first ones first."""
        async with self._reading:
            now = self._clock()
            if self._as_of is None or now - self._as_of >= LIFETIME:
                known = await in_slices(self._router.quotas(now, self._wall()))
                ending = [each for each in known if each["used_up_at"] is not None]
                self._known = sorted(ending, key=lambda each: each["used_up_at"])[:MAX_SHOWN]
                self._as_of = now
            return self._known
