"""OpenAI's library: chat completions, streamed."""

import json
from typing import Any

from asked import KEY, MODEL, PATH_SCHEMA, QUESTIONS, ROUTER, TIMEOUT, read_file
from openai import OpenAI

client = OpenAI(base_url=f"{ROUTER}/v1", api_key=KEY, timeout=TIMEOUT)
function = {"name": "read_file", "description": "Read a file.", "parameters": PATH_SCHEMA}
messages: list[Any] = []
for question in QUESTIONS:
    messages.append({"role": "user", "content": question})
    while True:
        tools: list[Any] = [{"type": "function", "function": function}]
        with client.chat.completions.stream(model=MODEL, messages=messages, tools=tools) as stream:
            message = stream.get_final_completion().choices[0].message
        messages.append(message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}))
        if not message.tool_calls:
            print(message.content, flush=True)
            break
        for call in message.tool_calls:
            result = read_file(json.loads(call.function.arguments)["path"])
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
