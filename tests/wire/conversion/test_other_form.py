"""Answers in the other form than was asked for: JSON for a stream is split, a stream for JSON is joined."""

import json
from dataclasses import replace
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.conversion.codec import codec_for
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.errors import FaultKind
from pointsman.wire.frames import Frame, FrameKind
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import Decoder
from wire.conversion.test_calls import CALLED, ENTRY, PROVIDERS, READ_STREAM, READ_WHOLE

MADE = [("a", "get", '{"a": "1"}'), ("b", "get", '{"a": "2"}')]
TYPES = {True: "text/event-stream", False: "application/json; charset=utf-8"}


def answered(client: Dialect, provider: Dialect, stream: bool, sent: bytes) -> list[Frame]:
    """The client asks for a stream or not, and the provider does the other thing."""
    facts = RequestFacts("m", stream, frozenset(), 0, document={}, query="?alt=sse" if stream else "")
    facts = DIALECTS[client].conversion.asked_in_path(facts)
    codec = codec_for(DIALECTS[client], DIALECTS[provider], Listener(facts, (), "r", 1.0), ENTRY, False)
    reader = codec.reader(200, TYPES[not stream])
    return [*reader.read(sent[:40]), *reader.read(sent[40:]), *reader.close()]


@pytest.mark.parametrize("client", Dialect)
@pytest.mark.parametrize("provider", Dialect)
class TestEveryPair:
    @pytest.mark.parametrize("stream", [True, False], ids=["split", "joined"])
    def test_the_client_gets_the_form_it_asked_for(self, client: Dialect, provider: Dialect, stream: bool) -> None:
        frames = answered(client, provider, stream, PROVIDERS[provider]("hi", MADE, "tool_calls", not stream))
        assert [frame.kind for frame in frames] == [FrameKind.CONTENT, FrameKind.END]
        data = b"".join(frame.data for frame in frames)
        if stream:
            events = [each.data for each in Decoder().feed(data)]
            told = READ_STREAM[client]([json.loads(each) for each in events if each and each != b"[DONE]"])
        else:
            told = READ_WHOLE[client](json.loads(data))
        assert (told.text, told.ids, told.finish) == ("hi", ["a", "b"], CALLED[client])
        assert [(name, json.loads(said)) for name, said in told.calls] == [("get", {"a": "1"}), ("get", {"a": "2"})]

    def test_an_error_stays_one(self, client: Dialect, provider: Dialect) -> None:
        sent = b'{"error": {"message": "overloaded", "code": 503}}'
        [frame] = answered(client, provider, True, sent)
        assert (frame.kind, frame.fault and frame.fault.status) == (FrameKind.ERROR, 503)

    def test_a_stream_that_breaks_off_is_no_answer(self, client: Dialect, provider: Dialect) -> None:
        sent = PROVIDERS[provider]("hi", MADE, "tool_calls", True)
        frames = answered(client, provider, False, sent[: sent.index(b"hi") + 2])
        assert not any(frame.kind in (FrameKind.CONTENT, FrameKind.END) for frame in frames)


def test_json_is_what_a_list_of_geminis_is() -> None:
    facts = RequestFacts("m", True, frozenset(), 0, document={}, query="", action="streamGenerateContent")
    gemini = DIALECTS[Dialect.GEMINI]
    reader = codec_for(gemini, gemini, Listener(facts, (), "r", 1.0), ENTRY, False).reader(200, TYPES[False])
    element: Any = {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}]}
    assert [frame.fault for frame in reader.read(json.dumps([element]).encode())] == [None, None]


def test_an_empty_part_of_a_whole_answer_is_none_of_its_stream() -> None:
    parts: Any = [{"type": "text", "text": ""}, {"type": "thinking", "thinking": ""}, {"type": "text", "text": "hi"}]
    sent = json.dumps({"type": "message", "content": parts, "stop_reason": "end_turn"}).encode()
    [frame, _] = answered(Dialect.OPENAI_RESPONSES, Dialect.ANTHROPIC, True, sent)
    assert frame.data.count(b"event: response.output_item.added") == 1


def test_an_endless_stream_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.wire.conversion.converting_readers.MAX_ANSWER", 10)
    sent = PROVIDERS[Dialect.OPENAI_CHAT]("hi", MADE, "stop", True)
    frames = answered(Dialect.OPENAI_CHAT, Dialect.OPENAI_CHAT, False, sent)
    assert frames[-1].fault == replace(frames[-1].fault, kind=FaultKind.INTERNAL) if frames[-1].fault else False
