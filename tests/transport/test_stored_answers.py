"""Requests about answers that a provider has stored, compactions and counts of tokens, in OpenAI's Responses."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from aiohttp import web

from support.http_requests import http_client
from support.leak_checks import no_leaks
from support.router import Router, running
from support.settings import provider

MODEL = "m"


class Store:
    """A provider that keeps answers, each for the key that asked. `fails` gives statuses for the next requests."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kept: dict[str, tuple[str, dict[str, Any]]] = {}
        self.asked: list[tuple[str, str]] = []
        """Method and path with query of each request."""
        self.keys: list[str] = []
        self.bodies: list[bytes] = []
        self.fails: list[int] = []
        self.drops = 0
        """How many of the next requests are cut off without a word."""
        self.base_url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        key, body = request.headers.get("Authorization", ""), await request.read()
        self.asked.append((request.method, request.path_qs))
        self.keys.append(key.removeprefix("Bearer "))
        self.bodies.append(body)
        if self.drops:
            self.drops -= 1
            assert request.transport
            request.transport.abort()
            return web.Response()
        if self.fails:
            return web.json_response({"error": {"message": "not now", "code": None}}, status=self.fails.pop(0))
        match request.method, request.path.removeprefix("/v1/responses").strip("/").split("/"):
            case "POST", [""]:
                return await self._create(request, key, json.loads(body))
            case "POST", ["compact"]:
                return web.json_response({"id": "cmp_1", "object": "response.compaction", "output": [SUMMARY]})
            case "POST", ["input_tokens"]:
                return web.json_response({"object": "response.input_tokens", "input_tokens": 11})
            case _, [answer_id, *action]:
                return await self._stored(request, key, answer_id, action)
        raise AssertionError(request.path)

    async def _create(self, request: web.Request, key: str, asked: dict[str, Any]) -> web.StreamResponse:
        answer = {**ANSWER, "id": f"resp_{self.name}_{len(self.kept)}"}
        self.kept[answer["id"]] = key, answer
        if asked.get("background"):
            answer |= {"status": "queued", "output": []}
        if not asked.get("stream"):
            return web.json_response(answer)
        return web.Response(body=b"".join(events(answer)), content_type="text/event-stream")

    async def _stored(self, request: web.Request, key: str, answer_id: str, action: list[str]) -> web.StreamResponse:
        owner, answer = self.kept.get(answer_id, ("", {}))
        if not answer or owner != key:
            message = f"Response with id '{answer_id}' not found."
            return web.json_response({"error": {"message": message, "type": "invalid_request_error"}}, status=404)
        if action == ["input_items"]:
            return web.json_response({"object": "list", "data": [], "has_more": False})
        if action == ["cancel"]:
            answer["status"] = "cancelled"
        if request.method == "DELETE":
            del self.kept[answer_id]
            return web.json_response({"id": answer_id, "object": "response.deleted", "deleted": True})
        if request.query.get("stream") == "true":
            after = int(request.query.get("starting_after", -1))
            return web.Response(body=b"".join(events(answer)[after + 1 :]), content_type="text/event-stream")
        return web.json_response(answer)


PART = {"type": "output_text", "text": "hello", "annotations": []}
ITEM = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [PART]}
SUMMARY = {"type": "compaction", "id": "cmp_item", "encrypted_content": "sealed"}
ANSWER: dict[str, Any] = {
    "id": "", "object": "response", "created_at": 1, "status": "completed", "error": None, "model": MODEL,
    "output": [ITEM], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
}  # fmt: skip


def events(answer: dict[str, Any]) -> list[bytes]:
    opened = {**answer, "status": "in_progress", "output": []}
    delta = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "hello", "logprobs": []}
    said: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": opened}),
        ("response.output_text.delta", delta),
        ("response.output_item.done", {"output_index": 0, "item": ITEM}),
        ("response.completed", {"response": {**answer, "status": "completed", "output": [ITEM]}}),
    ]
    return [
        b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, "sequence_number": n, **rest}).encode())
        for n, (kind, rest) in enumerate(said)
    ]


@asynccontextmanager
async def stores(*names: str) -> AsyncIterator[list[Store]]:
    found, runners = [Store(name) for name in names], []
    for store in found:
        app = web.Application()
        app.router.add_route("*", "/{_:.*}", store.serve)
        runners.append(runner := web.AppRunner(app))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        store.base_url = f"http://{host}:{port}/v1"
    try:
        yield found
    finally:
        for runner in runners:
            await runner.cleanup()


def entries(*found: Store, **members: Any) -> dict[str, Any]:
    return {each.name: provider(each.base_url, MODEL, dialect="openai-responses", **members) for each in found}


@asynccontextmanager
async def asking(router: Router) -> AsyncIterator[openai.AsyncOpenAI]:
    http = http_client()
    async with openai.AsyncOpenAI(base_url=router.base_url, api_key="any", max_retries=0, http_client=http) as client:
        yield client


def total(*found: Store) -> Counter[str]:
    return Counter({each.name: len(each.asked) for each in found})


