"""Providers whose answer breaks once it has begun, or comes in an odd form: one honest ending, or every byte."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Behaviour, Provider, Script, behaviours
from pointsman.demo.compression import Coding
from support.damage_checks import connected, memory_below, unharmed
from support.h1client import chat
from support.h2client import h2_through
from support.http_requests import Asked, ask
from support.leak_checks import soon
from support.router import running
from support.settings import provider

MIB = 1 << 20
TEXT = "one two three four"
DONE = b"data: [DONE]\n\n"
LONG = {"connect": "20s", "first_byte": "20s", "answer": "20s", "stall": "20s"}
SHORT = {**LONG, "stall": "300ms"}


def event(**members: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, **members}]}).encode() + b"\n\n"


ROLE = event(delta={"role": "assistant"}, finish_reason=None)
ONE = event(delta={"content": "one"}, finish_reason=None)
TWO = event(delta={"content": " two"}, finish_reason=None)
STOP = event(delta={}, finish_reason="stop")
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n'
GOOD = ROLE + ONE + TWO + STOP + DONE


def text_of(events: list[bytes]) -> str:
    """What the events say together; those that are none say nothing."""
    deltas = [json.loads(each[6:])["choices"][0]["delta"] for each in events if each.startswith(b'data: {"')]
    return "".join(delta.get("content") or "" for delta in deltas)


@dataclass(frozen=True)
class Breaking:
    """`own`: the last frame but the end marker is the provider's own."""

    name: str
    behaviour: Behaviour
    code: str = "stream_broken"
    own: bool = False


def after_one(*chunks: bytes) -> Behaviour:
    return behaviours.exact([ROLE, ONE, *chunks])


BREAKING = (
    Breaking("truncated", behaviours.truncated(TEXT, 2)),
    Breaking("truncated within an event", behaviours.truncated(TEXT, 2, in_event=True)),
    Breaking("truncated and compressed", behaviours.compressed(behaviours.truncated(TEXT, 2))),
    Breaking("reset", behaviours.reset_within(TEXT, 2)),
    Breaking("reset within an event", behaviours.reset_within(TEXT, 2, in_event=True)),
    Breaking("an end without a finish", behaviours.cut(TEXT, 2)),
    Breaking("an end within an event", behaviours.cut(TEXT, 2, in_event=True)),
    Breaking("a bad chunk", behaviours.drip(behaviours.bad_chunk(TEXT, 2), piece=10_000, every=0.02)),
    Breaking("silence", behaviours.stall(TEXT, 2), "stream_timeout"),
    Breaking("silence within an event", behaviours.stall(TEXT, 2, in_event=True), "stream_timeout"),
    Breaking("an event of 5 MB", after_one(*[b"data: "], *[b"x" * MIB] * 5, b"\n\n")),
    Breaking("a line without end", after_one(b"data: ", *[b"x" * 65_536] * 100)),
    Breaking("noise", after_one(*[b"data: \xff\xfe\n\n"] * 3)),
    Breaking("an error", behaviours.error_within(TEXT, 2), own=True),
    Breaking("an error and the end marker", behaviours.error_within(TEXT, 2, done=True), own=True),
    Breaking("an error in another dialect", behaviours.error_within(TEXT, 2, shape="google"), own=True),
    Breaking("an error in plain words", behaviours.error_within(TEXT, 2, shape="string"), own=True),
)


