"""A tool call and its result, with the unmodified SDKs: the answer is sent back as its client would send it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from google.genai import types

from pointsman.config.enums import Dialect
from support.router_sdk_calls import ANTHROPIC, ASKED, CHAT, GENAI, KEY, RESPONSES, SCHEMA, TOOL, GenaiSdk

RESULT = "the left track is free"


async def chat(url: str) -> str:
    messages: list[Any] = [{"role": "user", "content": ASKED}]
    tools: list[Any] = [{"type": "function", "function": {"name": TOOL, "parameters": SCHEMA}}]
    async with CHAT._client(url, KEY) as client:
        async with client.chat.completions.stream(model="m", messages=messages, tools=tools) as stream:
            said = (await stream.get_final_completion()).choices[0].message
        messages.append(said.model_dump(exclude_none=True, exclude={"parsed"}))
        for call in said.tool_calls or []:
            messages.append({"role": "tool", "tool_call_id": call.id, "content": RESULT})
        answer = await client.chat.completions.create(model="m", messages=messages, tools=tools)
    return answer.choices[0].message.content or ""


async def responses(url: str) -> str:
    items: list[Any] = [{"role": "user", "content": ASKED}]
    tools: list[Any] = [{"type": "function", "name": TOOL, "parameters": SCHEMA, "strict": False}]
    async with RESPONSES._client(url, KEY) as client:
        async with client.responses.stream(model="m", input=items, tools=tools) as stream:
            output = (await stream.get_final_response()).output
        for item in output:
            items.append(item.model_dump(exclude_none=True, exclude={"parsed_arguments"}))
            if item.type == "function_call":
                items.append({"type": "function_call_output", "call_id": item.call_id, "output": RESULT})
        return (await client.responses.create(model="m", input=items, tools=tools)).output_text


async def messages(url: str) -> str:
    said: list[Any] = [{"role": "user", "content": ASKED}]
    asked: dict[str, Any] = {"model": "m", "max_tokens": 99, "tools": [{"name": TOOL, "input_schema": SCHEMA}]}
    async with ANTHROPIC._client(url, KEY) as client:
        async with client.messages.stream(messages=said, **asked) as stream:
            content = (await stream.get_final_message()).content
        said.append({"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in content]})
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": RESULT}
            for block in content
            if block.type == "tool_use"
        ]
        said.append({"role": "user", "content": results})
        answer = await client.messages.create(messages=said, **asked)
    return "".join(block.text for block in answer.content if block.type == "text")


async def gemini(url: str) -> str:
    declared = types.FunctionDeclaration(name=TOOL, parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declared])])
    contents: list[Any] = [types.Content(role="user", parts=[types.Part(text=ASKED)])]
    async with GenaiSdk()._client(url, KEY).aio as client:
        parts: list[types.Part] = []
        async for chunk in await client.models.generate_content_stream(model="m", contents=contents, config=config):
            for candidate in chunk.candidates or []:
                parts += (candidate.content and candidate.content.parts) or []
        contents.append(types.Content(role="model", parts=parts))
        results = [
            types.Part(
                function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": RESULT})
            )
            for part in parts
            if (call := part.function_call)
        ]
        contents.append(types.Content(role="user", parts=results))
        return (await client.models.generate_content(model="m", contents=contents, config=config)).text or ""


ROUND_TRIPS: Mapping[Dialect, Callable[[str], Awaitable[str]]] = {
    CHAT.dialect: chat,
    RESPONSES.dialect: responses,
    ANTHROPIC.dialect: messages,
    GENAI.dialect: gemini,
}


def calls_and_results(dialect: Dialect, body: Mapping[str, Any]) -> tuple[list[tuple[str, Any]], list[tuple[str, str]]]:
    """What a provider of that dialect was sent: calls as (id, arguments) and results as (id, text)."""
    calls: list[tuple[str, Any]] = []
    results: list[tuple[str, str]] = []
    match dialect:
        case Dialect.OPENAI_CHAT:
            for message in body["messages"]:
                for call in message.get("tool_calls", []):
                    calls.append((call["id"], json.loads(call["function"]["arguments"])))
                if message["role"] == "tool":
                    results.append((message["tool_call_id"], message["content"]))
        case Dialect.OPENAI_RESPONSES:
            for item in body["input"]:
                if item["type"] == "function_call":
                    calls.append((item["call_id"], json.loads(item["arguments"])))
                if item["type"] == "function_call_output":
                    results.append((item["call_id"], item["output"]))
        case Dialect.ANTHROPIC:
            for block in (block for message in body["messages"] for block in message["content"]):
                if block["type"] == "tool_use":
                    calls.append((block["id"], block["input"]))
                if block["type"] == "tool_result":
                    results.append((block["tool_use_id"], block["content"]))
        case Dialect.GEMINI:
            for part in (part for content in body["contents"] for part in content["parts"]):
                if call := part.get("functionCall"):
                    calls.append((call["id"], call["args"]))
                if result := part.get("functionResponse"):
                    results.append((result["id"], result["response"]["output"]))
    return calls, results
