"""Large requests: what takes long is done in a thread, and no other request waits for it."""

import asyncio
import gzip
import json
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from pointsman import request_reader
from pointsman.demo import Provider, behaviours
from pointsman.sessions import key_sources
from pointsman.wire import request_body
from pointsman.wire.conversion import codec
from pointsman.wire.dialects.openai_chat import messages, request
from pointsman.wire.large_document import LargeDocument
from support.h1client import chat, h1_to
from support.h2client import h2_through
from support.http_requests import ask
from support.leak_checks import no_leaks, soon
from support.patches import needs_patch
from support.router import Router, running
from support.settings import provider

MIB = 1 << 20
STEPS: tuple[tuple[str, object, str], ...] = (
    ("decoded", request_reader, "decode"),
    ("counted", request_body, "has_too_many_values"),
    ("parsed", request, "parse_object"),
    ("weighed", request, "_tokens"),
    ("normalised", messages, "messages_of"),
    ("hashed", key_sources, "PrefixChain"),
    ("copied", request, "with_model"),
    ("converted", codec, "convert"),
)
"""What takes longer the longer a request is."""

type Threads = dict[str, set[bool]]
"""By step: whether it was done in the loop's own thread."""


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    seen: Threads = {}

    def watch(step: str, module: object, name: str) -> None:
        original: Callable[..., Any] = getattr(module, name)

        @wraps(original)
        def noted(*arguments: Any, **named: Any) -> Any:
            seen.setdefault(step, set()).add(threading.current_thread() is threading.main_thread())
            return original(*arguments, **named)

        monkeypatch.setattr(module, name, noted)

    for step, module, name in STEPS:
        watch(step, module, name)
    return seen


