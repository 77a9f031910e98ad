"""What reaches a provider and what comes back of its bodies: every byte, and none of the client's secrets."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Behaviour, Provider, ReceivedRequest, Responder, behaviours
from pointsman.demo.behaviours.wrappers import Gate
from pointsman.demo.compression import Coding
from support.dropping_relay import DroppingRelay
from support.h1client import chat, h1_to
from support.h2client import h2_through
from support.http_requests import Asked, ask
from support.leak_checks import leaks, soon
from support.router import Router, running
from support.settings import provider

CAPTURES = Path(__file__).parent.parent / "captures"
MIB = 1 << 20
PROVIDER_KEY = "sk-the-providers-own-key-0123456789"
MODEL = "vendor/another-model-by-far"


async def over_http1(router: Router, body: bytes) -> int:
    async with h1_to(router.host, router.port) as client:
        await client.ask(body)
        status, _ = await client.head()
        return status


async def over_http2(router: Router, body: bytes) -> int:
    async with h2_through(router.url, router.ca) as client:
        stream = await client.ask(body)
        await client.whole(stream)
        return stream.status


class TestRequests:
    @pytest.mark.parametrize("post", [over_http1, over_http2])
    async def test_20_megabytes_arrive_as_they_are_but_for_the_model(
        self, tmp_path: Path, post: Callable[[Router, bytes], Awaitable[int]]
    ) -> None:
        """In a form that no JSON library would write again: spaces, escapes, large numbers, members given twice."""
        text = "".join(f"{n:07x}" for n in range(20 * MIB // 7)).encode()
        before = b'{ "messages" :[{"role":"user","content":"\\u00e9\\ud83d %b"}],\r\n\t"model"  :  ' % text
        after = b' ,"seed":123456789012345678901234567890, "x":{"a":1,"a":1.0e0} }\n'
        async with (
            Provider(behaviours.answer()) as one,
            running(tmp_path, {"one": provider(one.base_url, MODEL)}, routing={"aliases": {"m": MODEL}}) as router,
        ):
            assert await post(router, before + b'"m"' + after) == 200
            [seen] = one.seen
            assert seen.body == before + json.dumps(MODEL).encode() + after

    async def test_a_body_in_chunks_is_whole(self, tmp_path: Path) -> None:
        body = chat("x" * 100_000)
        pieces = [body[start : start + 999] for start in range(0, len(body), 999)]
        raw = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        async with (
            Provider(behaviours.answer()) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            h1_to(router.host, router.port) as client,
        ):
            client.send(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + raw
            )
            assert (await client.head())[0] == 200
            assert one.seen[0].body == body


class TestAnswers:
    @pytest.mark.parametrize("stream", [True, False])
    @pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
    async def test_what_is_compressed_all_the_same_is_decoded(
        self, tmp_path: Path, coding: Coding, stream: bool
    ) -> None:
        text = "one two three"
        async with (
            Provider([behaviours.compressed(behaviours.answer(text), coding), behaviours.answer(text)]) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
        ):
            squeezed, plain = [await ask(router.base_url, stream=stream) for _ in range(2)]
            assert "content-encoding" not in squeezed.headers
            assert squeezed.status == 200
            assert said(squeezed.body, stream) == said(plain.body, stream) == text
            assert {seen.header("accept-encoding") for seen in one.seen} == {"identity"}

    async def test_what_cannot_be_decoded_is_that_providers_failure(self, tmp_path: Path) -> None:
        unreadable = behaviours.with_headers(behaviours.answer(), [("Content-Encoding", "br")])
        async with (
            Provider(unreadable) as bad,
            Provider(behaviours.answer("one two three")) as good,
            running(tmp_path, {"bad": provider(bad.base_url), "good": provider(good.base_url)}) as router,
        ):
            answer = await ask(router.base_url)
            assert (answer.status, answer.headers["x-routed-via"]) == (200, "good/m")
            assert said(answer.body, True) == "one two three"

    async def test_a_bomb_does_not_go_off(self, tmp_path: Path) -> None:
        """100 MB from 100 KB: the answer grows beyond any event there is, and the next provider takes over."""
        async with (
            Provider(behaviours.bomb()) as bad,
            Provider(behaviours.answer("one two three")) as good,
            running(tmp_path, {"bad": provider(bad.base_url), "good": provider(good.base_url)}) as router,
        ):
            answer = await ask(router.base_url)
            assert (answer.status, answer.headers["x-routed-via"]) == (200, "good/m")
            [record] = router.gateway.recent_exchanges.newest(1)
            assert record.attempts[0].bytes_received < 50 * MIB


def said(body: bytes, stream: bool) -> str:
    """The text of an answer; raises if any of it does not parse."""
    if not stream:
        text: str = json.loads(body)["choices"][0]["message"]["content"]
        return text
    events = [event.removeprefix(b"data: ") for event in body.split(b"\n\n") if event]
    assert events[-1] == b"[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def costs_nothing(router: Router, answer: Asked) -> None:
    """One attempt, which the audit says was good."""
    assert (answer.status, answer.headers["x-fallback-attempts"]) == (200, "0")
    record = next(router.gateway.recent_exchanges.newest(1))
    assert [(attempt.outcome, attempt.error) for attempt in record.attempts] == [("request_success", None)]


def ends_late(gate: Gate) -> Behaviour:
    """A whole stream, the end of whose body waits for the gate."""

    async def play(stage: Responder) -> None:
        await stage.head(200, [("Content-Type", "text/event-stream")])
        await stage.chunk(b'data: {"choices":[{"delta":{"content":"over"},"finish_reason":"stop"}]}\n\n')
        await stage.chunk(b"data: [DONE]\n\n")
        await gate.wait()
        await stage.end()

    return Behaviour("ends_late", play)


class TestConnections:
    async def test_clients_share_them(self, tmp_path: Path) -> None:
        """One after the other, ten clients with a connection each need one connection to the provider."""
        async with (
            Provider(behaviours.answer()) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
        ):
            for stream in [True, False] * 5:
                assert (await ask(router.base_url, stream=stream)).status == 200
                await soon(lambda: not leaks(router))  # the connection is back in the pool
            assert len({flow.client_conn.id for flow in router.watcher.flows}) == 10
            assert one.accepted == 1

    async def test_an_answer_is_over_when_it_says_so_and_its_connection_is_kept(self, tmp_path: Path) -> None:
        """The client has everything before the body has ended as HTTP sees it."""
        gate = asyncio.Event()
        async with (
            Provider([ends_late(gate), behaviours.answer()]) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
        ):
            answer = await ask(router.base_url)
            assert said(answer.body, True) == "over"
            assert leaks(router)
            gate.set()
            await soon(lambda: not leaks(router))
            costs_nothing(router, await ask(router.base_url))
            assert one.accepted == 1

    @pytest.mark.parametrize("behaviour", [behaviours.flood(), ends_late(asyncio.Event())], ids=lambda each: each.name)
    async def test_one_that_does_not_end_after_the_end_is_closed(self, tmp_path: Path, behaviour: Behaviour) -> None:
        async with (
            Provider([behaviour, behaviours.answer()]) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
        ):
            costs_nothing(router, await ask(router.base_url))
            assert await one.seen[0].closed_by_peer()
            costs_nothing(router, await ask(router.base_url))
            assert one.accepted == 2

    @pytest.mark.parametrize("resets", [False, True], ids=["closes", "resets"])
    @pytest.mark.parametrize("size", [0, 2 * MIB], ids=["small", "large"])
    async def test_one_that_has_gone_stale_unnoticed_costs_nothing(
        self, tmp_path: Path, size: int, resets: bool
    ) -> None:
        """Only what is sent on it shows that it is gone: the request is repeated on a new one, without a trace."""
        async with (
            Provider(behaviours.answer()) as one,
            DroppingRelay(one.base_url, resets=resets) as relay,
            running(tmp_path, {"one": provider(relay.base_url)}) as router,
        ):
            await ask(router.base_url)
            await soon(lambda: not leaks(router))
            relay.forget()
            answer = await ask(router.base_url, user="x" * size)
            costs_nothing(router, answer)
            assert [len(seen.json.get("user", "")) for seen in one.seen] == [0, size]
            assert relay.accepted == 2

    async def test_one_that_its_provider_has_closed_is_not_used_again(self, tmp_path: Path) -> None:
        async with (
            Provider(behaviours.answer()) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
        ):
            await ask(router.base_url)
            await soon(lambda: not leaks(router))
            one.drop_idle()
            costs_nothing(router, await ask(router.base_url))
            assert len(one.seen) == one.accepted == 2

    async def test_a_new_one_that_is_closed_without_an_answer_is_a_failure(self, tmp_path: Path) -> None:
        """It is no stale one: repeating it would be an attempt that is not counted."""
        async with (
            Provider(behaviours.hang_up()) as bad,
            Provider(behaviours.answer()) as good,
            running(tmp_path, {"bad": provider(bad.base_url), "good": provider(good.base_url)}) as router,
        ):
            answer = await ask(router.base_url)
            assert answer.headers["x-fallback-trail"] == "bad/m@connection_reset"
            assert len(bad.seen) == 1


SECRETS = {
    "Authorization": "Bearer sk-the-clients-own-key-0123456789",
    "Cookie": "session=a-cookie-of-the-client",
    "X-API-Key": "xk-the-clients-other-key-0123456789",
    "X-Goog-Api-Key": "gk-the-clients-third-key-0123456789",
    "Api-Key": "ak-the-clients-fourth-key-0123456789",
    "OpenAI-API-Key": "ok-the-clients-fifth-key-0123456789",
}
PRIVATE = {
    "X-Forwarded-For": "192.0.2.7",
    "Forwarded": "for=192.0.2.7",
    "X-Real-IP": "192.0.2.7",
    "Via": "1.1 somewhere",
    "Origin": "http://localhost:3000",
    "Referer": "http://localhost:3000/private",
    "X-Session-ID": "the-session",
    "X-Request-ID": "the-request",
}
"""What is not a credential and none of the provider's business."""


