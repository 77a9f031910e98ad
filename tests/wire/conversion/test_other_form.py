"""Answers in the other form than was asked for: JSON for a stream is split, a stream for JSON is joined."""

import json
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.conversion.codec import codec_for
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.errors import FaultKind
from pointsman.wire.frames import Frame, FrameKind
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import Decoder, event
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


THOUGHT, SIGNATURE = "Left is free.", "c2lnbmVk"
USAGE = {
    "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 1, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2,
}  # fmt: skip


def signed_parts(dialect: Dialect, thought: str) -> list[dict[str, Any]]:
    """What a whole answer of the dialect consists of: a thought and a text, signed as providers do."""
    match dialect:
        case Dialect.ANTHROPIC:
            signed = {"type": "thinking", "thinking": thought, "signature": SIGNATURE}
            return [signed, {"type": "text", "text": "hi"}]
        case Dialect.OPENAI_RESPONSES:
            summary = [{"type": "summary_text", "text": thought}] if thought else []
            signed = {"type": "reasoning", "id": "rs_7", "summary": summary, "encrypted_content": SIGNATURE}
            content = [{"type": "output_text", "text": "hi", "annotations": []}]
            return [signed, {"type": "message", "id": "msg_7", "role": "assistant", "content": content}]
        case _:
            parts = [{"text": thought, "thought": True}] if thought else []
            return [*parts, {"text": "hi", "thoughtSignature": SIGNATURE}]


def whole(dialect: Dialect, parts: list[dict[str, Any]]) -> dict[str, Any]:
    match dialect:
        case Dialect.ANTHROPIC:
            return {"id": "msg_7", "type": "message", "role": "assistant", "content": parts, "stop_reason": "end_turn"}
        case Dialect.OPENAI_RESPONSES:
            return {"id": "resp_7", "object": "response", "status": "completed", "output": parts, "usage": USAGE}
        case _:
            return {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}]}


def events_of(dialect: Dialect, parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same, streamed by a provider."""
    answer = whole(dialect, parts)
    match dialect:
        case Dialect.ANTHROPIC:
            events: list[dict[str, Any]] = [{"type": "message_start", "message": {**answer, "content": []}}]
            for index, block in enumerate(parts):
                said = "thinking" if "thinking" in block else "text"
                deltas = [{"type": f"{said}_delta", said: block[said]}] if block[said] else []
                if "signature" in block:
                    deltas.append({"type": "signature_delta", "signature": block["signature"]})
                opening = {**block, said: "", **({"signature": ""} if "signature" in block else {})}
                events.append({"type": "content_block_start", "index": index, "content_block": opening})
                events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
                events.append({"type": "content_block_stop", "index": index})
            return [*events, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}]
        case Dialect.OPENAI_RESPONSES:
            events = [{"type": "response.created", "response": {**answer, "status": "in_progress", "output": []}}]
            for index, item in enumerate(parts):
                place = {"output_index": index, "item_id": item["id"]}
                events.append({"type": "response.output_item.added", "output_index": index, "item": {**item}})
                for part in item.get("summary", []):
                    delta = {"summary_index": 0, "delta": part["text"]}
                    events.append({"type": "response.reasoning_summary_text.delta", **place, **delta})
                for part in item.get("content", []):
                    delta = {"content_index": 0, "delta": part["text"]}
                    events.append({"type": "response.output_text.delta", **place, **delta})
                events.append({"type": "response.output_item.done", "output_index": index, "item": item})
            return [*events, {"type": "response.completed", "response": answer}]
        case _:
            return [whole(dialect, [part]) for part in parts]


def encoded(events: list[dict[str, Any]]) -> bytes:
    return b"".join(
        (
            event(each["type"], json.dumps(each).encode())
            if "type" in each
            else b"data: %b\n\n" % json.dumps(each).encode()
        )
        for each in events
    )


def signed_of(dialect: Dialect, documents: list[dict[str, Any]]) -> list[str]:
    """What a client of the dialect has to send back of an answer, in order, with the ids of its items."""
    found: list[str] = []
    for each in documents:
        match dialect:
            case Dialect.ANTHROPIC:
                delta = each.get("delta", {})
                blocks = [*each.get("content", []), *([delta] if delta.get("type") == "signature_delta" else [])]
                found += [block["signature"] for block in blocks if "signature" in block]
            case Dialect.OPENAI_RESPONSES:
                done = [each["item"]] if each.get("type") == "response.output_item.done" else []
                items = [*each.get("output", []), *done]
                found += [item["id"] + item["encrypted_content"] for item in items if item["type"] == "reasoning"]
            case _:
                parts = [part for candidate in each["candidates"] for part in candidate["content"]["parts"]]
                found += [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]
    return found


@pytest.mark.parametrize("thought", [THOUGHT, ""], ids=["told", "hidden"])
@pytest.mark.parametrize("stream", [True, False], ids=["split", "joined"])
class TestSignatures:
    @pytest.mark.parametrize("dialect", [Dialect.ANTHROPIC, Dialect.OPENAI_RESPONSES, Dialect.GEMINI])
    def test_are_kept_for_a_client_of_the_same_dialect(self, dialect: Dialect, stream: bool, thought: str) -> None:
        documents = through(dialect, dialect, stream, thought)
        expected = f"rs_7{SIGNATURE}" if dialect is Dialect.OPENAI_RESPONSES else SIGNATURE
        assert signed_of(dialect, documents) == [expected]
        assert THOUGHT in json.dumps(documents) if thought else "Left" not in json.dumps(documents)

    @pytest.mark.parametrize("provider", [Dialect.ANTHROPIC, Dialect.OPENAI_RESPONSES, Dialect.GEMINI])
    @pytest.mark.parametrize("client", Dialect)
    def test_are_sent_to_no_other_client(self, client: Dialect, provider: Dialect, stream: bool, thought: str) -> None:
        if client is not provider:
            assert SIGNATURE not in json.dumps(through(client, provider, stream, thought))


def through(client: Dialect, provider: Dialect, stream: bool, thought: str) -> list[dict[str, Any]]:
    """The documents that a client gets of a signed answer in the other form."""
    parts = signed_parts(provider, thought)
    sent = json.dumps(whole(provider, parts)).encode() if stream else encoded(events_of(provider, parts))
    frames = answered(client, provider, stream, sent)
    assert [frame.fault for frame in frames if frame.fault] == []
    data = b"".join(frame.data for frame in frames)
    if not stream:
        return [json.loads(data)]
    return [json.loads(each.data) for each in Decoder().feed(data) if each.data and each.data != b"[DONE]"]


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


@pytest.mark.parametrize("provider", [Dialect.OPENAI_CHAT, Dialect.ANTHROPIC])
def test_an_endless_stream_is_not_kept(provider: Dialect, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("other_form_readers", "conversion.converting_readers"):
        monkeypatch.setattr(f"pointsman.wire.{module}.MAX_ANSWER", 10)
    sent = PROVIDERS[provider]("hi", MADE, "stop", True)
    frames = answered(Dialect.OPENAI_CHAT, provider, False, sent)
    assert [frame.fault and frame.fault.kind for frame in frames] == [FaultKind.INTERNAL]
