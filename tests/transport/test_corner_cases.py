"""Corners that once cut: each of these went wrong before it was tested."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest

from pointsman.demo import Behaviour, behaviours, closed_port
from support.http_requests import ask, http_client, started
from support.leak_checks import no_leaks, soon
from support.patches import needs_patch
from support.router import running
from support.settings import provider

FINISH = (
    b'data: {"choices":[{"index":0,"delta":{"content":"all"},"finish_reason":null}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
)
BODY = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def raw(router, head: bytes, body: bytes = BODY) -> bytes:
    """One request, written as it is; everything that comes back until the connection closes."""
    reader, writer = await asyncio.open_connection(router.host, router.port)
    writer.write(head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
    answer = await reader.read()
    writer.close()
    return answer


class TestByWayOfOurselves:
    """A client that has the router connect to itself is no client on this machine."""

    @pytest.fixture
    async def guarded(self, stack, tmp_path):
        [one] = await started(stack, behaviours.answer())
        server = {"client_key": "the-client-key-0123456789", "admin_key": "the-admin-key-0123456789"}
        return await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url)}, server=server))

    @pytest.mark.parametrize("name", ["127.1", "2130706433", "0"])
    async def test_no_internal_page_is_seen_under_another_spelling(self, guarded, name):
        head = b"GET http://%s:%d/internal/exchanges HTTP/1.1\r\nHost: localhost\r\n" % (name.encode(), guarded.port)
        answer = await raw(guarded, head, b"")
        assert b" 401 " in answer.split(b"\r\n")[0] or b" 502 " in answer.split(b"\r\n")[0]
        assert b'"exchanges"' not in answer

    async def test_no_providers_key_is_spent(self, guarded):
        reader, writer = await asyncio.open_connection(guarded.host, guarded.port)
        writer.write(b"CONNECT 127.1:%d HTTP/1.1\r\nHost: 127.1\r\n\r\n" % guarded.port)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head
        writer.write(b"POST http://api.openai.com/v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n")
        writer.write(b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(BODY), BODY))
        answer = await reader.read()
        assert b"X-Routed-Via" not in answer
        writer.close()


async def test_a_page_of_another_site_spends_no_key_through_the_proxy(stack, tmp_path):
    one, other = await started(stack, behaviours.answer(), behaviours.answer("from its own host"))
    router = await stack.enter_async_context(
        running(tmp_path, {"one": provider(one.base_url)}, server={"intercept": ["127.0.0.1"]})
    )
    url = f"{other.base_url}/chat/completions".encode()
    answer = await raw(router, b"POST %s HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: cross-site\r\n" % url)
    assert b"X-Routed-Via" not in answer
    assert not one.seen
    assert len(other.seen) == 1


async def test_nothing_is_left_of_a_provider_that_falls_silent_after_its_finish_reason(stack, tmp_path):
    async def play(stage):
        await stage.head(200, (("Content-Type", "text/event-stream"),))
        await stage.chunk(FINISH)
        await stage.hang()

    [mute] = await started(stack, Behaviour("silent after its finish reason", play))
    router = await stack.enter_async_context(
        running(tmp_path, {"mute": provider(mute.base_url)}, stream={"stall": "300ms"})
    )
    answer = await ask(router.base_url)
    assert answer.body == FINISH
    await soon(lambda: mute.connections == 0)
    await no_leaks(router)


async def test_an_empty_client_error_is_framed_once(stack, tmp_path):
    [one] = await started(stack, behaviours.status(400, b""))
    router = await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url)}))
    answer = await raw(router, b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n")
    head = answer.split(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 400 ")
    assert (b"content-length:" in head) != (b"transfer-encoding:" in head)


async def test_a_streamed_answer_that_is_empty_is_framed_once(stack, tmp_path):
    [one] = await started(stack, behaviours.empty("length"))
    router = await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url)}))
    async with http_client(limits=httpx.Limits(max_connections=1)) as client:
        request = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
        for _ in range(2):
            answer = await client.post(f"{router.base_url}/chat/completions", json=request)
            assert answer.status_code == 200
            assert b'"length"' in answer.content
    assert len({flow.client_conn.id for flow in router.watcher.flows}) == 1, "the connection was kept"


async def test_an_answer_to_head_has_no_body(stack, tmp_path):
    [one] = await started(stack, behaviours.answer())
    router = await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url)}))
    async with http_client(limits=httpx.Limits(max_connections=1)) as client:
        assert (await client.head(f"{router.base_url}/chat/completions")).status_code == 405
        assert (await client.get(f"{router.url}/healthz")).json() == {"status": "ok"}


async def test_the_admin_key_of_a_page_whose_client_leaves_becomes_no_flow(stack, tmp_path):
    [one] = await started(stack, behaviours.answer())
    router = await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url)}))
    _, writer = await asyncio.open_connection(router.host, router.port)
    writer.write(b"POST /api/keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin-secret-0123\r\n")
    writer.write(b"Content-Length: 1000\r\n\r\nhalf")
    await writer.drain()
    await soon(lambda: len(router.server.connections) == 1)
    writer.close()
    await soon(lambda: len(router.server.connections) == 0)
    assert router.watcher.ended == []


async def test_a_client_that_waits_longer_than_mitmproxys_patience_is_served(stack, tmp_path):
    [one] = await started(stack, behaviours.delayed(behaviours.answer("at last"), 2.5))
    router = await stack.enter_async_context(
        running(tmp_path, {"one": provider(one.base_url)}, options={"tcp_timeout": 1})
    )
    answer = await ask(router.base_url, stream=False)
    assert answer.json["choices"][0]["message"]["content"] == "at last"


async def test_an_error_whose_body_never_ends_does_not_hold_up_the_next_provider(stack, tmp_path, monkeypatch):
    monkeypatch.setattr("pointsman.exchange.attempt.ERROR_BODY_TIMEOUT", 0.2)

    async def play(stage):
        await stage.head(503, (("Content-Type", "application/json"),))
        await stage.hang()

    bad, good = await started(stack, Behaviour("endless error", play), behaviours.answer("from the next"))
    providers = {"bad": provider(bad.base_url), "good": provider(good.base_url)}
    router = await stack.enter_async_context(running(tmp_path, providers))
    answer = await ask(router.base_url, stream=False)
    assert answer.headers["x-fallback-trail"] == "bad/m@503"


@needs_patch("flow_kill", "a kill waits for the next piece of the answer")
async def test_a_flow_that_is_killed_ends_though_nothing_comes(stack, tmp_path):
    [one] = await started(stack, behaviours.hang())
    router = await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url)}))
    asking = asyncio.create_task(ask(router.base_url, stream=False))
    seen = await one.arrived()
    [flow] = router.watcher.flows
    flow.kill()
    with pytest.raises(httpx.HTTPError):
        await asking
    assert await seen.closed_by_peer()


async def test_a_secret_in_a_providers_error_frame_is_masked(stack, tmp_path):
    secret = "sk-very-secret-0123456789"
    broken = behaviours.exact(
        [FINISH[: FINISH.index(b"data", 4)], b'data: {"error":{"message":"%s failed"}}\n\n' % secret.encode()]
    )
    [one] = await started(stack, broken)
    router = await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url, keys=[secret])}))
    answer = await ask(router.base_url)
    assert secret.encode() not in answer.body
    assert b"*** failed" in answer.body


async def test_a_closed_port_is_reported_as_a_refused_connection(stack, tmp_path):
    router = await stack.enter_async_context(running(tmp_path, {"gone": provider(closed_port())}))
    answer = await ask(router.base_url)
    assert answer.status == 502
    assert json.loads(answer.body)["error"]["trail"] == "gone/m@connect_refused"
