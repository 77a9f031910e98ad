"""What each maker reports of an answer's tokens, with the numbers of its own documentation where it shows any."""

import json
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.frames import Reader, Usage
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.usage_counts import billed, usage_of_counts

CHAT_USAGE: dict[str, tuple[dict[str, Any], Usage]] = {
    "openai: the prompt includes what was cached, the output its reasoning": (
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        Usage(input=86, output=300, cache_read=1920),
    ),
    "openai: reasoning": (
        {
            "prompt_tokens": 75,
            "completion_tokens": 1186,
            "total_tokens": 1261,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 1024},
        },
        Usage(input=75, output=1186, reasoning=1024),
    ),
    "deepseek: hit and miss add up to the prompt": (
        {
            "prompt_tokens": 1200,
            "completion_tokens": 300,
            "total_tokens": 1500,
            "prompt_cache_hit_tokens": 1088,
            "prompt_cache_miss_tokens": 112,
            "completion_tokens_details": {"reasoning_tokens": 120},
        },
        Usage(input=112, output=300, cache_read=1088, reasoning=120),
    ),
    "openrouter: with what it bills": (
        {
            "prompt_tokens": 194,
            "completion_tokens": 2,
            "total_tokens": 196,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 100, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
            "cost": 0.95,
            "cost_details": {"upstream_inference_cost": 19},
        },
        Usage(input=94, output=2, cache_write_5m=100, cost=950_000_000),
    ),
    "openrouter: with a key of one's own, the provider's bill is added": (
        {
            "prompt_tokens": 10,
            "completion_tokens": 2,
            "total_tokens": 12,
            "cost": 0.00005,
            "is_byok": True,
            "cost_details": {"upstream_inference_cost": 0.001},
        },
        Usage(input=10, output=2, cost=1_050_000),
    ),
    "xai: the total alone counts the reasoning": (
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "prompt_tokens_details": {"text_tokens": 32, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 6},
            "completion_tokens_details": {"reasoning_tokens": 94, "audio_tokens": 0},
            "num_sources_used": 0,
            "cost_in_usd_ticks": 37_756_000,
        },
        Usage(input=26, output=103, cache_read=6, reasoning=94, cost=3_775_600),
    ),
    "google, in chat completions: the total alone counts the thoughts": (
        {"prompt_tokens": 8, "completion_tokens": 20, "total_tokens": 528},
        Usage(input=8, output=520, reasoning=500),
    ),
    "moonshot: the cached tokens stand beside the prompt's": (
        {"prompt_tokens": 19, "completion_tokens": 13, "total_tokens": 32, "cached_tokens": 10},
        Usage(input=9, output=13, cache_read=10),
    ),
    "groq": (
        {
            "queue_time": 0.02,
            "prompt_tokens": 4641,
            "prompt_time": 0.009,
            "completion_tokens": 1817,
            "completion_time": 2.9,
            "total_tokens": 6458,
            "total_time": 2.9,
            "prompt_tokens_details": {"cached_tokens": 4608},
        },
        Usage(input=33, output=1817, cache_read=4608),
    ),
    "mistral": (
        {
            "prompt_tokens": 1032,
            "completion_tokens": 98,
            "total_tokens": 1130,
            "prompt_tokens_details": {"cached_tokens": 1024},
        },
        Usage(input=8, output=98, cache_read=1024),
    ),
    "alibaba: writes in Anthropic's names, among the details": (
        {
            "prompt_tokens": 1605,
            "completion_tokens": 187,
            "total_tokens": 1792,
            "prompt_tokens_details": {
                "cached_tokens": 0,
                "cache_type": "ephemeral",
                "cache_creation_input_tokens": 1499,
                "cache_creation": {"ephemeral_5m_input_tokens": 1499},
            },
        },
        Usage(input=106, output=187, cache_write_5m=1499),
    ),
    "perplexity: thoughts are beside the output, and the bill is told": (
        {
            "prompt_tokens": 33,
            "completion_tokens": 7163,
            "total_tokens": 7196,
            "citation_tokens": 19028,
            "num_search_queries": 18,
            "reasoning_tokens": 73994,
            "cost": {"input_tokens_cost": 0.0, "output_tokens_cost": 0.057, "total_cost": 0.409},
        },
        Usage(input=33, output=81157, reasoning=73994, cost=409_000_000),
    ),
    "a prompt that leaves its caches out": (
        {
            "prompt_tokens": 21,
            "completion_tokens": 393,
            "cache_creation_input_tokens": 188086,
            "cache_read_input_tokens": 4,
        },
        Usage(input=21, output=393, cache_read=4, cache_write_5m=188086),
    ),
    "a prompt that leaves its caches out, which the total shows": (
        {"prompt_tokens": 200, "completion_tokens": 5, "total_tokens": 305, "cached_tokens": 100},
        Usage(input=200, output=5, cache_read=100),
    ),
}
ANTHROPIC_USAGE = {
    "input_tokens": 2048,
    "cache_read_input_tokens": 1800,
    "cache_creation_input_tokens": 248,
    "output_tokens": 503,
    "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
}
ANTHROPIC = Usage(input=2048, output=503, cache_read=1800, cache_write_5m=148, cache_write_1h=100)
RESPONSES_USAGE = {
    "input_tokens": 75,
    "input_tokens_details": {"cached_tokens": 32},
    "output_tokens": 1186,
    "output_tokens_details": {"reasoning_tokens": 1024},
    "total_tokens": 1261,
}
RESPONSES = Usage(input=43, output=1186, cache_read=32, reasoning=1024)
GEMINI_USAGE = {
    "promptTokenCount": 1000,
    "cachedContentTokenCount": 800,
    "candidatesTokenCount": 50,
    "thoughtsTokenCount": 30,
    "toolUsePromptTokenCount": 7,
    "totalTokenCount": 1087,
}
GEMINI = Usage(input=207, output=80, cache_read=800, reasoning=30)


