"""An answer in the other form than was asked for, client and provider of one dialect: nothing that it holds is lost."""

import copy
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.config import Provider
from pointsman.config.enums import Dialect
from pointsman.wire.conversion.codec import codec_for
from pointsman.wire.dialects.base import Joiner, Listener
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.frames import Frame, FrameKind
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import Decoder, event
from support.dialect_validators import check_event
from wire.conversion.test_anything import ANYTHING

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
ENTRY = Provider(name="p", base_url="http://127.0.0.1:9/v1")
SSE, JSON = "text/event-stream", "application/json"

Document = dict[str, Any]


def asked(dialect: Dialect, stream: bool, document: Document | None = None) -> RequestFacts:
    facts = RequestFacts("m", stream, frozenset(), 0, asks_usage=True, document=document or {}, query="?alt=sse")
    return DIALECTS[dialect].conversion.asked_in_path(facts)


def frames_of(dialect: Dialect, facts: RequestFacts, sent: bytes) -> list[Frame]:
    """Of an answer in the other form."""
    codec = codec_for(DIALECTS[dialect], DIALECTS[dialect], Listener(facts, (), "r", 1.0), ENTRY, False)
    reader = codec.reader(200, JSON if facts.stream else SSE)
    return [*reader.read(sent[:99]), *reader.read(sent[99:]), *reader.close()]


def body_of(frames: Sequence[Frame]) -> bytes:
    assert [frame.fault for frame in frames if frame.fault] == []
    assert frames[-1].kind is FrameKind.END
    return b"".join(frame.data for frame in frames)


def split(dialect: Dialect, answer: Document, document: Document | None = None) -> list[Document]:
    data = body_of(frames_of(dialect, asked(dialect, True, document), json.dumps(answer).encode()))
    return [json.loads(each.data) for each in Decoder().feed(data) if each.data and each.data != b"[DONE]"]


def encoded(events: Sequence[Document]) -> bytes:
    data = [(each, json.dumps(each).encode()) for each in events]
    return b"".join(event(each["type"], said) if "type" in each else b"data: %b\n\n" % said for each, said in data)


def joined(dialect: Dialect, events: Sequence[Document], document: Document | None = None) -> Document:
    end = b"data: [DONE]\n\n" if dialect is CHAT else b""
    whole: Document = json.loads(body_of(frames_of(dialect, asked(dialect, False, document), encoded(events) + end)))
    return whole


# Whole answers with all that they may have; `later` is a member that is not known yet.

