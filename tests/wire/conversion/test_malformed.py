"""Requests of a form that cannot be converted, and the errors that their clients get."""

from typing import Any

import pytest
from llm_rosetta import ConversionPipeline

from pointsman.config.enums import Dialect
from pointsman.wire.conversion.library_errors import why_not
from pointsman.wire.conversion.malformed import malformed
from pointsman.wire.dialects.registry import DIALECTS

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("dialect", "members", "why"),
    [
        (CHAT, {"tools": None, "tool_choice": None, "toolConfig": []}, []),
        (GEMINI, {"tools": [{"functionDeclarations": [{"name": "a"}]}], "tool_choice": 7}, []),
        (GEMINI, {"tools": [{"function_declarations": [1]}]},
         ["function_declarations of a tool must be a list of objects"]),
        (RESPONSES, {"tools": [None]}, ["tools must be a list of objects"]),
        (CHAT, {"tools": [{"function": "f"}]}, ["function of a tool must be an object"]),
        (ANTHROPIC, {"tools": {}, "tool_choice": ["a"], "output_config": "x"},
         ["tools must be a list of objects", "tool_choice must be a string or an object",
          "output_config must be an object"]),
        (GEMINI, {"generationConfig": [], "tool_config": 3},
         ["tool_config must be an object", "generationConfig must be an object"]),
    ],
)  # fmt: skip
def test_what_is_of_another_form_is_named_once(dialect: Dialect, members: dict[str, Any], why: list[str]) -> None:
    asked = DIALECTS[dialect].conversion
    assert list(malformed(members, asked.request_forms, asked.tool_forms)) == why


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"temperature": "warm"}, "temperature: expected number, got string"),
        ({"max_tokens": [1], "seed": {}},
         "seed: expected integer, got object; max_tokens: expected integer, got array"),
        ({"tools": [{"type": "function", "function": {"name": "t", "parameters": {"required": 3}}}]},
         "tools[0].parameters.required: expected array, got integer"),
    ],
)  # fmt: skip
def test_the_librarys_words_are_put_in_the_clients(members: dict[str, Any], why: str) -> None:
    pipeline = ConversionPipeline("openai_chat", "anthropic", upstream_model="m")
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever the library raises
        pipeline.convert_request({"model": "m", "messages": [USER], **members})
    assert why_not(raised.value) == why


def test_the_clients_own_values_are_not_repeated() -> None:
    class Detail:
        message = "Expected one of ('a', 'b') at 'tool_choice.mode', got 'secret words'"

    class Cause(Exception):
        errors = (Detail(),)

    error = ValueError("x")
    error.__cause__ = Cause()
    assert why_not(error) == "tool_choice.mode: expected one of ('a', 'b')"
    assert why_not(ValueError("secret")) == "the request has a form that cannot be converted: ValueError"
