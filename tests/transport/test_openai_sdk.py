"""The unmodified openai SDK: by base URL, and with its default base URL through the router as its HTTPS proxy."""

import asyncio
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, OpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam, ChatCompletionToolParam
from openai.types.chat.chat_completion_chunk import Choice

from pointsman.demo import Behaviour, Provider, behaviours
from support.router import Router, running
from support.settings import provider

TEXT = "Take the left track, then the right one."
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Which track?"}]
TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "points", "parameters": {"type": "object", "properties": {"side": {"type": "string"}}}},
}
KEY = "the-client-key-0123456789"

type Way = Literal["base-url", "https-proxy"]


def sdk(router: Router, way: Way, api_key: str = "sk-nobodys-key-0123456789") -> AsyncOpenAI:
    """The client as a user would make it; without retries, so that each failure shows."""
    if way == "base-url":
        return AsyncOpenAI(base_url=router.base_url, api_key=api_key, max_retries=0)
    trusting = ssl.create_default_context(cafile=router.ca)
    http_client = DefaultAsyncHttpxClient(proxy=router.url, verify=trusting, http2=True)
    return AsyncOpenAI(api_key=api_key, max_retries=0, http_client=http_client)


@asynccontextmanager
async def served(
    folder: Path, *scripted: Behaviour, way: Way = "base-url", **sections: Any
) -> AsyncIterator[tuple[AsyncOpenAI, Router, list[Provider]]]:
    """The SDK's client, its router, and a provider for each behaviour. Nothing may have dialled the SDK's own host."""
    async with AsyncExitStack() as stack:
        providers = [await stack.enter_async_context(Provider(behaviour)) for behaviour in scripted]
        entries = {f"p{n}": provider(each.base_url) for n, each in enumerate(providers)}
        router = await stack.enter_async_context(running(folder, entries, **sections))
        yield await stack.enter_async_context(sdk(router, way)), router, providers
        assert router.watcher.dialled == []


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads keys, base URLs and proxies there."""
    for name in os.environ:
        if name.startswith("OPENAI_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(params=["base-url", "https-proxy"])
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


class TestAnswers:
    async def test_it_streams(self, tmp_path: Path, way: Way) -> None:
        async with served(tmp_path, behaviours.answer(TEXT), way=way) as (client, _, [one]):
            stream = await client.chat.completions.create(
                model="m", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
            )
            chunks = [chunk async for chunk in stream]
            choices = [choice for chunk in chunks for choice in chunk.choices]
            assert "".join(choice.delta.content or "" for choice in choices) == TEXT
            assert choices[-1].finish_reason == "stop"
            assert chunks[-1].usage
            assert chunks[-1].usage.completion_tokens == len(TEXT.split())
            assert one.seen[0].json["messages"] == MESSAGES

    async def test_it_does_not_stream(self, tmp_path: Path, way: Way) -> None:
        async with served(tmp_path, behaviours.answer(TEXT), way=way) as (client, _, _):
            answer = await client.chat.completions.create(model="m", messages=MESSAGES)
            assert answer.choices[0].message.content == TEXT
            assert answer.choices[0].finish_reason == "stop"
            assert answer.usage

    async def test_failures_that_another_provider_hides_do_not_show(self, tmp_path: Path, way: Way) -> None:
        broken = (behaviours.status(503), behaviours.wrapped(), behaviours.reset(), behaviours.empty())
        async with served(tmp_path, *broken, behaviours.answer(TEXT), way=way) as (client, _, _):
            async with client.chat.completions.stream(model="m", messages=MESSAGES) as stream:
                whole = await stream.get_final_completion()
            assert whole.choices[0].message.content == TEXT

    async def test_a_tool_call_and_its_result_go_round(self, tmp_path: Path, way: Way) -> None:
        calling = behaviours.answer("", tool_call=("points", {"side": "left"}))
        async with served(tmp_path, calling, way=way) as (client, _, [one]):
            async with client.chat.completions.stream(model="m", messages=MESSAGES, tools=[TOOL]) as stream:
                asked = (await stream.get_final_completion()).choices[0]
            assert asked.finish_reason == "tool_calls"
            [call] = asked.message.tool_calls or []
            assert (call.function.name, json.loads(call.function.arguments)) == ("points", {"side": "left"})

            one.script = behaviours.answer("The points are set.")
            done: list[Any] = [
                *MESSAGES,
                asked.message.model_dump(include={"role", "content", "tool_calls"}),
                {"role": "tool", "tool_call_id": call.id, "content": "ok"},
            ]
            answer = await client.chat.completions.create(model="m", messages=done, tools=[TOOL])
            assert answer.choices[0].message.content == "The points are set."
            assert one.seen[1].json["messages"][2] == {"role": "tool", "tool_call_id": call.id, "content": "ok"}

    async def test_the_model_list_is_read(self, tmp_path: Path) -> None:
        async with served(tmp_path, behaviours.answer()) as (client, _, _):
            assert "p0/m" in [model.id async for model in client.models.list()]

    async def test_the_synchronous_client_works_too(self, tmp_path: Path) -> None:
        async with served(tmp_path, behaviours.answer(TEXT)) as (_, router, _):

            def ask() -> tuple[str | None, str]:
                with OpenAI(base_url=router.base_url, api_key="sk-none", max_retries=0) as client:
                    whole = client.chat.completions.create(model="m", messages=MESSAGES)
                    stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
                    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
                    return whole.choices[0].message.content, streamed

            assert await asyncio.to_thread(ask) == (TEXT, TEXT)


PROGRAM = """
import openai
client = openai.OpenAI(max_retries=0)
asked = {"model": "m", "messages": [{"role": "user", "content": "Which track?"}]}
print(client.base_url)
print(client.chat.completions.create(**asked).choices[0].message.content)
print("".join(chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**asked, stream=True)))
"""


class TestAsProxy:
    async def test_http2_is_negotiated(self, tmp_path: Path) -> None:
        async with served(tmp_path, behaviours.answer(TEXT), way="https-proxy") as (client, router, _):
            raw = await client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES)
            assert raw.http_response.http_version == "HTTP/2"
            assert raw.headers["x-routed-via"] == "p0/m"
            [flow] = router.watcher.flows
            assert flow.request.http_version == "HTTP/2.0"
            assert flow.request.pretty_url == "https://api.openai.com/v1/chat/completions"
            assert flow.client_conn.alpn == b"h2"

    async def test_the_environment_alone_is_enough(self, tmp_path: Path) -> None:
        """A program that knows nothing of the router, started with HTTPS_PROXY and SSL_CERT_FILE."""
        async with served(tmp_path, behaviours.answer(TEXT)) as (_, router, _):
            given = {"HTTPS_PROXY": router.url, "SSL_CERT_FILE": str(router.ca), "OPENAI_API_KEY": "sk-none"}
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", PROGRAM, env={**os.environ, **given}, stdout=asyncio.subprocess.PIPE
            )
            said, _ = await process.communicate()
            assert said.decode().splitlines() == ["https://api.openai.com/v1/", TEXT, TEXT]
            assert [flow.request.pretty_host for flow in router.watcher.flows] == ["api.openai.com"] * 2


async def read(stream: openai.AsyncStream[ChatCompletionChunk], said: list[Choice]) -> None:
    """Adds to what was `said` for as long as the stream is good."""
    async for chunk in stream:
        said += chunk.choices


class TestErrors:
    async def test_a_wrong_client_key(self, tmp_path: Path) -> None:
        async with served(tmp_path, behaviours.answer(), server={"client_key": KEY}) as (client, router, [one]):
            with pytest.raises(openai.AuthenticationError) as caught:
                await client.chat.completions.create(model="m", messages=MESSAGES)
            assert (caught.value.status_code, caught.value.code) == (401, "invalid_api_key")
            assert caught.value.request_id == caught.value.response.headers["x-request-id"]
            assert not one.seen
            async with sdk(router, "base-url", api_key=KEY) as known:
                await known.chat.completions.create(model="m", messages=MESSAGES)
            assert one.seen[0].header("authorization") is None

    async def test_an_unknown_model(self, tmp_path: Path) -> None:
        async with served(tmp_path, behaviours.answer()) as (client, _, _):
            with pytest.raises(openai.NotFoundError) as caught:
                await client.chat.completions.create(model="no-such-model", messages=MESSAGES)
            assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
            assert "no-such-model" in caught.value.message

    @pytest.mark.parametrize("stream", [True, False])
    async def test_a_rate_limit_everywhere_says_when_to_come_back(self, tmp_path: Path, way: Way, stream: bool) -> None:
        limited = (behaviours.rate_limited(retry_after=30), behaviours.rate_limited(retry_after=7))
        async with served(tmp_path, *limited, way=way) as (client, _, _):
            with pytest.raises(openai.RateLimitError) as caught:
                await client.chat.completions.create(model="m", messages=MESSAGES, stream=stream)
            assert caught.value.code == "rate_limited"
            assert caught.value.response.headers["retry-after"] == "7"

    @pytest.mark.parametrize(
        ("behaviour", "raised"),
        [
            (behaviours.status(400), openai.BadRequestError),
            (behaviours.status(422), openai.UnprocessableEntityError),
            (behaviours.status(500), openai.InternalServerError),
            (behaviours.reset(), openai.InternalServerError),
        ],
        ids=lambda value: getattr(value, "name", ""),
    )
    async def test_other_failures_are_errors_of_their_status(
        self, tmp_path: Path, way: Way, behaviour: Behaviour, raised: type[openai.APIStatusError]
    ) -> None:
        async with served(tmp_path, behaviour, way=way) as (client, _, _):
            with pytest.raises(raised):
                await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)

    @pytest.mark.parametrize(
        ("behaviour", "code"),
        [
            (behaviours.stall(TEXT, after_tokens=3), "stream_timeout"),
            (behaviours.cut(TEXT, after_tokens=3), "stream_broken"),
            (behaviours.cut(TEXT, after_tokens=3, in_event=True), "stream_broken"),
            (behaviours.truncated(TEXT, after_tokens=3), "stream_broken"),
            (behaviours.reset_within(TEXT, after_tokens=3), "stream_broken"),
            (behaviours.error_within(TEXT, after_tokens=3), "overloaded"),
        ],
        ids=lambda value: getattr(value, "name", value),
    )
    async def test_half_an_answer_never_looks_whole(
        self, tmp_path: Path, way: Way, behaviour: Behaviour, code: str
    ) -> None:
        async with served(
            tmp_path, behaviour, way=way, stream={"stall": 0.2 if code == "stream_timeout" else 60.0}
        ) as (client, _, _):
            stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            said: list[Choice] = []
            with pytest.raises(openai.APIError) as caught:
                await read(stream, said)
            assert caught.value.code == code
            assert "".join(choice.delta.content or "" for choice in said) == " ".join(TEXT.split()[:3])
            assert [choice.finish_reason for choice in said if choice.finish_reason] == []

    async def test_half_an_answer_that_is_not_streamed_is_an_error(self, tmp_path: Path, way: Way) -> None:
        async with served(tmp_path, behaviours.truncated(TEXT), way=way) as (client, _, _):
            with pytest.raises(openai.InternalServerError):
                await client.chat.completions.create(model="m", messages=MESSAGES)