class TestAfterTheFirstContent:
    @pytest.mark.parametrize("breaking", BREAKING, ids=lambda breaking: breaking.name)
    async def test_the_stream_ends_in_one_error_and_the_end_marker(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, breaking: Breaking
    ) -> None:
        async with (
            Provider(breaking.behaviour) as bad,
            Provider(behaviours.answer("never asked")) as other,
            running(
                tmp_path,
                {
                    "bad": provider(bad.base_url, timeouts=SHORT if "timeout" in breaking.code else LONG),
                    "good": provider(other.base_url),
                },
            ) as router,
            unharmed(router, caplog, bad, other),
        ):
            answer = await ask(router.base_url)
            assert (answer.status, answer.headers["x-routed-via"]) == (200, "bad/m")
            *said, error, end = answer.events
            assert [end, *answer.events].count(b"data: [DONE]") == 2
            assert text_of(said) in ("one", "one two")
            told = json.loads(error.removeprefix(b"data: "))["error"]
            assert sum(b'"error"' in each for each in answer.events) == 1
            assert breaking.own or told["code"] == breaking.code
            [record] = router.gateway.recent_exchanges.newest(10)
            [attempt] = record.attempts
            outcome = "stream_stalled" if breaking.code == "stream_timeout" else "stream_broken"
            assert (attempt.outcome, record.error) == (outcome, breaking.code)
            assert other.seen == []


def coded(coding: Coding) -> Behaviour:
    return behaviours.compressed(behaviours.exact([GOOD]), coding)


def crlf(body: bytes) -> bytes:
    return body.replace(b"\n", b"\r\n")


FIELDS = b"event: chunk\nid: 7\nretry: 5\n"
NOISE = b"data: {\n\n"
SPREAD = b'data: {"choices": [{"index": 0,\ndata: "delta": {"content": "one"}}]}\n\n'
EXACT: dict[str, tuple[Behaviour, bytes]] = {
    "an event split at every byte": (behaviours.drip(behaviours.exact([GOOD])), GOOD),
    "an event split at every byte, compressed": (behaviours.drip(coded("gzip")), GOOD),
    "all at once": (behaviours.exact([GOOD]), GOOD),
    "CRLF": (behaviours.exact([crlf(GOOD)]), crlf(GOOD)),
    "CRLF split at every byte": (behaviours.drip(behaviours.exact([crlf(GOOD)])), crlf(GOOD)),
    "CR": (behaviours.exact([GOOD.replace(b"\n", b"\r")]), GOOD.replace(b"\n", b"\r")),
    "line ends of all kinds": (behaviours.exact([crlf(ROLE) + ONE + DONE]), crlf(ROLE) + ONE + DONE),
    "no space after data:": (behaviours.exact([GOOD.replace(b"data: ", b"data:")]), GOOD.replace(b"data: ", b"data:")),
    "a byte order mark": (behaviours.exact([b"\xef\xbb\xbf" + GOOD]), b"\xef\xbb\xbf" + GOOD),
    "data over several lines": (behaviours.exact([SPREAD + STOP + DONE]), SPREAD + STOP + DONE),
    "other fields": (
        behaviours.exact([b"event: chunk\nid: 7\nretry: 5\n" + GOOD]),
        b"event: chunk\nid: 7\nretry: 5\n" + GOOD,
    ),
    "a finish twice": (behaviours.exact([ROLE + ONE + STOP + STOP + DONE]), ROLE + ONE + STOP + STOP + DONE),
    "content after the finish": (behaviours.exact([ONE + STOP + TWO + DONE]), ONE + STOP + TWO + DONE),
    "no end marker": (behaviours.exact([ROLE + ONE + STOP]), ROLE + ONE + STOP),
    "no finish": (behaviours.exact([ROLE + ONE + DONE]), ROLE + ONE + DONE),
    "no last blank line": (behaviours.exact([ROLE + ONE + STOP + DONE[:-2]]), ROLE + ONE + STOP + DONE[:-2] + b"\n\n"),
    "usage first": (behaviours.exact([USAGE + GOOD]), USAGE + GOOD),
    "usage within": (
        behaviours.exact([ROLE + ONE + USAGE + TWO + STOP + DONE]),
        ROLE + ONE + USAGE + TWO + STOP + DONE,
    ),
    "usage twice": (behaviours.exact([ROLE + ONE + STOP + USAGE * 2 + DONE]), ROLE + ONE + STOP + USAGE * 2 + DONE),
    "usage after the end marker": (behaviours.exact([GOOD + USAGE]), GOOD),
    "data after the end marker": (behaviours.exact([GOOD, *[b"data: x\n\n" * 1000] * 100]), GOOD),
    "one unreadable event": (
        behaviours.exact([ROLE + ONE + b"data: {\n\n" + STOP + DONE]),
        ROLE + ONE + b"data: {\n\n" + STOP + DONE,
    ),
    "gzip that was not asked for": (coded("gzip"), GOOD),
    "brotli that was not asked for": (coded("br"), GOOD),
    "deflate that was not asked for": (coded("deflate"), GOOD),
    "zstd that was not asked for": (coded("zstd"), GOOD),
    "chunked trailers": (
        behaviours.with_trailers(behaviours.exact([GOOD]), [("X-Checksum", "1"), ("Set-Cookie", "x=y")]),
        GOOD,
    ),
    "until the connection closes": (behaviours.until_close(behaviours.exact([GOOD])), GOOD),
    "no content type": (behaviours.exact([GOOD], content_type=None), GOOD),
    "a content type that says nothing": (behaviours.exact([GOOD], content_type="application/octet-stream"), GOOD),
    "an unknown content coding": (
        behaviours.with_headers(behaviours.exact([GOOD]), [("Content-Encoding", "fancy")]),
        GOOD,
    ),
}
TOLD: dict[str, Behaviour] = {
    "103 first": behaviours.early_hints(TEXT),
    "103 five times": behaviours.early_hints(TEXT, times=5),
    "100 unasked": behaviours.early_hints(TEXT, 100),
    "a head in pieces": behaviours.slow_headers(TEXT, pieces=40, every=0.005),
    "headers that HTTP/2 forbids": behaviours.hop_by_hop(TEXT),
    "headers with control characters": behaviours.with_headers(
        behaviours.answer(TEXT),
        [("OpenAI-Version", "a\x01b"), ("X-Request-ID", "req-1\x7f"), ("OpenAI-Folded", "a\r\n b")],
    ),
    "200 headers": behaviours.with_headers(behaviours.answer(TEXT), [(f"X-{n}", str(n)) for n in range(100)]),
    "chunked trailers": behaviours.with_trailers(behaviours.answer(TEXT)),
    "gzip that was not asked for": behaviours.compressed(behaviours.answer(TEXT)),
    "a byte at a time": behaviours.drip(behaviours.answer(TEXT)),
    "until the connection closes": behaviours.until_close(behaviours.answer(TEXT)),
    "a flood after its end": behaviours.flood(TEXT, 50 * MIB),
}


