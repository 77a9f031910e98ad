"""Gemini's embeddings, through a real router, with the official SDK."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from google import genai

from pointsman.demo import Behaviour, Provider, behaviours
from pointsman.demo.behaviours.endpoints import VECTOR
from pointsman.wire.frames import Usage
from support.http_requests import post
from support.router import running
from support.settings import provider
from transport.endpoint_clients import WELL, first_record

pytestmark = pytest.mark.usefixtures("bare_environment")


class TestGemini:
    @asynccontextmanager
    async def served(self, folder: Path, *scripted: Behaviour) -> AsyncIterator[tuple[genai.Client, list[Provider]]]:
        async with AsyncExitStack() as stack:
            providers = [await stack.enter_async_context(Provider(behaviour)) for behaviour in scripted]
            entries = {
                f"p{n}": {
                    **provider(each.base_url.replace("/v1", "/v1beta")),
                    "dialect": "gemini",
                    "models": [{"id": "embed", "kind": "embedding"}, {"id": "chat"}],
                    "keys": [f"provider-key-{n}"],
                }
                for n, each in enumerate(providers)
            }
            router = await stack.enter_async_context(running(folder, entries))
            yield genai.Client(api_key="nobodys", http_options={"base_url": router.url, "timeout": 20_000}), providers

    async def test_an_answer_after_a_failure(self, tmp_path: Path) -> None:
        async with self.served(tmp_path, behaviours.status(503), WELL) as (client, [one, two]):
            found = await client.aio.models.embed_content(model="embed", contents=["a", "b"])
            assert found.embeddings
            assert [each.values for each in found.embeddings] == [list(VECTOR)] * 2
            paths = [seen.path for seen in (*one.seen, *two.seen)]
            assert paths == ["/v1beta/models/embed:batchEmbedContents"] * 2
            assert two.seen[0].header("x-goog-api-key") == "provider-key-1"

    @pytest.mark.parametrize(
        ("told", "expected"),
        [(b"", Usage(10, 0, is_estimated=True)), (b',"usageMetadata":{"promptTokenCount":7}', Usage(7, 0))],
    )
    async def test_its_usage_is_reported_or_estimated(self, tmp_path: Path, told: bytes, expected: Usage) -> None:
        answer = behaviours.exact([b'{"embedding":{"values":[1]}%b}' % told], "application/json")
        async with Provider(answer) as one:
            entry = {**provider(one.base_url), "dialect": "gemini", "models": [{"id": "embed", "kind": "embedding"}]}
            async with running(tmp_path, {"one": entry}) as router:
                url = f"{router.url}/v1beta/models/embed:embedContent"
                found = await post(url, json.dumps({"content": {"parts": [{"text": "a" * 40}]}}).encode())
                assert found.status == 200
                assert (await first_record(router)).attempts[0].usage == expected

    async def test_without_values_it_is_no_answer(self, tmp_path: Path) -> None:
        empty = behaviours.exact([b'{"embeddings":[{"values":[]}]}'], "application/json")
        async with self.served(tmp_path, empty, WELL) as (client, [_, two]):
            await client.aio.models.embed_content(model="embed", contents="a")
            assert len(two.seen) == 1

    async def test_a_refusal_a_limit_and_another_kind(self, tmp_path: Path) -> None:
        refusal = {"error": {"code": 400, "message": "no such task", "status": "INVALID_ARGUMENT"}}
        async with self.served(tmp_path, behaviours.status(400, refusal)) as (client, [one]):
            with pytest.raises(genai.errors.ClientError) as caught:
                await client.aio.models.embed_content(model="embed", contents="a")
            assert (caught.value.code, caught.value.message) == (400, "no such task")
            one.script = behaviours.rate_limited(retry_after=9)
            with pytest.raises(genai.errors.ClientError) as caught:
                await client.aio.models.embed_content(model="embed", contents="a")
            assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
            with pytest.raises(genai.errors.ClientError) as caught:
                await client.aio.models.embed_content(model="chat", contents="a")
            assert caught.value.code == 404
            assert "'chat' is of kind chat" in str(caught.value.message)

    async def test_a_client_that_leaves(self, tmp_path: Path) -> None:
        async with self.served(tmp_path, behaviours.hang()) as (client, [one]):
            task = asyncio.create_task(client.aio.models.embed_content(model="embed", contents="a"))
            seen = await one.arrived()
            task.cancel()
            assert await seen.closed_by_peer()

    async def test_the_name_in_the_body_follows_that_in_the_path(self, tmp_path: Path) -> None:
        async with Provider(WELL) as one:
            entry = {**provider(one.base_url), "dialect": "gemini", "models": [{"id": "own", "kind": "embedding"}]}
            sections = {"routing": {"aliases": {"embed": "p0/own"}}}
            async with running(tmp_path, {"p0": entry}, **sections) as router:
                client = genai.Client(api_key="nobodys", http_options={"base_url": router.url})
                await client.aio.models.embed_content(model="embed", contents=["a", "b"])
            assert one.seen[0].path == "/v1/models/own:batchEmbedContents"
            assert [each["model"] for each in one.seen[0].json["requests"]] == ["models/own"] * 2
