"""OpenAI's Agents SDK: its runner, on the Responses API, streamed."""

import asyncio
from typing import Any

from agents import Agent, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from asked import KEY, MODEL, QUESTIONS, ROUTER, TIMEOUT, read_file
from openai import AsyncOpenAI


async def main() -> None:
    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=f"{ROUTER}/v1", api_key=KEY, timeout=TIMEOUT)
    model = OpenAIResponsesModel(MODEL, client)
    agent = Agent(name="Reader", instructions="Be brief.", model=model, tools=[function_tool(read_file)])
    said: list[Any] = []
    for question in QUESTIONS:
        result = Runner.run_streamed(agent, [*said, {"role": "user", "content": question}])
        async for _ in result.stream_events():
            pass
        said = result.to_input_list()
        print(result.final_output, flush=True)


asyncio.run(main())
