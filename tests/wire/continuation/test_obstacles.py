"""What two models cannot give together, in each dialect: a request for it is never continued."""

from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.dialects.registry import DIALECTS

CHAT, ANTHROPIC, RESPONSES, GEMINI = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC, Dialect.OPENAI_RESPONSES, Dialect.GEMINI


def obstacle(dialect: Dialect, **members: Any) -> str | None:
    continuation = DIALECTS[dialect].continuation
    assert continuation
    found = continuation.obstacle(members)
    return found and found.value


@pytest.mark.parametrize(
    ("dialect", "members", "reason"),
    [
        (CHAT, {"response_format": {"type": "json_schema", "json_schema": {}}}, "json_format"),
        (CHAT, {"guided_json": {"type": "object"}}, "json_format"),
        (CHAT, {"structured_outputs": {"choice": ["a", "b"]}}, "json_format"),
        (CHAT, {"grammar": 'root ::= "yes" | "no"'}, "json_format"),
        (CHAT, {"tool_choice": {"type": "function", "function": {"name": "f"}}}, "forced_tool"),
        (CHAT, {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required"}}}, "forced_tool"),
        (CHAT, {"function_call": {"name": "f"}}, "forced_tool"),
        (CHAT, {"n": 2}, "several_choices"),
        (CHAT, {"logprobs": True}, "logprobs"),
        (ANTHROPIC, {"output_config": {"format": {"type": "json_schema"}}}, "json_format"),
        (ANTHROPIC, {"tool_choice": {"type": "any"}}, "forced_tool"),
        (RESPONSES, {"text": {"format": {"type": "json_schema"}}}, "json_format"),
        (RESPONSES, {"tool_choice": {"type": "allowed_tools", "mode": "required"}}, "forced_tool"),
        (RESPONSES, {"include": ["message.output_text.logprobs"]}, "logprobs"),
        (GEMINI, {"generationConfig": {"responseMimeType": "application/json"}}, "json_format"),
        (GEMINI, {"generationConfig": {"responseMimeType": "text/x.enum"}}, "json_format"),
        (GEMINI, {"generation_config": {"response_schema": {"type": "OBJECT"}}}, "json_format"),
        (GEMINI, {"generationConfig": {"candidateCount": 2}}, "several_choices"),
        (GEMINI, {"generationConfig": {"responseLogprobs": True}}, "logprobs"),
        (GEMINI, {"toolConfig": {"functionCallingConfig": {"mode": "any"}}}, "forced_tool"),
    ],
)
def test_a_request_that_is_not_continued(dialect: Dialect, members: dict[str, Any], reason: str) -> None:
    assert obstacle(dialect, **members) == reason


@pytest.mark.parametrize(
    ("dialect", "members"),
    [
        (CHAT, {"response_format": {"type": "text"}, "n": 1, "logprobs": False, "tool_choice": "auto"}),
        (CHAT, {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}}, "function_call": "auto"}),
        (CHAT, {"stop": ["\n\n"], "grammar": None}),
        (ANTHROPIC, {"tool_choice": {"type": "auto"}, "stop_sequences": ["END"]}),
        (RESPONSES, {"text": {"format": {"type": "text"}}, "tool_choice": {"type": "allowed_tools", "mode": "auto"}}),
        (GEMINI, {"generationConfig": {"responseMimeType": "text/plain", "candidateCount": 1}}),
    ],
)
def test_one_that_is(dialect: Dialect, members: dict[str, Any]) -> None:
    assert obstacle(dialect, **members) is None
