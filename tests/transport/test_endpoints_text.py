"""Completions, moderations and ranks, through a real router."""

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types import Completion

from pointsman.demo import Behaviour, Provider, behaviours
from pointsman.demo.behaviours.streaming import TEXT
from pointsman.wire.frames import Usage
from support.http_requests import http_client
from support.router import running
from support.settings import provider
from transport.endpoint_clients import WELL, first_record, served

pytestmark = pytest.mark.usefixtures("bare_environment")
NO_TEXT = behaviours.endpoint("")


async def read(stream: openai.AsyncStream[Completion], said: list[str]) -> None:
    """Adds to what was `said` for as long as the stream is good."""
    async for chunk in stream:
        said.append(chunk.choices[0].text)


class TestCompletions:
    async def test_an_answer(self, tmp_path: Path) -> None:
        async with served(tmp_path, "completion", WELL) as (client, _, [one]):
            found = await client.completions.create(model="m", prompt="def f(", suffix="return 1")
            assert found.choices[0].text == TEXT
            assert (one.seen[0].path, one.seen[0].json["suffix"]) == ("/v1/completions", "return 1")

    async def test_it_streams(self, tmp_path: Path) -> None:
        async with served(tmp_path, "completion", WELL) as (client, router, _):
            stream = await client.completions.create(model="m", prompt="def f(", suffix="return 1", stream=True)
            chunks = [chunk async for chunk in stream]
            assert "".join(chunk.choices[0].text for chunk in chunks) == TEXT
            assert chunks[-1].choices[0].finish_reason == "stop"
            assert (await first_record(router)).attempts[0].outcome == "request_success"

    @pytest.mark.parametrize("stream", [True, False])
    @pytest.mark.parametrize(
        "failing",
        [
            behaviours.status(503),
            behaviours.rate_limited(),
            behaviours.endpoint(breaks_after=0),
            behaviours.endpoint(""),
        ],
        ids=["503", "429", "no answer", "no text"],
    )
    async def test_a_failure_is_hidden(self, tmp_path: Path, failing: Behaviour, stream: bool) -> None:
        async with served(tmp_path, "completion", failing, WELL) as (client, _, _):
            raw = await client.completions.with_raw_response.create(model="m", prompt="a", stream=stream)
            assert raw.headers["x-routed-via"] == "p1/m"

    @pytest.mark.parametrize("stream", [True, False])
    async def test_nothing_may_belong_between_two_texts(self, tmp_path: Path, stream: bool) -> None:
        async with served(tmp_path, "completion", behaviours.endpoint(""), WELL) as (client, _, [_, two]):
            raw = await client.completions.with_raw_response.create(model="m", prompt="a", suffix="b", stream=stream)
            assert raw.headers["x-routed-via"] == "p0/m"
            assert not two.seen

    @pytest.mark.parametrize("hangs", [True, False])
    async def test_a_stream_that_breaks_ends_with_an_error(self, tmp_path: Path, hangs: bool) -> None:
        broken = behaviours.endpoint(breaks_after=2, hangs=hangs)
        async with served(tmp_path, "completion", broken, WELL, stream={"stall": 0.2 if hangs else 60.0}) as (
            client,
            _,
            [_, two],
        ):
            stream = await client.completions.create(model="m", prompt="a", stream=True)
            said: list[str] = []
            with pytest.raises(openai.APIError) as caught:
                await read(stream, said)
            assert caught.value.code == ("stream_timeout" if hangs else "stream_broken")
            assert "".join(said) == " ".join(TEXT.split()[:2])
            assert not two.seen

    async def test_a_client_that_leaves_in_a_stream(self, tmp_path: Path) -> None:
        pausing = behaviours.endpoint(breaks_after=2, hangs=True)
        async with served(tmp_path, "completion", pausing) as (client, router, [one]):
            stream = await client.completions.create(model="m", prompt="a", stream=True)
            await anext(aiter(stream))
            await stream.close()
            assert await one.seen[0].closed_by_peer()
            assert (await first_record(router)).attempts[0].outcome == "client_abort"

    async def test_a_refusal_and_a_limit(self, tmp_path: Path) -> None:
        async with served(tmp_path, "completion", behaviours.status(400)) as (client, _, [one]):
            with pytest.raises(openai.BadRequestError):
                await client.completions.create(model="m", prompt="a", stream=True)
            one.script = behaviours.rate_limited(retry_after=9)
            with pytest.raises(openai.RateLimitError) as caught:
                await client.completions.create(model="m", prompt="a", stream=True)
            assert caught.value.response.headers["retry-after"] == "9"