class TestOddButGood:
    @pytest.mark.parametrize("name", EXACT)
    async def test_a_stream_reaches_its_client_byte_by_byte(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        behaviour, expected = EXACT[name]
        answer, attempt = await self._asked(tmp_path, caplog, behaviour)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
        assert answer.body == expected
        assert attempt.outcome == "request_success"
        if USAGE in expected:
            assert (attempt.usage.prompt, attempt.usage.output) == (1, 2)

    @pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
    @pytest.mark.parametrize("name", TOLD)
    async def test_its_error_is_read(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, stream: bool
    ) -> None:
        answer, attempt = await self._asked(tmp_path, caplog, TOLD[name], stream)
        assert (answer.status, answer.headers["x-routed-via"]) == (200, "bad/m")
        said = text_of(answer.events) if stream else answer.json["choices"][0]["message"]["content"]
        assert said == TEXT
        assert "x-fallback-trail" not in answer.headers
        assert attempt.outcome == "request_success"
        for gone in ("trailer", "set-cookie", "keep-alive", "upgrade", "proxy-connection", "x-demo-hop"):
            assert gone not in answer.headers

    async def test_one_byte_every_50_ms(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """Slower than any timer allows for the whole, and never silent for long."""
        body = b'data:{"choices":[{"delta":{"content":"x"}}]}\n\ndata:[DONE]\n\n'
        answer, _ = await self._asked(tmp_path, caplog, behaviours.drip(behaviours.exact([body]), every=0.05))
        assert answer.body == body

    async def test_a_stream_that_was_whole_when_its_connection_broke(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer, attempt = await self._asked(tmp_path, caplog, behaviours.wrong_length(TEXT, 10))
        assert text_of(answer.events) == TEXT
        assert answer.body.endswith(DONE)
        assert attempt.outcome == "request_success"

    async def test_a_stream_whose_end_its_length_hides(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A finish reason was seen; the end marker was cut off, and is not made up."""
        short = behaviours.drip(behaviours.wrong_length(TEXT, -10), piece=10_000, every=0.05)
        answer, attempt = await self._asked(tmp_path, caplog, short)
        assert text_of(answer.events) == TEXT
        assert DONE not in answer.body
        assert b'"error"' not in answer.body
        assert attempt.outcome == "request_success"

    async def test_5_megabytes_in_one_piece(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        answer, _ = await self._asked(tmp_path, caplog, behaviours.big_event(5 * MIB), stream=False)
        assert answer.json["choices"][0]["message"]["content"] == "x" * 5 * MIB

    @staticmethod
    async def _asked(
        folder: Path, caplog: pytest.LogCaptureFixture, script: Script, stream: bool = True
    ) -> tuple[Asked, Any]:
        async with (
            Provider(script) as bad,
            running(folder, {"bad": provider(bad.base_url, timeouts=LONG)}) as router,
            unharmed(router, caplog, bad),
        ):
            answer = await ask(router.base_url, stream=stream)
            [record] = router.gateway.recent_exchanges.newest(10)
            return answer, record.attempts[0]


class TestOverHttp2:
    @pytest.mark.parametrize(
        "name", ["headers that HTTP/2 forbids", "headers with control characters", "chunked trailers", "103 first"]
    )
    @pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
    async def test_nothing_reaches_the_client_that_it_must_refuse(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, stream: bool
    ) -> None:
        async with (
            Provider(TOLD[name]) as bad,
            running(tmp_path, {"bad": provider(bad.base_url)}) as router,
            unharmed(router, caplog, bad),
            h2_through(router.url, router.ca) as client,
        ):
            asked = await client.ask(chat(stream=stream))
            body = await client.whole(asked)
            assert (asked.status, asked.reset) == (200, None)
            assert b"three" in body
            forbidden = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te"}
            assert forbidden.isdisjoint(asked.headers)


class TestEndless:
    @pytest.mark.parametrize("behaviour", [behaviours.endless(), behaviours.endless(0.001)], ids=["fast", "slow"])
    async def test_it_ends_with_its_client_and_is_never_held(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, behaviour: Behaviour
    ) -> None:
        with memory_below(32 * MIB):
            async with connected(tmp_path, caplog, behaviour) as (client, one, _):
                await client.ask(chat())
                assert (await client.head())[0] == 200
                for _ in range(100):
                    assert await client.chunk()
                client.close()
                assert await one.seen[0].closed_by_peer()

    async def test_a_flood_after_the_end_marker_is_cut_off(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(tmp_path, caplog, behaviours.flood(TEXT, 200 * MIB)) as (client, one, _):
            with memory_below(16 * MIB):
                await client.ask(chat())
                _, _, body = await client.answer()
                assert body.endswith(DONE)
                await soon(lambda: one.seen[0].is_over)
            assert one.seen[0].sent < 20 * MIB
            client.close()

    async def test_one_that_falls_silent_without_an_end_delays_no_client(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(tmp_path, caplog, behaviours.stall(TEXT, after_tokens=99)) as (client, one, _):
            await client.ask(chat())
            _, _, body = await client.answer()
            assert body.endswith(DONE)
            assert await one.seen[0].closed_by_peer()
            client.close()