async def test_the_provider_that_made_an_answer_is_asked_for_it(tmp_path):
    async with stores("a", "b") as (a, b), running(tmp_path, entries(a, b)) as router, asking(router) as client:
        a.fails = [503]
        made = await client.responses.create(model=MODEL, input="hi")
        assert made.id.startswith("resp_b")
        before = len(a.asked)
        assert (await client.responses.retrieve(made.id)).output_text == "hello"
        assert b.asked[-1] == ("GET", f"/v1/responses/{made.id}")
        items = [item async for item in await client.responses.input_items.list(made.id, limit=5)]
        assert items == []
        assert b.asked[-1] == ("GET", f"/v1/responses/{made.id}/input_items?limit=5")
        assert (await client.responses.cancel(made.id)).status == "cancelled"
        await client.responses.delete(made.id)
        assert b.asked[-1] == ("DELETE", f"/v1/responses/{made.id}")
        assert b.bodies[-1] == b""
        with pytest.raises(openai.NotFoundError, match=made.id):
            await client.responses.retrieve(made.id)
        assert len(a.asked) == before
    await no_leaks(router)


async def test_the_key_that_made_an_answer_is_used_for_it(tmp_path):
    keys = {"keys": ["sk-first-1111", "sk-second-2222"]}
    async with stores("a", "b") as (a, b), running(tmp_path, entries(a, b, **keys)) as router, asking(router) as client:
        made = [await client.responses.create(model=f"a/{MODEL}", input=f"hi {n}") for n in range(4)]
        makers = a.keys.copy()
        assert len(set(makers)) == 2
        for answer in made:
            await client.responses.retrieve(answer.id)
        assert a.keys[4:] == makers


@pytest.mark.parametrize("after", [-1, 0, 2])
async def test_the_events_of_a_stored_answer_pass_as_they_are(after, tmp_path):
    async with stores("a", "b") as (a, b), running(tmp_path, entries(a, b)) as router, asking(router) as client:
        made = await client.responses.create(model=MODEL, input="hi", background=True)
        assert made.status == "queued"
        query = "stream=true" + ("" if after < 0 else f"&starting_after={after}")
        async with http_client() as plain:
            answer = await plain.get(f"{router.base_url}/responses/{made.id}?{query}")
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.content == b"".join(events(a.kept[made.id][1])[after + 1 :])
        assert not b.asked


async def test_a_streamed_answer_can_be_asked_for_while_it_is_being_made(tmp_path):
    """Its client leaves in the middle, and comes back for the rest."""
    async with stores("a", "b") as (a, b), running(tmp_path, entries(a, b)) as router, asking(router) as client:
        stream = await client.responses.create(model=MODEL, input="hi", stream=True)
        async for event in stream:
            if event.type == "response.created":
                made = event.response.id
            if event.type == "response.output_text.delta":
                break
        await stream.close()
        assert (await client.responses.retrieve(made)).output_text == "hello"
        assert not b.asked


@pytest.mark.parametrize("prefix", ["", "/v1//", "/some/prefix/v1"])
async def test_another_spelling_of_the_path_means_the_same(prefix, tmp_path):
    async with stores("a", "b") as (a, b), running(tmp_path, entries(a, b)) as router, asking(router) as client:
        made = await client.responses.create(model=MODEL, input="hi")
        async with http_client() as plain:
            answer = await plain.get(f"{router.url}{prefix}/responses/{made.id}")
        assert answer.json()["id"] == made.id
        assert a.asked[-1] == ("GET", f"/v1/responses/{made.id}")


async def test_a_stored_failure_is_an_answer(tmp_path):
    async with stores("a", "b") as (a, b), running(tmp_path, entries(a, b)) as router, asking(router) as client:
        made = await client.responses.create(model=MODEL, input="hi")
        a.kept[made.id][1].update(status="failed", error={"code": "server_error", "message": "it broke"}, output=[])
        found = await client.responses.retrieve(made.id)
        assert (found.status, found.error and found.error.message) == ("failed", "it broke")
        assert len(a.asked) == 2


async def test_an_unknown_id_is_not_looked_for_at_every_provider(tmp_path):
    async with stores("a", "b") as (a, b), running(tmp_path, entries(a, b)) as router, asking(router) as client:
        with pytest.raises(openai.NotFoundError) as caught:
            await client.responses.retrieve("resp_unknown")
        error = caught.value.body
        assert isinstance(error, dict)
        assert (error["code"], error["type"]) == ("not_found", "invalid_request_error")
        assert "resp_unknown" in error["message"]
        assert "a, b" in error["message"]
        assert total(a, b) == {"a": 0, "b": 0}


async def test_the_only_provider_of_the_dialect_is_asked_for_an_unknown_id(tmp_path):
    async with stores("a", "chat") as (a, chat):
        made = {**ANSWER, "id": "resp_old"}
        a.kept["resp_old"] = "Bearer sk-second-2222", made
        keys = {"keys": ["sk-first-1111", "sk-second-2222"]}
        other = provider(chat.base_url, MODEL, dialect="openai-chat")
        async with running(tmp_path, {**entries(a, **keys), "chat": other}) as router, asking(router) as client:
            assert (await client.responses.retrieve("resp_old")).output_text == "hello"
            with pytest.raises(openai.NotFoundError, match="Response with id 'resp_none' not found"):
                await client.responses.retrieve("resp_none")
            assert not chat.asked


