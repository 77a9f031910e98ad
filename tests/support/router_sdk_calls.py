"""Calls through a router with the unmodified SDKs of all dialects: what each SDK's user gets, failures included."""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import anthropic
import openai
import pytest
from anthropic import AsyncAnthropic
from google import genai
from google.genai import errors, types
from openai import AsyncOpenAI

from pointsman.config.enums import Dialect
from support.time_limit import LONGEST

ASKED = "Which track?"
KEY = "sk-nobodys-key-0123456789"
TOOL = "points"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"side": {"type": "string"}}}


@dataclass
class Told:
    """What an SDK gave its user.

    `finish` is in the dialect's own word; `failure` the type of what was raised, or of the event that told of it;
    `detail` its status and error object. Not every way of asking tells `ids` and `usage`.
    """

    text: str = ""
    finish: str | None = None
    calls: list[tuple[str, Any]] = field(default_factory=list)
    failure: str | None = None
    detail: Any = None
    ids: set[str] = field(default_factory=set, compare=False)
    """Of the answer, as each of its events has it that has one."""
    usage: tuple[int, int] | None = field(default=None, compare=False)
    """Tokens of the prompt and of the answer."""

    @property
    def said(self) -> str:
        """All that is known of what went wrong."""
        return f"{self.failure}: {json.dumps(self.detail, default=str)}"


class Sdk(Protocol):
    """Asking takes the root URL of a server, adds to what was `told` as it comes, and raises what the SDK raises."""

    dialect: Dialect
    beat: bytes
    """A keep-alive before anything else was told, as its client receives it."""
    later_beat: bytes
    """One in the midst of an answer."""
    failures: Mapping[int, str]
    """What is raised for a status."""

    async def whole(self, url: str, told: Told, key: str = KEY, tools: bool = False, model: str = "m") -> None:
        """An answer that is not streamed."""

    async def streamed(self, url: str, told: Told, key: str = KEY, tools: bool = False, model: str = "m") -> None:
        """A streamed one, by the means that the SDK recommends."""

    async def otherwise(self, url: str, told: Told, key: str = KEY, tools: bool = False, model: str = "m") -> None:
        """The SDK's other way to stream: bare events, or its synchronous client."""

    async def listed(self, url: str, key: str = KEY) -> list[str]:
        """The ids of the models there are."""

    async def counted(self, url: str, model: str = "m") -> int | None:
        """The number of tokens of a request; None in a dialect that cannot ask."""


class AnthropicSdk:
    dialect = Dialect.ANTHROPIC
    beat = later_beat = b'event: ping\ndata: {"type": "ping"}\n\n'
    failures: Mapping[int, str] = {
        401: "AuthenticationError",
        404: "NotFoundError",
        429: "RateLimitError",
        502: "InternalServerError",
        503: "ServiceUnavailableError",
    }

    async def whole(self, url: str, told: Told, key: str = KEY, tools: bool = False, model: str = "m") -> None:
        async with self._client(url, key) as client:
            self._take(await client.messages.create(**self._asked(tools, model)), told)

    async def streamed(self, url: str, told: Told, key: str = KEY, tools: bool = False, model: str = "m") -> None:
        async with self._client(url, key) as client, client.messages.stream(**self._asked(tools, model)) as stream:
            async for event in stream:
                if event.type == "text":
                    told.text += event.text
            self._take(await stream.get_final_message(), told)

    async def otherwise(self, url: str, told: Told, key: str = KEY, tools: bool = False, model: str = "m") -> None:
        pieces: list[str] = []
        async with self._client(url, key) as client:
            async for event in await client.messages.create(**self._asked(tools, model), stream=True):
                match event.type:
                    case "content_block_start" if event.content_block.type == "tool_use":
                        told.calls.append((event.content_block.name, None))
                    case "content_block_delta" if event.delta.type == "text_delta":
                        told.text += event.delta.text
                    case "content_block_delta" if event.delta.type == "input_json_delta":
                        pieces.append(event.delta.partial_json)
                    case "message_delta":
                        told.finish = event.delta.stop_reason
        told.calls = [(name, json.loads("".join(pieces))) for name, _ in told.calls]

    async def listed(self, url: str, key: str = KEY) -> list[str]:
        async with self._client(url, key) as client:
            return [model.id async for model in client.models.list()]

    async def counted(self, url: str, model: str = "m") -> int | None:
        async with self._client(url, KEY) as client:
            messages: list[Any] = [{"role": "user", "content": ASKED}]
            return (await client.messages.count_tokens(model=model, messages=messages)).input_tokens

    def _client(self, url: str, key: str) -> AsyncAnthropic:
        return AsyncAnthropic(base_url=url, api_key=key, max_retries=0, timeout=LONGEST)

    def _asked(self, tools: bool, model: str) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": model, "max_tokens": 99, "messages": [{"role": "user", "content": ASKED}]}
        return {**asked, "tools": [{"name": TOOL, "input_schema": SCHEMA}]} if tools else asked

    def _take(self, message: anthropic.types.Message, told: Told) -> None:
        told.text = "".join(block.text for block in message.content if block.type == "text")
        told.calls = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
        told.finish = message.stop_reason
        told.ids.add(message.id)
        told.usage = message.usage.input_tokens, message.usage.output_tokens


