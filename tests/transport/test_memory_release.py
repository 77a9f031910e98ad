"""What a request takes is given back when its exchange ends, by reference counting alone: the next collection of all
garbage may be minutes away.
"""

import gc
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from pointsman.demo import Behaviour, behaviours, closed_port
from pointsman.exchange.engine import Exchange
from pointsman.transport.client_stream import ClientStream
from pointsman.transport.exchange_driver import ExchangeDriver
from support.h1client import H1Client, chat, h1_to, head
from support.h2client import h2_through
from support.http_requests import started
from support.leak_checks import no_leaks, soon
from support.patches import needs_patch
from support.router import Router, running
from support.settings import provider
from support.socket_client import socket_to

pytestmark = needs_patch("request_twin", "a request's memory is kept until all garbage is collected")

SMALL, LARGE = "x", "x" * 600_000


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@dataclass
class Taken:
    """What requests have taken. Their bodies and conversations are held here, and if all is well nowhere else."""

    things: list[ref[object]] = field(default_factory=list)
    held: list[object] = field(default_factory=list)

    def note(self, router: Router) -> None:
        """From now on, with nothing that keeps flows or drivers."""
        router.context.master.addons.remove(router.watcher)
        del router.gateway.start_driver
        conduct = router.gateway.start_driver

        def noted(exchange: Exchange, stream: ClientStream) -> ExchangeDriver:
            driver = conduct(exchange, stream)
            self.things += map(ref, (exchange, driver, stream.flow))
            request = exchange.client_request
            self.held += request.body, *(each for each in request.facts.document.values() if isinstance(each, list))
            return driver

        router.gateway.start_driver = noted  # type: ignore[method-assign]

    def left(self) -> list[str]:
        things = [type(thing).__name__ for each in self.things if (thing := each()) is not None]
        alone = [object() for _ in self.held]
        kept = [n for n, one in enumerate(alone) if sys.getrefcount(self.held[n]) >= sys.getrefcount(one)]
        return [*things, *(type(self.held[n]).__name__ for n in kept)]


type Ask = Callable[[H1Client, bytes], Awaitable[None]]


async def hears_it_all(client: H1Client, body: bytes) -> None:
    await client.ask(body)
    await client.answer()


async def sends_it_in_two(client: H1Client, body: bytes) -> None:
    client.send(head("/v1/chat/completions", len(body)) + body[:9])
    client.send(body[9:])
    await client.answer()


async def hears_nothing(client: H1Client, body: bytes) -> None:
    await client.ask(body)


async def hears_its_beginning(client: H1Client, body: bytes) -> None:
    await client.ask(body)
    await client.head()
    await client.chunk()


@dataclass(frozen=True)
class Way:
    """One that an exchange may go, with providers of these manners."""

    name: str
    scripts: tuple[Behaviour, ...]
    ask: Ask = hears_it_all
    stream: bool = True
    more: Mapping[str, Any] = field(default_factory=dict)
    sections: Mapping[str, Any] = field(default_factory=dict)


GOOD = behaviours.answer("one two three")
HEDGE = {"hedge": {"after": "50ms", "max_parallel": 2}}
ANTHROPIC = {"dialect": "anthropic"}
WAYS = (
    Way("streamed", (GOOD,)),
    Way("streamed, sent in two", (GOOD,), sends_it_in_two),
    Way("whole", (GOOD,), stream=False),
    Way("failed over", (behaviours.status(503), GOOD)),
    Way("failed", (behaviours.status(503), behaviours.reset())),
    Way("refused", (behaviours.status(400),)),
    Way("broken off", (behaviours.cut("one two three", after_tokens=2),)),
    Way("unreadable", (behaviours.garbage(),)),
    Way("client gone before the answer", (behaviours.hang(),), hears_nothing),
    Way("client gone within the answer", (behaviours.stall("one two three", after_tokens=1),), hears_its_beginning),
    Way("hedged", (behaviours.hang(), GOOD), sections=HEDGE),
    Way("converted", (GOOD,), more=ANTHROPIC),
    Way("converted and whole", (GOOD,), stream=False, more=ANTHROPIC),
    Way("converted and failed", (behaviours.status(503),), more=ANTHROPIC),
)


@pytest.fixture
async def stack() -> Any:
    async with AsyncExitStack() as stack:
        yield stack


async def set_up(stack: AsyncExitStack, folder: Path, way: Way) -> tuple[Router, Taken]:
    serving, taken = await started(stack, *way.scripts), Taken()
    entries = {each.name: provider(each.base_url, **way.more) for each in serving}
    router = await stack.enter_async_context(running(folder, entries, **way.sections))
    taken.note(router)
    return router, taken


async def nothing_is_left(router: Router, taken: Taken, connections: int) -> None:
    await no_leaks(router, connections)
    assert taken.things
    await soon(lambda: not taken.left(), lambda: str(taken.left()))


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_nothing_is_left_of_an_exchange(stack: AsyncExitStack, tmp_path: Path, way: Way, size: str) -> None:
    """Its client's connection stays open, unless it has gone."""
    router, taken = await set_up(stack, tmp_path, way)
    async with h1_to(router.host, router.port) as client:
        await way.ask(client, chat(size, stream=way.stream))
        leaves = way.ask in (hears_nothing, hears_its_beginning)
        if leaves:
            await soon(lambda: bool(taken.things))
            client.break_off()
        await nothing_is_left(router, taken, 0 if leaves else 1)


async def test_nothing_is_left_of_an_exchange_with_an_unreachable_provider(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    router = await stack.enter_async_context(running(tmp_path, {"gone": provider(closed_port())}))
    taken = Taken()
    taken.note(router)
    async with h1_to(router.host, router.port) as client:
        await hears_it_all(client, chat())
        await nothing_is_left(router, taken, 1)


@pytest.mark.parametrize("leaves", [False, True], ids=["heard", "reset"])
async def test_nothing_is_left_over_http2(stack: AsyncExitStack, tmp_path: Path, leaves: bool) -> None:
    script = behaviours.stall("one two three", after_tokens=1) if leaves else GOOD
    router, taken = await set_up(stack, tmp_path, Way("http2", (script,)))
    async with h2_through(router.url, router.ca) as client:
        stream = await client.ask(chat(LARGE))
        if leaves:
            await client.until(lambda: bool(stream.data))
            await client.reset(stream)
        else:
            await client.whole(stream)
        await nothing_is_left(router, taken, 1)


@pytest.mark.parametrize("leaves", [False, True], ids=["heard", "closed"])
async def test_nothing_is_left_over_websocket(stack: AsyncExitStack, tmp_path: Path, leaves: bool) -> None:
    script = behaviours.stall("one two three", after_tokens=1) if leaves else GOOD
    router, taken = await set_up(stack, tmp_path, Way("websocket", (script,), more={"dialect": "openai-responses"}))
    async with socket_to(router.base_url) as socket:
        if leaves:
            await socket.send(LARGE)
            while "delta" not in await socket.event():
                pass
            await socket.connection.close()
        else:
            await socket.says(LARGE)
            await socket.says("more")
        await nothing_is_left(router, taken, 0 if leaves else 1)
