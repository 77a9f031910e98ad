"""What providers say, read: what the library would lose or mistake among it."""

import copy
from typing import Any, ClassVar

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.conversion.answer_reader import AnswerReader
from pointsman.wire.conversion.ir import Identity, Kind, Piece
from pointsman.wire.dialects.registry import DIALECTS

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
OURS = Identity("req-1", "m", 1_700_000_000)


def reader(provider: Dialect) -> AnswerReader:
    return AnswerReader(DIALECTS[provider].conversion, OURS)


def read(provider: Dialect, *documents: dict[str, Any]) -> list[Piece]:
    own = reader(provider)
    return [piece for document in documents for piece in own.event(document)]


def delta(**members: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": members}]}


def call(index: int | None = None, call_id: str | None = None, name: str | None = None, arguments: str = "") -> Any:
    made: dict[str, Any] = {"function": {"name": name, "arguments": arguments}}
    return {**made, **({} if index is None else {"index": index}), **({} if call_id is None else {"id": call_id})}


def texts(pieces: list[Piece], kind: Kind = Kind.TEXT) -> str:
    return "".join(piece.text for piece in pieces if piece.kind is kind)


def calls(pieces: list[Piece]) -> dict[str, tuple[str, str]]:
    """Name and arguments of each call."""
    found: dict[str, tuple[str, str]] = {}
    for piece in pieces:
        if piece.kind is Kind.CALL:
            name, arguments = found.get(piece.id, ("", ""))
            found[piece.id] = (name or piece.name, arguments + piece.text)
    return found


class TestChat:
    @pytest.mark.parametrize("member", ["reasoning_content", "reasoning"])
    def test_reasoning_by_both_of_its_names(self, member: str) -> None:
        assert read(CHAT, delta(**{member: "hm"})) == [Piece(Kind.THOUGHT, "hm")]

    def test_reasoning_under_both_names_at_once_is_said_once(self) -> None:
        assert read(CHAT, delta(reasoning_content="hm", reasoning="hm")) == [Piece(Kind.THOUGHT, "hm")]

    @pytest.mark.parametrize("member", ["text", "summary"])
    def test_reasoning_that_stands_in_its_details_alone(self, member: str) -> None:
        details = [{"type": f"reasoning.{member}", member: "hm"}, {"type": "reasoning.encrypted", "data": "x"}]
        assert read(CHAT, delta(reasoning_details=details)) == [Piece(Kind.THOUGHT, "hm")]
        assert read(CHAT, delta(reasoning="hm", reasoning_details=details)) == [Piece(Kind.THOUGHT, "hm")]

    def test_reasoning_beside_content_in_parts(self) -> None:
        pieces = read(CHAT, delta(content=[{"type": "text", "text": "left"}], reasoning_content="hm"))
        assert (texts(pieces, Kind.THOUGHT), texts(pieces)) == ("hm", "left")

    def test_content_in_parts(self) -> None:
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
        pieces = read(CHAT, delta(content=[thinking, {"type": "text", "text": "left"}]))
        assert (texts(pieces, Kind.THOUGHT), texts(pieces)) == ("hm", "left")

    def test_a_refusal(self) -> None:
        assert read(CHAT, delta(refusal="no")) == [Piece(Kind.REFUSAL, "no")]

    def test_messages_in_the_place_of_deltas(self) -> None:
        assert texts(read(CHAT, {"choices": [{"message": {"role": "assistant", "content": "left"}}]})) == "left"

    def test_text_beside_a_finish_reason(self) -> None:
        last = delta(content="!")
        last["choices"][0]["finish_reason"] = "stop"
        assert texts(read(CHAT, delta(content="left"), last)) == "left!"

    def test_only_the_first_choice(self) -> None:
        other = {"id": "c", "choices": [{"index": 1, "delta": {"content": "other"}}]}
        assert texts(read(CHAT, delta(content="left"), other)) == "left"

    CALLS = (
        ("ids repeated", [call(0, "a", "t", ""), call(0, "a", None, '{"x":'), call(0, "a", None, "1}")]),
        ("ids once", [call(0, "a", "t", ""), call(0, None, None, '{"x":'), call(0, None, None, "1}")]),
        ("empty ids", [call(0, "a", "t", ""), call(0, "", None, '{"x":'), call(0, "", None, "1}")]),
        ("indexes from one", [call(1, "a", "t", ""), call(1, None, None, '{"x":1}')]),
        ("no indexes", [call(None, "a", "t", '{"x":1}')]),
    )

    @pytest.mark.parametrize("made", [made for _, made in CALLS], ids=[name for name, _ in CALLS])
    def test_calls_however_they_are_numbered(self, made: list[Any]) -> None:
        assert calls(read(CHAT, *(delta(tool_calls=[each]) for each in made))) == {"a": ("t", '{"x":1}')}

    def test_calls_without_ids_get_one_each(self) -> None:
        pieces = read(CHAT, delta(tool_calls=[call(0, None, "t", "{}"), call(1, None, "u", "{}")]))
        assert list(calls(pieces).values()) == [("t", "{}"), ("u", "{}")]

    def test_calls_that_all_have_the_first_number_are_distinguished_by_their_ids(self) -> None:
        pieces = read(CHAT, delta(tool_calls=[call(0, "a", "t", "{}")]), delta(tool_calls=[call(0, "b", "u", "{}")]))
        assert calls(pieces) == {"a": ("t", "{}"), "b": ("u", "{}")}


class TestAnthropic:
    def test_a_call_whose_input_stands_in_its_opening(self) -> None:
        block = {"type": "tool_use", "id": "a", "name": "t", "input": {"x": 1}}
        pieces = read(ANTHROPIC, {"type": "content_block_start", "index": 0, "content_block": block})
        assert calls(pieces) == {"a": ("t", '{"x":1}')}

    def test_text_in_an_opening(self) -> None:
        opening = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "left"}}
        assert texts(read(ANTHROPIC, opening)) == "left"


