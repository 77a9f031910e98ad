"""Answers of Responses: which events are content, how an answer ends, and what goes wrong in it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.dialects.openai_responses import DIALECT
from pointsman.wire.errors import FaultKind
from pointsman.wire.frames import Frame, FrameKind, Opening, Reader, Usage
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
USAGE = {"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 4}}
SAID = {"type": "message", "content": [{"type": "output_text", "text": "hi", "annotations": []}]}
SILENT = {"type": "message", "content": [{"type": "output_text", "text": "", "annotations": [], "logprobs": []}]}
CALL = {"type": "function_call", "name": "f", "arguments": "{}"}


def reader(*, streamed: bool = True, content_type: str = "text/event-stream") -> Reader:
    return DIALECT.reader(RequestFacts(None, streamed, frozenset(), 0), content_type)


def event(kind: str, number: int = 0, **members: Any) -> bytes:
    document = {"type": kind, "sequence_number": number, **members}
    return f"event: {kind}\ndata: {json.dumps(document)}\n\n".encode()


def text(delta: str = "x", number: int = 4) -> bytes:
    return event("response.output_text.delta", number, item_id="i", delta=delta)


def last(status: str = "completed", **members: Any) -> bytes:
    return event(f"response.{status}", 9, response={"id": "resp_1", "status": status, "output": [], **members})


def whole(document: Any) -> tuple[list[Frame], Reader]:
    answer = reader(streamed=False, content_type="application/json")
    body = json.dumps(document).encode()
    return [*answer.read(body[:7]), *answer.read(body[7:]), *answer.close()], answer


CREATED = event("response.created", response={"id": "resp_1", "status": "in_progress", "error": None, "output": []})


class TestEvents:
    @pytest.mark.parametrize(
        ("raw", "kind"),
        [
            (CREATED, NEUTRAL),
            (event("response.in_progress", response={"id": "resp_1"}), NEUTRAL),
            (event("response.output_item.added", item={"type": "message", "content": []}), NEUTRAL),
            (event("response.content_part.added", part={"type": "output_text", "text": ""}), NEUTRAL),
            (text(), CONTENT),
            (text(""), NEUTRAL),
            (event("response.reasoning_summary_text.delta", delta="hm"), CONTENT),
            (event("response.function_call_arguments.delta", delta="{"), CONTENT),
            (event("response.refusal.delta", delta="no"), CONTENT),
            (event("response.something_new.delta", delta={"a": 1}), CONTENT),
            (event("response.output_item.done", item=CALL), CONTENT),
            (event("response.output_item.done", item=SAID), CONTENT),
            (event("response.output_item.done", item=SILENT), NEUTRAL),
            (event("response.output_item.done", item={"type": "reasoning", "summary": []}), NEUTRAL),
            (event("response.code_interpreter_call_code.done", code="503"), NEUTRAL),
            (b'data: {"type": "response.output_text.delta", "delta": "x"}\n\n', CONTENT),
            (event("ping"), PING),
            (b": comment\n\n", PING),
            (last(), END),
            (last("incomplete"), END),
            (last(output=[SAID]), CONTENT),
            (last("failed", error={"code": "server_error", "message": "m"}), ERROR),
            (last("failed"), ERROR),
            (event("error", code="rate_limit_exceeded", message="m"), ERROR),
            (event("error"), ERROR),
            (b'data: {"error": {"message": "no"}}\n\n', ERROR),
            (b"data: [1]\n\n", NEUTRAL),
            (b'data: {"type": ["odd"]}\n\n', NEUTRAL),
        ],
    )
    def test_each_is_what_it_is(self, raw: bytes, kind: FrameKind) -> None:
        [frame] = reader().read(raw)
        assert (frame.kind, frame.data) == (kind, raw)
        assert (frame.fault is not None) is (kind is ERROR)

    @pytest.mark.parametrize(
        ("raw", "status", "code"),
        [
            (last("failed", error={"code": "rate_limit_exceeded", "message": "m"}), 429, "rate_limit_exceeded"),
            (event("error", code="server_error", message="m"), 500, "server_error"),
            (event("error", error={"type": "server_error", "code": None, "message": "m"}), 500, "server_error"),
        ],
    )
    def test_an_error_says_what_it_is(self, raw: bytes, status: int, code: str) -> None:
        [frame] = reader().read(raw)
        assert frame.fault
        assert (frame.fault.kind, frame.fault.status, frame.fault.message) == (FaultKind.WRAPPED, status, "m")
        assert frame.fault.code == code

    @pytest.mark.parametrize(
        ("answer", "word"),
        [
            ({"status": "completed"}, "stop"),
            ({"status": "completed", "output": [SAID, CALL]}, "tool_calls"),
            ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
            ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
            ({"status": "incomplete", "incomplete_details": None}, "incomplete"),
            ({"status": "queued"}, "queued"),
        ],
    )
    def test_reasons_have_one_word_in_all_dialects(self, answer: dict[str, Any], word: str) -> None:
        _, read = whole({"output": [], **answer})
        assert (read.finished, read.finish_reason) == (True, word)

    def test_the_last_event_has_reason_and_usage(self) -> None:
        answer = reader()
        answer.read(CREATED + text() + last("incomplete", usage=USAGE))
        assert (answer.finished, answer.finish_reason, answer.usage) == (True, "incomplete", Usage(6, 5, 4))

    def test_an_answer_that_is_said_only_at_the_end_is_whole_there(self) -> None:
        answer = reader()
        assert [frame.kind for frame in answer.read(CREATED + last(output=[SAID]))] == [NEUTRAL, CONTENT]
        assert (answer.finished, list(answer.close())) == (True, [])

    def test_a_whole_picture_fits_into_an_event(self) -> None:
        done = event("response.output_item.done", item={"type": "image_generation_call", "result": "A" * 4_000_000})
        assert [frame.kind for frame in reader().read(done)] == [CONTENT]


class TestOpening:
    def test_there_is_none_before_it(self) -> None:
        answer = reader()
        answer.read(b": x\n\n" + event("ping"))
        assert answer.opening is None

    def test_it_is_remembered_with_the_number_that_comes_next(self) -> None:
        answer = reader()
        answer.read(CREATED)
        opening = answer.opening
        assert opening == Opening(json.loads(CREATED.split(b"data: ")[1])["response"], 1)
        answer.read(text(number=41))
        answer.read(text('"sequence_number": 7', number=42) + b"event: ping\ndata: {}\n\n")
        answer.read(text(number=43)[:-5])
        assert answer.opening
        assert answer.opening.number == 43

    @pytest.mark.parametrize("numbers", [[4], [4, 5, 6]])
    def test_runs_of_content_are_counted(self, numbers: list[int]) -> None:
        answer = reader()
        answer.read(CREATED + text(number=3))
        answer.read(b"".join(text(number=number) for number in numbers))
        assert answer.opening
        assert answer.opening.number == numbers[-1] + 1

    def test_events_without_numbers_do_not_matter(self) -> None:
        answer = reader()
        answer.read(b'data: {"type": "response.created", "response": {"id": "r"}}\n\n')
        assert answer.opening == Opening({"id": "r"}, 0)


class TestStreamsAsAWhole:
    STREAM = b"".join(
        (
            CREATED,
            event("response.output_item.added", 1, item={"type": "message"}),
            b"data: {broken\n\n",
            text("h\u00e9", 2),
            text("one", 3).replace(b"\n", b"\r\n"),
            event("response.refusal.delta", 4, delta="no"),
            text("two", 5),
            last(usage=USAGE),
        )
    )

    @given(st.lists(st.integers(0, len(STREAM)), max_size=8))
    def test_what_goes_out_is_what_came_in(self, cuts: list[int]) -> None:
        answer = reader()
        frames = read_in_pieces(answer, self.STREAM, cuts)
        assert b"".join(frame.data for frame in frames) == self.STREAM
        assert (answer.finished, answer.finish_reason, answer.usage) == (True, "stop", Usage(6, 5, 4))

    def test_a_run_of_deltas_is_one_frame(self) -> None:
        answer = reader()
        answer.read(CREATED + text())
        assert answer.read(text() * 5) == (Frame(CONTENT, text() * 5),)

    @given(
        documents("type", "delta", "response", "output", "item", "content", "error", "status"),
        st.sampled_from(["response.created", "response.completed", "response.output_item.done", "response.failed"]),
    )
    def test_any_document_is_read_without_an_exception(self, document: Any, kind: str) -> None:
        frames, _ = whole(document)
        assert frames
        members = document if isinstance(document, dict) else {"response": document}
        [frame] = reader().read(event(kind, **{k: v for k, v in members.items() if k != "type"}))
        assert (frame.fault is not None) is (frame.kind is ERROR)


class TestWholeAnswers:
    @pytest.mark.parametrize(
        ("output", "kinds"),
        [([SAID], [CONTENT, END]), ([CALL], [CONTENT, END]), ([SILENT], [END]), ([], [END])],
    )
    def test_content_or_none(self, output: list[Any], kinds: list[FrameKind]) -> None:
        document = {"id": "resp_1", "status": "completed", "error": None, "output": output, "usage": USAGE}
        frames, answer = whole(document)
        assert [frame.kind for frame in frames] == kinds
        assert b"".join(frame.data for frame in frames) == json.dumps(document).encode()
        assert (answer.usage, answer.opening) == (Usage(6, 5, 4), Opening(document))

    @pytest.mark.parametrize(
        ("document", "kind"),
        [
            ({"status": "failed", "error": {"code": "server_error", "message": "m"}, "output": []}, ERROR),
            ({"status": "failed", "error": None, "output": []}, ERROR),
            ({"error": {"message": "m"}}, ERROR),
            ({"status": "completed"}, MALFORMED),
            ([], MALFORMED),
        ],
    )
    def test_what_is_no_answer(self, document: Any, kind: FrameKind) -> None:
        [frame], _ = whole(document)
        assert frame.kind is kind
        assert frame.fault
