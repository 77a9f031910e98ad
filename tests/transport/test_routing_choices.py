"""Chains, tiers, strategies, options of one request, waiting and rules for statuses over sockets, as users set them."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.demo import Behaviour, Provider, behaviours
from support.dialects import entry
from support.h1client import chat
from support.h2client import h2_through
from support.http_requests import QUESTION, Asked, ask, get, http_client, started
from support.leak_checks import no_leaks, soon
from support.router import Router, running
from support.settings import provider
from support.socket_client import said, socket_to
from support.time_limit import LONGEST

NO_SESSIONS = {"enabled": False}


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def router_of(
    stack: AsyncExitStack, folder: Any, *scripts: Behaviour, each: Mapping[str, Any] | None = None, **sections: Any
) -> tuple[Router, list[Provider]]:
    """With providers `a`, `b` and so on that play these; `each` has more of their entries, by name."""
    providers = await started(stack, *scripts)
    entries = {
        name: {**provider(p.base_url), **(each or {}).get(name, {})}
        for name, p in zip("abcdef", providers, strict=False)
    }
    return await stack.enter_async_context(running(folder, entries, **sections)), providers


async def newest(router: Router) -> dict[str, Any]:
    return (await get(f"{router.url}/internal/exchanges?limit=1")).json["exchanges"][0]


def via(answer: Asked) -> str:
    return answer.headers["x-routed-via"].partition("/")[0]


async def test_a_provider_gets_its_own_headers_in_place_of_the_clients(stack, tmp_path):
    own = {"X-Title": "mine", "user-agent": "own/1"}
    router, (a, b) = await router_of(
        stack,
        tmp_path,
        behaviours.status(503),
        behaviours.answer("from b"),
        each={"a": {"headers": own, "keys": ["sk-a"]}},
    )
    told = {"User-Agent": "client/1", "X-Title": "the client's", "OpenAI-Beta": "x"}
    assert via(await ask(router.base_url, stream=False, headers=told)) == "b"
    names = ("x-title", "user-agent", "openai-beta", "authorization")
    assert [a.seen[0].header(name) for name in names] == ["mine", "own/1", "x", "Bearer sk-a"]
    assert len([name for name, _ in a.seen[0].headers if name.lower() == "user-agent"]) == 1
    assert [b.seen[0].header(name) for name in names] == [None, "client/1", "x", None]


async def test_a_chain_fails_over_step_by_step(stack, tmp_path):
    failing = behaviours.status(503)
    router, _ = await router_of(
        stack,
        tmp_path,
        failing,
        behaviours.answer("never asked first"),
        failing,
        routing={"aliases": {"best": ["c/m", "first", "auto-smart"], "first": "a/m"}},
    )
    answer = await ask(router.base_url, model="best")
    assert (answer.headers["x-routed-via"], answer.headers["x-fallback-trail"]) == ("b/m", "c/m@503 a/m@503")
    whys = [attempt["why"].split("; ")[1] for attempt in (await newest(router))["attempts"]]
    assert whys == ["step 1 of 3, c/m", "step 2 of 3, first", "step 3 of 3, auto-smart"]


async def test_a_tier_is_left_only_while_it_fails_and_a_conversation_goes_back_to_it(stack, tmp_path):
    script = behaviours.answer("one"), behaviours.answer("two")
    tiers = {"a": {"priority": 2}, "b": {"priority": 1}}
    router, [_, first] = await router_of(
        stack, tmp_path, *script, each=tiers, sticky={"return_after": "1s"}, cooldowns={"transient": "1s"}
    )
    session = {"X-Session-ID": "one-conversation"}
    assert via(await ask(router.base_url, headers=session)) == "b"
    first.script = [behaviours.status(503)]
    left = await ask(router.base_url, headers=session)
    assert (via(left), left.headers["x-fallback-trail"]) == ("a", "b/m@503")
    first.script = [script[1]]

    async with asyncio.timeout(LONGEST):
        while via(await ask(router.base_url, headers=session)) != "b":
            await asyncio.sleep(0.1)
    assert via(await ask(router.base_url, headers=session)) == "b"


async def test_weights_are_shares(stack, tmp_path):
    weights = {"a": {"weight": 1}, "b": {"weight": 3}, "c": {"weight": 0}}
    router, _ = await router_of(
        stack,
        tmp_path,
        *[behaviours.answer("x")] * 3,
        each=weights,
        routing={"strategy": "weighted"},
        sticky=NO_SESSIONS,
    )
    served = Counter([via(await ask(router.base_url)) for _ in range(40)])
    assert served["c"] == 0
    assert 15 <= served["b"] < 40, "of 30 that are due, with six standard deviations"


async def test_round_robin_takes_turns_and_passes_over_what_fails(stack, tmp_path):
    router, [_, second, _] = await router_of(
        stack,
        tmp_path,
        *[behaviours.answer("x")] * 3,
        routing={"strategy": "round_robin"},
        sticky=NO_SESSIONS,
        cooldowns={"transient": "10m"},
    )
    assert [via(await ask(router.base_url)) for _ in range(4)] == ["a", "b", "c", "a"]
    second.script = [behaviours.status(503)]
    assert [via(await ask(router.base_url)) for _ in range(5)] == ["c", "c", "a", "c", "a"], "b begins once, and cools"


async def test_the_least_busy_gets_the_next_request(stack, tmp_path):
    gate = asyncio.Event()
    slow = behaviours.answer("one two three", gate_after={1: gate})
    router, [first, _] = await router_of(
        stack, tmp_path, slow, behaviours.answer("x"), routing={"strategy": "least_busy"}, sticky=NO_SESSIONS
    )
    held = asyncio.create_task(ask(router.base_url))
    await soon(lambda: len(first.seen) == 1)
    assert [via(await ask(router.base_url)) for _ in range(3)] == ["b", "b", "b"]
    gate.set()
    assert via(await held) == "a"
    await no_leaks(router)
    assert via(await ask(router.base_url)) == "a"


async def test_each_option_of_a_request_holds_for_that_request(stack, tmp_path):
    pools = {"a": {"models": [{"id": "m", "pool": "smart"}]}, "b": {"models": [{"id": "m", "pool": "fast"}]}}
    router, [first, second] = await router_of(
        stack,
        tmp_path,
        behaviours.status(503, b'{"error":{"message":"overloaded"}}'),
        behaviours.answer("two", first_delay=0.6),
        each=pools,
        sticky=NO_SESSIONS,
        cooldowns={"transient": "off"},
        hedge={"after": "200ms", "max_parallel": 2},
    )

    async def asked(**options: str) -> Asked:
        headers = {f"X-Pointsman-{name.replace('_', '-')}": value for name, value in options.items()}
        return await ask(router.base_url, model="auto", headers=headers)

    assert via(await asked(mode="fast")) == "b"
    assert not first.seen
    own = await asked(mode="smart", fallback="off")
    assert (own.status, own.json["error"]["message"]) == (503, "overloaded")
    late = await asked(provider="b", timeout="200ms")
    assert (late.status, late.json["error"]["code"]) == (504, "upstream_timeout")
    await soon(lambda: len(second.seen) == 2)
    hedged = await asked(mode="fast", hedge="on")
    alone = await asked(mode="fast", hedge="off")
    assert (len(first.seen), via(hedged), via(alone)) == (1, "b", "b"), "smart is not for fast"


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("Provider", "c", "names 'c'; the providers are a"),
        ("Mode", "best", "must be one of balanced, smart, fast"),
        ("Fallback", "no", "must be on or off"),
        ("Hedge", "no", "must be on or off"),
        ("Recover", "no", "must be on or off"),
        ("Timeout", "2h", "must be a duration such as 10s, of at most 3600 s"),
        ("Max-Wait", "1m", "must be off or a duration such as 10s, of at most 30 s"),
    ],
)
async def test_a_wrong_option_is_a_400_that_names_it(name, value, remedy, stack, tmp_path):
    router, [first] = await router_of(stack, tmp_path, behaviours.answer("x"))
    option = {f"X-Pointsman-{name}": value}
    for answer in (await ask(router.base_url, headers=option), await ask(router.base_url, metadata=option)):
        assert answer.status == 400
        assert answer.json["error"]["message"].startswith(f"X-Pointsman-{name} {remedy}")
        assert answer.json["error"]["param"] == f"x-pointsman-{name.lower()}"
    assert not first.seen


@pytest.mark.parametrize(
    ("dialect", "path"), [(Dialect.ANTHROPIC, "messages"), (Dialect.OPENAI_RESPONSES, "responses")]
)
@pytest.mark.parametrize(
    ("given", "left"),
    [
        (b'"metadata": {"user_id": "u-1", "x-pointsman-provider": "b"}, ', b'"metadata": {"user_id": "u-1"}, '),
        (b'"metadata": {"X-Pointsman-Provider": "b"}, ', b""),
    ],
    ids=["beside others", "alone"],
)
async def test_options_in_metadata_are_all_that_its_provider_does_not_see(dialect, path, given, left, stack, tmp_path):
    providers = await started(stack, *[behaviours.answer("x")] * 2)
    entries = {name: entry(dialect, p) for name, p in zip("ab", providers, strict=True)}
    router = await stack.enter_async_context(running(tmp_path, entries))
    said_by = b'"input": "h\\u00e4?"' if dialect is Dialect.OPENAI_RESPONSES else b'"messages": %b' % _messages()
    body = b'{"model":"m", %b"max_tokens": 16, %b , "seed": 12345678901234567890}'
    async with http_client() as client:
        answer = await client.post(f"{router.base_url}/{path}", content=body % (given, said_by))
    assert answer.status_code == 200
    assert [len(p.seen) for p in providers] == [0, 1]
    assert providers[1].seen[0].body == body % (left, said_by)


def _messages() -> bytes:
    return json.dumps(QUESTION).encode()


async def test_options_hold_for_one_message_of_a_websocket(stack, tmp_path):
    providers = await started(stack, behaviours.answer("one"), behaviours.answer("two"))
    entries = {name: entry(Dialect.OPENAI_RESPONSES, p) for name, p in zip("ab", providers, strict=True)}
    router = await stack.enter_async_context(running(tmp_path, entries, sticky=NO_SESSIONS))
    async with socket_to(router.base_url) as socket:
        assert said(await socket.ask("hi", metadata={"x-pointsman-provider": "b"})) == "two"
        assert said(await socket.ask("hi")) == "one"
        wrong = await socket.ask("hi", metadata={"x-pointsman-mode": "best"})
        assert "X-Pointsman-Mode must be one of" in json.dumps(wrong)
        assert said(await socket.ask("hi")) == "one"
    assert "metadata" not in providers[1].seen[0].json


@pytest.mark.parametrize("stream", [True, False])
async def test_a_short_rate_limit_is_waited_out(stream, stack, tmp_path):
    router, [limited] = await router_of(stack, tmp_path, behaviours.answer("at last"), routing={"max_wait": "20s"})
    limited.script = [behaviours.rate_limited(1), behaviours.answer("at last")]
    answer = await ask(router.base_url, stream=stream)
    assert answer.status == 200
    assert b"last" in answer.body
    record = await newest(router)
    assert record["waited_ms"] >= 900
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["retry_failed", "retry_success"]
    limited.script = [behaviours.rate_limited(1), behaviours.answer("never asked")]
    refused = await ask(router.base_url, stream=stream, headers={"X-Pointsman-Max-Wait": "off"})
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    await no_leaks(router)


async def test_a_client_that_leaves_while_it_waits_leaves_the_line(stack, tmp_path):
    gate = asyncio.Event()
    one_at_a_time = {"a": {"models": [{"id": "m", "limits": {"concurrency": 1}}]}}
    router, [only] = await router_of(
        stack,
        tmp_path,
        behaviours.answer("one two", gate_after={1: gate}),
        each=one_at_a_time,
        routing={"max_wait": "30s"},
    )
    waiting = router.gateway.router.state.waiting
    first, leaving, staying = (asyncio.create_task(ask(router.base_url)) for _ in range(3))
    await soon(lambda: len(waiting) == 2)
    leaving.cancel()
    await soon(lambda: len(waiting) == 1)
    gate.set()
    answers = await asyncio.gather(first, staying)
    assert [answer.status for answer in answers] == [200, 200]
    assert len(only.seen) == 2
    await no_leaks(router)


async def test_over_http2_streams_of_one_connection_wait_each_for_itself(stack, tmp_path):
    gate = asyncio.Event()
    router, [only] = await router_of(
        stack,
        tmp_path,
        behaviours.answer("one two", gate_after={1: gate}),
        each={"a": {"models": [{"id": "m", "limits": {"concurrency": 1}}]}},
        routing={"max_wait": "30s"},
        stream={"early_headers": "200ms", "heartbeat": "200ms"},
    )
    waiting = router.gateway.router.state.waiting
    client = await stack.enter_async_context(h2_through(router.url, router.ca))
    first = await client.ask(chat())
    await soon(lambda: len(only.seen) == 1)
    leaving, streamed, whole = [await client.ask(chat(stream=stream)) for stream in (True, True, False)]
    await soon(lambda: len(waiting) == 3)
    await client.until(lambda: b": keep-alive" in streamed.data)
    assert (streamed.status, whole.status) == (200, 0)
    await client.reset(leaving)
    await soon(lambda: len(waiting) == 2)
    gate.set()
    assert [b"two" in await client.whole(each) for each in (first, streamed, whole)] == [True, True, True]
    assert (first.status, whole.status) == (200, 200)
    assert len(only.seen) == 3, "the one that has left was not asked for"
    await client.close()
    await no_leaks(router)


async def test_a_rule_for_a_status_cools_what_it_says(stack, tmp_path):
    both = {"a": {"models": [{"id": "m"}, {"id": "n"}]}}
    router, [first, _] = await router_of(
        stack,
        tmp_path,
        behaviours.status(503),
        behaviours.answer("x"),
        each=both,
        routing={"failures": {503: {"cool": "5m", "scope": "provider"}}},
    )
    assert via(await ask(router.base_url)) == "b"
    other = await ask(router.base_url, model="auto")
    assert via(other) == "b"
    assert len(first.seen) == 1, "none of its models is asked meanwhile"
    cooling = (await get(f"{router.url}/internal/status/cooldowns")).json
    assert "503" in json.dumps(cooling)