class TestResponses:
    ITEM: ClassVar = {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "t", "arguments": '{"x":1}'}
    ADDED: ClassVar = {"type": "response.output_item.added", "output_index": 1, "item": {**ITEM, "arguments": ""}}
    DONE: ClassVar = {"type": "response.output_item.done", "output_index": 1, "item": ITEM}

    def test_arguments_that_were_not_streamed(self) -> None:
        assert calls(read(RESPONSES, dict(self.ADDED), dict(self.DONE))) == {"a": ("t", '{"x":1}')}

    def test_arguments_that_were_are_not_said_twice(self) -> None:
        streamed = {
            "type": "response.function_call_arguments.delta",
            "item_id": "fc_1",
            "output_index": 1,
            "delta": '{"x":1}',
        }
        assert calls(read(RESPONSES, dict(self.ADDED), streamed, dict(self.DONE))) == {"a": ("t", '{"x":1}')}

    def test_an_answer_that_is_said_by_its_last_event_alone(self) -> None:
        message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "left"}]}
        last = {"type": "response.completed", "response": {"status": "completed", "output": [message]}}
        assert texts(read(RESPONSES, last)) == "left"

    def test_plain_reasoning(self) -> None:
        event = {"type": "response.reasoning_text.delta", "item_id": "rs", "output_index": 0, "delta": "hm"}
        assert texts(read(RESPONSES, event), Kind.THOUGHT) == "hm"


class TestGemini:
    def test_text_in_the_last_chunk(self) -> None:
        last = {"candidates": [{"content": {"parts": [{"text": "left"}]}, "finishReason": "STOP"}]}
        assert texts(read(GEMINI, last)) == "left"

    def test_calls_get_ids_that_need_no_chance(self) -> None:
        def asked() -> dict[str, Any]:
            parts = [{"functionCall": {"name": name, "args": {}}} for name in ("t", "u")]
            return {"responseId": "r", "candidates": [{"content": {"parts": parts}}]}

        first, again = read(GEMINI, asked()), read(GEMINI, asked())
        assert first == again
        assert list(calls(first).values()) == [("t", "{}"), ("u", "{}")]

    def test_an_image_keeps_its_place(self) -> None:
        image = {"inlineData": {"mimeType": "image/webp", "data": "AA"}}
        document = {"candidates": [{"content": {"parts": [{"text": "a"}, image, {"text": "b"}]}}]}
        told = [(Kind.TEXT, "a"), (Kind.IMAGE, "data:image/webp;base64,AA"), (Kind.TEXT, "b")]
        assert [piece[:2] for piece in read(GEMINI, copy.deepcopy(document))] == told
        assert [piece[:2] for piece in reader(GEMINI).whole(document)] == told

    def test_drafts_of_images_and_other_media_are_described(self) -> None:
        draft = {"inlineData": {"mimeType": "image/png", "data": "AA"}, "thought": True}
        parts = [draft, {"inlineData": {"mimeType": "audio/wav", "data": "A" * 4_000_000}}]
        assert [piece[:2] for piece in read(GEMINI, {"candidates": [{"content": {"parts": parts}}]})] == [
            (Kind.THOUGHT, "[image/png image, 1 kB: cannot be shown here]"),
            (Kind.TEXT, "[audio/wav audio, 3.0 MB: cannot be shown here]"),
        ]


class TestIdentity:
    def test_is_the_providers_as_far_as_it_says(self) -> None:
        own = reader(CHAT)
        own.event({"id": "chatcmpl-7", "created": 5, **delta(content="x"), "model": "big"} | {"id": "chatcmpl-7"})
        assert own.state.identity == Identity("7", "big", 5)

    def test_is_the_routers_where_it_says_nothing(self) -> None:
        own = reader(CHAT)
        own.event({"choices": [{"delta": {"content": "x"}}]})
        assert own.state.identity == OURS

    @pytest.mark.parametrize(
        ("provider", "document"),
        [
            (CHAT, {"choices": [{"message": {"content": "left"}}]}),
            (RESPONSES, {"output": [{"type": "message", "content": [{"type": "output_text", "text": "left"}]}]}),
            (ANTHROPIC, {"content": [{"type": "text", "text": "left"}]}),
            (GEMINI, {"candidates": [{"content": {"parts": [{"text": "left"}]}}]}),
        ],
    )
    def test_a_whole_answer_needs_no_more_than_its_words(self, provider: Dialect, document: dict[str, Any]) -> None:
        assert reader(provider).whole(document) == [Piece(Kind.TEXT, "left")]
