"""Paths that people type, and those that SDKs of clouds build: what is asked of the provider, and what is answered to
paths that mean nothing.
"""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic, AsyncAnthropicVertex
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials
from openai import AsyncAzureOpenAI, AsyncOpenAI, NotFoundError

from pointsman.config.enums import Dialect
from pointsman.demo import Provider, behaviours
from support.dialects import CHATS, entry
from support.http_requests import http_client
from support.router import Router, running
from support.settings import provider

KEY = "the-client-key-0123456789"
TEXT = "labore et dolore"
CHAT, RESPONSES, MESSAGES, GEMINI = Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES, Dialect.ANTHROPIC, Dialect.GEMINI
PROJECT = "/v1/projects/P/locations/L"
SAID: Any = [{"role": "user", "content": "Which track?"}]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def one(stack: AsyncExitStack) -> Provider:
    return await stack.enter_async_context(Provider(behaviours.answer(TEXT)))


async def routed(stack: AsyncExitStack, folder: Path, one: Provider, dialect: Dialect, **server: Any) -> Router:
    return await stack.enter_async_context(running(folder, {"p": entry(dialect, one)}, server=server))


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/chat/completions", CHAT),
        ("/v1/chat/completions/", CHAT),
        ("//v1//chat/completions", CHAT),
        ("/v1/v1/chat/completions", CHAT),
        ("/v1beta/openai/chat/completions", CHAT),
        (f"{PROJECT}/endpoints/openapi/chat/completions", CHAT),
        ("/responses", RESPONSES),
        ("/openai/responses?api-version=preview", RESPONSES),
        ("/messages", MESSAGES),
        ("/v1/messages//?beta=true", MESSAGES),
        ("/models/m:generateContent", GEMINI),
        ("/v1beta/models/m%3AgenerateContent", GEMINI),
        (f"{PROJECT}/publishers/google/models/m:generateContent", GEMINI),
    ],
)
async def test_the_provider_is_asked_at_the_right_path(
    stack: AsyncExitStack, tmp_path: Path, one: Provider, path: str, dialect: Dialect
) -> None:
    router = await routed(stack, tmp_path, one, dialect)
    right, body = CHATS[dialect]
    async with http_client() as client:
        answers = [await client.post(f"{router.url}{each}", json=body) for each in (right, path)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.headers["x-routed-via"] for answer in answers] == ["p/m", "p/m"]
    usual, typed = one.seen
    assert (typed.path.partition("?")[0], typed.json) == (usual.path, usual.json)
    assert "api-version" not in typed.path


@pytest.mark.parametrize("body", [{"messages": SAID}, {"model": "another", "messages": SAID}])
async def test_the_deployment_is_the_model(
    stack: AsyncExitStack, tmp_path: Path, one: Provider, body: dict[str, Any]
) -> None:
    router = await routed(stack, tmp_path, one, CHAT)
    url = f"{router.url}/openai/deployments/m/chat/completions?api-version=2024-10-21"
    async with http_client() as client:
        answer = await client.post(url, json=body)
        unknown = await client.post(url.replace("/m/", "/nobody/"), json=body)
    assert answer.headers["x-routed-via"] == "p/m"
    assert (one.seen[0].path, one.seen[0].json["model"]) == ("/v1/chat/completions", "m")
    assert unknown.status_code == 404
    assert "'nobody'" in unknown.json()["error"]["message"]