def session(size: int) -> bytes:
    """A conversation of so many bytes, as agents have them."""
    said = [
        {"role": "user", "content": [{"type": "text", "text": "Which track, left or right? " * 20}]},
        {"role": "assistant", "content": "Take the left one, {then} [turn]. " * 20},
    ]
    messages = said * (size // len(json.dumps(said)) + 1)
    return json.dumps({"model": "m", "stream": True, "messages": messages}).encode()


async def served(router: Router, body: bytes, **headers: str) -> None:
    async with h1_to(router.host, router.port) as client:
        await client.ask(body, headers=tuple((name.replace("_", "-"), value) for name, value in headers.items()))
        status, _, answer = await client.answer()
        assert (status, answer.endswith(b"[DONE]\n\n")) == (200, True)


@pytest.mark.parametrize("megabytes", [1, 5, 20])
async def test_no_step_of_a_large_request_is_taken_on_the_loop(
    tmp_path: Path, threads: Threads, megabytes: int
) -> None:
    body = session(megabytes * MIB)
    async with (
        Provider(behaviours.answer()) as one,
        running(tmp_path, {"one": provider(one.base_url, "another")}, routing={"aliases": {"m": "another"}}) as router,
    ):
        await served(router, body)
        await served(router, gzip.compress(body, 0), Content_Encoding="gzip")
        expected = body.replace(b'"model": "m"', b'"model": "another"')
        assert [seen.body == expected for seen in one.seen] == [True, True]
    on_loop = {"copied": {len(body) < codec.LARGE_COPY}}  # which takes a tenth as long as each of the others
    assert threads == {step: {False} for step, _, _ in STEPS if step != "converted"} | on_loop


async def test_what_is_small_but_compressed_counts_as_what_it_becomes(tmp_path: Path, threads: Threads) -> None:
    """It is decoded on the loop only as far as a small one goes."""
    body = session(MIB)
    squeezed = gzip.compress(body)
    assert len(squeezed) < request_reader.LARGE_BODY_BYTES / 10
    async with Provider(behaviours.answer()) as one, running(tmp_path, {"one": provider(one.base_url)}) as router:
        await served(router, squeezed, Content_Encoding="gzip")
        assert one.seen[0].body == body
    assert (threads.pop("decoded"), threads.pop("parsed")) == ({True, False}, {False})


async def test_a_large_request_is_converted_in_the_thread(tmp_path: Path, threads: Threads) -> None:
    """Converting takes ten times as long as reading, so that less is large."""
    async with (
        Provider(behaviours.answer()) as one,
        running(tmp_path, {"one": provider(one.base_url, dialect="anthropic")}) as router,
    ):
        await served(router, session(request_reader.LARGE_BODY_BYTES // 2))
        assert len(one.seen[0].json["messages"]) > 100
        assert (threads["converted"], threads["parsed"]) == ({False}, {True})


async def test_its_document_is_not_kept_while_the_answer_lasts(tmp_path: Path) -> None:
    async with (
        Provider(behaviours.stall("one two three", after_tokens=1)) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
        h1_to(router.host, router.port) as client,
    ):
        body = session(MIB)
        await client.ask(body)
        await client.head()
        await client.chunk()
        [exchange] = router.gateway.running
        document = exchange.client_request.facts.document
        assert isinstance(document, LargeDocument)
        assert dict(document._members) == {"model": "m", "stream": True}
        assert dict(document) == json.loads(body)


async def test_a_small_request_stays_on_the_loop(tmp_path: Path, threads: Threads) -> None:
    async with (
        Provider(behaviours.answer()) as one,
        Provider(behaviours.answer()) as claude,
        running(tmp_path, {
            "one": provider(one.base_url), "claude": provider(claude.base_url, "c", dialect="anthropic")
        }) as router,
    ):  # fmt: skip
        await served(router, chat())
        await served(router, gzip.compress(chat(model="c")), Content_Encoding="gzip")
    assert threads == {step: {True} for step, _, _ in STEPS}


class Busy:
    """The thread, with something else to do until it is told to go on."""

    def __init__(self, router: Router) -> None:
        self._gate = threading.Event()
        self._work = asyncio.ensure_future(router.gateway.worker.run(self._gate.wait))

    async def end(self) -> None:
        self._gate.set()
        await self._work


@pytest.mark.parametrize("over", ["http1", "http2"])
async def test_small_requests_do_not_wait_for_large_ones(tmp_path: Path, over: str) -> None:
    async with (
        Provider(behaviours.answer("hello")) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
    ):
        busy = Busy(router)
        if over == "http1":
            large = asyncio.ensure_future(served(router, session(MIB)))
            for _ in range(3):
                assert (await ask(router.base_url)).status == 200
            assert not large.done()
            await busy.end()
            await large
        else:
            async with h2_through(router.url, router.ca) as client:
                waiting = await client.ask(session(MIB))
                await client.whole(await client.ask(chat()))
                assert not waiting.data
                await busy.end()
                await client.whole(waiting)
        assert max(len(seen.body) for seen in one.seen) > MIB
        assert len(one.seen[-1].body) > MIB


@needs_patch("eager_hooks", "a reset that comes during a hook may not reach the flow, which then has no error")
async def test_a_client_that_leaves_meanwhile_costs_nothing(tmp_path: Path) -> None:
    async with Provider(behaviours.answer()) as one, running(tmp_path, {"one": provider(one.base_url)}) as router:
        busy = Busy(router)
        async with h1_to(router.host, router.port) as client:
            await client.ask(session(MIB))
            client.break_off()
        await soon(lambda: not any(each.client.connected for each in router.server.connections.values()))
        await busy.end()
        await no_leaks(router)
        assert (one.seen, router.drivers) == ([], [])
        await soon(lambda: [kind for kind, _ in router.watcher.ended] == ["error"])
        assert (await ask(router.base_url)).status == 200


async def test_a_flow_that_is_killed_meanwhile_is_not_sent(tmp_path: Path) -> None:
    async with Provider(behaviours.answer()) as one, running(tmp_path, {"one": provider(one.base_url)}) as router:
        busy = Busy(router)
        async with h1_to(router.host, router.port) as client:
            await client.ask(session(MIB))
            await soon(lambda: bool(router.watcher.flows and router.watcher.flows[0].request.content))
            router.watcher.flows[0].kill()
            await busy.end()
            assert await client.at_end()
        await no_leaks(router)
        assert (one.seen, router.drivers) == ([], [])


async def test_the_next_provider_is_asked_where_a_large_request_does_not_convert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> dict[str, Any]:
        raise KeyError("of the library")

    monkeypatch.setattr(codec, "convert", fail)
    async with (
        Provider(behaviours.answer()) as claude,
        Provider(behaviours.answer()) as one,
        running(tmp_path, {
            "claude": provider(claude.base_url, dialect="anthropic"), "one": provider(one.base_url)
        }) as router,
    ):  # fmt: skip
        await served(router, session(MIB))
        assert (len(claude.seen), len(one.seen)) == (0, 1)
        record = next(router.gateway.recent_exchanges.newest(1))
        assert [attempt.error for attempt in record.attempts] == ["inconvertible", None]


async def test_what_is_wrong_with_a_large_request_is_reported_as_usual(tmp_path: Path) -> None:
    body = session(MIB)
    async with (
        Provider(behaviours.answer()) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
        h1_to(router.host, router.port) as client,
    ):
        for wrong, status, says in (
            (body[:-5], 400, "not JSON"),
            (body.replace(b'"stream": true', b'"stream": "yes"'), 400, "true or false"),
            (body.replace(b'"model": "m"', b'"model": "nobody"'), 404, "nobody"),
        ):
            await client.ask(wrong)
            answered, _, answer = await client.answer()
            assert (answered, says in json.loads(answer)["error"]["message"]) == (status, True)
        assert not one.seen
