"""LangChain's chat model with tools, streamed."""

from typing import Any

from asked import KEY, MODEL, QUESTIONS, ROUTER, TIMEOUT, read_file
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

reader = tool(read_file)
model = ChatOpenAI(model=MODEL, base_url=f"{ROUTER}/v1", api_key=KEY, timeout=TIMEOUT).bind_tools([reader])
messages: list[Any] = []
for question in QUESTIONS:
    messages.append(HumanMessage(question))
    while True:
        whole: Any = None
        for chunk in model.stream(messages):
            whole = chunk if whole is None else whole + chunk
        messages.append(whole)
        if not whole.tool_calls:
            print(whole.text if isinstance(whole.text, str) else whole.text(), flush=True)
            break
        messages += [reader.invoke(call) for call in whole.tool_calls]
