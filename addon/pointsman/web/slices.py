"""Long lists are made in slices, so that streams go on in between."""

import asyncio
from collections.abc import Iterable
from time import perf_counter

SLICE = 0.002
"""Seconds for which the event loop is held at once."""


async def in_slices[T](items: Iterable[T]) -> list[T]:
    """A list of the items, each of which takes a while to make. What they are made from may change in between."""
    made, until = list[T](), perf_counter() + SLICE
    for each in items:
        made.append(each)
        if perf_counter() > until:
            await asyncio.sleep(0)
            until = perf_counter() + SLICE
    return made
