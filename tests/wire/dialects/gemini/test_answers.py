"""Answers in Gemini's dialect: whole, as events and as a list; which chunks are content, and how an answer ends."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.dialects.gemini import DIALECT
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
USAGE = {"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "cachedContentTokenCount": 4}
ERR = {"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}
SSE, JSON = "text/event-stream", "application/json; charset=UTF-8"


def reader(form: str = "sse", content_type: str | None = None) -> Reader:
    query = "?alt=sse" if form == "sse" else ""
    facts = RequestFacts("m", form != "whole", frozenset(), 0, action="x", query=query)
    return DIALECT.reader(facts, content_type or (SSE if form == "sse" else JSON))


def chunk(*parts: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    return {"candidates": [{**candidate, **({"finishReason": finish} if finish else {})}], **more}


def event(document: Any) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\r\n\r\n"


def text(said: str = "hi", **more: Any) -> dict[str, Any]:
    return chunk({"text": said}, **more)


def whole(document: Any) -> tuple[list[Frame], Reader]:
    answer = reader("whole")
    body = json.dumps(document).encode()
    return [*answer.read(body[:7]), *answer.read(body[7:]), *answer.close()], answer


KINDS = [
    (text(), CONTENT),
    (text(""), NEUTRAL),
    (chunk({"text": "hm", "thought": True}), CONTENT),
    (chunk({"text": "", "thoughtSignature": "s"}), NEUTRAL),
    (chunk({"functionCall": {"name": "f", "args": {}}}), CONTENT),
    (chunk({"inlineData": {"mimeType": "image/png", "data": "A"}}), CONTENT),
    (chunk(), NEUTRAL),
    (text(finish="STOP"), CONTENT),
    (chunk(finish="STOP"), NEUTRAL),
    ({"usageMetadata": USAGE}, NEUTRAL),
    ({"promptFeedback": {"blockReason": "SAFETY"}}, NEUTRAL),
    ({"candidates": [{"finishReason": "SAFETY"}]}, NEUTRAL),
    ({"candidates": "odd"}, NEUTRAL),
    (ERR, ERROR),
]


@pytest.mark.parametrize(("document", "kind"), KINDS)
class TestChunks:
    def test_as_an_event(self, document: dict[str, Any], kind: FrameKind) -> None:
        [frame] = reader().read(event(document))
        assert (frame.kind, frame.data) == (kind, event(document))
        assert (frame.fault is not None) is (kind is ERROR)

    def test_as_an_element(self, document: dict[str, Any], kind: FrameKind) -> None:
        raw = b"[" + json.dumps(document).encode()
        [frame] = reader("list").read(raw)
        assert (frame.kind, frame.data) == (kind, raw)
        assert (frame.fault is not None) is (kind is ERROR)


@pytest.mark.parametrize(
    ("document", "word"),
    [
        (chunk(finish="STOP"), "stop"),
        (chunk(finish="MAX_TOKENS"), "length"),
        (chunk(finish="SAFETY"), "content_filter"),
        (chunk(finish="RECITATION"), "content_filter"),
        (chunk(finish="MALFORMED_FUNCTION_CALL"), "malformed_function_call"),
        ({"promptFeedback": {"blockReason": "OTHER"}}, "content_filter"),
    ],
)
@pytest.mark.parametrize("form", ["sse", "list", "whole"])
def test_reasons_have_one_word_in_all_dialects(document: dict[str, Any], word: str, form: str) -> None:
    answer = reader(form)
    body = {"sse": event(document), "list": b"[" + json.dumps(document).encode()}
    answer.read(body.get(form, json.dumps(document).encode()))
    answer.close()
    assert (answer.finished, answer.finish_reason) == (True, word)


@pytest.mark.parametrize("document", [text(), chunk(finish="FINISH_REASON_UNSPECIFIED")])
def test_no_reason_is_no_end(document: dict[str, Any]) -> None:
    answer = reader()
    answer.read(event(document))
    assert list(answer.close()) == []
    assert (answer.finished, answer.finish_reason) == (False, None)


def test_usage_is_counted_with_thoughts() -> None:
    answer = reader()
    answer.read(event(text(usageMetadata={"promptTokenCount": 10})) + event(chunk(finish="STOP", usageMetadata=USAGE)))
    assert answer.usage == Usage(6, 7, 4, reasoning=2)


def test_an_event_as_large_as_a_picture_is_read() -> None:
    [frame] = reader().read(event(chunk({"inlineData": {"data": "A" * 4_000_000}})))
    assert frame.kind is CONTENT


class TestEventsAsAWhole:
    STREAM = b"".join(
        (
            event(chunk({"text": "hm", "thought": True})),
            b"\n",
            event(text("caf\u00e9")),
            b"data: {broken\n\n",
            event(text('"finishReason"')),
            event(chunk(finish="STOP", usageMetadata=USAGE)),
        )
    )

    @given(st.lists(st.integers(0, len(STREAM)), max_size=8))
    def test_what_goes_out_is_what_came_in(self, cuts: list[int]) -> None:
        answer = reader()
        frames = read_in_pieces(answer, self.STREAM, cuts)
        assert b"".join(frame.data for frame in frames) == self.STREAM
        assert (answer.finished, answer.finish_reason, answer.usage) == (True, "stop", Usage(6, 7, 4, reasoning=2))
        assert FrameKind.END not in {frame.kind for frame in frames}

    def test_after_content_an_error_is_still_seen(self) -> None:
        answer = reader()
        answer.read(event(text()))
        [frame] = answer.read(event(ERR))
        assert frame.kind is ERROR
        assert frame.fault
        assert (frame.fault.kind, frame.fault.status) == (FaultKind.WRAPPED, 503)


class TestListsAsAWhole:
    LIST = b",\r\n".join(json.dumps(each).encode() for each in (text('a"]}\\'), text(), chunk(finish="MAX_TOKENS")))
    STREAM = b"[" + LIST + b"\n]"

    @given(st.lists(st.integers(0, len(STREAM)), max_size=8))
    def test_what_goes_out_is_what_came_in(self, cuts: list[int]) -> None:
        answer = reader("list")
        frames = read_in_pieces(answer, self.STREAM, cuts)
        assert b"".join(frame.data for frame in frames) == self.STREAM
        assert [frame.kind for frame in frames] == [CONTENT, CONTENT, NEUTRAL, END]
        assert (answer.finished, answer.finish_reason) == (True, "length")

    def test_it_is_open_once_it_has_an_element(self) -> None:
        answer = reader("list")
        answer.read(b" [\n")
        assert answer.opening is None
        answer.read(b"{}")
        assert answer.opening == Opening()

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (json.dumps(ERR).encode(), ERROR),
            (json.dumps(text()).encode(), MALFORMED),
            (b"<html>", MALFORMED),
            (b"", MALFORMED),
        ],
    )
    def test_what_is_no_list(self, body: bytes, kind: FrameKind) -> None:
        answer = reader("list")
        [frame] = [*answer.read(body), *answer.close()]
        assert frame.kind is kind
        assert frame.fault

    def test_a_cut_element_is_dropped(self) -> None:
        answer = reader("list")
        assert [frame.data for frame in answer.read(self.STREAM[:-4])] == [
            b"[" + self.LIST.split(b",\r\n")[0],
            b",\r\n" + self.LIST.split(b",\r\n")[1],
        ]
        assert list(answer.close()) == []
        assert not answer.finished

    @pytest.mark.parametrize(("form", "content_type"), [("list", SSE), ("list", "text/html"), ("sse", JSON)])
    def test_the_other_form_is_no_answer(self, form: str, content_type: str) -> None:
        answer = reader(form, content_type)
        [frame] = [*answer.read(json.dumps([text()]).encode()), *answer.close()]
        assert frame.kind is MALFORMED


class TestWholeAnswers:
    @pytest.mark.parametrize(
        ("document", "kinds"),
        [
            (text(finish="STOP"), [CONTENT, END]),
            (chunk(finish="STOP"), [END]),
            ({"promptFeedback": {"blockReason": "SAFETY"}}, [END]),
            ({"usageMetadata": USAGE}, [MALFORMED]),
            (ERR, [ERROR]),
            ([ERR], [ERROR]),
        ],
    )
    def test_content_or_none(self, document: Any, kinds: list[FrameKind]) -> None:
        frames, _ = whole(document)
        assert [frame.kind for frame in frames] == kinds

    @given(documents("candidates", "content", "parts", "text", "finishReason", "usageMetadata"))
    def test_any_document_is_read_without_an_exception(self, document: Any) -> None:
        frames, _ = whole(document)
        assert frames
        assert len(reader().read(event(document))) == 1
