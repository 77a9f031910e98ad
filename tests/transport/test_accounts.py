"""Files and batches, through a real router, with the official SDKs: to one provider, once."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from pointsman.demo import Behaviour, Provider, behaviours
from support.http_requests import http_client
from support.router import Router, running
from support.settings import provider

FILE: dict[str, Any] = {
    "id": "file-abc", "object": "file", "bytes": 2, "created_at": 0, "filename": "a.jsonl", "purpose": "batch",
    "status": "processed",
}  # fmt: skip
BATCH: dict[str, Any] = {
    "id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "file-abc",
    "completion_window": "24h", "status": "validating", "created_at": 0,
}  # fmt: skip
MESSAGE_BATCH: dict[str, Any] = {
    "id": "msgbatch_1", "type": "message_batch", "processing_status": "ended", "created_at": "2026-01-01T00:00:00Z",
    "expires_at": "2026-01-02T00:00:00Z", "request_counts": {
        "processing": 0, "succeeded": 1, "errored": 0, "canceled": 0, "expired": 0},
    "results_url": "https://provider.test/v1/messages/batches/msgbatch_1/results",
}  # fmt: skip
LINES = b'{"custom_id":"a","result":{"type":"expired"}}\n{"custom_id":"b","result":{"type":"canceled"}}\n'


def said(document: object) -> Behaviour:
    return behaviours.exact([json.dumps(document).encode()], "application/json")


@asynccontextmanager
async def served(
    folder: Path, *scripted: Behaviour, dialect: str = "openai-chat", **sections: Any
) -> AsyncIterator[tuple[Router, list[Provider]]]:
    """A provider for each behaviour, all of one dialect, each with two keys."""
    async with AsyncExitStack() as stack:
        providers = [await stack.enter_async_context(Provider(behaviour)) for behaviour in scripted]
        entries = {
            f"p{n}": {**provider(each.base_url), "dialect": dialect, "keys": [f"sk-key-{n}-a", f"sk-key-{n}-b"]}
            for n, each in enumerate(providers)
        }
        router = await stack.enter_async_context(running(folder, entries, **sections))
        yield router, providers
        assert router.watcher.dialled == []


def sdk(router: Router, **headers: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=router.base_url, api_key="nobodys", max_retries=0, default_headers=headers)


def claude(router: Router) -> AsyncAnthropic:
    return AsyncAnthropic(base_url=router.url, api_key="nobodys", max_retries=0)


async def test_files_go_to_the_only_provider(tmp_path: Path) -> None:
    async with served(tmp_path, said(FILE)) as (router, [one]), sdk(router) as client:
        made = await client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
        assert made.id == "file-abc"
        await client.files.retrieve("file-abc")
        one.script = said({"id": "file-abc", "object": "file", "deleted": True})
        assert (await client.files.delete("file-abc")).deleted
        one.script = said({"object": "list", "data": [FILE], "has_more": False})
        assert [each.id async for each in client.files.list(purpose="batch")] == ["file-abc"]
    seen = [(each.method, each.path, each.header("authorization")) for each in one.seen]
    assert seen == [
        ("POST", "/v1/files", "Bearer sk-key-0-a"),
        ("GET", "/v1/files/file-abc", "Bearer sk-key-0-a"),
        ("DELETE", "/v1/files/file-abc", "Bearer sk-key-0-a"),
        ("GET", "/v1/files?purpose=batch", "Bearer sk-key-0-a"),
    ]
    assert b"\r\n\r\n{}\r\n" in one.seen[0].body


async def test_a_batch(tmp_path: Path) -> None:
    async with served(tmp_path, said(BATCH)) as (router, [one]), sdk(router) as client:
        made = await client.batches.create(
            input_file_id="file-abc", endpoint="/v1/chat/completions", completion_window="24h"
        )
        assert made.id == "batch_1"
        await client.batches.cancel("batch_1")
    assert [each.path for each in one.seen] == ["/v1/batches", "/v1/batches/batch_1/cancel"]


async def test_among_several_one_has_to_be_named(tmp_path: Path) -> None:
    async with served(tmp_path, said(FILE), said(FILE)) as (router, [one, two]):
        async with sdk(router) as client:
            with pytest.raises(openai.BadRequestError, match=r"X-Pointsman-Provider \(p0, p1\)"):
                await client.files.retrieve("file-of-nobody")
        async with sdk(router, **{"X-Pointsman-Provider": "p1"}) as client:
            raw = await client.files.with_raw_response.retrieve("file-abc")
            assert raw.headers["x-routed-via"] == "p1/account"
        async with sdk(router, **{"X-Pointsman-Provider": "p7"}) as client:
            with pytest.raises(openai.BadRequestError, match="it is 'p7'"):
                await client.files.retrieve("file-abc")
    assert not one.seen
    assert [each.header("x-pointsman-provider") for each in two.seen] == [None]


async def test_what_an_account_has_issued_leads_back_to_it(tmp_path: Path) -> None:
    async with served(tmp_path, said(FILE), said(FILE)) as (router, [one, two]):
        async with sdk(router, **{"X-Pointsman-Provider": "p1"}) as client:
            await client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
        two.script = said(BATCH)
        async with sdk(router) as client:
            made = await client.batches.create(
                input_file_id="file-abc", endpoint="/v1/chat/completions", completion_window="24h"
            )
            await client.batches.retrieve(made.id)
    assert not one.seen
    assert [each.path for each in two.seen] == ["/v1/files", "/v1/batches", "/v1/batches/batch_1"]


@pytest.mark.parametrize(
    ("failing", "raised", "status"),
    [
        (behaviours.status(503), openai.InternalServerError, 503),
        (behaviours.rate_limited(retry_after=9), openai.RateLimitError, 429),
        (behaviours.status(400), openai.BadRequestError, 400),
        (behaviours.status(401), openai.InternalServerError, 502),
        (behaviours.reset(), openai.InternalServerError, 502),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_nothing_is_repeated(
    tmp_path: Path, failing: Behaviour, raised: type[openai.APIStatusError], status: int
) -> None:
    async with served(tmp_path, failing) as (router, [one]), sdk(router) as client:
        with pytest.raises(raised) as caught:
            await client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
        assert caught.value.status_code == status
    assert len(one.seen) == 1


async def test_a_failing_account_does_not_affect_its_models(tmp_path: Path) -> None:
    async with served(tmp_path, behaviours.status(503)) as (router, [one]), sdk(router) as client:
        with pytest.raises(openai.InternalServerError):
            await client.files.retrieve("file-abc")
        one.script = behaviours.answer("ok")
        raw = await client.chat.completions.with_raw_response.create(
            model="m", messages=[{"role": "user", "content": "a"}]
        )
        assert raw.headers["x-fallback-attempts"] == "0"


@pytest.mark.parametrize("content", [LINES, b"", b'{"error": {"message": "a line of the file"}}'])
async def test_a_download_is_every_byte_of_the_file(tmp_path: Path, content: bytes) -> None:
    scripted = behaviours.exact([content], "application/jsonl")
    async with served(tmp_path, scripted) as (router, [one]), sdk(router) as client:
        assert (await client.files.content("file-abc")).content == content
    assert one.seen[0].path == "/v1/files/file-abc/content"


async def test_a_download_that_breaks_never_looks_whole(tmp_path: Path) -> None:
    async def play(responder: Any) -> None:
        await responder.head(200, [("Content-Type", "application/jsonl")])
        await responder.chunk(LINES)
        await responder.hang_up()

    async with served(tmp_path, Behaviour("broken", play)) as (router, _), sdk(router) as client:
        with pytest.raises(Exception, match="incomplete chunked read"):
            async with client.files.with_streaming_response.content("file-abc") as answer:
                await answer.read()


async def test_a_client_that_leaves(tmp_path: Path) -> None:
    async with served(tmp_path, behaviours.hang()) as (router, [one]), sdk(router) as client:
        task = asyncio.create_task(client.files.retrieve("file-abc"))
        seen = await one.arrived()
        task.cancel()
        assert await seen.closed_by_peer()


async def test_message_batches(tmp_path: Path) -> None:
    async with served(tmp_path, said(MESSAGE_BATCH), dialect="anthropic") as (router, [one]), claude(router) as client:
        message: Any = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "a"}]}
        made = await client.messages.batches.create(requests=[{"custom_id": "a", "params": message}])
        assert made.id == "msgbatch_1"
        one.script = [said(MESSAGE_BATCH), behaviours.exact([LINES], "application/x-jsonl")]
        results = [row.custom_id async for row in await client.messages.batches.results("msgbatch_1")]
        assert results == ["a", "b"], "the link to the results leads to the router"
        one.script = behaviours.status(404, {"type": "error", "error": {"type": "not_found_error", "message": "no"}})
        with pytest.raises(anthropic.NotFoundError):
            await client.messages.batches.cancel("msgbatch_2")
    seen = [(each.method, each.path) for each in one.seen]
    assert seen == [
        ("POST", "/v1/messages/batches"),
        ("GET", "/v1/messages/batches/msgbatch_1"),
        ("GET", "/v1/messages/batches/msgbatch_1/results"),
        ("POST", "/v1/messages/batches/msgbatch_2/cancel"),
    ]
    assert {each.header("x-api-key") for each in one.seen} == {"sk-key-0-a"}


async def test_the_headers_decide_whose_files_are_meant(tmp_path: Path) -> None:
    meta = {"id": "file_1", "type": "file", "filename": "a", "mime_type": "text/plain", "size_bytes": 1}
    meta["created_at"] = "2026-01-01T00:00:00Z"
    async with Provider(said(FILE)) as one, Provider(said(meta)) as two:
        entries = {"p0": provider(one.base_url), "p1": {**provider(two.base_url), "dialect": "anthropic"}}
        async with running(tmp_path, entries) as router, sdk(router) as client, claude(router) as other:
            await client.files.retrieve("file-abc")
            await other.beta.files.retrieve_metadata("file_1")
    assert [[each.path for each in provider.seen] for provider in (one, two)] == [
        ["/v1/files/file-abc"],
        ["/v1/files/file_1"],
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/v1/files/a", 405),
        ("GET", "/v1/files/.hidden", 404),
        ("GET", "/v1/files/%2e%2e/models", 404),
        ("GET", "/v1/files/a/content/b", 404),
        ("GET", "/v1/filesystem", 404),
    ],
)
async def test_other_paths_reach_no_provider(tmp_path: Path, method: str, path: str, status: int) -> None:
    async with served(tmp_path, said(FILE)) as (router, [one]), http_client() as client:
        url = httpx.URL(router.url, raw_path=path.encode())
        assert (await client.request(method, url)).status_code == status
    assert not one.seen


async def test_a_client_key_is_needed_as_for_chats(tmp_path: Path) -> None:
    async with (
        served(tmp_path, said(FILE), server={"client_key": "the-client-key"}) as (router, [one]),
        sdk(router) as client,
    ):
        with pytest.raises(openai.AuthenticationError):
            await client.files.retrieve("file-abc")
    assert not one.seen


async def test_a_key_that_is_refused_makes_room_for_the_next_one(tmp_path: Path) -> None:
    async with served(tmp_path, behaviours.status(401)) as (router, [one]), sdk(router) as client:
        with pytest.raises(openai.InternalServerError):
            await client.files.retrieve("file-abc")
        one.script = said(FILE)
        for _ in range(2):
            await client.files.retrieve("file-abc")
    keys = [each.header("authorization") for each in one.seen]
    assert keys == ["Bearer sk-key-0-a", "Bearer sk-key-0-b", "Bearer sk-key-0-b"]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("application/jsonl", "application/jsonl"),
        ("text/html; charset=utf-8", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
        ("audio/mpeg", "audio/mpeg"),
    ],
)
async def test_no_file_is_a_page_of_the_routers_origin(tmp_path: Path, sent: str, told: str) -> None:
    async with served(tmp_path, behaviours.exact([b"<script>"], sent)) as (router, _), sdk(router) as client:
        answer = await client.files.content("file-abc")
        assert answer.response.headers["content-type"] == told
        assert answer.response.headers["x-content-type-options"] == "nosniff"
