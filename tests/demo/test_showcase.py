from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import pytest

from demo.raw_client import ask
from pointsman.demo import demo_providers, demo_settings, showcase


@pytest.fixture
async def quick(monkeypatch):
    """The three, started, at a pace for tests."""
    monkeypatch.setattr(showcase, "READING_PACE", 0.0)
    monkeypatch.setattr(showcase, "FIRST_TOKEN_DELAY", 0.05)
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(provider) for provider in demo_providers()]


def test_flaky_comes_first_and_steady_last():
    assert [provider.name for provider in demo_providers()] == ["demo-flaky", "demo-slow", "demo-steady"]


async def test_settings_name_each_provider_with_every_dialect_a_model_of_its_own_and_a_shared_one(quick):
    settings = demo_settings(quick)
    assert list(settings) == ["demo-flaky", "demo-slow", "demo-steady"]
    for rank, provider in enumerate(quick, start=1):
        assert settings[provider.name] == {
            "base_url": provider.base_url,
            "dialect": "openai-chat",
            "dialects": dict.fromkeys(["openai-responses", "anthropic", "gemini"], provider.base_url),
            "keys": [],
            "models": [{"id": f"{provider.name}-1", "intelligence": rank}, {"id": "demo", "intelligence": rank}],
        }


@pytest.mark.parametrize("stream", [True, False])
async def test_steady_repeats_the_question_in_a_friendly_sentence(session, quick, stream):
    reply = await ask(session, quick[2], "Why trains?", stream=stream)
    assert reply.said.startswith('Hello from the steady demo provider! You said: "Why trains?"')


async def test_steady_streams_word_by_word(session, quick):
    assert len((await ask(session, quick[2], "Why trains?", stream=True)).events) > 10


async def test_slow_takes_its_time_before_the_first_token(session, quick):
    start = asyncio.get_running_loop().time()
    assert "slow demo provider" in (await ask(session, quick[1], stream=True)).said
    assert asyncio.get_running_loop().time() - start >= 0.05


async def outcome(session, provider) -> str:
    """In a word, how a streamed question went."""
    try:
        reply = await ask(session, provider, stream=True)
    except aiohttp.ClientError:
        return "broken"
    if reply.status != 200 or reply.error:
        return str(reply.status if not reply.error else "broken")
    return "good" if "text/event-stream" in reply.headers["Content-Type"] and reply.said else "nothing"


async def test_flaky_fails_every_other_time_and_each_time_in_another_way(session, quick):
    outcomes = [await outcome(session, quick[0]) for _ in range(18)]
    failures = [request.behaviour for request in quick[0].seen if request.behaviour != "echo"]
    assert outcomes[1::2] == ["good"] * 9
    assert "good" not in outcomes[0::2]
    assert len(set(failures)) == len(failures)


async def test_what_flaky_does_is_the_same_in_every_run(session):
    def names(script):
        return [script(None).name for _ in range(40)]

    assert names(demo_providers()[0].script) == names(demo_providers()[0].script)