class TestModerations:
    async def test_an_answer(self, tmp_path: Path) -> None:
        async with served(tmp_path, "moderation", behaviours.reset(), WELL) as (client, _, _):
            found = await client.moderations.create(model="m", input="a")
            assert not found.results[0].flagged

    async def test_a_refusal_a_limit_and_a_client_that_leaves(self, tmp_path: Path) -> None:
        async with served(tmp_path, "moderation", behaviours.status(400)) as (client, _, [one]):
            with pytest.raises(openai.BadRequestError):
                await client.moderations.create(model="m", input="a")
            one.script = behaviours.hang()
            task = asyncio.create_task(client.moderations.create(model="m", input="a"))
            seen = await one.arrived(2)
            task.cancel()
            assert await seen.closed_by_peer()
            one.script = behaviours.rate_limited(retry_after=9)
            with pytest.raises(openai.RateLimitError):
                await client.moderations.create(model="m", input="a")

    async def test_the_only_model_need_not_be_named(self, tmp_path: Path) -> None:
        async with Provider(WELL) as one:
            entries = {"p0": {**provider(one.base_url), "models": [{"id": "m", "kind": "moderation"}, {"id": "chat"}]}}
            async with (
                running(tmp_path, entries) as router,
                AsyncOpenAI(base_url=router.base_url, api_key="x", max_retries=0) as client,
            ):
                await client.moderations.create(input="a")
                assert one.seen[0].json["model"] == "m"

    async def test_one_of_several_has_to_be_named(self, tmp_path: Path) -> None:
        async with served(tmp_path, "moderation", WELL) as (client, _, [one]):
            with pytest.raises(openai.BadRequestError) as caught:
                await client.moderations.create(input="a")
            assert "p0/m, p0/other" in caught.value.message
            assert not one.seen


class TestRerank:
    """No maker of an SDK in use here has this path."""

    ASKED: ClassVar[Any] = {"model": "m", "query": "a", "documents": ["b", "c"]}

    @pytest.mark.parametrize("version", ["v1", "v2"])
    async def test_an_answer(self, tmp_path: Path, version: str) -> None:
        empty = behaviours.exact([b'{"results":[]}'], "application/json")
        async with served(tmp_path, "rerank", empty, WELL) as (_, router, [_, two]), http_client() as client:
            answer = await client.post(f"{router.url}/{version}/rerank", json=self.ASKED)
            assert [row["index"] for row in answer.json()["results"]] == [0, 1]
            assert answer.headers["x-routed-via"] == "p1/m"
            assert two.seen[0].path == "/v1/rerank", "the provider's version is in its base URL"

    async def test_a_refusal_a_limit_and_a_client_that_leaves(self, tmp_path: Path) -> None:
        async with (
            served(tmp_path, "rerank", behaviours.status(400)) as (_, router, [one]),
            http_client() as client,
        ):
            url = f"{router.url}/v1/rerank"
            assert (await client.post(url, json=self.ASKED)).status_code == 400
            one.script = behaviours.hang()
            task = asyncio.create_task(client.post(url, json=self.ASKED))
            seen = await one.arrived(2)
            task.cancel()
            assert await seen.closed_by_peer()
            one.script = behaviours.rate_limited(retry_after=9)
            limited = await client.post(url, json=self.ASKED)
            assert (limited.status_code, limited.headers["retry-after"]) == (429, "9")


class TestUnreportedUsage:
    """It is estimated by the texts, so that budgets and limits hold."""

    @pytest.mark.parametrize(
        ("kind", "path", "asked", "expected"),
        [
            ("completion", "completions", {"prompt": "a" * 40, "stream": True}, Usage(10, 10, is_estimated=True)),
            ("rerank", "rerank", {"query": "a" * 20, "documents": ["b" * 18]}, Usage(11, 0, is_estimated=True)),
            ("moderation", "moderations", {"input": "a"}, Usage(1, 0, is_estimated=True)),
        ],
    )
    async def test_is_estimated(
        self, tmp_path: Path, kind: str, path: str, asked: dict[str, Any], expected: Usage
    ) -> None:
        async with served(tmp_path, kind, WELL) as (client, router, _):
            found = await client.post(f"/{path}", body={"model": "m", **asked}, cast_to=httpx.Response)
            assert found.status_code == 200
            assert (await first_record(router)).attempts[0].usage == expected

    async def test_of_an_image_is_not_known(self, tmp_path: Path) -> None:
        nothing_said = behaviours.exact([b'{"data":[{"b64_json":"YQ=="}]}'], "application/json")
        async with served(tmp_path, "image", nothing_said) as (client, router, _):
            await client.images.generate(model="m", prompt="a" * 40)
            assert (await first_record(router)).attempts[0].usage is None
