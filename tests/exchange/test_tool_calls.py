"""The calls of an answer, judged once its client has it: whether their arguments are JSON objects, in every dialect."""

import json
from typing import Any

import pytest

from exchange.exchange_harness import DONE, JSON, SSE, ExchangeHarness
from pointsman.config.enums import Dialect
from pointsman.wire.messages import NO_CALLS, ToolCalls

CHAT, RESPONSES, ANTHROPIC, GEMINI = (
    Dialect.OPENAI_CHAT,
    Dialect.OPENAI_RESPONSES,
    Dialect.ANTHROPIC,
    Dialect.GEMINI,
)
FUNCTION = {"name": "read", "description": "Reads", "parameters": {"type": "object", "properties": {}}}
MESSAGES = [{"role": "user", "content": "hi"}]
ASKED: dict[Dialect, tuple[str, dict[str, Any]]] = {
    CHAT: ("/v1/chat/completions", {"messages": MESSAGES, "tools": [{"type": "function", "function": FUNCTION}]}),
    RESPONSES: ("/v1/responses", {"input": "hi", "tools": [{"type": "function", **FUNCTION}]}),
    ANTHROPIC: (
        "/v1/messages",
        {"messages": MESSAGES, "max_tokens": 9, "tools": [{"name": "read", "input_schema": {"type": "object"}}]},
    ),
    GEMINI: (
        "/v1beta/models/m:{}",
        {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "tools": [{"functionDeclarations": [FUNCTION]}]},
    ),
}


def asked(dialect: Dialect, stream: bool, tools: bool = True) -> ExchangeHarness:
    """The provider speaks chat completions, whatever the client's dialect."""
    path, members = ASKED[dialect]
    said = {name: value for name, value in members.items() if tools or name != "tools"}
    if dialect is GEMINI:
        path = path.format("streamGenerateContent?alt=sse" if stream else "generateContent")
    else:
        said |= {"model": "m", "stream": stream}
    return ExchangeHarness(
        1, dialect=dialect, path=path, request=json.dumps(said).encode(), stream=stream, speaks={"a": CHAT}
    )


def answered(stage: ExchangeHarness, stream: bool, *arguments: str) -> ToolCalls:
    calls = [
        {"index": n, "id": f"call_{n}", "type": "function", "function": {"name": "read", "arguments": each}}
        for n, each in enumerate(arguments)
    ]
    said = {"role": "assistant", "content": None if calls else "hi", **({"tool_calls": calls} if calls else {})}
    choice = {"index": 0, "delta" if stream else "message": said, "finish_reason": "tool_calls" if calls else "stop"}
    data = json.dumps({"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]}).encode()
    stage.start().made(1).connected(1).head(1, 200, SSE if stream else JSON)
    stage.data(1, *([b"data: " + data + b"\n\n", DONE] if stream else [data])).end(1)
    assert stage.ended
    return stage.exchange.report_answer(stage.now)


BAD = ("path=a", "[1]", '{"path": "a')
FORMS = [
    (dialect, stream, arguments)
    for dialect in Dialect
    for stream in (True, False)
    for arguments in BAD
    # A conversion to calls that are objects ends an answer within such a call as one that reached a limit.
    if not (arguments.startswith("{") and (dialect is GEMINI or (dialect is ANTHROPIC and not stream)))
]


@pytest.mark.parametrize(("dialect", "stream", "arguments"), FORMS)
def test_one_of_two_is_no_object(dialect: Dialect, stream: bool, arguments: str) -> None:
    assert answered(asked(dialect, stream), stream, '{"path": "a"}', arguments) == ToolCalls(2, 1)


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_both_are_objects(dialect: Dialect, stream: bool) -> None:
    assert answered(asked(dialect, stream), stream, '{"path": "a"}', "{}") == ToolCalls(2, 0)


def test_who_offers_no_tools_gets_no_calls() -> None:
    assert answered(asked(CHAT, True, tools=False), True) == NO_CALLS