class ResponsesSdk:
    dialect = Dialect.OPENAI_RESPONSES
    beat = b": keep-alive\n\n"
    later_beat = b'event: ping\ndata: {"type":"ping"}\n\n'
    failures: Mapping[int, str] = {
        401: "AuthenticationError",
        404: "NotFoundError",
        429: "RateLimitError",
        502: "InternalServerError",
        503: "InternalServerError",
    }

    async def whole(self, url: str, told: Told, key: str = KEY, tools: bool = False, model: str = "m") -> None:
        async with self._client(url, key) as client:
            self._take(await client.responses.create(**self._asked(tools, model)), told)

    async def streamed(self, url: str, told: Told, key: str = KEY, tools: bool = False, model: str = "m") -> None:
        """The SDK has a final answer for what was completed, and an event for whatever else an answer came to."""
        async with self._client(url, key) as client, client.responses.stream(**self._asked(tools, model)) as stream:
            async for event in stream:
                self._hear(event, told)
            if told.failure is None and told.finish != "incomplete":
                self._take(await stream.get_final_response(), told)

    async def otherwise(self, url: str, told: Told, key: str = KEY, tools: bool = False, model: str = "m") -> None:
        for event in await self.events(url, key, tools, model):
            self._hear(event, told)

    async def events(self, url: str, key: str = KEY, tools: bool = False, model: str = "m") -> list[Any]:
        async with self._client(url, key) as client:
            return [event async for event in await client.responses.create(**self._asked(tools, model), stream=True)]

    async def listed(self, url: str, key: str = KEY) -> list[str]:
        async with self._client(url, key) as client:
            return [model.id async for model in client.models.list()]

    async def counted(self, url: str, model: str = "m") -> int | None:
        return None

    def _client(self, url: str, key: str) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=LONGEST)

    def _asked(self, tools: bool, model: str) -> dict[str, Any]:
        asked = {"model": model, "input": ASKED}
        tool = {"type": "function", "name": TOOL, "parameters": SCHEMA, "strict": False}
        return {**asked, "tools": [tool]} if tools else asked

    def _hear(self, event: Any, told: Told) -> None:
        match event.type:
            case "response.created":
                told.ids.add(event.response.id)
            case "response.output_text.delta":
                told.text += event.delta
            case "response.failed":
                told.failure, told.detail = event.type, event.response.model_dump(mode="json")
            case "response.completed" | "response.incomplete":
                self._take(event.response, told)

    def _take(self, answer: openai.types.responses.Response, told: Told) -> None:
        told.text, told.finish = answer.output_text, answer.status
        told.ids |= {answer.id}
        told.usage = (answer.usage.input_tokens, answer.usage.output_tokens) if answer.usage else None
        told.calls = [(item.name, json.loads(item.arguments)) for item in answer.output if item.type == "function_call"]


class GenaiSdk:
    """`api_version` is part of the path; the SDK's own default has been `v1beta` and `v1`."""

    dialect = Dialect.GEMINI
    beat = later_beat = b"\r\n1\r\n\n\r\n"  # a blank line, as a chunk
    failures: Mapping[int, str] = {
        401: "ClientError",
        404: "ClientError",
        429: "ClientError",
        502: "ServerError",
        503: "ServerError",
    }

    def __init__(self, api_version: str = "v1beta") -> None:
        self._api_version = api_version

    async def whole(self, url: str, told: Told, key: str = KEY, tools: bool = False, model: str = "m") -> None:
        async with self._client(url, key).aio as client:
            self._add(await client.models.generate_content(**self._asked(tools, model)), told)

    async def streamed(self, url: str, told: Told, key: str = KEY, tools: bool = False, model: str = "m") -> None:
        async with self._client(url, key).aio as client:
            async for chunk in await client.models.generate_content_stream(**self._asked(tools, model)):
                self._add(chunk, told)

    async def otherwise(self, url: str, told: Told, key: str = KEY, tools: bool = False, model: str = "m") -> None:
        def read() -> None:
            with self._client(url, key) as client:
                for chunk in client.models.generate_content_stream(**self._asked(tools, model)):
                    self._add(chunk, told)

        await asyncio.to_thread(read)

    async def listed(self, url: str, key: str = KEY) -> list[str]:
        async with self._client(url, key).aio as client:
            return [model.name or "" async for model in await client.models.list()]

    async def counted(self, url: str, model: str = "m") -> int | None:
        async with self._client(url, KEY).aio as client:
            return (await client.models.count_tokens(model=model, contents=ASKED)).total_tokens

    def _client(self, url: str, key: str) -> genai.Client:
        options = types.HttpOptions(base_url=url, timeout=round(1000 * LONGEST), api_version=self._api_version)
        return genai.Client(api_key=key, http_options=options)

    def _asked(self, tools: bool, model: str) -> dict[str, Any]:
        function = types.FunctionDeclaration(name=TOOL, parameters_json_schema=SCHEMA)
        config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[function])]) if tools else None
        return {"model": model, "contents": ASKED, "config": config}

    def _add(self, answer: types.GenerateContentResponse, told: Told) -> None:
        for candidate in answer.candidates or []:
            for part in (candidate.content and candidate.content.parts) or []:
                told.text += "" if part.thought else part.text or ""
                if part.function_call:
                    told.calls.append((part.function_call.name or "", part.function_call.args))
            told.finish = candidate.finish_reason.name if candidate.finish_reason else told.finish
        told.ids.add(answer.response_id or "")
        if counts := answer.usage_metadata:
            told.usage = counts.prompt_token_count or 0, counts.candidates_token_count or 0


