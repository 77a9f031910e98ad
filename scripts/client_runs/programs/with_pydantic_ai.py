"""Pydantic AI: an agent with a tool, streamed."""

import asyncio
from typing import Any

from asked import KEY, MODEL, QUESTIONS, ROUTER, read_file
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


async def main() -> None:
    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=f"{ROUTER}/v1", api_key=KEY))
    agent = Agent(model, tools=[read_file])
    said: list[Any] = []
    for question in QUESTIONS:
        async with agent.run_stream(question, message_history=said) as result:
            print(await result.get_output(), flush=True)
            said = result.all_messages()


asyncio.run(main())
