"""Calls to a provider with the vendors' unmodified SDKs: what each one makes of an answer."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
KEY = "client-key"


@dataclass(frozen=True)
class Said:
    """What a library made of an answer. `calls` are names and arguments; `end` is in the dialect's own word."""

    text: str
    calls: tuple[tuple[str, Any], ...] = ()
    end: str | None = None


def forget_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, base URLs and proxies that the libraries would read there."""
    for name in os.environ:
        if name.startswith(("OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@contextlib.asynccontextmanager
async def anthropic_client(root: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=root, max_retries=0) as client:
        yield client


@contextlib.asynccontextmanager
async def openai_client(root: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{root}/v1", max_retries=0) as client:
        yield client


@contextlib.asynccontextmanager
async def google_client(root: str) -> AsyncIterator[Any]:
    """The asynchronous side of google-genai's client."""
    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=root, api_version="v1beta"))
    try:
        yield client.aio
    finally:
        await client.aio.aclose()
        client.close()


async def messages(root: str, streamed: bool, model: str = "demo") -> Said:
    """Anthropic's library."""
    tools: Any = [{"name": "read", "input_schema": SCHEMA}]
    asked: Any = {"model": model, "max_tokens": 99, "tools": tools, "messages": [{"role": "user", "content": "hi"}]}
    async with anthropic_client(root) as client:
        if streamed:
            async with client.messages.stream(**asked) as stream:
                message = await stream.get_final_message()
        else:
            message = await client.messages.create(**asked)
    blocks = message.content
    return Said(
        "".join(block.text for block in blocks if block.type == "text"),
        tuple((block.name, block.input) for block in blocks if block.type == "tool_use"),
        message.stop_reason,
    )


async def responses(root: str, streamed: bool, model: str = "demo") -> Said:
    """OpenAI's library, by its plain stream."""
    tools: Any = [{"type": "function", "name": "read", "parameters": SCHEMA, "strict": True}]
    async with openai_client(root) as client:
        if not streamed:
            return _of_response(await client.responses.create(model=model, input="hi", tools=tools))
        text, last = "", None
        async for event in await client.responses.create(model=model, input="hi", tools=tools, stream=True):
            text += event.delta if event.type == "response.output_text.delta" else ""
            last = getattr(event, "response", last)
    said = _of_response(last)
    assert said.end != "completed" or said.text == text
    return Said(text, said.calls, said.end)


async def responses_helper(root: str, streamed: bool, model: str = "demo") -> Said:
    """OpenAI's library, by the helper that puts a stream together."""
    assert streamed
    async with openai_client(root) as client, client.responses.stream(model=model, input="hi") as stream:
        return _of_response(await stream.get_final_response())


def _of_response(response: Any) -> Said:
    assert response is not None
    calls = [item for item in response.output if item.type == "function_call"]
    return Said(response.output_text, tuple((call.name, json.loads(call.arguments)) for call in calls), response.status)


async def gemini(root: str, streamed: bool, model: str = "demo") -> Said:
    """Google's library."""
    declaration = types.FunctionDeclaration(name="read", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declaration])])
    asked: Any = {"model": model, "contents": "hi", "config": config}
    async with google_client(root) as client:
        if streamed:
            chunks = [chunk async for chunk in await client.models.generate_content_stream(**asked)]
        else:
            chunks = [await client.models.generate_content(**asked)]
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    ends = [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates[0].finish_reason]
    return Said(
        "".join(part.text for part in parts if part.text and not part.thought),
        tuple((part.function_call.name, part.function_call.args) for part in parts if part.function_call),
        ends[-1].value if ends else None,
    )


type Ask = Callable[..., Awaitable[Said]]
SDKS: dict[str, Ask] = {"anthropic": messages, "openai-responses": responses, "gemini": gemini}
"""By dialect."""
