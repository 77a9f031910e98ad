"""Answers of Messages: which events are content, how an answer ends, and what goes wrong in it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.dialects.anthropic import DIALECT
from pointsman.wire.errors import FaultKind
from pointsman.wire.frames import Frame, FrameKind, Reader, Usage
from pointsman.wire.request_facts import RequestFacts
from wire.json_strategies import documents, read_in_pieces

CONTENT, NEUTRAL, PING, ERROR, MALFORMED, END = (
    FrameKind.CONTENT,
    FrameKind.NEUTRAL,
    FrameKind.PING,
    FrameKind.ERROR,
    FrameKind.MALFORMED,
    FrameKind.END,
)


def reader(*, streamed: bool = True, content_type: str = "text/event-stream") -> Reader:
    return DIALECT.reader(RequestFacts(None, streamed, frozenset(), 0), content_type)


def event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def delta(kind: str = "text_delta", **members: Any) -> bytes:
    return event("content_block_delta", index=0, delta={"type": kind, **(members or {"text": "x"})})


def block(**members: Any) -> bytes:
    return event("content_block_start", index=0, content_block=members)


def finish(reason: str | None, **usage: int) -> bytes:
    return event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage)


START = event("message_start", message={"content": [], "usage": {"input_tokens": 5, "cache_read_input_tokens": 20}})
STOP = event("message_stop")
OVERLOADED = event("error", error={"type": "overloaded_error", "message": "Overloaded"})


def whole(document: Any) -> tuple[list[Frame], Reader]:
    answer = reader(streamed=False, content_type="application/json")
    body = json.dumps(document).encode()
    return [*answer.read(body[:7]), *answer.read(body[7:]), *answer.close()], answer


class TestEvents:
    @pytest.mark.parametrize(
        ("raw", "kind"),
        [
            (START, NEUTRAL),
            (block(type="text", text=""), NEUTRAL),
            (block(type="thinking", thinking="", signature=""), NEUTRAL),
            (block(type="text", text="hi"), CONTENT),
            (block(type="tool_use", id="t", name="f", input={}), CONTENT),
            (block(type="redacted_thinking", data="x"), CONTENT),
            (block(type="server_tool_use", name="web_search"), CONTENT),
            (delta(text="hi"), CONTENT),
            (delta(text=""), NEUTRAL),
            (delta("thinking_delta", thinking="hm"), CONTENT),
            (delta("signature_delta", signature="s"), CONTENT),
            (delta("input_json_delta", partial_json=""), NEUTRAL),
            (delta("input_json_delta", partial_json="{"), CONTENT),
            (delta("citations_delta", citation={"a": 1}), CONTENT),
            (event("content_block_stop", index=0), NEUTRAL),
            (finish("end_turn"), NEUTRAL),
            (event("ping"), PING),
            (b": comment\n\n", PING),
            (STOP, END),
            (OVERLOADED, ERROR),
            (event("error"), ERROR),
            (event("something_new", message="of the future", part=1), ERROR),
            (event("something_new", part={"text": 1}), NEUTRAL),
            (b'data: {"error": {"message": "no"}}\n\n', ERROR),
            (event("content_block_delta", index=0, delta="odd"), NEUTRAL),
            (event("content_block_start", content_block={"type": ["odd"]}), CONTENT),
            (b"data: [1]\n\n", NEUTRAL),
        ],
    )
    def test_each_is_what_it_is(self, raw: bytes, kind: FrameKind) -> None:
        [frame] = reader().read(raw)
        assert (frame.kind, frame.data) == (kind, raw)
        assert (frame.fault is not None) is (kind is ERROR)

    def test_an_error_says_what_it_is(self) -> None:
        [frame] = reader().read(OVERLOADED)
        assert frame.fault
        assert (frame.fault.kind, frame.fault.status, frame.fault.message) == (FaultKind.WRAPPED, 503, "Overloaded")

    @pytest.mark.parametrize(
        ("reason", "word"),
        [
            ("end_turn", "stop"),
            ("stop_sequence", "stop"),
            ("max_tokens", "length"),
            ("tool_use", "tool_calls"),
            ("refusal", "content_filter"),
            ("model_context_window_exceeded", "length"),
            ("pause_turn", "pause_turn"),
        ],
    )
    def test_reasons_have_one_word_in_all_dialects(self, reason: str, word: str) -> None:
        answer = reader()
        answer.read(START + finish(reason))
        assert (answer.finished, answer.finish_reason) == (True, word)
        _, other = whole({"content": [], "stop_reason": reason})
        assert (other.finished, other.finish_reason) == (True, word)

    def test_no_reason_is_no_end(self) -> None:
        answer = reader()
        answer.read(START + finish(None, output_tokens=1))
        assert (answer.finished, answer.finish_reason) == (False, None)

    def test_usage_comes_in_pieces(self) -> None:
        answer = reader()
        answer.read(START)
        assert answer.usage == Usage(5, 0, 20)
        answer.read(finish("end_turn", output_tokens=7))
        assert answer.usage == Usage(5, 7, 20)

    def test_nothing_comes_after_the_end(self) -> None:
        answer = reader()
        assert [frame.kind for frame in answer.read(delta() + STOP + delta())] == [CONTENT, END]
        assert answer.finished


class TestStreamsAsAWhole:
    STREAM = b"".join(
        (
            START,
            block(type="thinking", thinking=""),
            event("ping"),
            delta("thinking_delta", thinking="h\u00e9"),
            event("content_block_stop", index=0),
            b"data: {broken\n\n",
            delta(text="one \ud83d").replace(b"\n", b"\r\n"),
            delta(text="two"),
            delta(text="three"),
            finish("max_tokens", output_tokens=3),
            STOP,
        )
    )

    @given(st.lists(st.integers(0, len(STREAM)), max_size=8))
    def test_what_goes_out_is_what_came_in(self, cuts: list[int]) -> None:
        answer = reader()
        frames = read_in_pieces(answer, self.STREAM, cuts)
        assert b"".join(frame.data for frame in frames) == self.STREAM
        assert (answer.finished, answer.finish_reason, answer.usage) == (True, "length", Usage(5, 3, 20))

    def test_a_run_of_deltas_is_one_frame(self) -> None:
        answer = reader()
        answer.read(START + delta())
        assert answer.read(delta() * 5) == (Frame(CONTENT, delta() * 5),)

    @pytest.mark.parametrize(
        "odd", [event("ping"), STOP, OVERLOADED, finish("end_turn"), b": x\n\n", b"data: {junk\n\n", delta()[:-1]]
    )
    def test_whatever_interrupts_a_run_is_seen(self, odd: bytes) -> None:
        def kinds(*reads: bytes) -> tuple[list[FrameKind], bytes, bool]:
            answer = reader()
            frames = [frame for data in (delta(), *reads) for frame in answer.read(data)]
            told = [frame.kind for frame in frames if frame.kind is not CONTENT]
            return told, b"".join(frame.data for frame in frames), answer.finished

        assert kinds(delta() * 3 + odd + delta()) == kinds(delta(), delta(), delta(), odd, delta())

    @given(
        documents("type", "delta", "message", "content", "content_block", "usage", "error"),
        st.sampled_from(["message_start", "message_delta", "content_block_start", "content_block_delta", "error"]),
    )
    def test_any_document_is_read_without_an_exception(self, document: Any, kind: str) -> None:
        frames, _ = whole(document)
        assert frames
        members = document if isinstance(document, dict) else {"delta": document}
        [frame] = reader().read(event(kind, **{k: v for k, v in members.items() if k != "type"}))
        assert (frame.fault is not None) is (frame.kind is ERROR)


class TestWholeAnswers:
    @pytest.mark.parametrize(
        ("content", "kinds"),
        [
            ([{"type": "text", "text": "hi"}], [CONTENT, END]),
            ([{"type": "tool_use", "name": "f", "input": {}}], [CONTENT, END]),
            ([{"type": "thinking", "thinking": "hm"}], [CONTENT, END]),
            ([{"type": "text", "text": ""}], [END]),
            ([], [END]),
        ],
    )
    def test_content_or_none(self, content: list[Any], kinds: list[FrameKind]) -> None:
        usage = {"input_tokens": 1, "output_tokens": 2}
        document = {"type": "message", "content": content, "stop_reason": "end_turn", "usage": usage}
        frames, answer = whole(document)
        assert [frame.kind for frame in frames] == kinds
        assert b"".join(frame.data for frame in frames) == json.dumps(document).encode()
        assert (answer.finished, answer.finish_reason, answer.usage) == (True, "stop", Usage(1, 2, 0))

    @pytest.mark.parametrize(
        ("document", "kind"),
        [
            ({"type": "error", "error": {"type": "api_error", "message": "m"}}, ERROR),
            ({"type": "message"}, MALFORMED),
            ([], MALFORMED),
        ],
    )
    def test_what_is_no_answer(self, document: Any, kind: FrameKind) -> None:
        [frame], _ = whole(document)
        assert frame.kind is kind
        assert frame.fault