def reader(dialect: Dialect, *, streamed: bool) -> Reader:
    is_list = not streamed or dialect is Dialect.GEMINI
    content_type = "application/json" if is_list else "text/event-stream"
    return DIALECTS[dialect].reader(RequestFacts(None, streamed, frozenset(), 0), content_type)


def usage_read(dialect: Dialect, *documents: dict[str, Any], streamed: bool) -> Usage | None:
    read = reader(dialect, streamed=streamed)
    for document in documents:
        body = json.dumps(document)
        name = f"event: {document['type']}\n" if streamed and "type" in document else ""
        read.read((f"{name}data: {body}\n\n" if streamed else body).encode())
    read.close()
    return read.usage


@pytest.mark.parametrize(("reported", "usage"), CHAT_USAGE.values(), ids=CHAT_USAGE)
def test_chat_completions_of_each_maker(reported: dict[str, Any], usage: Usage) -> None:
    assert usage_of_counts(reported) == usage
    choice = {"index": 0, "finish_reason": "stop"}
    whole = {"choices": [{**choice, "message": {"role": "assistant", "content": "hi"}}], "usage": reported}
    assert usage_read(Dialect.OPENAI_CHAT, whole, streamed=False) == usage
    said = {"choices": [{**choice, "delta": {"content": "hi"}}]}
    assert usage_read(Dialect.OPENAI_CHAT, said, {"choices": [], "usage": reported}, streamed=True) == usage


@pytest.mark.parametrize(
    "last",
    [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": CHAT_USAGE["groq"][0]}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"usage": CHAT_USAGE["groq"][0]}},
    ],
    ids=["moonshot", "groq"],
)
def test_a_stream_may_report_in_another_place(last: dict[str, Any]) -> None:
    said = {"choices": [{"index": 0, "delta": {"content": "hi"}}]}
    assert usage_read(Dialect.OPENAI_CHAT, said, last, streamed=True) == CHAT_USAGE["groq"][1]


class TestAnthropic:
    def test_whole(self) -> None:
        whole = {"type": "message", "content": [{"type": "text", "text": "hi"}], "usage": ANTHROPIC_USAGE}
        assert usage_read(Dialect.ANTHROPIC, whole, streamed=False) == ANTHROPIC

    @pytest.mark.parametrize("repeated", [{}, {"input_tokens": 0, "cache_read_input_tokens": 0}, ANTHROPIC_USAGE])
    def test_streamed(self, repeated: dict[str, Any]) -> None:
        opening = {"type": "message_start", "message": {"usage": {**ANTHROPIC_USAGE, "output_tokens": 1}}}
        last = {**repeated, "output_tokens": 503}
        closing = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last}
        assert usage_read(Dialect.ANTHROPIC, opening, closing, streamed=True) == ANTHROPIC

    def test_a_write_of_no_stated_time_stays_for_five_minutes(self) -> None:
        whole = {"content": [{"type": "text", "text": "hi"}], "usage": {"cache_creation_input_tokens": 248}}
        assert usage_read(Dialect.ANTHROPIC, whole, streamed=False) == Usage(cache_write_5m=248)


class TestResponses:
    def test_whole(self) -> None:
        said = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}
        whole = {"object": "response", "status": "completed", "output": [said], "usage": RESPONSES_USAGE}
        assert usage_read(Dialect.OPENAI_RESPONSES, whole, streamed=False) == RESPONSES

    def test_streamed(self) -> None:
        answer = {"object": "response", "status": "completed", "output": [], "usage": RESPONSES_USAGE}
        done = {"type": "response.completed", "response": answer}
        assert usage_read(Dialect.OPENAI_RESPONSES, done, streamed=True) == RESPONSES


@pytest.mark.parametrize("streamed", [False, True])
def test_gemini_counts_thoughts_beside_the_output_and_caches_in_the_prompt(streamed: bool) -> None:
    candidate = {"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}
    document = {"candidates": [candidate], "usageMetadata": GEMINI_USAGE}
    read = reader(Dialect.GEMINI, streamed=streamed)
    read.read(json.dumps([document] if streamed else document).encode())
    read.close()
    assert read.usage == GEMINI


@pytest.mark.parametrize("cost", [None, "0.1", True, -1, float("inf"), 10**17, {}, {"total_cost": "much"}], ids=repr)
def test_a_bill_that_is_none(cost: object) -> None:
    assert billed({"cost": cost}) is None
