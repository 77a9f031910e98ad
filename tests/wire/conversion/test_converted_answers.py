"""Answers as clients of another dialect read them, streamed and whole."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from pointsman.config import Provider
from pointsman.config.enums import Dialect
from pointsman.wire.conversion.codec import codec_for
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import LARGE_EVENT, Decoder, event

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
ENTRY = Provider(name="p", base_url="http://127.0.0.1:9/v1")


def told(client: Dialect, provider: Dialect, *documents: Mapping[str, Any], stream: bool = False) -> list[Any]:
    """The documents that the client gets."""
    asked = RequestFacts("m", stream, frozenset(), 0, asks_usage=True, query="?alt=sse")
    listener = Listener(asked, request_id="r", started=1.0)
    reader = codec_for(DIALECTS[client], DIALECTS[provider], listener, ENTRY, True).reader(
        200, "text/event-stream" if stream else "application/json"
    )
    body = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in documents)
    frames = [*reader.read(body if stream else json.dumps(documents[0]).encode()), *reader.close()]
    assert not any(frame.fault for frame in frames)
    got = b"".join(frame.data for frame in frames)
    if not stream:
        return [json.loads(got)]
    return [
        json.loads(event.data) for event in Decoder(LARGE_EVENT).feed(got) if event.data and event.data != b"[DONE]"
    ]


def answer(provider: Dialect, texts: list[str], usage: Mapping[str, Any]) -> dict[str, Any]:
    match provider:
        case Dialect.OPENAI_CHAT:
            content = [{"type": "text", "text": each} for each in texts]
            choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
            return {
                "id": "c",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "choices": [choice],
                "usage": usage,
            }
        case Dialect.OPENAI_RESPONSES:
            content = [{"type": "output_text", "text": each, "annotations": []} for each in texts]
            item = {"type": "message", "id": "i", "role": "assistant", "status": "completed", "content": content}
            return {
                "id": "resp_1",
                "object": "response",
                "status": "completed",
                "model": "m",
                "output": [item],
                "usage": usage,
            }
        case Dialect.ANTHROPIC:
            content = [{"type": "text", "text": each} for each in texts]
            more = {"stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
            return {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content, **more}
        case Dialect.GEMINI:
            content = {"role": "model", "parts": [{"text": each} for each in texts]}
            return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "usageMetadata": usage}


USAGE: Mapping[Dialect, Mapping[str, Any]] = {
    CHAT: {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 7},
        "completion_tokens_details": {"reasoning_tokens": 9},
    },
    RESPONSES: {
        "input_tokens": 100,
        "output_tokens": 30,
        "total_tokens": 130,
        "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 7},
        "output_tokens_details": {"reasoning_tokens": 9},
    },
    ANTHROPIC: {
        "input_tokens": 73,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 7,
        "output_tokens": 30,
        "output_tokens_details": {"thinking_tokens": 9},
    },
    GEMINI: {
        "promptTokenCount": 100,
        "candidatesTokenCount": 21,
        "thoughtsTokenCount": 9,
        "cachedContentTokenCount": 20,
        "totalTokenCount": 130,
    },
}
PAIRS = [(client, provider) for client in Dialect for provider in Dialect if client is not provider]
every_pair = pytest.mark.parametrize(("client", "provider"), PAIRS, ids=[f"{c}-from-{p}" for c, p in PAIRS])


@every_pair
def test_what_was_cached_and_thought_is_counted(client: Dialect, provider: Dialect) -> None:
    [document] = told(client, provider, answer(provider, ["so"], USAGE[provider]))
    usage = document["usageMetadata" if client is GEMINI else "usage"]
    written = 0 if GEMINI in (client, provider) else 7
    expected = json.loads(json.dumps(USAGE[client]))
    if client is ANTHROPIC:
        expected.pop("output_tokens_details")
        expected |= {"input_tokens": 80 - written, "cache_creation_input_tokens": written}
    elif client is not GEMINI:
        expected["prompt_tokens_details" if client is CHAT else "input_tokens_details"]["cache_write_tokens"] = written
    assert usage == expected


@pytest.mark.parametrize("provider", Dialect)
@pytest.mark.parametrize("client", [RESPONSES, ANTHROPIC, GEMINI])
def test_texts_that_follow_each_other_are_one_text(client: Dialect, provider: Dialect) -> None:
    if client is provider:
        return
    [document] = told(client, provider, answer(provider, ["Hel", "lo"], USAGE[provider]))
    texts = {
        RESPONSES: lambda: [part["text"] for item in document["output"] for part in item["content"]],
        ANTHROPIC: lambda: [block["text"] for block in document["content"]],
        GEMINI: lambda: [part["text"] for part in document["candidates"][0]["content"]["parts"]],
    }[client]()
    assert texts == ["Hello"]


class TestSignatures:
    """Google's, which its models want back with their calls."""

    GOOGLES: Mapping[str, Any] = {"functionCall": {"name": "look", "args": {"n": 1}}, "thoughtSignature": "c2ln"}
    COMPATIBLE: Mapping[str, Any] = {
        "index": 0,
        "id": "function-call-1",
        "type": "function",
        "function": {"name": "look", "arguments": '{"n": 1}'},
        "extra_content": {"google": {"thought_signature": "c2ln"}},
    }

    @pytest.mark.parametrize("stream", [True, False])
    def test_reach_clients_of_chat_completions(self, stream: bool) -> None:
        part = {"content": {"role": "model", "parts": [self.GOOGLES]}, "finishReason": "STOP", "index": 0}
        documents = told(CHAT, GEMINI, {"candidates": [part], "usageMetadata": USAGE[GEMINI]}, stream=stream)
        said = [
            each["choices"][0].get("delta") or each["choices"][0].get("message")
            for each in documents
            if each["choices"]
        ]
        made = [call for each in said if each for call in each.get("tool_calls", ()) if call.get("id")]
        assert [call["extra_content"] for call in made] == [self.COMPATIBLE["extra_content"]]

    @pytest.mark.parametrize("stream", [True, False])
    def test_reach_clients_of_geminis_dialect(self, stream: bool) -> None:
        message = {"role": "assistant", "content": None, "tool_calls": [self.COMPATIBLE]}
        choice = {"index": 0, "delta" if stream else "message": message, "finish_reason": "tool_calls"}
        documents = told(GEMINI, CHAT, {"id": "c", "model": "m", "choices": [choice]}, stream=stream)
        parts = [part for each in documents for part in each["candidates"][0]["content"]["parts"]]
        assert [part["thoughtSignature"] for part in parts if "functionCall" in part] == ["c2ln"]