async def test_without_a_provider_of_the_dialect_nothing_is_stored(tmp_path):
    async with stores("chat") as [chat]:
        other = provider(chat.base_url, MODEL, dialect="openai-chat")
        async with running(tmp_path, {"chat": other}) as router, asking(router) as client:
            with pytest.raises(openai.NotFoundError, match="No provider speaks openai-responses"):
                await client.responses.retrieve("resp_1")
            assert not chat.asked


@pytest.mark.parametrize(
    ("method", "action", "repeated"), [("GET", "", True), ("DELETE", "", False), ("POST", "/cancel", False)]
)
@pytest.mark.parametrize("how", ["status", "cut"])
async def test_only_what_changes_nothing_is_sent_twice(method, action, repeated, how, tmp_path):
    async with stores("a", "b") as (a, b), running(tmp_path, entries(a, b)) as router, asking(router) as client:
        made = await client.responses.create(model=MODEL, input="hi")
        a.fails, a.drops = ([503] if how == "status" else []), int(how == "cut")
        async with http_client() as plain:
            answer = await plain.request(method, f"{router.base_url}/responses/{made.id}{action}")
        asked = [each for each in a.asked if each[0] == method and each[1].startswith(f"/v1/responses/{made.id}")]
        if how == "status":
            assert (answer.status_code, len(asked)) == ((200, 2) if repeated else (503, 1))
        else:  # a kept connection that breaks at once may have been stale, and is replaced without a new attempt
            assert answer.status_code in ((200,) if repeated else (200, 502))
        assert not b.asked


async def test_a_failure_there_cools_nothing_down(tmp_path):
    async with stores("a") as [a], running(tmp_path, entries(a)) as router, asking(router) as client:
        made = await client.responses.create(model=MODEL, input="hi")
        a.fails = [429, 500, 500]
        with pytest.raises(openai.RateLimitError):
            await client.responses.retrieve(made.id)
        with pytest.raises(openai.InternalServerError):
            await client.responses.retrieve(made.id)
        cooldowns = router.gateway.router.cooldowns_to_dict(0.0, 0.0)
        assert not any(cooldowns.values())
        assert (await client.responses.retrieve(made.id)).id == made.id


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "resp_1", "GET, DELETE"), ("GET", "resp_1/cancel", "POST"), ("POST", "resp_1/input_items", "GET")],
)
async def test_another_method_is_refused(method, path, allowed, tmp_path):
    async with stores("a") as [a], running(tmp_path, entries(a)) as router, http_client() as plain:
        answer = await plain.request(method, f"{router.base_url}/responses/{path}")
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        assert not a.asked


async def test_stored_answers_need_the_client_key(tmp_path):
    server = {"client_key": "client-key-1234"}
    async with stores("a") as [a], running(tmp_path, entries(a), server=server) as router:
        async with http_client() as plain:
            assert (await plain.get(f"{router.base_url}/responses/resp_1")).status_code == 401
        assert not a.asked


async def test_a_compaction_goes_to_the_holder_and_fails_over_without_one(tmp_path):
    async with stores("a", "b") as (a, b), running(tmp_path, entries(a, b)) as router, asking(router) as client:
        a.fails = [503]
        made = await client.responses.create(model=MODEL, input="hi")
        shorter = await client.responses.compact(model=MODEL, previous_response_id=made.id)
        assert b.asked[-1] == ("POST", "/v1/responses/compact")
        assert shorter.output[0].type == "compaction"
        assert json.loads(b.bodies[-1]) == {"model": MODEL, "previous_response_id": made.id}
        b.fails = [503]
        await client.responses.compact(model=MODEL, input="much of it")
        assert (a.asked[-1][1], b.asked[-1][1]) == ("/v1/responses/compact", "/v1/responses/compact")


async def test_a_compaction_is_not_converted(tmp_path):
    async with stores("chat") as [chat]:
        other = provider(chat.base_url, MODEL, dialect="openai-chat")
        async with running(tmp_path, {"chat": other}) as router, asking(router) as client:
            with pytest.raises(openai.BadRequestError, match="a compaction cannot be converted"):
                await client.responses.compact(model=MODEL, input="much of it")
            assert not chat.asked


async def test_tokens_are_counted_by_a_provider_and_else_estimated(tmp_path):
    async with stores("a", "b") as (a, b), running(tmp_path, entries(a, b)) as router, asking(router) as client:
        assert (await client.responses.input_tokens.count(model=MODEL, input="hi")).input_tokens == 11
        a.fails, b.fails = [404], [404]
        estimate = await client.responses.input_tokens.count(model=MODEL, input="x" * 400)
        assert (estimate.object, estimate.input_tokens) == ("response.input_tokens", 100)