class ChatSdk:
    dialect = Dialect.OPENAI_CHAT
    beat = later_beat = b": keep-alive\n\n"
    failures: Mapping[int, str] = ResponsesSdk.failures

    async def whole(self, url: str, told: Told, key: str = KEY, tools: bool = False, model: str = "m") -> None:
        async with self._client(url, key) as client:
            self._take(await client.chat.completions.create(**self._asked(tools, model)), told)

    async def streamed(self, url: str, told: Told, key: str = KEY, tools: bool = False, model: str = "m") -> None:
        asked = self._asked(tools, model)
        asked["stream_options"] = {"include_usage": True}
        async with self._client(url, key) as client, client.chat.completions.stream(**asked) as stream:
            async for event in stream:
                if event.type == "content.delta":
                    told.text += event.delta
                elif event.type == "chunk":
                    told.ids.add(event.chunk.id)
            self._take(await stream.get_final_completion(), told)

    async def otherwise(self, url: str, told: Told, key: str = KEY, tools: bool = False, model: str = "m") -> None:
        pieces: dict[int, list[str]] = {}
        async with self._client(url, key) as client:
            async for chunk in await client.chat.completions.create(**self._asked(tools, model), stream=True):
                for choice in chunk.choices:
                    told.text += choice.delta.content or ""
                    told.finish = choice.finish_reason or told.finish
                    for call in choice.delta.tool_calls or []:
                        if call.function and call.function.name:
                            told.calls.append((call.function.name, None))
                        pieces.setdefault(call.index, []).append((call.function and call.function.arguments) or "")
        told.calls = [(name, json.loads("".join(pieces[n]))) for n, (name, _) in enumerate(told.calls)]

    async def listed(self, url: str, key: str = KEY) -> list[str]:
        async with self._client(url, key) as client:
            return [model.id async for model in client.models.list()]

    async def counted(self, url: str, model: str = "m") -> int | None:
        return None

    def _client(self, url: str, key: str) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=LONGEST)

    def _asked(self, tools: bool, model: str) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": ASKED}]}
        tool = {"type": "function", "function": {"name": TOOL, "parameters": SCHEMA}}
        return {**asked, "tools": [tool]} if tools else asked

    def _take(self, answer: Any, told: Told) -> None:
        [choice] = answer.choices
        told.text, told.finish = choice.message.content or "", choice.finish_reason
        told.usage = (answer.usage.prompt_tokens, answer.usage.completion_tokens) if answer.usage else None
        calls = choice.message.tool_calls or []
        told.calls = [(call.function.name, json.loads(call.function.arguments)) for call in calls]


ANTHROPIC, RESPONSES, GENAI, CHAT = AnthropicSdk(), ResponsesSdk(), GenaiSdk(), ChatSdk()
SDKS: tuple[Sdk, ...] = (ANTHROPIC, RESPONSES, GENAI)
"""Of the dialects that `test_openai_sdk` does not see to."""
ALL_SDKS: tuple[Sdk, ...] = (CHAT, *SDKS)
RAISED = (anthropic.APIError, openai.APIError, errors.APIError, RuntimeError)

type Ask = Callable[..., Any]


def forget_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDKs read keys, base URLs and proxies there."""
    for name in os.environ:
        if name.startswith(("OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


async def told(ask: Ask, url: str, **more: Any) -> Told:
    """What a way of asking gives, errors of the SDK included."""
    what = Told()
    try:
        await ask(url, what, **more)
    except RAISED as error:
        if what.failure is None:
            what.failure, what.detail = type(error).__name__, _detail(error)
    return what


def _detail(error: Exception) -> Any:
    match error:
        case anthropic.APIStatusError() | openai.APIStatusError():
            after = error.response.headers.get("retry-after")
            return {"status": error.status_code, "error": error.body, "retry_after": after}
        case anthropic.APIError() | openai.APIError():
            return {"error": error.body}
        case errors.APIError():
            after = error.response.headers.get("retry-after") if error.response else None
            return {"status": error.code, "error": error.details, "retry_after": after}
    return str(error)