class TestRefusals:
    """Anthropic's, which end an answer with a reason."""

    @staticmethod
    def refused(stream: bool, details: Mapping[str, Any] | None) -> str:
        """The words that a client of chat completions gets."""
        ending = {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {}}
        if not stream:
            [document] = told(CHAT, ANTHROPIC, {**message, **ending, "content": [{"type": "text", "text": "No. "}]})
            said = document["choices"][0]["message"]
            return str(said["content"]) + (said["refusal"] or "")
        documents = told(
            CHAT,
            ANTHROPIC,
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "No. "}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": ending, "usage": {"output_tokens": 1}},
            {"type": "message_stop"},
            stream=True,
        )
        deltas = [choice["delta"] for each in documents for choice in each["choices"]]
        return "".join(each.get("content", "") + each.get("refusal", "") for each in deltas)

    @pytest.mark.parametrize("stream", [True, False])
    def test_nothing_is_said_that_no_model_said(self, stream: bool) -> None:
        assert self.refused(stream, None) == "No. "

    @pytest.mark.parametrize("stream", [True, False])
    def test_the_provider_says_why(self, stream: bool) -> None:
        why = {"type": "refusal", "category": "bio", "explanation": "That is dangerous."}
        assert self.refused(stream, why) == "No. That is dangerous."


