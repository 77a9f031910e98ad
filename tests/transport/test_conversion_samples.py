"""Parallel calls, reasoning, images and usage, as official SDKs send and get them across dialects."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.genai import types

from pointsman.config.enums import Dialect
from pointsman.demo import Provider, behaviours
from support.dialects import entry
from support.router import running
from support.router_sdk_calls import ANTHROPIC, CHAT, GENAI, KEY, RESPONSES, forget_environment

PNG = "iVBORw0KGgo="
IMAGE = f"data:image/png;base64,{PNG}"
CALLS = [("left", {"n": 1}), ("right", {"n": 2})]
MODEL = {"supports": ["tools", "vision", "json", "reasoning"], "id": "m"}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)


def sse(*documents: Any) -> list[bytes]:
    return [f"data: {json.dumps(document)}\n\n".encode() for document in documents]


def chunk(**delta: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "model": "m", "created": 1, "choices": [{"index": 0, "delta": delta}]}


def call(index: int, name: str, arguments: str) -> dict[str, Any]:
    return {"index": index, "id": f"call_{index}", "function": {"name": name, "arguments": arguments}}


CHAT_STREAM = [
    *sse(
        chunk(role="assistant", content=""),
        chunk(reasoning_content="which "),
        chunk(reasoning_content="one?"),
        chunk(content="Both."),
        chunk(tool_calls=[call(0, "left", ""), call(1, "right", "")]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"n":'}}]),
        chunk(tool_calls=[{"index": 1, "function": {"arguments": '{"n": 2'}}]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": " 1}"}}]),
        chunk(tool_calls=[{"index": 1, "function": {"arguments": "}"}}]),
        {"id": "chatcmpl-1", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
        {
            "id": "chatcmpl-1",
            "choices": [],
            "usage": {"prompt_tokens": 30, "completion_tokens": 12, "prompt_tokens_details": {"cached_tokens": 20}},
        },
    ),
    b"data: [DONE]\n\n",
]
MESSAGES_STREAM = [
    f"event: {document['type']}\ndata: {json.dumps(document)}\n\n".encode()
    for document in (
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "role": "assistant",
                "model": "m",
                "content": [],
                "usage": {"input_tokens": 10, "cache_read_input_tokens": 20, "output_tokens": 1},
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "which one?"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Both."}},
        {"type": "content_block_stop", "index": 1},
        *(
            document
            for index, (name, given) in enumerate(CALLS, start=2)
            for document in (
                {
                    "type": "content_block_start",
                    "index": index,
                    "content_block": {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}},
                },
                {
                    "type": "content_block_delta",
                    "index": index,
                    "delta": {"type": "input_json_delta", "partial_json": json.dumps(given)},
                },
                {"type": "content_block_stop", "index": index},
            )
        ),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 12}},
        {"type": "message_stop"},
    )
]


@asynccontextmanager
async def served(folder: Path, dialect: Dialect, stream: list[bytes]) -> AsyncIterator[tuple[str, Provider]]:
    async with Provider(behaviours.exact(stream)) as one:
        written = {**entry(dialect, one), "models": [MODEL], "stream_usage": True}
        async with running(folder, {"p": written}) as router:
            yield router.url, one


async def test_anthropics_library_with_chat_completions(tmp_path: Path) -> None:
    image: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    asked: Any = [{"role": "user", "content": [{"type": "text", "text": "Which?"}, image]}]
    thinking: Any = {"type": "enabled", "budget_tokens": 2000}
    async with served(tmp_path, Dialect.OPENAI_CHAT, CHAT_STREAM) as (url, one), ANTHROPIC._client(url, KEY) as client:
        options: dict[str, Any] = {"model": "m", "max_tokens": 4000, "messages": asked, "thinking": thinking}
        async with client.messages.stream(**options) as stream:
            message = await stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert [(block.name, block.input) for block in message.content if block.type == "tool_use"] == CALLS
    assert [block.thinking for block in message.content if block.type == "thinking"] == ["which one?"]
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (10, 20, 12)
    assert one.seen[0].json["messages"][0]["content"][1]["image_url"]["url"] == IMAGE
    assert one.seen[0].json["stream_options"] == {"include_usage": True}


async def test_openais_library_of_responses_with_chat_completions(tmp_path: Path) -> None:
    content: Any = [
        {"type": "input_text", "text": "Which?"},
        {"type": "input_image", "image_url": "https://i.test/a.png"},
    ]
    asked: Any = [{"role": "user", "content": content}]
    options: dict[str, Any] = {"model": "m", "input": asked, "reasoning": {"effort": "low"}}
    async with (
        served(tmp_path, Dialect.OPENAI_CHAT, CHAT_STREAM) as (url, one),
        RESPONSES._client(url, KEY) as client,
        client.responses.stream(**options) as stream,
    ):
        answer = await stream.get_final_response()
    assert [item.type for item in answer.output] == ["reasoning", "message", "function_call", "function_call"]
    calls = [(item.name, json.loads(item.arguments)) for item in answer.output if item.type == "function_call"]
    assert calls == CALLS
    assert [item.summary[0].text for item in answer.output if item.type == "reasoning"] == ["which one?"]
    assert answer.usage
    assert (answer.usage.input_tokens, answer.usage.input_tokens_details.cached_tokens) == (30, 20)
    assert one.seen[0].json["messages"][0]["content"][1]["image_url"]["url"] == "https://i.test/a.png"
    assert one.seen[0].json["reasoning_effort"] == "low"


async def test_googles_library_with_chat_completions(tmp_path: Path) -> None:
    image = types.Part(inline_data=types.Blob(mime_type="image/png", data=b"\x89PNG\r\n\x1a\n"))
    asked: Any = [types.Content(role="user", parts=[types.Part(text="Which?"), image])]
    parts: list[types.Part] = []
    async with served(tmp_path, Dialect.OPENAI_CHAT, CHAT_STREAM) as (url, one), GENAI._client(url, KEY).aio as client:
        async for part in await client.models.generate_content_stream(model="m", contents=asked):
            for candidate in part.candidates or []:
                parts += (candidate.content and candidate.content.parts) or []
            last = part
    assert [(each.function_call.name, each.function_call.args) for each in parts if each.function_call] == CALLS
    assert "".join(each.text or "" for each in parts if each.thought) == "which one?"
    assert "".join(each.text or "" for each in parts if not each.thought) == "Both."
    assert last.usage_metadata
    assert (last.usage_metadata.prompt_token_count, last.usage_metadata.cached_content_token_count) == (30, 20)
    assert one.seen[0].json["messages"][0]["content"][1]["image_url"]["url"] == IMAGE


async def test_openais_library_of_chat_completions_with_messages(tmp_path: Path) -> None:
    content: Any = [{"type": "text", "text": "Which?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    asked: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]
    async with served(tmp_path, Dialect.ANTHROPIC, MESSAGES_STREAM) as (url, one), CHAT._client(url, KEY) as client:
        options: dict[str, Any] = {"model": "m", "messages": asked, "stream_options": {"include_usage": True}}
        async with client.chat.completions.stream(**options) as stream:
            answer = await stream.get_final_completion()
    said: Any = answer.choices[0].message
    assert [(each.function.name, json.loads(each.function.arguments)) for each in said.tool_calls] == CALLS
    assert (said.content, said.reasoning_content) == ("Both.", "which one?")
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (30, 12)
    seen = one.seen[0].json
    assert seen["system"] == [{"type": "text", "text": "Be brief."}]
    assert seen["messages"][0]["content"][1]["source"]["data"] == PNG
