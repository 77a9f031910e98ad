"""The machine misbehaves: clocks that are set, and names that no server resolves."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Provider, behaviours
from support.h1client import chat, h1_to
from support.http_requests import ask
from support.leak_checks import no_leaks
from support.router import running
from support.settings import provider
from support.time_limit import LONGEST

TEXT = "one two three four"
DAY = 86_400.0
JUMPS = pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "backward"])


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock on the wall by so many seconds."""
    real = time.time

    def move(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return move


class TestAClockThatIsSet:
    @JUMPS
    async def test_a_running_stream_goes_on_to_its_end(
        self, tmp_path: Path, set_clock: Callable[[float], None], jump: float
    ) -> None:
        gate = asyncio.Event()
        async with (
            Provider(behaviours.answer(TEXT, gate_after={2: gate})) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            h1_to(router.host, router.port) as client,
        ):
            await client.ask(chat())
            await client.head()
            while b" two" not in await client.chunk():
                pass
            set_clock(jump)
            gate.set()
            rest = await client.chunks()
            assert b" four" in rest
            assert b"error" not in rest
            [record] = router.gateway.recent_exchanges.newest(1)
            assert 0 <= record.ended_ms < 60_000
            await no_leaks(router, connections=1)

    @JUMPS
    async def test_what_cools_goes_on_cooling_and_conversations_stay_where_they_are(
        self, tmp_path: Path, set_clock: Callable[[float], None], jump: float
    ) -> None:
        session = {"X-Session-ID": "turn-after-turn"}
        async with (
            Provider([behaviours.status(503), behaviours.answer("from one")]) as one,
            Provider(behaviours.answer("from two")) as two,
            running(tmp_path, {"one": provider(one.base_url), "two": provider(two.base_url)}) as router,
        ):
            first = await ask(router.base_url, headers=session)
            assert first.headers["x-fallback-trail"] == "one/m@503"
            set_clock(jump)
            second = await ask(router.base_url, headers=session)
            other = await ask(router.base_url)
            assert (second.headers["x-routed-via"], second.headers["x-sticky-session"]) == ("two/m", "hit")
            assert (other.headers["x-routed-via"], other.headers.get("x-fallback-trail")) == ("two/m", None)
            assert len(one.seen) == 1


@pytest.fixture
def unresolved(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names in `hangs.test` are looked up for ever. Gives those that were asked for."""
    asked: list[str] = []
    given_up = threading.Event()
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **options: Any) -> Any:
        if str(host).endswith("hangs.test"):
            asked.append(host)
            given_up.wait(LONGEST)
            raise socket.gaierror(socket.EAI_AGAIN, "no server answers")
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield asked
    given_up.set()


async def test_an_unresolvable_name_is_a_connection_that_takes_too_long(tmp_path: Path, unresolved: list[str]) -> None:
    """And one look-up at a time, however many ask: they leave no crowd of threads behind that wait."""
    hanging = provider("http://hangs.test/v1", timeouts={"connect": 0.2})
    async with (
        Provider(behaviours.answer(TEXT)) as good,
        running(
            tmp_path,
            {"hanging": hanging, "good": provider(good.base_url.replace("127.0.0.1", "localhost"))},
            cooldowns={"transient": "1ms"},
        ) as router,
    ):
        answers = await asyncio.gather(*(ask(router.base_url) for _ in range(20)))
        assert {answer.headers["x-routed-via"] for answer in answers} == {"good/m"}
        assert "hanging/m@connect_timeout" in {answer.headers.get("x-fallback-trail") for answer in answers}
        assert unresolved == ["hangs.test"]
        await no_leaks(router)