class TestSdksOfClouds:
    @pytest.mark.parametrize("stream", [True, False])
    async def test_azure(self, stack: AsyncExitStack, tmp_path: Path, one: Provider, stream: bool) -> None:
        router = await routed(stack, tmp_path, one, CHAT, client_key=KEY)
        client = AsyncAzureOpenAI(azure_endpoint=router.url, api_key=KEY, api_version="2024-10-21", max_retries=0)
        async with client:
            if stream:
                chunks = await client.chat.completions.create(model="m", messages=SAID, stream=True)
                said = "".join([chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices])
            else:
                whole = await client.chat.completions.create(model="m", messages=SAID)
                said = whole.choices[0].message.content or ""
            assert said == TEXT
            assert (await client.responses.create(model="m", input="hi")).output_text == TEXT
        assert KEY not in str(one.seen[0].headers)

    async def test_anthropic_on_vertex(self, stack: AsyncExitStack, tmp_path: Path, one: Provider) -> None:
        router = await routed(stack, tmp_path, one, MESSAGES, client_key=KEY)
        client = AsyncAnthropicVertex(
            base_url=f"{router.url}/v1", project_id="P", region="L", access_token=KEY, max_retries=0
        )
        async with client:
            whole = await client.messages.create(model="m", max_tokens=9, messages=SAID)
            async with client.messages.stream(model="m", max_tokens=9, messages=SAID) as stream:
                streamed = await stream.get_final_text()
            counted = await client.messages.count_tokens(model="m", messages=SAID)
        assert (getattr(whole.content[0], "text", None), streamed) == (TEXT, TEXT)
        assert counted.input_tokens > 0
        paths = [seen.path.partition("?")[0] for seen in one.seen]
        assert paths == ["/v1/messages", "/v1/messages", "/v1/messages/count_tokens"]
        for seen in one.seen:
            assert seen.json["model"] == "m"
            assert "anthropic_version" not in seen.json
            assert seen.header("anthropic-version")

    async def test_anthropic_on_vertex_to_a_provider_of_another_dialect(
        self, stack: AsyncExitStack, tmp_path: Path, one: Provider
    ) -> None:
        router = await routed(stack, tmp_path, one, CHAT)
        async with AsyncAnthropicVertex(
            base_url=f"{router.url}/v1", project_id="P", region="L", access_token="x", max_retries=0
        ) as client:
            whole = await client.messages.create(model="m", max_tokens=9, messages=SAID)
        assert getattr(whole.content[0], "text", None) == TEXT
        assert "anthropic_version" not in one.seen[0].json

    async def test_google_on_vertex(self, stack: AsyncExitStack, tmp_path: Path, one: Provider) -> None:
        router = await routed(stack, tmp_path, one, GEMINI, client_key=KEY)
        client = genai.Client(
            vertexai=True,
            project="P",
            location="L",
            credentials=Credentials(token=KEY),  # type: ignore[no-untyped-call]
            http_options=types.HttpOptions(base_url=router.url),
        ).aio
        whole = await client.models.generate_content(model="m", contents="hi")
        stream = await client.models.generate_content_stream(model="m", contents="hi")
        assert whole.text == TEXT
        assert "".join([chunk.text or "" async for chunk in stream]) == TEXT
        assert [seen.path for seen in one.seen] == [
            "/v1beta/models/m:generateContent",
            "/v1beta/models/m:streamGenerateContent?alt=sse",
        ]
        await client.aclose()


class TestOtherEndpoints:
    async def test_the_deployment_is_the_model(self, stack: AsyncExitStack, tmp_path: Path) -> None:
        one = await stack.enter_async_context(Provider(behaviours.endpoint()))
        entries = {"p": provider(one.base_url) | {"models": [{"id": "m", "kind": "embedding"}]}}
        router = await stack.enter_async_context(running(tmp_path, entries))
        async with AsyncAzureOpenAI(
            azure_endpoint=router.url, api_key="x", api_version="2024-10-21", max_retries=0
        ) as client:
            assert (await client.embeddings.create(model="m", input="hi")).data
        async with http_client() as plain:
            bare = await plain.post(f"{router.url}/embeddings", json={"model": "m", "input": "hi"})
            model = await plain.get(f"{router.url}/models/m")
        assert (bare.status_code, model.json()["kind"]) == (200, "embedding")
        assert [(seen.path, seen.json["model"]) for seen in one.seen] == [("/v1/embeddings", "m")] * 2


