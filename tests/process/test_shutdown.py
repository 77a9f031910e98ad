"""A router that is stopped while it is busy, in a process of its own."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pointsman.demo import Behaviour, Provider, Script, behaviours
from support.h1client import H1Client, chat, h1_to, head
from support.h2client import h2_through
from support.process import Process, mitmdump, mitmweb
from support.settings import provider, write

TEXT = "one two three four"
DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive"
UNLIMITED = "1h"
"""A drain that the process cannot have waited for when it ends in time."""

type Start = Callable[..., AbstractAsyncContextManager[Process]]


def web(*arguments: str, folder: Path) -> AbstractAsyncContextManager[Process]:
    return mitmweb("--no-web-open-browser", "--set", "web_port=0", *arguments, folder=folder)


@dataclass
class Busy:
    """A router in its own process, and its one provider."""

    process: Process
    one: Provider
    host: str
    port: int
    folder: Path
    stack: AsyncExitStack

    async def client(self, room: int | None = None) -> H1Client:
        return await self.stack.enter_async_context(h1_to(self.host, self.port, room))

    async def streaming(self) -> H1Client:
        """A client that has got the second word of its answer."""
        client = await self.client()
        await client.ask(chat())
        assert (await client.head())[0] == 200
        while b" two" not in await client.chunk():
            pass
        return client

    async def waiting(self) -> H1Client:
        """A client whose stream gets keep-alives, while another one has the only place there is."""
        client = await self.client()
        await client.ask(chat())
        assert (await client.head())[0] == 200
        assert KEEP_ALIVE in await client.chunk()
        assert len(self.one.seen) == 1
        return client

    async def tell(self, signum: signal.Signals = signal.SIGTERM) -> None:
        """Returns once no new client is let in."""
        self.process.tell(signum)
        while await self.listens():
            await asyncio.sleep(0.01)

    async def listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(self.host, self.port)
        except ConnectionRefusedError:
            return False
        writer.close()
        return True

    async def ends_in_order(self) -> None:
        """Waits for its end, which has to come long before an unlimited drain is over."""
        assert await self.process.ends() == 0, self.process.text
        for ugly in ("Traceback", "Unhandled", "never retrieved", "was destroyed", "crashed"):
            assert ugly not in self.process.text, self.process.text


@asynccontextmanager
async def busy(
    folder: Path, script: Script, drain: str, start: Start = mitmdump, concurrency: int = 0
) -> AsyncIterator[Busy]:
    """With `concurrency`, so many requests are answered at once, and others wait."""
    models = {"models": [{"id": "m", "limits": {"concurrency": concurrency}}]} if concurrency else {}
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(Provider(script))
        entries = {"one": provider(one.base_url) | models}
        waiting = {"routing": {"max_wait": "30s"}, "stream": {"early_headers": "100ms", "heartbeat": "100ms"}}
        write(folder, entries, server={"drain": drain}, **(waiting if concurrency else {}))
        process = await stack.enter_async_context(start("-p", "0", "--set", f"confdir={folder}", folder=folder))
        where = urlsplit(await process.base_url())
        assert where.hostname
        assert where.port
        yield Busy(process, one, where.hostname, where.port, folder, stack)


def stalled() -> Behaviour:
    return behaviours.stall(TEXT, after_tokens=2)


def until(gate: asyncio.Event) -> Behaviour:
    """An answer that stops after its second word until the gate is open."""
    return behaviours.answer(TEXT, gate_after={2: gate})


SIGNALS = pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=lambda signum: signum.name)


class TestWithinTheDrain:
    @SIGNALS
    async def test_a_stream_goes_on_to_its_end_and_mitmweb_ends_with_it(
        self, tmp_path: Path, signum: signal.Signals
    ) -> None:
        gate = asyncio.Event()
        async with busy(tmp_path, until(gate), UNLIMITED, web) as router:
            client = await router.streaming()
            await router.tell(signum)
            await goes_on(client, gate)
            await router.ends_in_order()

    async def test_each_open_connection_has_one_more_request_and_mitmdump_ends_with_its_last_stream(
        self, tmp_path: Path
    ) -> None:
        gate = asyncio.Event()
        async with busy(tmp_path, until(gate), UNLIMITED) as router:
            client, pages = await router.streaming(), [await router.client() for _ in range(3)]
            kept, slow = await router.client(), await router.client()
            await kept.ask(chat(model="no-such-model"))
            assert await told(kept) == (404, "model_not_found")
            slow.send(head("/v1/chat/completions", len(chat())) + chat()[:10])
            await router.tell()
            assert not await router.listens()
            for each, page, expected in zip(pages, ("healthz", "readyz", "no-page"), (200, 503, 404), strict=True):
                each.send(f"GET /{page} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                status, headers, _ = await each.answer()
                assert (status, headers["connection"]) == (expected, "close")
                assert await each.at_end()
            await kept.ask(chat())
            slow.send(chat()[10:])
            await router.one.arrived(3)
            gate.set()
            assert (await client.chunks()).endswith(DONE)
            for each in (kept, slow):
                status, headers, body = await each.answer()
                assert (status, headers["connection"]) == (200, "close")
                assert b"four" in body
                assert await each.at_end()
            await router.ends_in_order()

    async def test_a_request_that_is_on_its_way_as_the_idle_router_is_told_is_served(self, tmp_path: Path) -> None:
        async with busy(tmp_path, behaviours.answer(TEXT), UNLIMITED) as router:
            kept = [await router.client() for _ in range(8)]
            for each in kept:
                await each.ask(chat(model="no-such-model"))
                assert await told(each) == (404, "model_not_found")
            router.process.tell(signal.SIGSTOP)
            router.process.tell(signal.SIGTERM)
            new = [await router.client() for _ in range(8)]
            for each in (*kept, *new):
                await each.ask(chat())
            router.process.tell(signal.SIGCONT)
            for each in (*kept, *new):
                status, headers, body = await each.answer()
                assert (status, headers["connection"]) == (200, "close")
                assert body.endswith(DONE)
            await router.ends_in_order()

    async def test_what_waits_for_a_limit_is_served_as_soon_as_there_is_room(self, tmp_path: Path) -> None:
        gate = asyncio.Event()
        async with busy(tmp_path, until(gate), UNLIMITED, concurrency=1) as router:
            client = await router.streaming()
            waiting = await router.waiting()
            await router.tell()
            await goes_on(client, gate)
            rest = await waiting.chunks()
            assert b" four" in rest
            assert rest.endswith(DONE)
            assert len(router.one.seen) == 2
            await router.ends_in_order()


@SIGNALS
class TestBeyondTheDrain:
    async def test_streams_end_in_one_error_frame_and_what_has_no_answer_yet_gets_the_true_status(
        self, tmp_path: Path, signum: signal.Signals
    ) -> None:
        scripts = [*[stalled()] * 3, *[behaviours.hang()] * 2]
        async with busy(tmp_path, scripts, "300ms") as router:
            streaming = [await router.streaming() for _ in range(3)]
            waiting = [await router.client() for _ in range(2)]
            for client, stream in zip(waiting, (True, False), strict=True):
                await client.ask(chat(stream=stream))
            await router.one.arrived(5)
            await router.tell(signum)
            for client in waiting:
                assert await told(client) == (503, "shutting_down")
            for client in streaming:
                rest = await client.chunks()
                assert rest.count(b'"shutting_down"') == rest.count(b'"error"') == 1
                assert rest.endswith(DONE)
                assert await client.reader.read() == b""
            for seen in router.one.seen:
                assert await seen.closed_by_peer()
            await router.ends_in_order()

    async def test_what_waits_for_a_limit_is_reported(self, tmp_path: Path, signum: signal.Signals) -> None:
        async with busy(tmp_path, stalled(), "300ms", concurrency=1) as router:
            client, whole = await router.streaming(), await router.client()
            await whole.ask(chat(stream=False))
            waiting = await router.waiting()
            await router.tell(signum)
            assert await told(whole) == (503, "shutting_down")
            for each in (waiting, client):
                rest = await each.chunks()
                assert rest.count(b'"shutting_down"') == rest.count(b'"error"') == 1
                assert rest.endswith(DONE)
            assert len(router.one.seen) == 1
            await router.ends_in_order()


class TestWhateverTheClientsDo:
    async def test_over_http2_each_stream_gets_an_error(self, tmp_path: Path) -> None:
        async with busy(tmp_path, stalled(), "3s") as router:
            ca = tmp_path / "mitmproxy-ca-cert.pem"
            url = f"http://{router.host}:{router.port}"
            client = await router.stack.enter_async_context(h2_through(url, ca))
            running = await client.ask(chat())
            await client.until(lambda: b" two" in running.data)
            await router.tell()
            late = await client.ask(chat())
            assert b'"shutting_down"' in await client.whole(late)
            assert late.status == 503
            rest = await client.whole(running)
            assert rest.count(b'"error"') == 1
            assert rest.endswith(DONE)
            await router.ends_in_order()

    async def test_one_that_never_reads_does_not_delay_the_shutdown(self, tmp_path: Path) -> None:
        async with busy(tmp_path, behaviours.endless(), "300ms") as router:
            deaf = await router.client(room=4096)
            await deaf.ask(chat())
            await router.one.arrived()
            await router.tell()
            await router.ends_in_order()

    async def test_an_idle_connection_does_not_delay_the_shutdown(self, tmp_path: Path) -> None:
        async with busy(tmp_path, stalled(), UNLIMITED) as router:
            await router.client()
            await router.tell()
            await router.ends_in_order()

    async def test_one_that_leaves_during_the_drain_is_not_waited_for(self, tmp_path: Path) -> None:
        async with busy(tmp_path, stalled(), UNLIMITED) as router:
            client = await router.streaming()
            await router.tell()
            client.close()
            await router.ends_in_order()

    async def test_a_second_signal_does_no_harm(self, tmp_path: Path) -> None:
        gate = asyncio.Event()
        async with busy(tmp_path, until(gate), UNLIMITED) as router:
            client = await router.streaming()
            await router.tell(signal.SIGINT)
            router.process.tell(signal.SIGINT)
            await goes_on(client, gate)
            await router.ends_in_order()

    async def test_without_a_drain_streams_end_at_once_and_properly(self, tmp_path: Path) -> None:
        async with busy(tmp_path, stalled(), "0s") as router:
            client = await router.streaming()
            await router.tell()
            assert (await client.chunks()).endswith(DONE)
            await router.ends_in_order()

    async def test_what_is_not_routed_is_not_waited_for(self, tmp_path: Path) -> None:
        async with busy(tmp_path, stalled(), UNLIMITED) as router, Provider(stalled()) as other:
            client = await router.client()
            await client.ask(chat(), f"{other.base_url}/chat/completions")
            await other.arrived()
            await router.tell()
            await router.ends_in_order()


async def goes_on(client: H1Client, gate: asyncio.Event) -> None:
    """Its stream comes to its natural end."""
    gate.set()
    rest = await client.chunks()
    assert b" four" in rest
    assert b"error" not in rest
    assert rest.endswith(DONE)


async def told(client: H1Client) -> tuple[int, str]:
    """The status and the code of an error."""
    status, headers = await client.head()
    body = json.loads(await client.reader.readexactly(int(headers["content-length"])))
    return status, body["error"]["code"]
