"""Requests of a form that cannot be converted, and what their clients are told."""

from typing import Any

import pytest
from llm_rosetta import ConversionPipeline

from pointsman.wire.conversion.library_errors import why_not
from pointsman.wire.conversion.malformed import malformed

USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"tools": None, "tool_choice": None, "toolConfig": {}}, []),
        ({"tools": [{"functionDeclarations": [{"name": "a"}]}], "tool_choice": "auto"}, []),
        ({"tools": [None]}, ["tools must be a list of objects"]),
        ({"tools": [{"function": "f"}]}, ["function of a tool must be an object"]),
        ({"tool_choice": ["a"], "generationConfig": []},
         ["tool_choice must be a string or an object", "generationConfig must be an object"]),
    ],
)  # fmt: skip
def test_what_is_of_another_form_is_named_once(members: dict[str, Any], why: list[str]) -> None:
    assert list(dict.fromkeys(malformed(members))) == why


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
