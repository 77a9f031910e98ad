"""A client that does not read: its provider is read no further, little is held for it, and no target is punished."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from mitmproxy.proxy.layers.http import Http2Server

from pointsman.demo import Behaviour, Provider, ReceivedRequest, Responder, behaviours
from pointsman.exchange.client_response import HIGH_WATER
from pointsman.transport import exchange_timers
from pointsman.transport.flow_control import FlowControl
from support.h1client import chat, h1_to
from support.h2client import h2_through
from support.leak_checks import no_leaks, soon
from support.router import Router, running
from support.settings import provider

MIB = 1 << 20
EVENTS = 3000
EVENT_SIZE = 16 * 1024
QUIET, LOOK = 1.5, 0.05
"""Seconds without a byte after which a provider counts as stopped, and between two looks at it."""
PATIENCE = {"stall": 1.0, "heartbeat": 1.0}
"""Shorter than that: if these timers ran while the client does not read, they would end its answer or add to it."""

type Resume = Callable[[], Awaitable[bytes]]
"""Reads on, to the end of the answer, and gives its body."""
type Unread = Callable[[Router], AbstractAsyncContextManager[Resume]]


def long_answer() -> Iterator[bytes]:
    """About 50 MB, each event like no other: what is lost, repeated or out of order shows."""
    for n in range(EVENTS):
        content = f"{n:06}-".ljust(EVENT_SIZE, "x")
        yield f'data: {{"choices":[{{"index":0,"delta":{{"content":"{content}"}}}}]}}\n\n'.encode()
    yield b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    yield b"data: [DONE]\n\n"


async def _tell(stage: Responder) -> None:
    await stage.head(200, [("Content-Type", "text/event-stream")])
    for event in long_answer():
        await stage.chunk(event)
    await stage.end()


LONG = Behaviour("long", _tell)


@asynccontextmanager
async def http1_socket(router: Router) -> AsyncIterator[Resume]:
    async with h1_to(router.host, router.port, room=4096) as client:
        await client.ask(chat())
        await client.head()
        yield client.chunks


@asynccontextmanager
async def http2_socket(router: Router) -> AsyncIterator[Resume]:
    """Its windows are open; it is the connection that is not read."""
    async with h2_through(router.url, router.ca) as client:
        stream = await client.ask(chat())
        await client.until(lambda: bool(stream.status))
        client.pause()

        async def resume() -> bytes:
            client.resume()
            return await client.whole(stream)

        yield resume


@asynccontextmanager
async def http2_window(router: Router) -> AsyncIterator[Resume]:
    async with h2_through(router.url, router.ca, window=0) as client:
        stream = await client.ask(chat())

        async def resume() -> bytes:
            await client.grant(stream)
            return await client.whole(stream)

        yield resume


UNREAD = pytest.mark.parametrize("unread", [http1_socket, http2_socket, http2_window])


async def stopped(seen: ReceivedRequest) -> int:
    """Waits until a provider has sent nothing for a while, and says how much it has."""
    sent, looks = seen.sent, 0  # the clock would also count what this process was kept from running
    while looks * LOOK < QUIET:
        await asyncio.sleep(LOOK)
        looks = looks + 1 if seen.sent == sent else 0
        sent = seen.sent
    return sent


def held(router: Router) -> int:
    """Bytes of answers that wait in this process to be written to clients."""
    handlers = router.server.connections.values()
    writers = [io.writer for handler in handlers for io in handler.transports.values()]
    unwritten = sum(w.transport.get_write_buffer_size() for w in writers if isinstance(w, asyncio.StreamWriter))
    homes = {driver._stream.http_layer for driver in router.drivers}
    http2 = [each for home in homes for each in home.connections.values() if isinstance(each, Http2Server)]
    queues = [queue for each in http2 for queue in each.h2_conn.stream_buffers.values()]
    return unwritten + sum(len(piece.data) for queue in queues for piece in queue)


@UNREAD
async def test_the_provider_is_stopped_and_the_answer_is_whole_in_the_end(tmp_path: Path, unread: Unread) -> None:
    whole = b"".join(long_answer())
    async with (
        Provider(LONG) as one,
        running(tmp_path, {"one": provider(one.base_url)}, stream=PATIENCE) as router,
        unread(router) as resume,
    ):
        sent = await stopped(await one.arrived())
        assert sent < len(whole) / 2
        assert 0 < held(router) < MIB
        assert await resume() == whole
        [record] = router.gateway.recent_exchanges.newest(10)
        assert [(attempt.outcome, attempt.error) for attempt in record.attempts] == [("request_success", None)]
        assert record.error is None
        [flow] = router.watcher.flows
        assert flow.response
        assert len(flow.response.raw_content or b"") < MIB


@UNREAD
async def test_one_that_leaves_without_having_read_leaves_nothing_behind(tmp_path: Path, unread: Unread) -> None:
    async with (
        Provider(LONG) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
    ):
        async with unread(router):
            seen = await one.arrived()
            await soon(lambda: held(router) > HIGH_WATER)
        assert await seen.closed_by_peer()
        await no_leaks(router)
        [record] = router.gateway.recent_exchanges.newest(10)
        assert [(attempt.outcome, attempt.error) for attempt in record.attempts] == [("client_abort", None)]


async def test_a_stream_without_a_window_holds_up_no_other_on_its_connection(tmp_path: Path) -> None:
    async with (
        Provider([LONG, behaviours.answer("one two three")]) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
        h2_through(router.url, router.ca, window=0) as client,
    ):
        await client.ask(chat())
        stuck = await one.arrived(1)
        sent = await stopped(stuck)
        reading = await client.ask(chat())
        await client.grant(reading)
        assert b"three" in await client.whole(reading)
        assert stuck.sent == sent


async def test_a_window_that_opens_a_little_lets_a_little_through(tmp_path: Path) -> None:
    """The client's window, not the router's appetite, says how much goes out."""
    whole = b"".join(long_answer())
    async with (
        Provider(LONG) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
        h2_through(router.url, router.ca, window=0) as client,
    ):
        stream = await client.ask(chat())
        granted = 0
        for size in (1, 1000, 70_000, MIB):
            granted += size
            await client.grant(stream, size)
            await client.until(lambda: len(stream.data) == granted)  # noqa: B023
        assert bytes(stream.data) == whole[:granted]
        assert held(router) < MIB


async def test_clocks_go_on_once_what_another_stream_of_the_connection_had_to_write_is_read(tmp_path: Path) -> None:
    """Nothing is sent to this stream, so that nothing waits for its client: its provider is silent."""
    async with (
        Provider([LONG, behaviours.hang()]) as silent,
        Provider(behaviours.answer("one two three")) as good,
        running(
            tmp_path, {"silent": provider(silent.base_url), "good": provider(good.base_url)}, stream={"first_byte": 2.0}
        ) as router,
        h2_through(router.url, router.ca) as client,
    ):
        long = await client.ask(chat())
        await client.until(lambda: bool(long.status))
        client.pause()
        await soon(lambda: held(router) > HIGH_WATER)
        other = await client.ask(chat("another"))
        await silent.arrived(2)
        await soon(lambda: router.drivers[1].exchange.is_paused)
        client.resume()
        assert b"three" in await client.whole(other)
        assert other.headers["x-fallback-trail"] == "silent/m@first_byte_timeout"


async def test_what_an_attempt_had_to_say_when_it_was_cancelled_is_not_waiting_for_the_client(tmp_path: Path) -> None:
    """Or the exchange would wait, for the rest of its life, for a client that has nothing to read."""
    gate = asyncio.Event()
    async with (
        Provider(behaviours.answer("one two three", gate_after={0: gate})) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
        h1_to(router.host, router.port) as client,
    ):
        await client.ask(chat())
        await one.arrived()
        [driver], [handler] = router.drivers, router.server.connections.values()
        attempt = driver._tasks[1]
        await soon(lambda: driver.exchange._running[1].bytes_received > 0)
        async with handler._server_event_lock:  # other streams of a connection take turns with this one
            gate.set()
            await soon(lambda: driver._flow_control.backlog() > 0)
            attempt.cancel()
            await asyncio.wait([attempt])
        assert driver._flow_control.backlog() == 0


async def test_a_socket_that_another_stream_has_filled_again_is_waited_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that has all it was sent says nothing more: only the socket tells that there is room."""
    monkeypatch.setattr(exchange_timers, "SLOW_CLIENT_CHECK_INTERVAL", 3600.0)
    async with (
        Provider(behaviours.answer("one two three", pace=0.02)) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
        h1_to(router.host, router.port) as client,
    ):
        found = [HIGH_WATER + 1] * 4  # after a piece by the short way, before the wait, within it and after it
        monkeypatch.setattr(FlowControl, "backlog", lambda _: found.pop() if found else 0)
        await client.ask(chat())
        await client.head()
        assert b"three" in await client.chunks()
        assert not found