class TestImages:
    ITEM: Mapping[str, Any] = {
        "id": "ig", "type": "image_generation_call", "status": "completed", "result": "AAAA", "output_format": "webp",
    }  # fmt: skip

    @pytest.mark.parametrize("size", [4, 300_000])
    def test_drafts_are_left_out_and_the_audit_says_so(self, size: int) -> None:
        draft = {
            "type": "response.image_generation_call.partial_image",
            "output_index": 0,
            "partial_image_b64": "B" * size,
        }
        item = {**self.ITEM, "result": "A" * size}
        last = {"id": "resp_1", "model": "m", "status": "completed", "output": [item]}
        documents = [
            draft,
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": last},
        ]
        asked = RequestFacts("m", True, frozenset(), 0)
        codec = codec_for(DIALECTS[CHAT], DIALECTS[RESPONSES], Listener(asked, request_id="r"), ENTRY, True)
        reader = codec.reader(200, "text/event-stream")
        sent = [event(str(each["type"]), json.dumps(each).encode()) for each in documents]
        frames = [frame for each in sent for frame in reader.read(each)]
        got = b"".join(frame.data for frame in frames)
        assert (got.count(b"data:image/webp;base64,"), got.count(b"A" * size), b"BBBB" in got) == (1, 1, False)
        assert codec.remark == "answer without partial images"

    def test_one_that_only_the_last_event_has(self) -> None:
        answer = {"id": "resp_1", "model": "m", "status": "completed", "output": [self.ITEM]}
        for before in ([], [{"type": "response.output_text.delta", "output_index": 1, "delta": "Hi"}]):
            got = told(GEMINI, RESPONSES, *before, {"type": "response.completed", "response": answer}, stream=True)
            parts = [part for each in got for part in each["candidates"][0]["content"]["parts"]]
            assert [part["inlineData"]["mimeType"] for part in parts if "inlineData" in part] == ["image/webp"]

    def test_one_by_url_is_described_where_only_data_can_stand(self) -> None:
        url = "https://images.test/a.png"
        message = {
            "role": "assistant",
            "content": "Here: ",
            "images": [{"type": "image_url", "image_url": {"url": url}}],
        }
        document = {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        [got] = told(RESPONSES, CHAT, document)
        assert got["output"][0]["content"][0]["text"] == f"Here: [image: {url}]"
        [got] = told(GEMINI, CHAT, document)
        assert got["candidates"][0]["content"]["parts"][1] == {"fileData": {"mimeType": "image/png", "fileUri": url}}

    def test_one_of_32_mib_crosses_although_the_stream_repeats_it(self) -> None:
        size = 32 << 20
        item = {**self.ITEM, "result": "A" * size}
        answer = {"id": "resp_1", "model": "m", "status": "completed", "output": [item]}
        done = {"type": "response.output_item.done", "output_index": 0, "item": item}
        got = told(GEMINI, RESPONSES, done, {"type": "response.completed", "response": answer}, stream=True)
        parts = [part for each in got for part in each["candidates"][0]["content"]["parts"]]
        assert [len(part["inlineData"]["data"]) for part in parts if "inlineData" in part] == [size]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("client", [CHAT, RESPONSES, ANTHROPIC])
def test_what_is_long_and_no_string_is_not_lost(client: Dialect, stream: bool) -> None:
    args = {"samples": [1] * (64 << 10), "unit": "mV"}
    content = {"role": "model", "parts": [{"functionCall": {"name": "plot", "args": args}}]}
    answer = {"candidates": [{"index": 0, "content": content, "finishReason": "STOP"}]}
    got = told(client, GEMINI, answer, stream=stream)
    assert sum(json.dumps(each).count("1, 1") + json.dumps(each).count("1,1") for each in got) >= 32 << 10
    assert "mV" in json.dumps(got)
