"""Answers of every dialect, streamed and whole, put together again."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.enums import Dialect
from pointsman.views.reading.chats import events_of, read_answer, read_request
from pointsman.views.reading.layout import layout
from pointsman.wire.frames import Usage


def events(*documents: object) -> bytes:
    return b"".join(b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents)


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(index: int, arguments: str, **more: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments, **more}, "id": "call_1"}]}


USAGE = {"prompt_tokens": 12, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 4}}
CHAT_STREAM = (
    events(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "I "}),
        chunk({"reasoning_content": "think"}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}),
        chunk(call(0, '{"city":', name="get_weather")),
        chunk(call(0, '"Paris"}')),
        chunk({}, "tool_calls"),
        {"choices": [], "usage": USAGE},
    )
    + b"data: [DONE]\n\n"
)
CHAT_WHOLE = {
    "model": "m",
    "choices": [
        {
            "message": {
                "reasoning_content": "I think",
                "content": "Hello",
                **call(0, '{"city":"Paris"}', name="get_weather"),
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": USAGE,
}
OUTPUT = [
    {"type": "reasoning", "summary": [{"text": "I think"}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]},
    {"type": "function_call", "name": "get_weather", "call_id": "call_1", "arguments": '{"city":"Paris"}'},
]
RESPONSE = {
    "object": "response",
    "model": "m",
    "status": "completed",
    "output": OUTPUT,
    "usage": {"input_tokens": 12, "output_tokens": 7, "input_tokens_details": {"cached_tokens": 4}},
}
RESPONSES_STREAM = events(
    {"type": "response.created", "response": {"model": "m", "status": "in_progress"}},
    {"type": "response.output_text.delta", "output_index": 1, "delta": "Hel"},
    {"type": "response.completed", "response": RESPONSE},
)
CONTENT = [
    {"type": "thinking", "thinking": "I think"},
    {"type": "text", "text": "Hello"},
    {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Paris"}},
]
COUNTS = {"input_tokens": 8, "cache_read_input_tokens": 4, "output_tokens": 7}
MESSAGE = {"type": "message", "model": "m", "content": CONTENT, "stop_reason": "tool_use", "usage": COUNTS}


def delta(index: int, **words: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": words}


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


MESSAGES_STREAM = events(
    {"type": "message_start", "message": {"model": "m", "usage": {**COUNTS, "output_tokens": 1}}},
    start(0, type="thinking", thinking=""),
    delta(0, thinking="I "),
    delta(0, thinking="think"),
    start(1, type="text", text=""),
    delta(1, text="Hel"),
    delta(1, text="lo"),
    start(2, type="tool_use", id="call_1", name="get_weather", input={}),
    delta(2, partial_json='{"city":'),
    delta(2, partial_json='"Paris"}'),
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
)
COUNTED = {"promptTokenCount": 12, "candidatesTokenCount": 7, "cachedContentTokenCount": 4}
CALL = {"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}}


def said(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"modelVersion": "m", "candidates": [{"content": {"role": "model", "parts": list(parts)}, **more}]}


GEMINI_CHUNKS = [
    said({"text": "I ", "thought": True}),
    said({"text": "think", "thought": True}),
    said({"text": "Hel"}),
    said({"text": "lo"}),
    {**said(CALL, finishReason="STOP"), "usageMetadata": COUNTED},
]
GEMINI_WHOLE = {
    **said({"text": "I think", "thought": True}, {"text": "Hello"}, CALL, finishReason="STOP"),
    "usageMetadata": COUNTED,
}
ANSWERS = {
    "openai-chat, streamed": (Dialect.OPENAI_CHAT, CHAT_STREAM),
    "openai-chat, streamed with CRLF": (Dialect.OPENAI_CHAT, CHAT_STREAM.replace(b"\n", b"\r\n")),
    "openai-chat, without the last blank line": (Dialect.OPENAI_CHAT, CHAT_STREAM.rstrip()),
    "openai-chat": (Dialect.OPENAI_CHAT, json.dumps(CHAT_WHOLE).encode()),
    "openai-responses, streamed": (Dialect.OPENAI_RESPONSES, RESPONSES_STREAM),
    "openai-responses": (Dialect.OPENAI_RESPONSES, json.dumps(RESPONSE).encode()),
    "anthropic, streamed": (Dialect.ANTHROPIC, MESSAGES_STREAM),
    "anthropic": (Dialect.ANTHROPIC, json.dumps(MESSAGE).encode()),
    "gemini, streamed": (Dialect.GEMINI, events(*GEMINI_CHUNKS)),
    "gemini, as a list": (Dialect.GEMINI, json.dumps(GEMINI_CHUNKS).encode()),
    "gemini": (Dialect.GEMINI, json.dumps(GEMINI_WHOLE).encode()),
}


@pytest.mark.parametrize(("dialect", "body"), ANSWERS.values(), ids=ANSWERS)
class TestEveryForm:
    def test_texts_reasoning_and_calls_are_whole_again(self, dialect: Dialect, body: bytes) -> None:
        chat = read_answer(dialect, body)
        assert chat
        pieces = [piece for each in chat.entries for piece in each.pieces]
        assert {each.role for each in chat.entries} == {"assistant"}
        assert [piece.text for piece in pieces][:2] == ["I think", "Hello"]
        assert [piece.label for piece in pieces][:2] == ["reasoning", ""]
        assert pieces[2].label.startswith("call get_weather")
        assert json.loads(pieces[2].text) == {"city": "Paris"}
        assert len(pieces) == 3

    def test_model_usage_and_finish_reason_are_reported(self, dialect: Dialect, body: bytes) -> None:
        chat = read_answer(dialect, body)
        assert chat
        assert (chat.model, chat.usage, chat.error) == ("m", Usage(8, 7, 4), None)
        assert chat.finish in ("tool_calls", "tool_use", "stop")
        assert "12 prompt (4 cached), 7 completion tokens" in layout(chat)


class TestBroken:
    def test_what_came_of_a_stream_that_was_cut_is_shown(self) -> None:
        chat = read_answer(Dialect.OPENAI_CHAT, CHAT_STREAM[: CHAT_STREAM.index(b'"lo"')])
        assert chat
        assert [piece.text for piece in chat.entries[0].pieces] == ["I think", "Hel"]
        assert chat.finish is None

    def test_deltas_count_where_no_item_was_done(self) -> None:
        chat = read_answer(
            Dialect.OPENAI_RESPONSES, RESPONSES_STREAM[: RESPONSES_STREAM.index(b'data: {"type": "response.completed')]
        )
        assert chat
        assert [piece.text for piece in chat.entries[0].pieces] == ["Hel"]
        assert chat.finish is None

    @pytest.mark.parametrize("dialect", list(Dialect))
    @pytest.mark.parametrize("make", [lambda error: json.dumps(error).encode(), events], ids=["whole", "streamed"])
    def test_an_error_is_shown(self, dialect: Dialect, make: Any) -> None:
        chat = read_answer(dialect, make({"error": {"message": "no room", "code": 503}}))
        assert chat
        assert chat.error
        assert "no room" in layout(chat)

    @pytest.mark.parametrize("dialect", list(Dialect))
    @pytest.mark.parametrize("body", [b"", b"{", b"[", b"{}", b"data: x\n\n", b"<html>", b"\xff\xfe", b": ping\n\n"])
    def test_what_is_no_answer_is_not_read(self, dialect: Dialect, body: bytes) -> None:
        assert read_answer(dialect, body) is None

    @pytest.mark.parametrize("body", [b":\n\n" * 250_000, b"[{}," * 300_000], ids=["events", "elements"])
    def test_what_would_take_seconds_is_not_read(self, body: bytes) -> None:
        assert events_of(body) == []


SOUND = [body for _, body in ANSWERS.values()]


def mangled(body: bytes, cuts: Iterable[tuple[int, bytes]]) -> bytes:
    for place, other in cuts:
        at = place % len(body)
        body = body[:at] + other + body[at + len(other) :]
    return body


@given(st.sampled_from(SOUND), st.lists(st.tuples(st.integers(0, 5000), st.binary(max_size=3)), max_size=6))
def test_no_damage_raises(body: bytes, cuts: list[tuple[int, bytes]]) -> None:
    damaged = mangled(body, cuts)
    for dialect in Dialect:
        for chat in (read_answer(dialect, damaged), read_request(dialect, damaged)):
            assert chat is None or isinstance(layout(chat), str)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([
        "choices", "delta", "message", "content", "tool_calls", "function", "index", "type", "parts", "output",
        "response", "input", "messages", "contents", "candidates", "text", "error", "usage", "role", "name", "id",
    ]), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(ODD)
def test_no_shape_raises(document: object) -> None:
    for dialect in Dialect:
        for make in (lambda: json.dumps(document).encode(), lambda: events(document)):
            for chat in (read_answer(dialect, make()), read_request(dialect, make())):
                assert chat is None or isinstance(layout(chat), str)