class TestModelsBySdk:
    async def test_openai(self, stack: AsyncExitStack, tmp_path: Path, one: Provider) -> None:
        router = await routed(stack, tmp_path, one, CHAT)
        for base_url in (router.base_url, router.url, f"{router.url}/v1/", f"{router.url}/v1beta/openai"):
            async with AsyncOpenAI(base_url=base_url, api_key="x", max_retries=0) as client:
                assert (await client.models.list()).data[0].id == "auto"
                assert (await client.models.retrieve("p/m")).owned_by == "p"
                with pytest.raises(NotFoundError, match="Did you mean p/m"):
                    await client.models.retrieve("p/mm")

    async def test_anthropic(self, stack: AsyncExitStack, tmp_path: Path, one: Provider) -> None:
        router = await routed(stack, tmp_path, one, MESSAGES)
        async with AsyncAnthropic(base_url=router.url, api_key="x", max_retries=0) as client:
            found = [model.id async for model in client.models.list(limit=2)]
            assert (found[0], len(found)) == ("auto", 5)
            assert (await client.models.retrieve("p/m")).id == "p/m"
            with pytest.raises(anthropic.NotFoundError, match="Did you mean p/m") as caught:
                await client.models.retrieve("p/mm")
        assert caught.value.response.json()["error"]["type"] == "not_found_error"

    async def test_google(self, stack: AsyncExitStack, tmp_path: Path, one: Provider) -> None:
        router = await routed(stack, tmp_path, one, GEMINI)
        client = genai.Client(api_key="x", http_options=types.HttpOptions(base_url=router.url)).aio
        found = [model.name async for model in await client.models.list(config={"page_size": 2})]
        assert (found[0], len(found)) == ("models/auto", 5)
        assert (await client.models.get(model="auto-smart")).name == "models/auto-smart"
        assert (await client.models.get(model="models/p/m")).name == "models/p/m"
        with pytest.raises(genai.errors.ClientError, match="Did you mean p/m"):
            await client.models.get(model="models/p/mm")
        await client.aclose()


TYPED = ["/messages", "/v1/v1/messages", "/openai/deployments/m/chat/completions", "/models", "/v1/models/p/m"]


class TestAdmission:
    @pytest.mark.parametrize("path", TYPED)
    async def test_a_rebound_name_and_a_foreign_page_get_nothing(
        self, stack: AsyncExitStack, tmp_path: Path, one: Provider, path: str
    ) -> None:
        router = await routed(stack, tmp_path, one, CHAT)
        method = "GET" if "models" in path else "POST"
        async with http_client() as client:
            for headers in ({"Host": "rebound.test"}, {"Origin": "https://evil.test"}):
                answer = await client.request(method, f"{router.url}{path}", json={}, headers=headers)
                assert answer.status_code == 403
        assert one.seen == []

    @pytest.mark.parametrize("path", TYPED)
    async def test_the_client_key_is_wanted(
        self, stack: AsyncExitStack, tmp_path: Path, one: Provider, path: str
    ) -> None:
        router = await routed(stack, tmp_path, one, CHAT, client_key=KEY)
        method = "GET" if "models" in path else "POST"
        async with http_client() as client:
            for headers in ({}, {"api-key": "wrong"}):
                answer = await client.request(method, f"{router.url}{path}", json={}, headers=headers)
                assert answer.status_code == 401
        assert one.seen == []


async def test_in_reverse_mode_a_path_without_version_is_the_targets(
    stack: AsyncExitStack, tmp_path: Path, one: Provider
) -> None:
    target = await stack.enter_async_context(Provider(behaviours.answer("the target's")))
    mode = f"reverse:{target.base_url.removesuffix('/v1')}"
    router = await stack.enter_async_context(running(tmp_path, {"p": entry(CHAT, one)}, mode))
    path, body = CHATS[CHAT]
    async with http_client() as client:
        assert (await client.post(f"{router.url}//{path}/", json=body)).headers["x-routed-via"] == "p/m"
        assert "x-routed-via" not in (await client.post(f"{router.url}/messages", json=body)).headers
    assert [seen.path for seen in target.seen] == ["/messages"]


async def test_a_wrong_path_gets_the_nearest_one_and_is_logged(
    stack: AsyncExitStack, tmp_path: Path, one: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    router = await routed(stack, tmp_path, one, CHAT)
    with caplog.at_level(logging.INFO, logger="pointsman"):
        async with http_client() as client:
            answer = await client.post(f"{router.url}/v1/chat/completion?key=sk-a-secret-0123456789", json={})
    assert answer.status_code == 404
    assert "Did you mean POST /v1/chat/completions?" in json.loads(answer.content)["error"]["message"]
    [line] = [message for message in caplog.messages if "404" in message]
    assert "'/v1/chat/completion'" in line
    assert "secret" not in line
