"""Endpoints besides chats, through a real router, with the official SDKs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from pointsman.demo import Behaviour, Provider, behaviours
from pointsman.demo.behaviours.endpoints import VECTOR
from pointsman.domain.records import ExchangeRecord
from support.router import Router, running
from support.settings import provider

WELL = behaviours.endpoint()


@asynccontextmanager
async def served(
    folder: Path, kind: str, *scripted: Behaviour, **sections: Any
) -> AsyncIterator[tuple[AsyncOpenAI, Router, list[Provider]]]:
    """A provider for each behaviour, each with the model `m` of that kind, a chat model and another one of the kind."""
    async with AsyncExitStack() as stack:
        providers = [await stack.enter_async_context(Provider(behaviour)) for behaviour in scripted]
        rows = [{"id": "m", "kind": kind}, {"id": "chat"}, {"id": "other", "kind": kind}]
        entries = {
            f"p{n}": {**provider(each.base_url), "models": rows, "keys": [f"sk-provider-key-{n}"]}
            for n, each in enumerate(providers)
        }
        router = await stack.enter_async_context(running(folder, entries, **sections))
        client = AsyncOpenAI(base_url=router.base_url, api_key="sk-nobodys-key-0123456789", max_retries=0)
        yield await stack.enter_async_context(client), router, providers
        assert router.watcher.dialled == []


async def first_record(router: Router) -> ExchangeRecord:
    while not len(router.gateway.recent_exchanges):
        await asyncio.sleep(0)
    return next(router.gateway.recent_exchanges.newest(1))


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


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