LOGPROBS = {"content": [{"token": "L", "logprob": -0.5, "bytes": [76], "top_logprobs": []}], "refusal": None}
URL = {"url": "http://a", "title": "A", "start_index": 0, "end_index": 4}
FUNCTION = {"name": "look", "arguments": '{"track": 3}'}
CHAT_ANSWER: Document = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 7, "model": "m-1", "service_tier": "flex",
    "system_fingerprint": "fp", "later": {"a": [1]}, "citations": ["http://a", "http://b"],
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Left", "refusal": None, "later": 8, "annotations": [
            {"type": "url_citation", "url_citation": URL}
        ]}, "logprobs": LOGPROBS, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [
            {"id": "call_1", "type": "function", "function": FUNCTION, "later": 1},
            {"id": "call_2", "type": "function", "function": FUNCTION},
        ]}, "logprobs": None, "finish_reason": "tool_calls", "later": "x"},
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "later": 1},
}  # fmt: skip
NOTE = {"type": "url_citation", "url": "http://a", "title": "A", "start_index": 0, "end_index": 4}
TEXT_PART = {"type": "output_text", "text": "Left", "annotations": [NOTE], "logprobs": [
    {"token": "L", "logprob": -0.5, "bytes": [76], "top_logprobs": []}
]}  # fmt: skip
RESPONSES_ANSWER: Document = {
    "id": "resp_1", "object": "response", "created_at": 7, "status": "completed", "model": "m-1", "error": None,
    "incomplete_details": None, "service_tier": "flex", "later": {"a": [1]}, "parallel_tool_calls": True,
    "tool_choice": "auto", "tools": [],
    "output": [
        {"id": "rs_1", "type": "reasoning", "encrypted_content": "c2VjcmV0", "summary": [
            {"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}
        ]},
        {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"id": "n_1", "type": "news_of_tomorrow", "content": [{"a": 1}]},
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [
            TEXT_PART, {"type": "refusal", "refusal": "But not right."}, {"type": "later", "x": 1}
        ]},
        {"id": "fc_1", "type": "function_call", "call_id": "call_1", "status": "completed", "later": 2, **FUNCTION},
        {"id": "ct_1", "type": "custom_tool_call", "call_id": "call_2", "name": "patch", "input": "*** Begin"},
    ],
    "usage": {
        "input_tokens": 3, "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0}, "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 7, "later": 1,
    },
}  # fmt: skip
CITATION = {
    "type": "char_location", "cited_text": "x", "document_index": 0, "document_title": "d", "start_char_index": 0,
    "end_char_index": 1, "file_id": None,
}  # fmt: skip
SEARCH = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [
    {"type": "web_search_result", "url": "http://a", "title": "A", "encrypted_content": "e", "page_age": None}
]}  # fmt: skip
ANTHROPIC_ANSWER: Document = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "later": {"a": [1]},
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"},
        {"type": "redacted_thinking", "data": "cmVkYWN0ZWQ="},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        SEARCH,
        {"type": "text", "text": "Left", "citations": [CITATION, {**CITATION, "start_char_index": 1}]},
        {"type": "news_of_tomorrow", "a": [1]},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"track": 123456789012345678901234567890}},
        {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {}, "later": 1},
    ],
    "stop_reason": "stop_sequence", "stop_sequence": "END",
    "container": {"id": "c", "expires_at": "2030-01-01T00:00:00Z"},
    "usage": {
        "input_tokens": 3, "cache_creation_input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 4,
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0}, "service_tier": "standard", "later": 1,
    },
}  # fmt: skip
GEMINI_ANSWER: Document = {
    "candidates": [
        {"index": 0, "content": {"role": "model", "parts": [
            {"text": "Hm.", "thought": True},
            {"text": "Left", "thoughtSignature": "c2lnbmVk"},
            {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
            {"functionCall": {"name": "look", "args": {"track": 3}}, "thoughtSignature": "c2ln"},
            {"executableCode": {"language": "PYTHON", "code": "1"}},
        ]}, "finishReason": "STOP", "avgLogprobs": -0.5, "later": 1,
         "groundingMetadata": {"webSearchQueries": ["q"], "groundingChunks": [{"web": {"uri": "http://a"}}]}},
        {"index": 1, "content": {"role": "model", "parts": [{"text": "Right"}]}, "finishReason": "MAX_TOKENS"},
    ],
    "promptFeedback": {"safetyRatings": [{"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "LOW"}]},
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7, "later": 1},
    "modelVersion": "m-1", "responseId": "r-1", "later": {"a": [1]},
}  # fmt: skip
ANSWERS = {CHAT: CHAT_ANSWER, RESPONSES: RESPONSES_ANSWER, ANTHROPIC: ANTHROPIC_ANSWER, GEMINI: GEMINI_ANSWER}
TWO: dict[Dialect, Document] = {CHAT: {"n": 2}, GEMINI: {"generationConfig": {"candidateCount": 2}}}
"""Requests for two answers at once."""


@pytest.mark.parametrize("dialect", Dialect)
class TestNothingIsLost:
    def test_by_splitting_and_joining(self, dialect: Dialect) -> None:
        events = split(dialect, ANSWERS[dialect], TWO.get(dialect))
        assert len(events) > (0 if dialect is GEMINI else 4)
        assert joined(dialect, events, TWO.get(dialect)) == ANSWERS[dialect]

    def test_and_the_stream_is_of_the_dialect(self, dialect: Dialect) -> None:
        """Without the members and kinds that the vendor's types do not know."""
        for each in split(dialect, without_unknown(ANSWERS[dialect])):
            check_event(dialect, each)


def without_unknown(value: Any) -> Any:
    if isinstance(value, list):
        kinds = ("later", "news_of_tomorrow")
        return [without_unknown(each) for each in value if not (isinstance(each, dict) and each.get("type") in kinds)]
    if not isinstance(value, dict):
        return value
    unknown = ["later"]
    if value.get("object") == "chat.completion":
        unknown.append("citations")
    if value.get("role") == "assistant" and "type" not in value:
        unknown.append("annotations")  # OpenAI streams them; its types for that lack them
    return {name: without_unknown(each) for name, each in value.items() if name not in unknown}


class TestJoined:
    def test_choices_of_chat_grow_side_by_side(self) -> None:
        def chunk(index: int, delta: Document, finish: str | None = None, **more: Any) -> Document:
            choice = {"index": index, "delta": delta, "finish_reason": finish, **more}
            return {"id": "c", "object": "chat.completion.chunk", "model": "m", "obfuscation": "x", "choices": [choice]}

        def called(*calls: Document, **more: Any) -> Document:
            return {"tool_calls": [{"index": 0, **call} for call in calls], **more}

        def function(arguments: str) -> Document:
            return {"name": "f", "arguments": arguments}

        one, two = ({"content": [{"token": token}], "refusal": None} for token in "ab")
        whole = joined(CHAT, [
            {"id": "", "choices": [], "prompt_filter_results": [{"index": 0}]},
            chunk(1, {"role": "assistant", "content": "R"}),
            chunk(0, {"role": "assistant", "content": "ha"}, logprobs=one),
            chunk(0, called({"id": "a", "type": "function", "function": function("")}, content="ha"), logprobs=two),
            chunk(1, {"content": "ight"}, "stop"),
            chunk(0, called({"function": {"arguments": '{"x"'}}, {"id": "b", "function": function("{}")})),
            chunk(0, called({"id": "b", "function": {"arguments": ""}}, annotations=[{"type": "u"}]), "length"),
            {"id": "c", "choices": [], "usage": {"total_tokens": 1}, "service_tier": "flex"},
        ], {"n": 2})  # fmt: skip
        assert whole == {
            "id": "c", "object": "chat.completion", "model": "m", "prompt_filter_results": [{"index": 0}],
            "usage": {"total_tokens": 1}, "service_tier": "flex",
            "choices": [
                {"index": 0, "finish_reason": "length",
                 "logprobs": {"content": [{"token": "a"}, {"token": "b"}], "refusal": None},
                 "message": {"role": "assistant", "content": "haha", "annotations": [{"type": "u"}], "tool_calls": [
                     {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x"'}},
                     {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                 ]}},
                {"index": 1, "finish_reason": "stop", "message": {"role": "assistant", "content": "Right"}},
            ],
        }  # fmt: skip

    def test_items_of_responses_that_the_last_event_does_not_repeat(self) -> None:
        events = split(RESPONSES, RESPONSES_ANSWER)
        events[-1]["response"]["output"] = []
        assert joined(RESPONSES, events) == RESPONSES_ANSWER
        deltas = [each for each in events if not each["type"].startswith("response.output_item")]
        output = joined(RESPONSES, deltas)["output"]
        said = [[part["text"] for part in item.get("summary", item.get("content", []))[:2]] for item in output[:1]]
        assert said == [["One.", "Two."]]
        assert output[1]["content"][0]["text"] == "Left"

    def test_metadata_of_gemini_that_comes_late_and_in_parts(self) -> None:
        def chunk(text: str, **more: Any) -> Document:
            return {
                "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, **more}],
                "responseId": "r",
            }

        chunks, more = [{"web": {"uri": "a"}}], [{"web": {"uri": "b"}}]
        logprobs = {"chosenCandidates": [{"token": "a"}]}
        queries = {"webSearchQueries": ["q"]}
        whole = joined(
            GEMINI,
            [
                chunk("Le", groundingMetadata={"groundingChunks": chunks}),
                chunk("ft", logprobsResult=logprobs, groundingMetadata={"groundingChunks": chunks + more}),
                chunk("", logprobsResult=logprobs, groundingMetadata=queries, finishReason="STOP"),
            ],
        )
        [candidate] = whole["candidates"]
        assert candidate["content"]["parts"] == [{"text": "Left"}]
        assert candidate["groundingMetadata"] == {"groundingChunks": chunks + more, "webSearchQueries": ["q"]}
        assert candidate["logprobsResult"] == {"chosenCandidates": [{"token": "a"}] * 2}

    def test_a_blocked_prompt_of_gemini(self) -> None:
        blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "responseId": "r"}
        assert joined(GEMINI, [blocked]) == blocked


class TestSplit:
    @pytest.mark.parametrize("asks_usage", [True, False])
    def test_usage_of_chat_goes_to_those_who_asked(self, asks_usage: bool) -> None:
        facts = RequestFacts("m", True, frozenset(), 0, asks_usage=asks_usage, document={})
        data = body_of(frames_of(CHAT, facts, json.dumps(CHAT_ANSWER).encode()))
        assert (b'"usage"' in data, data.endswith(b"data: [DONE]\n\n")) == (asks_usage, True)

    def test_an_incomplete_response_ends_as_one(self) -> None:
        answer = {**RESPONSES_ANSWER, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        assert split(RESPONSES, answer)[-1] == {
            "type": "response.incomplete", "response": answer, "sequence_number": len(split(RESPONSES, answer)) - 1,
        }  # fmt: skip

    def test_input_of_anthropic_that_is_a_text_becomes_an_object(self) -> None:
        block = {"type": "tool_use", "id": "t", "name": "look", "input": '{"track": 3}'}
        events = split(ANTHROPIC, {**ANTHROPIC_ANSWER, "content": [block]})
        assert joined(ANTHROPIC, events)["content"] == [{**block, "input": {"track": 3}}]


def mutations(document: Any) -> st.SearchStrategy[Any]:
    """The document, one value somewhere in it replaced by anything."""
    places = [*paths(document)]

    def changed(place: tuple[Any, ...], value: Any) -> Any:
        copied = copy.deepcopy(document)
        held = copied
        for name in place[:-1]:
            held = held[name]
        held[place[-1]] = value
        return copied

    return st.builds(changed, st.sampled_from(places), ANYTHING)


def paths(value: Any, before: tuple[Any, ...] = ()) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in items:
        yield (*before, name)
        yield from paths(each, (*before, name))


@pytest.mark.parametrize("dialect", Dialect)
class TestWhatIsMalformed:
    @settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150, deadline=None)
    @given(data=st.data())
    def test_is_split_or_refused(self, dialect: Dialect, data: st.DataObject) -> None:
        answer = data.draw(mutations(ANSWERS[dialect]))
        for frame in frames_of(dialect, asked(dialect, True), json.dumps(answer).encode()):
            events = [each.data for each in Decoder().feed(frame.data) if each.data]
            assert all(isinstance(json.loads(each), dict) for each in events if each != b"[DONE]")

    @settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150, deadline=None)
    @given(data=st.data())
    def test_is_joined(self, dialect: Dialect, data: st.DataObject) -> None:
        form = DIALECTS[dialect].other_form
        assert form
        joiner: Joiner = form.joiner()
        for each in data.draw(mutations(split(dialect, ANSWERS[dialect]))):
            if isinstance(each, dict):
                joiner.add(each)
        json.dumps(joiner.whole())


def chat_calls(*calls: Document) -> list[Document]:
    """Each in a chunk of its own, all under one index."""
    told: list[Document] = [{"delta": {"tool_calls": [{"index": 0, **call}]}} for call in calls]
    choices = [*told, {"delta": {}, "finish_reason": "tool_calls"}]
    return [{"id": "chatcmpl-1", "model": "m", "choices": [{"index": 0, **choice}]} for choice in choices]


class TestCallsAsModelsWriteThem:
    @pytest.mark.parametrize("ids", [{}, {"id": ""}, {"id": "call_a"}])
    def test_calls_of_chat_under_one_index_stay_apart(self, ids: Document) -> None:
        one, two = ({"function": {"name": name, "arguments": f'{{"{name}": 1}}'}, **ids} for name in "ab")
        [choice] = joined(CHAT, chat_calls(one, two))["choices"]
        calls = choice["message"]["tool_calls"]
        assert [call["function"] for call in calls] == [one["function"], two["function"]]
        assert all(call["id"] for call in calls)
        assert calls[0]["id"] != calls[1]["id"]

    @pytest.mark.parametrize("given", [{"a": 1}, '"{\\"a\\": 1}"', '{"a": 1}{"a": 1}'])
    def test_arguments_are_of_the_type_that_the_dialect_has(self, given: Any) -> None:
        call = {"function": {"name": "f", "arguments": given}}
        [choice] = joined(CHAT, chat_calls(call))["choices"]
        assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"a": 1}
        message = {"role": "assistant", "content": None, "tool_calls": [call, call]}
        answer = {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
        told = split(CHAT, answer)[0]["choices"][0]["delta"]["tool_calls"]
        assert [json.loads(each["function"]["arguments"]) for each in told] == [{"a": 1}] * 2
        assert len({each["id"] for each in told}) == 2

        item = {"type": "function_call", "id": "fc_1", "name": "f", "arguments": given}
        events = split(RESPONSES, {"id": "resp_1", "status": "completed", "output": [item, item]})
        deltas = [json.loads(each["delta"]) for each in events if each["type"].endswith("arguments.delta")]
        assert deltas == [{"a": 1}] * 2
        assert len({each["call_id"] for each in events[-1]["response"]["output"]}) == 2

        block = {"type": "tool_use", "name": "f", "input": given}
        events = split(ANTHROPIC, {"id": "msg_1", "stop_reason": "tool_use", "content": [block, block]})
        deltas = [json.loads(each["delta"]["partial_json"]) for each in events if "partial_json" in str(each)]
        assert deltas == [{"a": 1}] * 2
        assert len({each["content_block"]["id"] for each in events if "content_block" in each}) == 2

        if isinstance(given, dict):
            return
        content = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": given}}]}
        answer = {"candidates": [{"index": 0, "content": content, "finishReason": "STOP"}]}
        for got in (split(GEMINI, answer)[0], joined(GEMINI, [answer])):
            assert got["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] == {"a": 1}

    def test_a_call_without_arguments_has_none(self) -> None:
        [choice] = joined(CHAT, chat_calls({"id": "a", "function": {"name": "f", "arguments": None}}))["choices"]
        assert choice["message"]["tool_calls"][0]["function"]["arguments"] == "{}"
        block = {"type": "tool_use", "id": "t", "name": "f", "input": None}
        events = split(ANTHROPIC, {"id": "msg_1", "stop_reason": "tool_use", "content": [block]})
        whole = joined(ANTHROPIC, events)
        assert whole["content"] == [{**block, "input": {}}]

    def test_a_message_that_is_repeated_at_the_end_is_said_once(self) -> None:
        chunks = [
            {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}}]},
            {"id": "c", "choices": [{"index": 0, "message": {"content": "Hi", "later": 1}, "finish_reason": "stop"}]},
        ]
        [choice] = joined(CHAT, chunks)["choices"]
        assert choice["message"] == {"role": "assistant", "content": "Hi", "later": 1}
