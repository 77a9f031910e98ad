"""Memory of large bodies goes back to the system, after them and not between them."""

import asyncio

import pytest

from pointsman.transport.mitm_patches import allocator
from pointsman.transport.mitm_patches.allocator import LARGE_BYTES, LONGEST_WAIT, QUIET, FreedMemory
from support.leak_checks import soon


class Library:
    """Notes how often memory was given back, and how much of it was to stay."""

    def __init__(self) -> None:
        self.trimmed: list[int] = []

    def malloc_trim(self, pad: int) -> None:
        self.trimmed.append(pad)


@pytest.fixture
async def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    found = Library()
    monkeypatch.setattr(allocator, "_glibc", lambda: found)
    monkeypatch.setattr(allocator, "QUIET", 0.05)
    monkeypatch.setattr(allocator, "LONGEST_WAIT", 0.2)
    return found


async def test_it_goes_back_after_the_last_large_body(library: Library) -> None:
    memory = FreedMemory()
    memory.on_body(LARGE_BYTES)
    assert not library.trimmed
    await soon(lambda: len(library.trimmed) == 1)
    memory.on_body(LARGE_BYTES)
    await soon(lambda: len(library.trimmed) == 2)


async def test_small_bodies_cost_nothing(library: Library) -> None:
    memory = FreedMemory()
    memory.on_body(LARGE_BYTES - 1)
    assert memory._timer is None


async def test_large_bodies_without_end_do_not_keep_it(library: Library) -> None:
    memory = FreedMemory()
    for _ in range(500):
        memory.on_body(LARGE_BYTES)
        await asyncio.sleep(0.01)
        if library.trimmed:
            return
    raise AssertionError("it was kept")


async def test_closed_it_gives_nothing_back(library: Library) -> None:
    memory = FreedMemory()
    memory.on_body(LARGE_BYTES)
    memory.close()
    await asyncio.sleep(0.1)
    assert (library.trimmed, memory._timer) == ([], None)


def test_a_minute_is_enough() -> None:
    assert QUIET < LONGEST_WAIT < 60
