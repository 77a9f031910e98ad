"""Events that differ only in their text are read as one, and mean the same."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.enums import Dialect
from pointsman.wire.conversation import answer_draft
from pointsman.wire.dialects.openai_chat.messages import answer, with_texts_joined
from pointsman.wire.messages import MessageDraft

DONE = b"data: [DONE]\n\n"
TEXTS = st.sampled_from(["word ", "", 'he said "x"', "\\", "\\\\", "\n\n", "data: {", "é😀", '"}}]}', '\\"', "{}"])
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": ")])


def event(delta: dict[str, Any], separators: tuple[str, str] = (",", ":"), index: int = 0, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": None} | more
    document = {"id": "1", "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(document, separators=separators, ensure_ascii=False).encode() + b"\n\n"


def texts(*said: str) -> bytes:
    return b"".join(event({"content": text}) for text in said)


def read_one_by_one(stream: bytes) -> MessageDraft:
    lines = stream.decode().removesuffix(DONE.decode()).split("\n\n")
    return answer([json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")])


def test_most_of_a_stream_becomes_one_event() -> None:
    start, end = event({"role": "assistant", "content": ""}), event({}, finish_reason="stop") + DONE
    stream = start + texts(*(f'word "{n}" ' for n in range(50))) + end
    joined = with_texts_joined(stream)
    assert (stream.count(b"\n\n"), joined.count(b"\n\n")) == (53, 4)
    assert read_one_by_one(joined).message() == read_one_by_one(stream).message()


def test_other_events_between_them_leave_all_as_they_are() -> None:
    for other in (event({"content": "two"}, index=1), event({"tool_calls": []}), b": ping\n\n", b"data: no JSON\n\n"):
        stream = texts(*"abcdef") + other + texts(*"ghijkl")
        assert with_texts_joined(stream) == stream


def test_a_text_with_something_beside_it_is_not_joined() -> None:
    stream = b"".join(event({"content": text, "reasoning_content": "same"}) for text in "abcdefgh")
    assert with_texts_joined(stream) == stream


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    separators = draw(SEPARATORS)
    others = st.sampled_from(
        [
            event({"reasoning_content": "hm"}, separators),
            event({"content": "b", "reasoning_content": "c"}, separators),
            event({"content": "second choice"}, separators, index=1),
            event({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]}, separators),
            event({"content": "last"}, separators, finish_reason="stop"),
            event({"role": "assistant", "content": ""}, separators),
            b": ping\n\n",
        ]
    )
    runs = st.lists(TEXTS.map(lambda text: event({"content": text}, separators)), max_size=12).map(b"".join)
    return b"".join(draw(st.lists(runs | others, max_size=8))) + DONE


@given(streams())
def test_every_stream_says_the_same(stream: bytes) -> None:
    said, expected = answer_draft(Dialect.OPENAI_CHAT, stream, True), read_one_by_one(stream)
    assert said.message() == expected.message()
    assert (said.thoughts, said.calls) == (expected.thoughts, expected.calls)
