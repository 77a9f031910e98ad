"""Embeddings, with the official SDK; and which endpoint a request belongs to."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import httpx
import openai
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from pointsman.demo import Behaviour, Provider, behaviours
from pointsman.demo.behaviours.endpoints import SOUND, VECTOR
from pointsman.demo.behaviours.streaming import TEXT
from support.http_requests import http_client
from support.router import running
from support.settings import provider
from transport.endpoint_clients import SPEECH, WELL, first_record, served

pytestmark = pytest.mark.usefixtures("bare_environment")


class TestEmbeddings:
    async def test_an_answer(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", WELL) as (client, _, [one]):
            raw = await client.embeddings.with_raw_response.create(model="m", input=["a", "b"])
            found = raw.parse()
            assert [row.embedding for row in found.data] == [list(VECTOR)] * 2
            assert found.usage.prompt_tokens == 4
            assert raw.headers["x-routed-via"] == "p0/m"
            assert raw.headers["x-sticky-session"] == "miss"
            [seen] = one.seen
            assert (seen.path, seen.json["model"]) == ("/v1/embeddings", "m")
            assert seen.header("authorization") == "Bearer sk-provider-key-0"

    @pytest.mark.parametrize(
        "failing",
        [
            behaviours.status(503),
            behaviours.status(401),
            behaviours.status(402),
            behaviours.rate_limited(),
            behaviours.reset(),
            behaviours.wrapped(),
            behaviours.html(),
            behaviours.exact([b'{"object":"list","data":[]}'], "application/json"),
            behaviours.exact([b'{"data":[{"embedding":[]}]}'], "application/json"),
        ],
        ids=lambda behaviour: behaviour.name,
    )
    async def test_a_failure_is_hidden_by_the_same_model_elsewhere(self, tmp_path: Path, failing: Behaviour) -> None:
        async with served(tmp_path, "embedding", failing, WELL) as (client, _, [one, two]):
            raw = await client.embeddings.with_raw_response.create(model="m", input="a")
            assert raw.headers["x-routed-via"] == "p1/m"
            assert raw.headers["x-fallback-attempts"] == "1"
            assert [seen.json["model"] for seen in (*one.seen, *two.seen)] == ["m", "m"]

    async def test_no_other_model_stands_in(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", behaviours.status(503)) as (client, _, [one]):
            with pytest.raises(openai.InternalServerError):
                await client.embeddings.create(model="m", input="a")
            assert [seen.json["model"] for seen in one.seen] == ["m"]

    async def test_a_refusal_is_passed_on(self, tmp_path: Path) -> None:
        refusal = {
            "error": {"message": "dimensions must be positive", "type": "invalid_request_error", "code": "bad_value"}
        }
        async with served(tmp_path, "embedding", behaviours.status(400, refusal), WELL) as (client, _, [_, two]):
            with pytest.raises(openai.BadRequestError) as caught:
                await client.embeddings.create(model="m", input="a")
            assert caught.value.code == "bad_value"
            assert not two.seen

    async def test_a_limit_everywhere(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", behaviours.rate_limited(retry_after=30)) as (client, _, [one]):
            for _ in range(2):
                with pytest.raises(openai.RateLimitError) as caught:
                    await client.embeddings.create(model="m", input="a")
                assert 0 < float(caught.value.response.headers["retry-after"]) <= 30
            assert len(one.seen) == 1, "it cools down"

    async def test_a_configured_limit(self, tmp_path: Path) -> None:
        async with Provider(WELL) as one, Provider(WELL) as two:
            limited = {"id": "m", "kind": "embedding", "limits": {"rpm": 1}}
            entries = {
                "p0": {**provider(one.base_url), "models": [limited]},
                "p1": {**provider(two.base_url), "models": [{"id": "m", "kind": "embedding"}]},
            }
            async with (
                running(tmp_path, entries) as router,
                AsyncOpenAI(base_url=router.base_url, api_key="x") as client,
            ):
                for _ in range(2):
                    await client.embeddings.create(model="m", input="a")
            assert (len(one.seen), len(two.seen)) == (1, 1)

    async def test_a_client_that_leaves(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", behaviours.hang()) as (client, router, [one]):
            task = asyncio.create_task(client.embeddings.create(model="m", input="a"))
            seen = await one.arrived()
            task.cancel()
            assert await seen.closed_by_peer()
            record = await first_record(router)
            assert [attempt.outcome for attempt in record.attempts] == ["client_abort"]

    async def test_the_same_client_keeps_its_target(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", WELL, WELL) as (client, _, [one, _]):
            one.script = [behaviours.status(503), WELL]
            seen = []
            for text in ("a", "b", "c"):
                raw = await client.embeddings.with_raw_response.create(model="m", input=text)
                seen.append((raw.headers["x-routed-via"], raw.headers["x-sticky-session"]))
            assert seen == [("p1/m", "miss"), ("p1/m", "hit"), ("p1/m", "hit")]
            other = client.with_options(api_key="sk-another-key-0123456789")
            raw = await other.embeddings.with_raw_response.create(model="m", input="a")
            assert raw.headers["x-sticky-session"] == "miss"

    async def test_a_conversation_keeps_its_pin(self, tmp_path: Path) -> None:
        ask: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "Which track?"}]}
        headers = {"X-Session-ID": "the-conversation"}
        async with served(tmp_path, "embedding", behaviours.answer("ok"), behaviours.answer("ok")) as (
            client,
            _,
            [one, two],
        ):
            one.script = [behaviours.status(503), WELL, behaviours.answer("ok")]
            first = await client.chat.completions.with_raw_response.create(**ask, extra_headers=headers)
            assert first.headers["x-routed-via"] == "p1/chat"
            two.script = behaviours.status(503)
            embedded = await client.embeddings.with_raw_response.create(model="m", input="a", extra_headers=headers)
            assert embedded.headers["x-routed-via"] == "p0/m"
            two.script = behaviours.answer("ok")
            second = await client.chat.completions.with_raw_response.create(**ask, extra_headers=headers)
            assert (second.headers["x-routed-via"], second.headers["x-sticky-session"]) == ("p1/chat", "hit")


class TestKinds:
    async def test_a_chat_model_does_not_embed(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", WELL) as (client, _, [one]):
            with pytest.raises(openai.NotFoundError) as caught:
                await client.embeddings.create(model="chat", input="a")
            assert "'chat' is of kind chat" in caught.value.message
            assert "p0/m" in caught.value.message
            assert not one.seen

    async def test_an_embedding_model_does_not_chat(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", WELL) as (client, _, [one]):
            with pytest.raises(openai.NotFoundError) as caught:
                await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "a"}])
            assert "'m' is of kind embedding" in caught.value.message
            assert not one.seen

    async def test_automatic_modes_choose_chat_models(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", behaviours.answer("ok")) as (client, _, [one]):
            await client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "a"}])
            assert [seen.json["model"] for seen in one.seen] == ["chat"]
            with pytest.raises(openai.BadRequestError) as caught:
                await client.embeddings.create(model="auto", input="a")
            assert "for chats" in caught.value.message

    async def test_the_model_list_names_kinds(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", WELL) as (client, _, _):
            kinds = {model.id: model.model_dump()["kind"] async for model in client.models.list()}
            assert (kinds["p0/m"], kinds["p0/chat"], kinds["auto"]) == ("embedding", "chat", "chat")


class TestElsewhere:
    """As a proxy and in reverse mode, only kinds that are configured are the router's."""

    ASKED: ClassVar[Any] = {"model": "m", "input": "a"}

    @asynccontextmanager
    async def reverse(self, folder: Path, kind: str) -> AsyncIterator[tuple[httpx.AsyncClient, Provider, Provider]]:
        async with Provider(WELL) as target, Provider(WELL) as one, AsyncExitStack() as stack:
            entry = {**provider(one.base_url), "models": [{"id": "m", "kind": kind}]}
            mode = f"reverse:{target.base_url.removesuffix('/v1')}"
            router = await stack.enter_async_context(running(folder, {"p0": entry}, mode))
            headers = {"Authorization": "Bearer sk-its-own-key-0123456789"}
            client = http_client(base_url=router.url, headers=headers)
            yield await stack.enter_async_context(client), target, one

    async def test_a_kind_that_is_configured_is_routed(self, tmp_path: Path) -> None:
        async with self.reverse(tmp_path, "embedding") as (client, target, one):
            answer = await client.post("/v1/embeddings", json=self.ASKED)
            assert answer.headers["x-routed-via"] == "p0/m"
            assert (len(target.seen), len(one.seen)) == (0, 1)

    @pytest.mark.parametrize("kind", ["chat", "embedding"])
    async def test_a_model_that_is_not_goes_to_the_target_with_its_own_key(self, tmp_path: Path, kind: str) -> None:
        async with self.reverse(tmp_path, kind) as (client, target, one):
            answer = await client.post("/v1/embeddings", json={**self.ASKED, "model": "another"})
            assert answer.status_code == 200
            assert "x-routed-via" not in answer.headers
            assert target.seen[0].header("authorization") == "Bearer sk-its-own-key-0123456789"
            assert not one.seen

    async def test_files_are_those_of_the_client(self, tmp_path: Path) -> None:
        async with self.reverse(tmp_path, "embedding") as (client, target, one):
            await client.get("/v1/files/file-abc")
            assert target.seen[0].header("authorization") == "Bearer sk-its-own-key-0123456789"
            assert not one.seen

    async def test_the_default_base_url_by_way_of_the_proxy(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", behaviours.status(503), WELL) as (_, router, _):
            trusting = ssl.create_default_context(cafile=router.ca)
            http_client = DefaultAsyncHttpxClient(proxy=router.url, verify=trusting, http2=True)
            async with AsyncOpenAI(api_key="sk-own", max_retries=0, http_client=http_client) as client:
                raw = await client.embeddings.with_raw_response.create(model="m", input="a")
            assert raw.headers["x-routed-via"] == "p1/m"
            assert router.watcher.flows[0].request.pretty_url == "https://api.openai.com/v1/embeddings"

    async def test_sound_over_http2_is_cut_when_it_breaks(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", WELL) as (_, router, [one]):
            trusting = ssl.create_default_context(cafile=router.ca)
            http_client = DefaultAsyncHttpxClient(proxy=router.url, verify=trusting, http2=True)
            async with AsyncOpenAI(api_key="sk-own", max_retries=0, http_client=http_client) as client:
                whole = await client.audio.speech.with_raw_response.create(**SPEECH)
                assert (whole.http_response.http_version, whole.content) == ("HTTP/2", b"".join(SOUND))
                one.script = behaviours.endpoint(breaks_after=3)
                async with client.audio.speech.with_streaming_response.create(**SPEECH) as answer:
                    with pytest.raises(Exception, match=r"(?i)reset"):
                        await answer.read()


async def test_what_a_provider_refuses_is_left_out(tmp_path: Path) -> None:
    async with Provider(WELL) as one:
        entry = {**provider(one.base_url), "models": [{"id": "m", "kind": "embedding"}], "drop_params": ["dimensions"]}
        async with (
            running(tmp_path, {"p0": entry}) as router,
            AsyncOpenAI(base_url=router.base_url, api_key="x", max_retries=0) as client,
        ):
            await client.embeddings.create(model="m", input="a", dimensions=3)
    assert "dimensions" not in one.seen[0].json


async def test_another_dialect_is_no_candidate(tmp_path: Path) -> None:
    """Nothing is converted, and the error says so."""
    async with Provider(WELL) as one:
        entry = {**provider(one.base_url), "dialect": "gemini", "models": [{"id": "m", "kind": "embedding"}]}
        async with (
            running(tmp_path, {"p0": entry}) as router,
            AsyncOpenAI(base_url=router.base_url, api_key="x", max_retries=0) as client,
        ):
            with pytest.raises(openai.APIStatusError, match="cannot be converted"):
                await client.embeddings.create(model="m", input="a")
    assert not one.seen


async def test_a_model_of_several_kinds(tmp_path: Path) -> None:
    async with Provider(WELL) as one:
        entry = {**provider(one.base_url), "models": [{"id": "m", "kind": ["chat", "completion"]}]}
        async with (
            running(tmp_path, {"p0": entry}) as router,
            AsyncOpenAI(base_url=router.base_url, api_key="x", max_retries=0) as client,
        ):
            assert (await client.completions.create(model="m", prompt="a")).choices[0].text == TEXT
            one.script = behaviours.answer("ok")
            await client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "a"}])
            listed = {model.id: model.model_dump() async for model in client.models.list()}
    assert (listed["p0/m"]["kind"], listed["p0/m"]["kinds"]) == ("chat", ["chat", "completion"])
    assert [each.path for each in one.seen] == ["/v1/completions", "/v1/chat/completions"]
