"""The vendors' libraries take the demo provider for the real thing."""

from __future__ import annotations

import anthropic
import openai
import pytest
from google.genai import errors

from pointsman.demo import Provider, behaviours
from support.provider_sdk_calls import SDKS, Said, forget_environment, responses_helper

ENDS = {
    "anthropic": {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"},
    "openai-responses": {"stop": "completed", "tool_calls": "completed", "length": "incomplete"},
    "gemini": {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS"},
}
ERRORS = {
    "anthropic": (anthropic.RateLimitError, anthropic.InternalServerError),
    "openai-responses": (openai.RateLimitError, openai.InternalServerError),
    "gemini": (errors.ClientError, errors.ServerError),
}
CALL = ("read", {"path": "a/long/path"})


pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch):
    forget_environment(monkeypatch)


def root(provider: Provider) -> str:
    return provider.base_url.removesuffix("/v1")


@pytest.mark.parametrize("dialect", SDKS)
@pytest.mark.parametrize("streamed", [True, False])
class TestEachLibrary:
    @pytest.mark.parametrize("end", ["stop", "length"])
    async def test_text(self, dialect, streamed, end):
        async with Provider(behaviours.answer("hello there", reasoning="let me see", finish=end)) as provider:
            said = await SDKS[dialect](root(provider), streamed)
        assert said == Said("hello there", (), ENDS[dialect][end])

    async def test_a_tool_call(self, dialect, streamed):
        async with Provider(behaviours.answer("so", tool_call=CALL)) as provider:
            said = await SDKS[dialect](root(provider), streamed)
        assert said == Said("so", (CALL,), ENDS[dialect]["tool_calls"])

    async def test_parallel_tool_calls(self, dialect, streamed):
        calls = [CALL, ("look", {"at": "the other side of the line"})]
        async with Provider(behaviours.answer("so", tool_calls=calls)) as provider:
            said = await SDKS[dialect](root(provider), streamed)
        assert said == Said("so", tuple(calls), ENDS[dialect]["tool_calls"])

    async def test_error_statuses(self, dialect, streamed):
        async with Provider([behaviours.status(429), behaviours.status(503)]) as provider:
            for kind in ERRORS[dialect]:
                with pytest.raises(kind):
                    await SDKS[dialect](root(provider), streamed)


async def test_openais_helper_puts_a_stream_together():
    async with Provider(behaviours.answer("hello there", reasoning="hm")) as provider:
        assert await responses_helper(root(provider), True) == Said("hello there", (), "completed")


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
async def test_an_error_within_a_stream_is_raised(dialect):
    async with Provider(behaviours.error_within()) as provider:
        with pytest.raises((anthropic.APIStatusError, errors.ServerError)):
            await SDKS[dialect](root(provider), True)


async def test_a_failed_response_is_returned_as_such():
    async with Provider(behaviours.error_within("one two three")) as provider:
        said = await SDKS["openai-responses"](root(provider), True)
    assert said == Said("one two", (), "failed")
