"""Many streams at once: each client gets its own answer, to the byte."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pointsman.demo import Behaviour, Provider, ReceivedRequest, Responder
from support.h1client import chat, h1_to
from support.h2client import h2_through
from support.leak_checks import no_leaks
from support.router import Router, running
from support.settings import provider

TOKENS = 40


@pytest.fixture(autouse=True)
def _enough_files() -> None:
    """A stream has four sockets in this process."""
    import resource  # not on every platform

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))


def questions(count: int) -> list[str]:
    """Each of another length, and like no other anywhere: a byte of one in another shows."""
    return [f"{n:03}|" * (8 + n) for n in range(count)]


def answer_to(request: str) -> list[bytes]:
    """The events of a stream that repeats the question; pieces of it begin at another place in each."""
    tokens = (f"{place}:{request[place:]}" for place in range(TOKENS))
    events = [f'data: {{"choices":[{{"index":0,"delta":{{"content":"{token}"}}}}]}}\n\n' for token in tokens]
    finish = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    return [event.encode() for event in (*events, finish, "data: [DONE]\n\n")]


def all_at_once(count: int) -> Callable[[ReceivedRequest], Behaviour]:
    """Answers so many requests in step: none goes on beyond its middle before all have come so far."""
    all_streams = asyncio.Barrier(count)

    async def play(stage: Responder) -> None:
        await stage.head(200, [("Content-Type", "text/event-stream")])
        for nth, event in enumerate(answer_to(stage.request.question)):
            if nth == TOKENS // 2:
                await all_streams.wait()
            await stage.chunk(event)
            await stage.sleep(0)
        await stage.end()

    return lambda seen: Behaviour("all_at_once", play)


def all_ended_well(router: Router, count: int) -> None:
    records = list(router.gateway.recent_exchanges.newest(count + 1))
    assert len(records) == count
    assert {attempt.outcome for record in records for attempt in record.attempts} == {"request_success"}


async def over_http1(router: Router, request: str) -> bytes:
    async with h1_to(router.host, router.port) as client:
        await client.ask(chat(request))
        assert (await client.head())[0] == 200
        return await client.chunks()


async def test_200_streams_over_200_http1_connections(tmp_path: Path) -> None:
    asked = questions(200)
    async with (
        Provider(all_at_once(len(asked))) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
    ):
        answers = await asyncio.gather(*(over_http1(router, request) for request in asked))
        for request, answer in zip(asked, answers, strict=True):
            assert answer == b"".join(answer_to(request))
        all_ended_well(router, len(asked))
        await no_leaks(router)


async def test_100_streams_over_one_http2_connection(tmp_path: Path) -> None:
    asked = questions(100)
    async with (
        Provider(all_at_once(len(asked))) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
        h2_through(router.url, router.ca) as client,
    ):
        streams = [await client.ask(chat(request)) for request in asked]
        for request, stream in zip(asked, streams, strict=True):
            assert await client.whole(stream) == b"".join(answer_to(request))
            assert stream.status == 200
        all_ended_well(router, len(asked))
        assert len(router.server.connections) == 1
        await no_leaks(router, connections=1)
