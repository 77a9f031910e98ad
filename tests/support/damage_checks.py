"""Checks after a bad client or provider: nothing is left, no traceback, and the router answers the next request."""

import asyncio
import logging
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Provider, Script, behaviours
from pointsman.transport.upload_timeout import UploadTimer
from support.h1client import H1Client, h1_to
from support.http_requests import ask
from support.leak_checks import no_leaks, soon
from support.router import Router, running
from support.settings import provider

WELL = "all is well"


@asynccontextmanager
async def unharmed(router: Router, caplog: pytest.LogCaptureFixture, *providers: Provider) -> AsyncIterator[None]:
    """Checks all that once the block is left, with its clients gone. `providers` are all that the router has; they
    turn good for the last request.
    """
    before = _tasks(providers)
    yield
    await no_leaks(router)
    await soon(lambda: not _waiting_for_uploads(), lambda: "an upload is still being watched")
    await soon(lambda: _tasks(providers) <= before, lambda: str(asyncio.all_tasks()))
    await soon(lambda: all(seen.is_over for each in providers for seen in each.seen), lambda: "still playing")
    await soon(
        lambda: all(each.connections <= 1 for each in providers), lambda: "more connections than one that is kept"
    )
    for each in providers:
        each.script = behaviours.answer(WELL)
    answer = await ask(router.base_url, stream=False)
    assert (answer.status, answer.json["choices"][0]["message"]["content"]) == (200, WELL)
    assert complaints(caplog) == []


@asynccontextmanager
async def connected(
    folder: Path, caplog: pytest.LogCaptureFixture, script: Script, **sections: Any
) -> AsyncIterator[tuple[H1Client, Provider, Router]]:
    """A client's connection to a router with one provider, all of which are `unharmed` by what is done with it."""
    async with (
        Provider(script) as one,
        running(folder, {"one": provider(one.base_url)}, **sections) as router,
        unharmed(router, caplog, one),
        h1_to(router.host, router.port) as client,
    ):
        yield client, one, router


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log holds of tracebacks and errors."""
    return [record.getMessage() for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Asserts that Python never held so many bytes more than before."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < limit, f"{(peak - before) / (1 << 20):.0f} MiB at the most"


def _tasks(providers: tuple[Provider, ...]) -> int:
    """Tasks there are, but for those of the providers' connections: the router keeps some of them for later."""
    return len(asyncio.all_tasks()) - sum(each.connections for each in providers)


def _waiting_for_uploads() -> bool:
    """asyncio has no public list of its timers."""
    scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    live = (handle._callback for handle in scheduled if not handle.cancelled())
    return any(isinstance(getattr(callback, "__self__", None), UploadTimer) for callback in live)