class TestCaptures:
    """Requests that real clients have sent, with their real headers."""

    @pytest.mark.parametrize("name", ["aider_chat", "continue_cli_turn1", "continue_cli_turn2"])
    async def test_only_the_models_name_changes(self, tmp_path: Path, name: str) -> None:
        capture = json.loads((CAPTURES / f"{name}.json").read_text())
        body = json.dumps(capture["body"], ensure_ascii=False).encode()
        asked = json.dumps(capture["body"]["model"]).encode()
        assert body.count(b'"model": ' + asked) == 1
        seen = await self._passed_on(tmp_path, capture, body)

        assert seen.body == body.replace(b'"model": ' + asked, b'"model": ' + json.dumps(MODEL).encode())
        assert seen.path == "/v1/chat/completions"
        own = {"host", "content-length", "connection", "accept-encoding", "authorization"}
        passed = {(name.lower(), value) for name, value in capture["headers"] if name.lower() not in own}
        given = [(name.lower(), value) for name, value in seen.headers]
        assert sorted(pair for pair in given if pair[0] not in own) == sorted(passed)
        assert ("authorization", f"Bearer {PROVIDER_KEY}") in given
        assert [name for name, _ in given].count("authorization") == 1

    async def test_nothing_else_of_the_client_reaches_the_provider(self, tmp_path: Path) -> None:
        capture = json.loads((CAPTURES / "aider_chat.json").read_text())
        names = {name.lower() for name in SECRETS}
        kept = [pair for pair in capture["headers"] if pair[0].lower() not in names]
        capture["headers"] = [*kept, *SECRETS.items(), *PRIVATE.items()]
        seen = await self._passed_on(tmp_path, capture, chat(), "?key=qk-the-clients-sixth-key-0123456789")

        assert seen.path == "/v1/chat/completions"
        assert seen.header("authorization") == f"Bearer {PROVIDER_KEY}"
        given = {name.lower() for name, _ in seen.headers}
        assert given.isdisjoint({*names, *(name.lower() for name in PRIVATE)} - {"authorization"})
        everything = repr((seen.path, seen.headers, seen.body))
        for secret in (*SECRETS.values(), *PRIVATE.values(), "qk-the-clients-sixth-key"):
            assert secret.removeprefix("Bearer ") not in everything

    @staticmethod
    async def _passed_on(folder: Path, capture: dict[str, Any], body: bytes, query: str = "") -> ReceivedRequest:
        """What a provider gets of a capture's headers with that body."""
        asked = capture["body"]["model"]
        async with (
            Provider(behaviours.answer()) as one,
            running(
                folder,
                {"one": provider(one.base_url, MODEL, keys=[PROVIDER_KEY])},
                routing={"aliases": {asked: MODEL, "m": MODEL}},
            ) as router,
            h1_to(router.host, router.port) as client,
        ):
            headers = tuple((name, value) for name, value in capture["headers"] if name.lower() != "content-length")
            await client.ask(body, capture["path"] + query, headers)
            assert (await client.head())[0] == 200
            return await one.arrived()
