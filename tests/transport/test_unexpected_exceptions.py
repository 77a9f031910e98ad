"""Exceptions that were not expected: each ends its own exchange, says so with an id, and nothing else."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pointsman.demo import Behaviour, Provider, behaviours
from pointsman.exchange.engine import Exchange
from pointsman.gateway import Gateway
from pointsman.recent_exchanges import RecentExchanges
from pointsman.routing.router import Router as Routing
from pointsman.transport.exchange_driver import ExchangeDriver
from pointsman.transport.stream import RoutedStream
from pointsman.wire.dialects.openai_chat import answers, request
from support.h1client import H1Client, chat, h1_to
from support.h2client import h2_through
from support.leak_checks import leaks, no_leaks, soon
from support.router import Router, running
from support.settings import provider
from support.time_limit import LONGEST

TEXT = "one two three four"
ID = (("X-Request-ID", "turn-9"),)
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Weak:
    """A place in the routed path."""

    owner: type | ModuleType
    name: str
    after: int = 0
    """How many calls go well before."""

    def __str__(self) -> str:
        return f"{self.owner.__name__}.{self.name}"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Callable[[], None]]]:
    """Makes places raise; what it returns mends them."""

    def break_(*places: Weak) -> Callable[[], None]:
        for place in places:
            monkeypatch.setattr(place.owner, place.name, _raising(place))
        return monkeypatch.undo

    yield break_
    monkeypatch.undo()


def _raising(place: Weak) -> Callable[..., Any]:
    sound, calls = getattr(place.owner, place.name), 0

    def raising(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > place.after:
            raise LookupError("this was not expected")
        return sound(*args, **kwargs)

    return raising


@asynccontextmanager
async def routing(folder: Path, script: Behaviour) -> AsyncIterator[Router]:
    async with Provider(script) as one, running(folder, {"one": provider(one.base_url)}) as router:
        yield router


async def answer_to(client: H1Client, streamed: bool = False) -> tuple[int, dict[str, str], bytes]:
    await client.ask(chat(stream=streamed), headers=ID)
    status, headers = await client.head()
    if "content-length" in headers:
        return status, headers, await client.reader.readexactly(int(headers["content-length"]))
    return status, headers, await client.chunks()


def is_logged_with_its_id(caplog: pytest.LogCaptureFixture, name: str = "turn-9") -> None:
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert any(name in record.getMessage() and record.exc_info for record in told)
    assert "mitmproxy has crashed" not in caplog.text
    assert "never retrieved" not in caplog.text


BEFORE_AN_ANSWER = [
    Weak(request, "parse_object"),
    Weak(request, "with_model"),
    Weak(answers, "reader_for"),
    Weak(Routing, "plan"),
    Weak(Gateway, "open_exchange"),
    Weak(ExchangeDriver, "__init__"),
    Weak(Exchange, "start"),
    Weak(Exchange, "on_connected"),
    Weak(Exchange, "on_head"),
    Weak(Exchange, "on_data"),
    Weak(Exchange, "on_end"),
    Weak(ExchangeDriver, "winner_connection"),
]


@pytest.mark.parametrize("place", BEFORE_AN_ANSWER, ids=str)
class TestBeforeAnAnswer:
    """502 with the request id, and the connection goes on."""

    async def test_over_http1(
        self, tmp_path: Path, broken: Callable[..., Any], caplog: pytest.LogCaptureFixture, place: Weak
    ) -> None:
        async with routing(tmp_path, behaviours.answer(TEXT)) as router, h1_to(router.host, router.port) as client:
            mend = broken(place)
            status, headers, body = await answer_to(client)
            assert (status, headers["x-request-id"]) == (502, "turn-9")
            assert json.loads(body)["error"]["code"] in ("internal_error", "upstream_error")
            is_logged_with_its_id(caplog)
            mend()
            status, _, body = await answer_to(client)
            assert status == 200
            assert TEXT.encode() in body
            await no_leaks(router, connections=1)
            assert router.gateway.running == {}

    async def test_over_http2(
        self, tmp_path: Path, broken: Callable[..., Any], caplog: pytest.LogCaptureFixture, place: Weak
    ) -> None:
        async with routing(tmp_path, behaviours.answer(TEXT)) as router, h2_through(router.url, router.ca) as client:
            mend = broken(place)
            stream = await client.ask(chat(stream=False), headers=(("x-request-id", "turn-9"),))
            body = await client.whole(stream)
            assert (stream.status, stream.headers["x-request-id"]) == (502, "turn-9")
            assert json.loads(body)["error"]["code"] in ("internal_error", "upstream_error")
            is_logged_with_its_id(caplog)
            mend()
            assert TEXT.encode() in await client.whole(await client.ask(chat(stream=False)))
            await no_leaks(router, connections=1)
            assert router.gateway.running == {}


class TestWithinAStream:
    @pytest.mark.parametrize("place", [Weak(Exchange, "on_data", after=3), Weak(Exchange, "on_end")], ids=str)
    async def test_it_ends_in_one_error_frame_and_the_marker(
        self, tmp_path: Path, broken: Callable[..., Any], caplog: pytest.LogCaptureFixture, place: Weak
    ) -> None:
        script = behaviours.cut(TEXT, after_tokens=3) if place.name == "on_end" else behaviours.answer(TEXT, pace=0.01)
        async with routing(tmp_path, script) as router, h1_to(router.host, router.port) as client:
            mend = broken(place)
            status, _, body = await answer_to(client, streamed=True)
            assert status == 200
            assert b'"one"' in body
            assert body.count(b'"error"') == body.count(b'"internal_error"') == 1
            assert b"turn-9" in body
            assert body.endswith(DONE)
            is_logged_with_its_id(caplog)
            mend()
            assert b'"one"' in (await answer_to(client, streamed=True))[2]
            await no_leaks(router, connections=1)

    async def test_its_timer_too(
        self, tmp_path: Path, broken: Callable[..., Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        async with (
            Provider(behaviours.stall(TEXT, after_tokens=2)) as one,
            running(tmp_path, {"one": provider(one.base_url)}, stream={"heartbeat": "200ms"}) as router,
            h1_to(router.host, router.port) as client,
        ):
            broken(Weak(Exchange, "on_tick"))
            _, _, body = await answer_to(client, streamed=True)
            assert body.count(b'"internal_error"') == 1
            assert body.endswith(DONE)
            is_logged_with_its_id(caplog)
            await no_leaks(router, connections=1)


class TestTheRecord:
    @pytest.mark.parametrize(
        "place",
        [Weak(Gateway, "on_exchange_ended"), Weak(RecentExchanges, "add"), Weak(Exchange, "to_record")],
        ids=str,
    )
    @pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
    async def test_an_answer_is_not_lost_with_its_record(
        self,
        tmp_path: Path,
        broken: Callable[..., Any],
        caplog: pytest.LogCaptureFixture,
        place: Weak,
        streamed: bool,
    ) -> None:
        async with routing(tmp_path, behaviours.answer(TEXT)) as router, h1_to(router.host, router.port) as client:
            mend = broken(place)
            status, _, body = await answer_to(client, streamed)
            assert status == 200
            assert b"four" in body
            assert b'"error"' not in body
            is_logged_with_its_id(caplog)
            mend()
            assert (await answer_to(client))[0] == 200
            await no_leaks(router, connections=1)


class TestTheHead:
    async def test_a_head_that_breaks_the_reception_ends_its_connection_with_a_word(
        self, tmp_path: Path, broken: Callable[..., Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        """Its body is not read, so that it is not known where the next request begins."""
        async with routing(tmp_path, behaviours.answer(TEXT)) as router:
            mend = broken(Weak(Gateway, "admit"))
            async with h1_to(router.host, router.port) as client:
                status, headers, body = await answer_to(client)
                assert (status, headers["connection"]) == (502, "close")
                assert json.loads(body)["error"]["code"] == "internal_error"
                is_logged_with_its_id(caplog, headers["x-request-id"])
                assert headers["x-request-id"].encode() in body
            mend()
            async with h1_to(router.host, router.port) as client:
                assert (await answer_to(client))[0] == 200
            await no_leaks(router)

    async def test_over_http2_only_its_stream(
        self, tmp_path: Path, broken: Callable[..., Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        async with routing(tmp_path, behaviours.answer(TEXT)) as router, h2_through(router.url, router.ca) as client:
            mend = broken(Weak(Gateway, "admit"))
            stream = await client.ask(chat())
            await client.until(lambda: stream.status != 0)
            assert stream.status == 502
            is_logged_with_its_id(caplog, stream.headers["x-request-id"])
            mend()
            assert b"four" in await client.whole(await client.ask(chat()))
            await no_leaks(router, connections=1)

    async def test_a_page_that_breaks_is_reported_and_the_connection_goes_on(
        self, tmp_path: Path, broken: Callable[..., Any]
    ) -> None:
        async with routing(tmp_path, behaviours.answer(TEXT)) as router, h1_to(router.host, router.port) as client:
            mend = broken(Weak(RecentExchanges, "newest"))
            for expected in (502, 200):
                client.send(b"GET /internal/exchanges HTTP/1.1\r\nHost: localhost\r\n\r\n")
                status, headers = await client.head()
                assert status == expected
                await client.reader.readexactly(int(headers["content-length"]))
                mend()


class TestAnExchangeThatCannotEvenBeGivenUp:
    GIVE_UP = Weak(Exchange, "fail_with")

    async def test_before_an_answer_it_is_a_502_all_the_same(
        self, tmp_path: Path, broken: Callable[..., Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        async with routing(tmp_path, behaviours.answer(TEXT)) as router, h1_to(router.host, router.port) as client:
            mend = broken(Weak(Exchange, "on_data"), self.GIVE_UP)
            status, headers, _ = await answer_to(client)
            assert (status, headers["x-request-id"]) == (502, "turn-9")
            is_logged_with_its_id(caplog)
            mend()
            assert (await answer_to(client))[0] == 200
            await self.nothing_of_it_runs(router)

    async def test_within_a_stream_the_connection_ends_so_that_it_does_not_look_complete(
        self, tmp_path: Path, broken: Callable[..., Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        async with routing(tmp_path, behaviours.answer(TEXT, pace=0.01)) as router:
            async with h1_to(router.host, router.port) as client:
                broken(Weak(Exchange, "on_data", after=3), self.GIVE_UP)
                await client.ask(chat(), headers=ID)
                await client.head()
                rest = await client.reader.read()
                assert b'"one"' in rest
                assert not rest.endswith(b"0\r\n\r\n")
                is_logged_with_its_id(caplog)
            await self.nothing_of_it_runs(router)

    async def nothing_of_it_runs(self, router: Router) -> None:
        """Its own books are in disorder, so they are not asked."""
        await soon(lambda: not [left for left in leaks(router) if not left.startswith("running ")])
        assert router.gateway.running == {}


async def test_what_fails_behind_an_answer_does_not_keep_it_back(
    tmp_path: Path, broken: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with routing(tmp_path, behaviours.answer(TEXT)) as router, h1_to(router.host, router.port) as client:
        broken(Weak(RoutedStream, "_let_go"))
        await client.ask(chat(stream=False))
        async with asyncio.timeout(LONGEST):
            assert (await client.answer())[0] == 200
        assert "this was not expected" in caplog.text
