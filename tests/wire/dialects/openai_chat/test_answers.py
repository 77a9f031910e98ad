"""Answers of chat completions: which bytes are content, how an answer ends, and what goes wrong in it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.dialects.openai_chat import DIALECT
from pointsman.wire.dialects.openai_chat.answers import is_only_content
from pointsman.wire.errors import FaultKind
from pointsman.wire.frames import Frame, FrameKind, Reader, Usage
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.whole_reader import MAX_ANSWER
from wire.json_strategies import documents, read_in_pieces

CONTENT, NEUTRAL, ERROR, MALFORMED, END = (
    FrameKind.CONTENT,
    FrameKind.NEUTRAL,
    FrameKind.ERROR,
    FrameKind.MALFORMED,
    FrameKind.END,
)
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
WRAPPED = {"error": {"code": 429, "message": "slow down"}}


def reader(*, streamed: bool = True, content_type: str = "text/event-stream", drop_usage: bool = False) -> Reader:
    return DIALECT.reader(RequestFacts(None, streamed, frozenset(), 0), content_type, drop_usage)


def event(document: Any) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def chunk(delta: dict[str, Any] | None = None, finish_reason: str | None = None, **more: Any) -> bytes:
    return event({"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish_reason}], **more})


def kind_of(chunk: bytes) -> FrameKind:
    [frame] = reader().read(chunk)
    assert frame.data == chunk
    return frame.kind


def whole(document: Any, content_type: str = "application/json") -> tuple[list[Frame], Reader]:
    answer = reader(streamed=False, content_type=content_type)
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return [*answer.read(body[:7]), *answer.read(body[7:]), *answer.close()], answer


def fault_kind(frames: list[Frame]) -> FaultKind:
    [frame] = frames
    assert frame.kind is MALFORMED
    assert frame.data == b""
    assert frame.fault
    return frame.fault.kind


class TestChunks:
    @pytest.mark.parametrize(
        "delta",
        [
            {"content": "hi"},
            {"content": " "},
            {"content": [{"type": "text", "text": "hi"}]},
            {"reasoning_content": "hm"},
            {"reasoning": "hm"},
            {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]},
            {"function_call": {"name": "f"}},
            {"refusal": "no"},
            {"audio": {"data": "UklGRg=="}},
            {"images": [{"type": "image_url"}]},
            {"role": "assistant", "content": "hi"},
        ],
    )
    def test_a_delta_that_says_something_is_content(self, delta: dict[str, Any]) -> None:
        assert kind_of(chunk(delta)) is CONTENT

    @pytest.mark.parametrize(
        "choice",
        [{"message": {"content": "hi"}}, {"text": "hi"}, {"delta": None, "message": {"tool_calls": [{}]}}],
    )
    def test_odd_providers_content_is_content(self, choice: dict[str, Any]) -> None:
        assert kind_of(event({"choices": [choice]})) is CONTENT

    def test_any_choice_may_have_it(self) -> None:
        assert kind_of(event({"choices": [{"delta": {}}, {"delta": {"content": "hi"}}]})) is CONTENT

    @pytest.mark.parametrize(
        "odd",
        [
            chunk({"role": "assistant"}),
            chunk({"role": "assistant", "content": ""}),
            chunk({"role": "assistant", "content": None, "tool_calls": [], "refusal": None}),
            chunk({}, "stop"),
            event({"choices": [], "usage": USAGE}),
            event({"choices": [], "prompt_filter_results": []}),
            event({"choices": [{"text": ""}]}),
            event({"choices": [None, 1]}),
            event({"choices": [{"delta": "hi"}]}),
            event({"choices": {"delta": {"content": "hi"}}}),
            event({"id": "x"}),
            event({}),
        ],
    )
    def test_everything_else_is_neutral(self, odd: bytes) -> None:
        assert kind_of(odd) is NEUTRAL

    def test_a_finish_reason_finishes_and_may_come_with_content(self) -> None:
        answer = reader()
        assert [frame.kind for frame in answer.read(chunk({"content": "hi"}))] == [CONTENT]
        assert (answer.finished, answer.finish_reason) == (False, None)
        assert [frame.kind for frame in answer.read(chunk({"content": "!"}, "length"))] == [CONTENT]
        assert (answer.finished, answer.finish_reason) == (True, "length")

    def test_the_end_marker_finishes(self) -> None:
        answer = reader()
        assert answer.read(chunk({"content": "hi"}) + DONE)[-1] == Frame(END, DONE)
        assert (answer.finished, answer.finish_reason) == (True, None)

    def test_a_missing_end_marker_is_not_made_up(self) -> None:
        answer = reader()
        answer.read(chunk({"content": "hi"}, "stop"))
        answer.read(event({"choices": [], "usage": USAGE}))
        assert answer.close() == []
        assert (answer.finished, answer.finish_reason) == (True, "stop")

    @pytest.mark.parametrize(
        ("usage", "read"),
        [
            ({"usage": USAGE}, Usage(6, 5, 4)),
            ({"x_groq": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}}, Usage(1, 2, 0)),
            ({"usage": {"prompt_tokens": "many", "completion_tokens": -1, "prompt_tokens_details": 1}}, None),
            ({"usage": None}, None),
            ({"usage": []}, None),
            ({"x_groq": 1}, None),
        ],
    )
    def test_usage_is_remembered(self, usage: dict[str, Any], read: Usage | None) -> None:
        answer = reader()
        answer.read(chunk({}, **usage) + chunk({}))
        assert answer.usage == read


class TestUsageThatTheClientDidNotAskFor:
    ONLY = event({"choices": [], "usage": USAGE})

    def test_a_usage_event_is_removed_whole_and_remembered(self) -> None:
        answer = reader(drop_usage=True)
        assert answer.read(self.ONLY) == [Frame(NEUTRAL, b"")]
        assert answer.usage == Usage(6, 5, 4)

    def test_it_is_removed_after_commit_too(self) -> None:
        answer = reader(drop_usage=True)
        answer.has_spoken = True
        assert answer.read(self.ONLY) == [Frame(NEUTRAL, b"")]

    @pytest.mark.parametrize(
        "other", [chunk({}, "stop", usage=USAGE), chunk({"content": "x"}, usage=USAGE), event({"choices": []})]
    )
    def test_other_events_stay(self, other: bytes) -> None:
        assert [frame.data for frame in reader(drop_usage=True).read(other)] == [other]

    def test_it_stays_where_the_client_asked_for_it(self) -> None:
        assert reader().read(self.ONLY) == [Frame(NEUTRAL, self.ONLY)]


class TestErrors:
    @pytest.mark.parametrize("has_spoken", [False, True])
    @pytest.mark.parametrize(
        "document",
        [
            WRAPPED,
            {**WRAPPED, "choices": [{"delta": {"content": ""}, "finish_reason": None}]},
            {"choices": [{"delta": {}, "error": WRAPPED["error"]}]},
            {"code": 429, "message": "slow down"},
        ],
    )
    def test_a_wrapped_error_is_an_error_frame_with_its_bytes(self, document: Any, has_spoken: bool) -> None:
        answer = reader()
        answer.has_spoken = has_spoken
        [frame] = answer.read(event(document))
        assert (frame.kind, frame.data) == (ERROR, event(document))
        assert frame.fault
        assert (frame.fault.kind, frame.fault.status) == (FaultKind.WRAPPED, 429)

    def test_words_about_errors_are_content(self) -> None:
        assert kind_of(chunk({"content": '{"error": {"code": 429}} "error"'})) is CONTENT

    def test_a_body_of_nothing_but_the_end_marker_has_no_verdict_of_its_own(self) -> None:
        answer = reader()
        assert [frame.kind for frame in (*answer.read(DONE), *answer.close())] == [END]


class TestAfterCommit:
    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b'{"choices":[{"delta":{"content":"x"}}]}', True),
            (b'{"choices":[{"delta":{"content":"x"},"finish_reason":null}],"usage":null,"error": null}', True),
            (b'{"choices":[{"delta":{"content":"x"},"finish_reason" : null}]}', True),
            (b'{"choices":[{"delta":{"content":"\\"error\\": 1, \\"usage\\": 2"}}]}', True),
            (b'{"choices":[{"delta":{},"finish_reason":"stop"}]}', False),
            (b'{"choices":[{"finish_reason":null},{"finish_reason": "stop"}]}', False),
            (b'{"choices":[],"usage":{"prompt_tokens":1}}', False),
            (b'{"choices":[],"error":{"code":1}}', False),
            (b'{"error":{"code":1}}', False),
            (b'{"message":"over the rate limit"}', False),
            (b"[DONE]", False),
            (b"{oops", False),
        ],
    )
    def test_bytes_suffice_to_recognize_content(self, data: bytes, expected: bool) -> None:
        assert is_only_content(data) is expected

    def test_content_is_no_longer_parsed(self) -> None:
        answer = reader()
        answer.has_spoken = True
        role, broken = chunk({"role": "assistant"}), b'data: {"choices": oops\n\n'
        assert answer.read(role + broken) == [Frame(CONTENT, role), Frame(CONTENT, broken)]

    def test_the_end_is_still_seen(self) -> None:
        answer = reader()
        answer.has_spoken = True
        last = chunk({}, "tool_calls", x_groq={"usage": {"prompt_tokens": 3, "completion_tokens": 1}})
        assert [frame.kind for frame in answer.read(chunk({"content": "x"}) + last + DONE)] == [CONTENT, NEUTRAL, END]
        assert (answer.finished, answer.finish_reason, answer.usage) == (True, "tool_calls", Usage(3, 1, 0))


class TestStreamsAsAWhole:
    STREAM = (
        b": OPENROUTER PROCESSING\n\n"
        + chunk({"role": "assistant", "content": ""})
        + b"data: {broken\n\n"
        + chunk({"content": "caf\u00e9 \ud83d"}).replace(b"\n", b"\r\n")
        + b"event: x\nid: 7\n"
        + chunk({"content": "!"}, "stop")
        + event({"choices": [], "usage": USAGE})
        + DONE
    )

    @given(st.lists(st.integers(0, len(STREAM)), max_size=8), st.booleans())
    def test_what_goes_out_is_what_came_in(self, cuts: list[int], has_spoken: bool) -> None:
        answer = reader()
        answer.has_spoken = has_spoken
        frames = read_in_pieces(answer, self.STREAM, cuts)
        assert b"".join(frame.data for frame in frames) == self.STREAM
        assert (answer.finished, answer.finish_reason, answer.usage) == (True, "stop", Usage(6, 5, 4))

    @given(documents("choices", "delta", "message", "content", "text", "finish_reason", "usage", "x_groq"))
    def test_any_document_is_read_without_an_exception(self, document: Any) -> None:
        frames, _ = whole(document)
        assert frames
        assert all(frame.fault for frame in frames if frame.kind in (ERROR, MALFORMED))
        assert len(reader(drop_usage=True).read(event(document))) == 1


class TestContentTypesOfStreams:
    @pytest.mark.parametrize(
        "content_type", ["text/event-stream; charset=utf-8", "", "text/plain", "application/octet-stream"]
    )
    def test_what_says_nothing_against_it_is_a_stream(self, content_type: str) -> None:
        [frame] = reader(content_type=content_type).read(chunk({"content": "hi"}))
        assert frame.kind is CONTENT

    @pytest.mark.parametrize(
        "content_type", ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"]
    )
    def test_a_json_body_is_at_best_an_error(self, content_type: str) -> None:
        failing, answering, empty = (reader(content_type=content_type) for _ in range(3))
        assert failing.read(json.dumps(WRAPPED).encode()) == ()
        [error] = failing.close()
        assert error.kind is ERROR
        assert error.fault
        assert error.fault.label == "wrapped_429"
        answering.read(json.dumps({"choices": [{"message": {"content": "hi"}}]}).encode())
        [frame] = answering.close()
        assert frame.fault
        assert frame.fault.message == "a JSON body for a streamed request"
        assert fault_kind(list(empty.close())) is FaultKind.EMPTY

    def test_a_page_is_malformed_at_its_first_byte_and_only_once(self) -> None:
        answer = reader(content_type="text/html; charset=utf-8")
        assert fault_kind(list(answer.read(b"<"))) is FaultKind.MALFORMED
        assert list(answer.read(b"html>")) == []
        assert list(answer.close()) == []

    def test_an_empty_page_is_malformed_at_its_end(self) -> None:
        assert fault_kind(list(reader(content_type="text/html").close())) is FaultKind.MALFORMED


class TestWholeAnswers:
    @pytest.mark.parametrize(
        "choice",
        [
            {"message": {"role": "assistant", "content": "hi"}},
            {"message": {"content": None, "tool_calls": [{"id": "1"}]}},
            {"message": {"refusal": "no"}},
            {"message": {"content": "", "reasoning_content": "hm"}},
            {"message": {"audio": {"data": ""}}},
            {"text": "hi"},
        ],
    )
    def test_an_answer_is_one_frame_of_content_and_the_end(self, choice: dict[str, Any]) -> None:
        document = {"choices": [{**choice, "finish_reason": "stop"}], "usage": USAGE}
        frames, answer = whole(document)
        assert frames == [Frame(CONTENT, json.dumps(document).encode()), Frame(END, b"")]
        assert (answer.finished, answer.finish_reason, answer.usage) == (True, "stop", Usage(6, 5, 4))

    @pytest.mark.parametrize("finish_reason", ["stop", "length", "content_filter", None])
    def test_an_empty_answer_is_the_end_alone(self, finish_reason: str | None) -> None:
        document = {"choices": [{"message": {"content": ""}, "finish_reason": finish_reason}]}
        frames, answer = whole(document)
        assert frames == [Frame(END, json.dumps(document).encode())]
        assert (answer.finished, answer.finish_reason) == (True, finish_reason)

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"choices": []},
            {"choices": None},
            {"choices": [{"index": 0}]},
            {"choices": [None]},
            [],
            1,
            "x",
            b"<html>",
            b"{",
        ],
    )
    def test_what_is_no_answer_is_malformed(self, document: Any) -> None:
        frames, answer = whole(document)
        assert fault_kind(frames) is FaultKind.MALFORMED
        assert not answer.finished

    @pytest.mark.parametrize("body", [b"", b" \n"])
    def test_nothing_is_empty(self, body: bytes) -> None:
        frames, _ = whole(body)
        assert fault_kind(frames) is FaultKind.EMPTY

    @pytest.mark.parametrize("document", [WRAPPED, [WRAPPED], {"message": "over the rate limit"}])
    def test_a_wrapped_error_is_an_error(self, document: Any) -> None:
        [frame], _ = whole(document)
        assert frame.kind is ERROR
        assert frame.fault
        assert frame.fault.label == "wrapped_429"

    def test_the_type_it_claims_to_be_does_not_matter(self) -> None:
        frames, _ = whole({"choices": [{"message": {"content": "hi"}}]}, content_type="text/html")
        assert [frame.kind for frame in frames] == [CONTENT, END]

    def test_a_stream_in_its_place_is_malformed(self) -> None:
        answer = reader(streamed=False, content_type="Text/Event-Stream; charset=utf-8")
        assert fault_kind(list(answer.read(chunk({"content": "hi"})))) is FaultKind.MALFORMED

    def test_an_endless_answer_is_malformed(self) -> None:
        answer = reader(streamed=False, content_type="application/json")
        assert list(answer.read(b" " * MAX_ANSWER)) == []
        assert fault_kind(list(answer.read(b"x"))) is FaultKind.MALFORMED
        assert list(answer.read(b"x")) == []
        assert list(answer.close()) == []


class TestPlainRuns:
    """A read that is nothing but whole events of content is passed on in one piece; anything else is looked at."""

    CONTENT = b'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n'

    @pytest.mark.parametrize(
        "odd",
        [
            b": ping\n\n",
            b"data: [DONE]\n\n",
            b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
            b'data: {"error":{"message":"no"}}\n\n',
            b'data: {"success":false,"errors":[{"message":"no"}]}\n\n',
            b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n',
            b'event: x\ndata: {"choices":[]}\n\n',
            b'data: {"choices":[]}\r\n\r\n',
            b'data: {"choices":[',
            b"data: {junk\n\n",
        ],
    )
    def test_they_give_the_same_as_one_event_at_a_time(self, odd: bytes) -> None:
        def kinds(*reads: bytes) -> tuple[list[FrameKind], bytes, bool]:
            answer = reader()
            frames = [frame for read in (self.CONTENT, *reads) for frame in answer.read(read)]
            told = [frame.kind for frame in frames if frame.kind is not FrameKind.CONTENT]
            return told, b"".join(frame.data for frame in frames), answer.finished

        together = kinds(self.CONTENT * 3 + odd + self.CONTENT)
        assert together == kinds(self.CONTENT, self.CONTENT, self.CONTENT, odd, self.CONTENT)

    def test_a_run_is_one_frame(self) -> None:
        answer = reader()
        answer.read(self.CONTENT)
        assert answer.read(self.CONTENT * 5) == (Frame(FrameKind.CONTENT, self.CONTENT * 5),)
