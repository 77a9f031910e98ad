"""Keep-alives, early heads and stalls, over real sockets and in real (short) time."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest

from pointsman.demo import Responder, behaviours
from support.http_requests import ask, get, http_client, started
from support.recording_relay import RecordingRelay
from support.router import running
from support.settings import provider

BEAT = 0.15
KEEP_ALIVE = b": keep-alive\n\n"


def timing(**more: str) -> dict[str, str]:
    return {"heartbeat": f"{int(BEAT * 1000)}ms", "early_headers": f"{int(BEAT * 1000)}ms", **more}


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def content(body: bytes) -> str:
    """The text of a streamed answer, read as a client reads it; raises if any event does not parse."""
    events = [line[5:].strip() for line in body.split(b"\n") if line.startswith(b"data:")]
    assert events[-1] == b"[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


async def test_keep_alives_fill_the_wait_for_the_first_token_and_a_pause_within_an_event(stack, tmp_path, monkeypatch):
    text, first, second = "one two three four", asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(Responder, "sleep", lambda _, seconds: second.wait() if seconds else asyncio.sleep(0))
    [one] = await started(stack, behaviours.gated(behaviours.pause(text, after_tokens=2, in_event=True), first))
    router = await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url)}, stream=timing()))
    relay = await stack.enter_async_context(RecordingRelay(router.base_url))
    asking = asyncio.create_task(ask(relay.base_url))
    await relay.wait_for(KEEP_ALIVE, 2)
    first.set()
    await relay.wait_for(b" two")
    del relay.received[:]
    await relay.wait_for(KEEP_ALIVE, 2)
    second.set()
    answer = await asking
    before, _, after = answer.body.partition(b": routed-via one/m attempts=0 sticky=miss\n\n")
    assert before.count(KEEP_ALIVE) >= 2
    assert after.count(KEEP_ALIVE) >= 2
    assert content(answer.body) == text
    assert content(after.replace(KEEP_ALIVE, b"")) == text


async def test_failover_works_behind_an_early_head(stack, tmp_path):
    bad, good = await started(stack, behaviours.delayed(behaviours.status(503), 2 * BEAT), behaviours.answer("at last"))
    providers = {"bad": provider(bad.base_url), "good": provider(good.base_url)}
    router = await stack.enter_async_context(running(tmp_path, providers, stream=timing()))
    answer = await ask(router.base_url)
    assert answer.status == 200
    assert "x-routed-via" not in answer.headers
    assert b": routed-via good/m attempts=1 sticky=miss\n\n" in answer.body
    assert content(answer.body) == "at last"


async def test_total_failure_behind_an_early_head_is_one_error_frame(stack, tmp_path):
    one, two = await started(stack, behaviours.delayed(behaviours.status(503), 2 * BEAT), behaviours.reset())
    providers = {"one": provider(one.base_url), "two": provider(two.base_url)}
    router = await stack.enter_async_context(running(tmp_path, providers, stream=timing()))
    answer = await ask(router.base_url)
    assert answer.status == 200
    [error, done] = [event for event in answer.events if not event.startswith(b":")]
    assert json.loads(error[6:])["error"]["trail"] == "one/m@503 two/m@connection_reset"
    assert done == b"data: [DONE]"


async def test_a_stall_ends_in_one_error_frame_and_the_connection_stays_usable(stack, tmp_path):
    [one] = await started(stack, behaviours.stall("one two three", after_tokens=2))
    router = await stack.enter_async_context(
        running(tmp_path, {"one": provider(one.base_url)}, stream={"stall": "300ms"})
    )
    async with http_client(limits=httpx.Limits(max_connections=1)) as client:
        request = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        answer = await client.post(f"{router.base_url}/chat/completions", json=request)
        assert answer.content.count(b'"code": "stream_timeout"') == 1
        assert answer.content.endswith(b"data: [DONE]\n\n")
        await one.seen[0].closed_by_peer()
        assert (await client.get(f"{router.url}/healthz")).status_code == 200
    assert len({flow.client_conn.id for flow in router.watcher.flows}) == 1
    record = (await get(f"{router.url}/internal/exchanges")).json["exchanges"][0]
    assert [a["outcome"] for a in record["attempts"]] == ["stream_stalled"]
    assert record["error"] == "stream_timeout"


@pytest.mark.parametrize(
    "broken",
    [
        behaviours.cut("one two three", after_tokens=2),
        behaviours.cut("one two three", after_tokens=2, in_event=True),
        behaviours.reset_within("one two three", after_tokens=2),
        behaviours.truncated("one two three", after_tokens=2),
    ],
    ids=lambda behaviour: behaviour.name,
)
async def test_a_cut_stream_ends_in_one_error_frame_and_the_marker(stack, tmp_path, broken):
    [one] = await started(stack, broken)
    router = await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url)}))
    answer = await ask(router.base_url)
    assert answer.body.count(b'"error"') == 1
    assert answer.body.count(b'"stream_broken"') == 1
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert b'"finish_reason":"stop"' not in answer.body
    assert b"three" not in answer.body


async def test_an_error_after_content_is_passed_on_and_is_the_one_error_frame(stack, tmp_path):
    [one] = await started(stack, behaviours.error_within("one two three", after_tokens=2))
    router = await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url)}))
    answer = await ask(router.base_url)
    assert answer.body.count(b'"error"') == 1
    assert b"stream_broken" not in answer.body
    assert answer.body.endswith(b"data: [DONE]\n\n")
