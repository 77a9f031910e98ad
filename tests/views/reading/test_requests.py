"""Requests of every dialect, as people read them."""

import json
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.views.reading.chats import read_request
from pointsman.views.reading.layout import layout
from pointsman.wire.transcript import LONGEST_VALUE, Transcript

IMAGE = "data:image/png;base64," + "A" * 500

CHAT = {
    "model": "gpt-x",
    "temperature": 0.2,
    "tools": [{"type": "function", "function": {"name": "get_weather"}}, {"type": "web_search"}],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}, {"image_url": {"url": IMAGE}}]},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Ask the tool.",
            "tool_calls": [{"id": "call_1", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "Rain."},
    ],
}
RESPONSES = {
    "model": "gpt-x",
    "temperature": 0.2,
    "instructions": "Be brief.",
    "tools": [{"type": "function", "name": "get_weather"}, {"type": "web_search"}],
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}, {"image_url": IMAGE}]},
        {"type": "reasoning", "summary": [{"text": "Ask the tool."}]},
        {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Paris"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "Rain."},
    ],
}
MESSAGES = {
    "model": "gpt-x",
    "temperature": 0.2,
    "system": [{"type": "text", "text": "Be brief."}],
    "tools": [{"name": "get_weather", "input_schema": {}}, {"type": "web_search"}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}, {"type": "image", "source": {"url": "u"}}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Ask the tool."},
                {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Paris"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "Rain."}]},
    ],
}
GEMINI = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "generationConfig": {"temperature": 0.2},
    "tools": [{"functionDeclarations": [{"name": "get_weather"}]}, {"web_search": {}}],
    "contents": [
        {"parts": [{"text": "Weather?"}, {"inlineData": {"mimeType": "image/png", "data": "A" * 500}}]},
        {
            "role": "model",
            "parts": [
                {"text": "Ask the tool.", "thought": True},
                {"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}},
            ],
        },
        {"role": "user", "parts": [{"functionResponse": {"name": "get_weather", "response": {"said": "Rain."}}}]},
    ],
}
REQUESTS = [
    (Dialect.OPENAI_CHAT, CHAT),
    (Dialect.OPENAI_RESPONSES, RESPONSES),
    (Dialect.ANTHROPIC, MESSAGES),
    (Dialect.GEMINI, GEMINI),
]


def read(dialect: Dialect, document: object) -> Transcript:
    chat = read_request(dialect, json.dumps(document).encode())
    assert chat
    return chat


@pytest.mark.parametrize(("dialect", "document"), REQUESTS, ids=[dialect.value for dialect, _ in REQUESTS])
class TestEveryDialect:
    def test_what_was_asked_and_said_is_shown_in_order(self, dialect: Dialect, document: Any) -> None:
        text = layout(read(dialect, document))
        marks = ("temperature", "get_weather, web_search", "Be brief.", "user", "Weather?", "Ask the tool.", "Rain.")
        places = [text.index(mark) for mark in marks]
        assert places == sorted(places)
        assert ("gpt-x" in text) is (dialect is not Dialect.GEMINI)
        assert "2 tools" in text

    def test_pieces_have_their_kind(self, dialect: Dialect, document: Any) -> None:
        labels = [piece.label for said in read(dialect, document).entries for piece in said.pieces if piece.label]
        image, reasoning, call, *_ = labels
        assert image.startswith("image")
        assert reasoning == "reasoning"
        assert call.startswith("call get_weather")

    def test_the_arguments_of_a_call_are_laid_out(self, dialect: Dialect, document: Any) -> None:
        assert '{\n  "city": "Paris"\n}' in layout(read(dialect, document))

    def test_images_are_described_not_shown(self, dialect: Dialect, document: Any) -> None:
        assert "AAAAA" not in layout(read(dialect, document))


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'"text"', b"\xff\xfe", b'{"messages": 5, "contents": {}}'])
def test_what_is_no_request_is_not_read(dialect: Dialect, body: bytes) -> None:
    assert read_request(dialect, body) is None


def test_a_long_parameter_is_shortened() -> None:
    chat = read(Dialect.OPENAI_CHAT, {"messages": [], "schema": "x" * 1000})
    assert chat.parameters == [("schema", "x" * LONGEST_VALUE + "...")]


def test_a_plain_input_is_the_users() -> None:
    [said] = read(Dialect.OPENAI_RESPONSES, {"input": "Hello"}).entries
    assert (said.role, said.pieces[0].text) == ("user", "Hello")


def test_arguments_that_are_no_json_stay_as_they_are() -> None:
    call = {"id": "1", "function": {"name": "f", "arguments": "{not json"}}
    text = layout(read(Dialect.OPENAI_CHAT, {"messages": [{"role": "assistant", "tool_calls": [call]}]}))
    assert "[call f 1]\n{not json" in text
