"""Anthropic's library: messages, streamed."""

from typing import Any

from anthropic import Anthropic
from asked import KEY, MODEL, PATH_SCHEMA, QUESTIONS, ROUTER, TIMEOUT, read_file

client = Anthropic(base_url=ROUTER, api_key=KEY, timeout=TIMEOUT)
tools: list[Any] = [{"name": "read_file", "description": "Read a file.", "input_schema": PATH_SCHEMA}]
messages: list[Any] = []
for question in QUESTIONS:
    messages.append({"role": "user", "content": question})
    while True:
        with client.messages.stream(model=MODEL, max_tokens=1000, messages=messages, tools=tools) as stream:
            message = stream.get_final_message()
        messages.append({"role": "assistant", "content": message.content})
        calls = [block for block in message.content if block.type == "tool_use"]
        if not calls:
            print("".join(block.text for block in message.content if block.type == "text"), flush=True)
            break
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": read_file(call.input["path"])} for call in calls
        ]
        messages.append({"role": "user", "content": results})
