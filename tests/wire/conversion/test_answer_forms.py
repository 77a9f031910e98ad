"""Members of answers that are not of the type that their name stands for."""

from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.conversion.answer_forms import well_formed
from pointsman.wire.conversion.answer_reader import AnswerReader
from pointsman.wire.conversion.ir import Identity, Kind, Piece
from pointsman.wire.dialects.registry import DIALECTS

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
TEXT = {"type": "text", "text": "hi"}


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"id": 7, "model": "m"}, {"model": "m"}),
        ({"choices": ["x", {"index": "0", "finish_reason": {}}]}, {"choices": [{}]}),
        ({"usage": {"prompt_tokens": "3", "completion_tokens": 4}}, {"usage": {"completion_tokens": 4}}),
        ({"prompt_tokens_details": {"cached_tokens": 1, "x": []}}, {"prompt_tokens_details": {"cached_tokens": 1}}),
        ({"index": True, "created": None, "role": None}, {}),
        ({"content": [{"type": "text"}, {"type": 7}, None]}, {"content": [{"type": "text", "text": ""}]}),
        ({"item": {"name": [], "arguments": {"id": 7}}}, {"item": {"arguments": {"id": 7}}}),
        ({"input": {"text": None}, "unknown": [1, None]}, {"input": {"text": None}, "unknown": [1, None]}),
    ],
)
def test_are_taken_out(given: dict[str, Any], left: dict[str, Any]) -> None:
    well_formed(given, {})
    assert given == left


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [
        (CHAT, {"model": {}, "usage": 3, "choices": [{"index": "x", "message": {"content": "hi", "tool_calls": {}}}]}),
        (
            RESPONSES,
            {"status": {}, "output": [7, {"type": "message", "content": [{}, {**TEXT, "type": "output_text"}]}]},
        ),
        (ANTHROPIC, {"id": [], "role": "x", "content": [None, {"type": "text"}, TEXT], "usage": {"input_tokens": ""}}),
        (GEMINI, {"candidates": [{"content": {"parts": [[], {"text": 7}, {"text": "hi"}]}}], "usageMetadata": 7}),
    ],
)
def test_cost_the_answer_nothing_else(dialect: Dialect, answer: dict[str, Any]) -> None:
    pieces = AnswerReader(DIALECTS[dialect].conversion, Identity("1", "m", 1)).whole(answer)
    assert [piece for piece in pieces if piece.text] == [Piece(Kind.TEXT, "hi")]
