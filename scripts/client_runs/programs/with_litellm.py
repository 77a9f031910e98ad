"""LiteLLM: chat completions, streamed."""

import json
from typing import Any

import litellm
from asked import KEY, MODEL, PATH_SCHEMA, QUESTIONS, ROUTER, TIMEOUT, read_file

litellm.telemetry = False
function = {"name": "read_file", "description": "Read a file.", "parameters": PATH_SCHEMA}
messages: list[Any] = []
for question in QUESTIONS:
    messages.append({"role": "user", "content": question})
    while True:
        chunks = litellm.completion(
            model=f"openai/{MODEL}",
            api_base=f"{ROUTER}/v1",
            api_key=KEY,
            messages=messages,
            tools=[{"type": "function", "function": function}],
            stream=True,
            timeout=TIMEOUT,
        )
        message = litellm.stream_chunk_builder(list(chunks)).choices[0].message
        messages.append(message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}))
        if not message.tool_calls:
            print(message.content, flush=True)
            break
        for call in message.tool_calls:
            result = read_file(json.loads(call.function.arguments)["path"])
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
