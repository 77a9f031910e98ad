"""Providers that fail before their answer has begun, over real sockets: no client notices."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Behaviour, Provider, ReceivedRequest, behaviours, closed_port
from support.certificate_authority import CertificateAuthority
from support.damage_checks import memory_below, unharmed
from support.http_requests import Asked, ask
from support.leak_checks import soon
from support.router import running
from support.settings import provider

MIB = 1 << 20
TEXT = "one two three four"
EVENTS = (b'data: {"choices":[{"index":0,"delta":{"content":"exact"}}]}\n\n', b"data:[DONE]\n\n")
WHOLE = b'{"choices":[{"index":0,"message":{"content":"exact"},"finish_reason":"stop"}]}'
SHORT = {"connect": "300ms", "first_byte": "300ms", "answer": "300ms", "stall": "300ms"}
LONG = {"connect": "20s", "first_byte": "20s", "answer": "20s"}
SHORT_WAY = {**LONG, "connect": "300ms"}


def good(seen: ReceivedRequest) -> Behaviour:
    """The one that is asked next."""
    return behaviours.exact(EVENTS) if seen.wants_stream else behaviours.exact([WHOLE], content_type="application/json")


def is_the_good_ones(answer: Asked, label: str, stream: bool) -> None:
    assert answer.status == 200
    assert answer.body == (b"".join(EVENTS) if stream else WHOLE)
    assert answer.headers["x-routed-via"] == "good/m"
    assert answer.headers["x-fallback-trail"] == f"bad/m@{label}"
    assert answer.headers["x-fallback-attempts"] == "1"


@dataclass(frozen=True)
class Failing:
    """What it is called in the trail, of a streamed and of a whole answer; None where it is no failure."""

    name: str
    behaviour: Behaviour
    streamed: str | None
    whole: str | None
    timeouts: dict[str, str] = field(default_factory=lambda: LONG)
    large: bool = False
    """Far more than the router should ever hold."""


def same(name: str, behaviour: Behaviour, label: str, **more: Any) -> Failing:
    return Failing(name, behaviour, label, label, **more)


def after_the_head(behaviour: Behaviour) -> Behaviour:
    """With the body long enough behind the head that they are not read in one piece."""
    return behaviours.drip(behaviour, piece=100_000, every=0.02)


def silent(name: str, behaviour: Behaviour) -> Failing:
    return Failing(name, behaviour, "first_byte_timeout", "answer_timeout", SHORT)


FAILING = (
    same("204", behaviours.no_content(), "empty"),
    *(same(f"{code}", behaviours.redirect(code), f"{code}") for code in (301, 302, 307, 308)),
    same("a page with 200", behaviours.html(), "malformed"),
    same("a page with 503", behaviours.html(503), "503"),
    Failing("garbage", behaviours.garbage(), "empty", "malformed"),
    Failing("nothing", behaviours.empty("nothing"), "empty", "empty"),
    same("no HTTP", behaviours.no_http(), "malformed"),
    same("a long head", behaviours.long_head(), "malformed", large=True),
    same("an endless line", behaviours.endless_line(), "malformed", large=True),
    Failing("blanks without end", behaviours.endless(), None, "answer_timeout", SHORT),
    Failing("an event of 45 MB", behaviours.big_event(45_000_000), "malformed", None),
    same("a bomb in gzip", behaviours.bomb(200 * MIB), "malformed", large=True),
    same("a bomb in deflate", behaviours.bomb(200 * MIB, "deflate"), "malformed", large=True),
    same("a bomb in brotli", behaviours.bomb(200 * MIB, "br"), "malformed", large=True),
    same("a bomb in zstd", behaviours.bomb(200 * MIB, "zstd"), "malformed", large=True),
    same("an error of 100 MB", behaviours.huge_error(size=100 * MIB), "500", large=True),
    Failing("less than its length", behaviours.wrong_length(TEXT, 10), None, "stream_broken"),
    Failing("more than its length", behaviours.wrong_length(TEXT, -10), None, "malformed"),
    same("truncated before content", behaviours.truncated(TEXT, 0), "stream_broken"),
    Failing("truncated", behaviours.truncated(TEXT, 2), None, "stream_broken"),
    same("a bad chunk before content", after_the_head(behaviours.bad_chunk(TEXT, 0)), "stream_broken"),
    Failing("truncated and compressed", behaviours.compressed(behaviours.truncated(TEXT, 2)), None, "stream_broken"),
    same(
        "not compressed as it says",
        behaviours.with_headers(behaviours.answer(TEXT), [("Content-Encoding", "gzip")]),
        "stream_broken",
    ),
    same("reset at connect", behaviours.reset("connect"), "connection_reset"),
    same("reset at the request", behaviours.reset("request"), "connection_reset"),
    same("reset after the head", behaviours.reset("headers"), "stream_broken"),
    Failing("reset within", behaviours.reset_within(TEXT, 2), None, "stream_broken"),
    same("closed without a word", behaviours.hang_up(), "connection_reset"),
    same("closed, the request unread", behaviours.unread(behaviours.hang_up()), "connection_reset"),
    Failing("an end without a finish", behaviours.cut(TEXT, 0), "stream_broken", "stream_broken"),
    Failing("three unreadable events", behaviours.garbled(TEXT, 0, 3), "malformed", None),
    silent("silent from the start", behaviours.silence()),
    silent("silent before the head", behaviours.hang("before-headers")),
    silent("silent after the head", behaviours.hang("after-headers")),
    silent("silent before content", behaviours.hang("after-role")),
    Failing("silent within", behaviours.stall(TEXT, 2), None, "answer_timeout", SHORT),
    silent("hints without end", behaviours.endless_hints()),
    Failing("pings without end", behaviours.pings(60, 0.05), "first_byte_timeout", None, SHORT),
)
STREAMED = [failing for failing in FAILING if failing.streamed]
UNSTREAMED = [failing for failing in FAILING if failing.whole]


def named(failing: Failing) -> str:
    return failing.name


class TestBeforeTheAnswer:
    @pytest.mark.parametrize("failing", STREAMED, ids=named)
    async def test_of_a_stream(self, tmp_path: Path, caplog: pytest.LogCaptureFixture, failing: Failing) -> None:
        with memory_below(72 * MIB) if failing.large else nullcontext():  # an event may have 40 MiB
            answer = await self._answer(tmp_path, caplog, failing, True)
        assert failing.streamed
        is_the_good_ones(answer, failing.streamed, True)

    @pytest.mark.parametrize("failing", UNSTREAMED, ids=named)
    async def test_of_a_whole_answer(self, tmp_path: Path, caplog: pytest.LogCaptureFixture, failing: Failing) -> None:
        with memory_below(160 * MIB) if failing.large else nullcontext():  # an answer may have 64 MiB
            answer = await self._answer(tmp_path, caplog, failing, False)
        assert failing.whole
        is_the_good_ones(answer, failing.whole, False)

    @pytest.mark.parametrize("stream", [True, False])
    async def test_in_the_other_form_it_is_put_into_the_one_that_was_asked_for(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, stream: bool
    ) -> None:
        behaviour = behaviours.json_for_stream(TEXT) if stream else behaviours.sse_for_whole(TEXT)
        answer = await self._answer(tmp_path, caplog, Failing("other form", behaviour, None, None), stream)
        assert (answer.status, answer.headers["x-routed-via"]) == (200, "bad/m")
        assert answer.headers["content-type"].startswith("text/event-stream" if stream else "application/json")
        assert TEXT.encode() in answer.body
        assert answer.body.endswith(b"data: [DONE]\n\n") is stream

    @staticmethod
    async def _answer(folder: Path, caplog: pytest.LogCaptureFixture, failing: Failing, stream: bool) -> Asked:
        async with (
            Provider(failing.behaviour) as bad,
            Provider(good) as other,
            running(folder, rows(bad.base_url, other.base_url, failing.timeouts)) as router,
            unharmed(router, caplog, bad, other),
        ):
            return await ask(router.base_url, stream=stream)


def rows(bad: str, other: str, timeouts: dict[str, str] = LONG) -> dict[str, dict[str, Any]]:
    return {"bad": provider(bad, timeouts=timeouts), "good": provider(other)}


type Asking = Callable[..., Awaitable[Asked]]
"""Asks a router whose first provider has this base URL, and perhaps timeouts."""


@contextmanager
def deaf_port() -> Iterator[str]:
    """A port where connections are neither accepted nor refused: the queue of those that wait is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        for each in waiting:
            each.close()


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
class TestUnreachable:
    """What no server is there to play."""

    @pytest.fixture
    def asked(self, tmp_path: Path, caplog: pytest.LogCaptureFixture, stream: bool) -> Asking:
        async def asking(bad: str, timeouts: dict[str, str] = LONG) -> Asked:
            async with (
                Provider(good) as other,
                running(tmp_path, rows(bad, other.base_url, timeouts)) as router,
                unharmed(router, caplog, other),
            ):
                return await ask(router.base_url, stream=stream)

        return asking

    async def test_a_port_that_refuses(self, asked: Asking, stream: bool) -> None:
        is_the_good_ones(await asked(closed_port()), "connect_refused", stream)

    async def test_a_port_that_does_not_answer(self, asked: Asking, stream: bool) -> None:
        with deaf_port() as url:
            answer = await asked(url, SHORT)
        label = answer.headers["x-fallback-trail"].partition("@")[2]
        late = "first_byte_timeout" if stream else "answer_timeout"
        assert label in ("connect_timeout", late), "a busy system may let one more into the queue"
        is_the_good_ones(answer, label, stream)

    async def test_a_name_that_is_none(self, asked: Asking, stream: bool) -> None:
        is_the_good_ones(await asked("http://nowhere.invalid/v1"), "dns", stream)

    async def test_a_server_without_tls(self, asked: Asking, stream: bool) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1") as server:
            host, port = server.sockets[0].getsockname()
            is_the_good_ones(await asked(f"https://{host}:{port}/v1"), "tls", stream)

    async def test_an_untrusted_certificate(self, asked: Asking, stream: bool, tmp_path: Path) -> None:
        async with Provider(behaviours.answer(TEXT), tls=CertificateAuthority(tmp_path).server("127.0.0.1")) as foreign:
            is_the_good_ones(await asked(foreign.base_url), "tls", stream)
            assert foreign.seen == []

    async def test_silence_within_the_tls_handshake(self, asked: Asking, stream: bool) -> None:
        async with Provider(behaviours.silence()) as mute:
            answer = await asked(mute.base_url.replace("http:", "https:"), SHORT_WAY)
            is_the_good_ones(answer, "connect_timeout", stream)
            await soon(lambda: not mute.connections)
