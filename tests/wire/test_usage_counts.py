"""What each maker reports of an answer's tokens, with the numbers of its own documentation where that shows any."""

import json
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.dialects.openai_chat.endpoints import usage_in
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.frames import Reader, Usage
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.usage_counts import billed, usage_of_counts, usage_of_report

type Row = tuple[dict[str, Any], Usage]
"""What is reported, and what is read of it."""

# Each row's comment says where its numbers are from. A recorded answer is one of a client library's own tests, where
# the maker's documentation names the members without an example.
CHAT_USAGE: dict[str, Row] = {
    # Guide to prompt caching.
    "openai: the prompt includes what was cached": (
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920, "cache_write_tokens": 0},
        },
        Usage(input=86, output=300, cache_read=1920),
    ),
    # API reference, chat completion object.
    "openai: nothing cached, no thoughts": (
        {
            "prompt_tokens": 19,
            "completion_tokens": 10,
            "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        Usage(input=19, output=10),
    ),
    # Guide to reasoning models.
    "azure: the output includes its reasoning": (
        {
            "prompt_tokens": 20,
            "completion_tokens": 1843,
            "total_tokens": 1863,
            "prompt_tokens_details": {"audio_tokens": None, "cached_tokens": 0},
            "completion_tokens_details": {"audio_tokens": None, "reasoning_tokens": 448},
        },
        Usage(input=20, output=1843, reasoning=448),
    ),
    # Recorded answer.
    "azure: a model of another maker, without details": (
        {
            "prompt_tokens": 19,
            "completion_tokens": 1720,
            "total_tokens": 1739,
            "prompt_tokens_details": None,
            "reasoning_tokens": 0,
        },
        Usage(input=19, output=1720),
    ),
    # Recorded answer; the API reference names the members.
    "deepseek: hit and miss add up to the prompt": (
        {
            "prompt_tokens": 339,
            "completion_tokens": 92,
            "total_tokens": 431,
            "prompt_tokens_details": {"cached_tokens": 320},
            "completion_tokens_details": {"reasoning_tokens": 48},
            "prompt_cache_hit_tokens": 320,
            "prompt_cache_miss_tokens": 19,
        },
        Usage(input=19, output=92, cache_read=320, reasoning=48),
    ),
    # The same, as it was before there were details.
    "deepseek: hit and miss alone": (
        {
            "prompt_tokens": 339,
            "completion_tokens": 92,
            "total_tokens": 431,
            "prompt_cache_hit_tokens": 320,
            "prompt_cache_miss_tokens": 19,
        },
        Usage(input=19, output=92, cache_read=320),
    ),
    # Guide to usage accounting.
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
    # OpenAPI description, chat usage.
    "openrouter: the bill in parts": (
        {
            "prompt_tokens": 10,
            "completion_tokens": 15,
            "total_tokens": 25,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 5},
            "cost": 0.0012,
            "cost_details": {
                "upstream_inference_completions_cost": 0.0004,
                "upstream_inference_cost": None,
                "upstream_inference_prompt_cost": 0.0008,
            },
            "is_byok": False,
        },
        Usage(input=8, output=15, cache_read=2, reasoning=5, cost=1_200_000),
    ),
    # Recorded answer; the guide says what the members mean.
    "openrouter: with a key of one's own, the provider's bill is added": (
        {
            "prompt_tokens": 1396,
            "completion_tokens": 41,
            "total_tokens": 1437,
            "cost": 0,
            "is_byok": True,
            "cost_details": {
                "upstream_inference_cost": 0.0001601,
                "upstream_inference_prompt_cost": 0.0001396,
                "upstream_inference_completions_cost": 2.05e-05,
            },
        },
        Usage(input=1396, output=41, cost=160_100),
    ),
    # Guide to prompt caching.
    "xai: cached": (
        {
            "prompt_tokens": 125,
            "completion_tokens": 48,
            "total_tokens": 173,
            "prompt_tokens_details": {"text_tokens": 125, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 98},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        Usage(input=27, output=48, cache_read=98),
    ),
    # Recorded answer; the guide to cost tracking says what a tick is.
    "xai: the total alone counts the reasoning": (
        {
            "prompt_tokens": 12,
            "completion_tokens": 1,
            "total_tokens": 303,
            "prompt_tokens_details": {"text_tokens": 12, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 11},
            "completion_tokens_details": {"reasoning_tokens": 290, "audio_tokens": 0},
            "num_sources_used": 0,
            "cost_in_usd_ticks": 1_466_250,
        },
        Usage(input=1, output=291, cache_read=11, reasoning=290, cost=146_625),
    ),
    # The same numbers, with as many tokens of thoughts as were cached.
    "xai: as many cached as thought": (
        {
            "prompt_tokens": 300,
            "completion_tokens": 1,
            "total_tokens": 591,
            "prompt_tokens_details": {"cached_tokens": 290},
            "completion_tokens_details": {"reasoning_tokens": 290},
        },
        Usage(input=10, output=291, cache_read=290, reasoning=290),
    ),
    # Recorded answer.
    "deepinfra: the total alone counts the reasoning": (
        {
            "prompt_tokens": 19,
            "completion_tokens": 84,
            "total_tokens": 1184,
            "prompt_tokens_details": None,
            "completion_tokens_details": {"reasoning_tokens": 1081},
        },
        Usage(input=19, output=1165, reasoning=1081),
    ),
    # Recorded answer.
    "vertex: the total alone counts the thoughts": (
        {
            "prompt_tokens": 9,
            "completion_tokens": 566,
            "total_tokens": 1521,
            "completion_tokens_details": {"reasoning_tokens": 946},
            "extra_properties": {"google": {"traffic_type": "ON_DEMAND"}},
        },
        Usage(input=9, output=1512, reasoning=946),
    ),
    # No document has numbers of this form.
    "google: thoughts are in the total, and nothing says so": (
        {"prompt_tokens": 8, "completion_tokens": 20, "total_tokens": 528},
        Usage(input=8, output=520, reasoning=500),
    ),
    # Tests of the maker's own client.
    "moonshot: the cached tokens stand beside the prompt's": (
        {"prompt_tokens": 8, "completion_tokens": 11, "total_tokens": 19, "cached_tokens": 8},
        Usage(input=0, output=11, cache_read=8),
    ),
    # Guide to prompt caching.
    "groq: cached": (
        {
            "queue_time": 0.026959759,
            "prompt_tokens": 4641,
            "prompt_time": 0.009995497,
            "completion_tokens": 1817,
            "completion_time": 5.57691751,
            "total_tokens": 6458,
            "total_time": 5.586913007,
            "prompt_tokens_details": {"cached_tokens": 4608},
        },
        Usage(input=33, output=1817, cache_read=4608),
    ),
    # Recorded answer.
    "groq: reasoning": (
        {
            "queue_time": 0.335637089,
            "prompt_tokens": 17,
            "completion_tokens": 649,
            "total_tokens": 666,
            "completion_tokens_details": {"reasoning_tokens": 570},
        },
        Usage(input=17, output=649, reasoning=570),
    ),
    # Recorded answer.
    "mistral: cached": (
        {
            "prompt_tokens": 171,
            "completion_tokens": 14,
            "total_tokens": 185,
            "prompt_tokens_details": {"cached_tokens": 128},
        },
        Usage(input=43, output=14, cache_read=128),
    ),
    # The same in the other members of the OpenAPI description.
    "mistral: details of another name": (
        {
            "prompt_tokens": 171,
            "completion_tokens": 14,
            "total_tokens": 185,
            "prompt_token_details": {"cached_tokens": 128},
        },
        Usage(input=43, output=14, cache_read=128),
    ),
    "mistral: the number alone": (
        {"prompt_tokens": 171, "completion_tokens": 14, "total_tokens": 185, "num_cached_tokens": 128},
        Usage(input=43, output=14, cache_read=128),
    ),
    # Recorded answer; the guide to context caching names the members.
    "alibaba: writes in Anthropic's names, among the details": (
        {
            "prompt_tokens": 2059,
            "completion_tokens": 201,
            "total_tokens": 2260,
            "prompt_tokens_details": {
                "cached_tokens": 0,
                "text_tokens": 2059,
                "cache_type": "ephemeral",
                "cache_creation_input_tokens": 2048,
                "cache_creation": {"ephemeral_5m_input_tokens": 2048},
            },
            "completion_tokens_details": {"reasoning_tokens": 170},
        },
        Usage(input=11, output=201, cache_write_5m=2048, reasoning=170),
    ),
    # API reference, deep research.
    "perplexity: thoughts are beside the output, and the bill is told": (
        {
            "prompt_tokens": 33,
            "completion_tokens": 11395,
            "total_tokens": 11428,
            "citation_tokens": 19028,
            "num_search_queries": 21,
            "reasoning_tokens": 193947,
            "cost": {
                "input_tokens_cost": 0.0,
                "output_tokens_cost": 0.091,
                "citation_tokens_cost": 0.038,
                "reasoning_tokens_cost": 0.582,
                "search_queries_cost": 0.105,
                "total_cost": 0.816,
            },
        },
        Usage(input=33, output=205_342, reasoning=193_947, cost=816_000_000),
    ),
    # Quickstart.
    "perplexity: an answer with a search": (
        {
            "prompt_tokens": 24,
            "completion_tokens": 2681,
            "total_tokens": 2705,
            "citation_tokens": None,
            "num_search_queries": None,
            "reasoning_tokens": None,
            "search_context_size": "low",
            "cost": {
                "input_tokens_cost": 7e-05,
                "output_tokens_cost": 0.04022,
                "request_cost": 0.006,
                "total_cost": 0.04629,
            },
        },
        Usage(input=24, output=2681, cost=46_290_000),
    ),
    # Guide to prompt caching.
    "cerebras: cached": (
        {
            "prompt_tokens": 3000,
            "completion_tokens": 150,
            "total_tokens": 3150,
            "prompt_tokens_details": {"cached_tokens": 2800},
        },
        Usage(input=200, output=150, cache_read=2800),
    ),
    # README of the server.
    "llama.cpp": (
        {
            "completion_tokens": 48,
            "prompt_tokens": 44,
            "total_tokens": 92,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
        Usage(input=44, output=48),
    ),
    # REST API reference.
    "lm studio": (
        {"prompt_tokens": 24, "completion_tokens": 53, "total_tokens": 77},
        Usage(input=24, output=53),
    ),
    # Anthropic's guide to prompt caching, passed on by proxies in the names of chat completions.
    "anthropic, passed on: a prompt that leaves its caches out": (
        {
            "prompt_tokens": 21,
            "completion_tokens": 393,
            "cache_creation_input_tokens": 188086,
            "cache_read_input_tokens": 0,
        },
        Usage(input=21, output=393, cache_write_5m=188086),
    ),
    # No document has numbers of this form.
    "a prompt that leaves its caches out, which the total shows": (
        {"prompt_tokens": 200, "completion_tokens": 5, "total_tokens": 305, "cached_tokens": 100},
        Usage(input=200, output=5, cache_read=100),
    ),
}
GROQ = CHAT_USAGE["groq: cached"]
RESPONSES_USAGE: dict[str, Row] = {
    # API reference, batch object: its usage is that of a response.
    "openai: cached, and the output includes its reasoning": (
        {
            "input_tokens": 1500,
            "input_tokens_details": {"cached_tokens": 1024},
            "output_tokens": 500,
            "output_tokens_details": {"reasoning_tokens": 300},
            "total_tokens": 2000,
        },
        Usage(input=476, output=500, cache_read=1024, reasoning=300),
    ),
    # API reference, response object, of a reasoning model.
    "openai: reasoning": (
        {
            "input_tokens": 81,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 1035,
            "output_tokens_details": {"reasoning_tokens": 832},
            "total_tokens": 1116,
        },
        Usage(input=81, output=1035, reasoning=832),
    ),
    # API reference, response object.
    "xai: with what it bills": (
        {
            "input_tokens": 131,
            "input_tokens_details": {"cached_tokens": 128},
            "output_tokens": 624,
            "output_tokens_details": {"reasoning_tokens": 246},
            "total_tokens": 755,
            "num_sources_used": 0,
            "num_server_side_tools_used": 0,
            "cost_in_usd_ticks": 37_756_000,
        },
        Usage(input=3, output=624, cache_read=128, reasoning=246, cost=3_775_600),
    ),
    # Guide to context caching, sessions.
    "alibaba: writes to a cache in a list of its own": (
        {
            "input_tokens": 1524,
            "input_tokens_details": {"cached_tokens": 1305},
            "output_tokens": 1534,
            "output_tokens_details": {"reasoning_tokens": 1187},
            "total_tokens": 3058,
            "x_details": [
                {
                    "input_tokens": 1524,
                    "output_tokens": 1534,
                    "prompt_tokens_details": {
                        "cache_creation": {"ephemeral_5m_input_tokens": 213},
                        "cache_creation_input_tokens": 213,
                        "cache_type": "ephemeral",
                        "cached_tokens": 1305,
                    },
                    "total_tokens": 3058,
                }
            ],
        },
        Usage(input=6, output=1534, cache_read=1305, cache_write_5m=213, reasoning=1187),
    ),
    # Recorded answer.
    "azure": (
        {
            "input_tokens": 2143,
            "input_tokens_details": {"cached_tokens": 1280},
            "output_tokens": 919,
            "output_tokens_details": {"reasoning_tokens": 576},
            "total_tokens": 3062,
        },
        Usage(input=863, output=919, cache_read=1280, reasoning=576),
    ),
}
GEMINI_USAGE: dict[str, Row] = {
    # Notebook on caching, of the maker's cookbook.
    "google: thoughts are beside the output, caches in the prompt": (
        {
            "promptTokenCount": 322707,
            "cachedContentTokenCount": 322698,
            "candidatesTokenCount": 282,
            "thoughtsTokenCount": 4049,
            "totalTokenCount": 327038,
        },
        Usage(input=9, output=4331, cache_read=322698, reasoning=4049),
    ),
    # Guide to URL context.
    "google: what its tools read is beside the prompt": (
        {
            "promptTokenCount": 27,
            "candidatesTokenCount": 45,
            "thoughtsTokenCount": 31,
            "toolUsePromptTokenCount": 10309,
            "totalTokenCount": 10412,
        },
        Usage(input=10336, output=76, reasoning=31),
    ),
    # Recorded answer.
    "vertex": (
        {
            "promptTokenCount": 26,
            "candidatesTokenCount": 23,
            "thoughtsTokenCount": 132,
            "totalTokenCount": 181,
            "trafficType": "ON_DEMAND",
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 26}],
        },
        Usage(input=26, output=155, reasoning=132),
    ),
}
# Guide to prompt caching, with writes for an hour and for five minutes.
ANTHROPIC_USAGE = {
    "input_tokens": 2048,
    "cache_read_input_tokens": 1800,
    "cache_creation_input_tokens": 248,
    "output_tokens": 503,
    "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
}
ANTHROPIC = Usage(input=2048, output=503, cache_read=1800, cache_write_5m=148, cache_write_1h=100)
ENDPOINT_USAGE: dict[str, Row] = {
    # API reference, embeddings.
    "openai: an embedding": ({"prompt_tokens": 8, "total_tokens": 8}, Usage(input=8)),
    # API reference, transcription object.
    "openai: a transcript by tokens": (
        {
            "type": "tokens",
            "input_tokens": 14,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
            "output_tokens": 45,
            "total_tokens": 59,
        },
        Usage(input=14, output=45),
    ),
    # API reference, image generation.
    "openai: an image": (
        {
            "total_tokens": 100,
            "input_tokens": 50,
            "output_tokens": 50,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        },
        Usage(input=50, output=50),
    ),
    # OpenAPI description, rerank.
    "together: a ranking": ({"prompt_tokens": 1837, "completion_tokens": 0, "total_tokens": 1837}, Usage(input=1837)),
    # OpenAPI description, rerank.
    "openrouter: a ranking": ({"search_units": 1, "total_tokens": 150}, Usage(input=150)),
    # Recorded answer.
    "mistral: a transcript": (
        {"prompt_audio_seconds": 36, "prompt_tokens": 13, "completion_tokens": 151, "total_tokens": 164},
        Usage(input=13, output=151),
    ),
    # Guide to cost tracking.
    "xai: an image": ({"cost_in_usd_ticks": 200_000_000}, Usage(cost=20_000_000)),
}


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
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": GROQ[0]}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"usage": GROQ[0]}},
    ],
    ids=["moonshot", "groq"],
)
def test_a_stream_may_report_in_another_place(last: dict[str, Any]) -> None:
    said = {"choices": [{"index": 0, "delta": {"content": "hi"}}]}
    assert usage_read(Dialect.OPENAI_CHAT, said, last, streamed=True) == GROQ[1]


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

    def test_an_answer_with_tools_of_the_provider_counts_up_to_its_end(self) -> None:
        """Recorded answer: the opening counts the first turn, the end all of them."""
        first = {"ephemeral_5m_input_tokens": 3068, "ephemeral_1h_input_tokens": 0}
        begun = {"input_tokens": 2, "cache_creation_input_tokens": 3068, "cache_read_input_tokens": 0}
        opening = {"type": "message_start", "message": {"usage": {**begun, "cache_creation": first}}}
        last = {"input_tokens": 6, "cache_creation_input_tokens": 3337, "cache_read_input_tokens": 6289}
        counts = {**last, "output_tokens": 198, "output_tokens_details": {"thinking_tokens": 0}}
        closing = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": counts}
        told = usage_read(Dialect.ANTHROPIC, opening, closing, streamed=True)
        assert told == Usage(input=6, output=198, cache_read=6289, cache_write_5m=3337)

    def test_thoughts_are_in_the_output(self) -> None:
        """Recorded answer."""
        counts = {"input_tokens": 51, "output_tokens": 1699, "output_tokens_details": {"thinking_tokens": 139}}
        whole = {"content": [{"type": "text", "text": "hi"}], "usage": counts}
        assert usage_read(Dialect.ANTHROPIC, whole, streamed=False) == Usage(input=51, output=1699, reasoning=139)

    def test_an_answer_that_reports_nothing_has_no_usage(self) -> None:
        whole = {"type": "message", "content": [{"type": "text", "text": "hi"}]}
        assert usage_read(Dialect.ANTHROPIC, whole, streamed=False) is None

    def test_a_write_of_no_stated_time_stays_for_five_minutes(self) -> None:
        whole = {"content": [{"type": "text", "text": "hi"}], "usage": {"cache_creation_input_tokens": 248}}
        assert usage_read(Dialect.ANTHROPIC, whole, streamed=False) == Usage(cache_write_5m=248)


@pytest.mark.parametrize(("reported", "usage"), RESPONSES_USAGE.values(), ids=RESPONSES_USAGE)
def test_responses_of_each_maker(reported: dict[str, Any], usage: Usage) -> None:
    said = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}
    whole = {"object": "response", "status": "completed", "output": [said], "usage": reported}
    assert usage_read(Dialect.OPENAI_RESPONSES, whole, streamed=False) == usage
    done = {"type": "response.completed", "response": {**whole, "output": []}}
    assert usage_read(Dialect.OPENAI_RESPONSES, done, streamed=True) == usage


@pytest.mark.parametrize(("reported", "usage"), GEMINI_USAGE.values(), ids=GEMINI_USAGE)
def test_gemini(reported: dict[str, Any], usage: Usage) -> None:
    candidate = {"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}
    document = {"candidates": [candidate], "usageMetadata": reported}
    for streamed in (False, True):
        read = reader(Dialect.GEMINI, streamed=streamed)
        read.read(json.dumps([document] if streamed else document).encode())
        read.close()
        assert read.usage == usage


@pytest.mark.parametrize(("reported", "usage"), ENDPOINT_USAGE.values(), ids=ENDPOINT_USAGE)
def test_answers_that_are_no_chats(reported: dict[str, Any], usage: Usage) -> None:
    assert usage_in({"usage": reported}) == usage


@pytest.mark.parametrize("number", [10**9 + 1, 2**63, 2**64 - 1, -1])
def test_a_report_of_more_tokens_than_any_answer_has_is_none(number: int) -> None:
    """It is not half a report: what it does not count would be free."""
    for counts in (
        {"prompt_tokens": number, "completion_tokens": 5, "total_tokens": number},
        {"prompt_tokens": 9, "completion_tokens": number},
        {"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": number}},
    ):
        assert usage_of_report(counts) is None
        assert usage_in({"usage": counts}) is None
    content, text = [{"type": "text", "text": "hi"}], {"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}
    message = {"type": "message", "content": content, "usage": {"input_tokens": number, "output_tokens": 5}}
    assert usage_read(Dialect.ANTHROPIC, message, streamed=False) is None
    opening = {"type": "message_start", "message": {"usage": {"input_tokens": number, "output_tokens": 1}}}
    closing = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
    assert usage_read(Dialect.ANTHROPIC, opening, closing, streamed=True) is None
    answer = {"candidates": [text], "usageMetadata": {"promptTokenCount": 9, "thoughtsTokenCount": number}}
    assert usage_read(Dialect.GEMINI, answer, streamed=False) is None


def test_a_bill_and_other_numbers_may_be_large() -> None:
    assert usage_of_report({"prompt_tokens": 9, "cost_in_usd_ticks": 10**11}) == Usage(9, cost=10**10)


def test_an_impossible_report_that_the_router_asked_for_does_not_reach_the_client() -> None:
    facts = RequestFacts("m", True, frozenset(), 10)
    read = DIALECTS[Dialect.OPENAI_CHAT].reader(facts, "text/event-stream", True)
    report = b'data: {"choices":[],"usage":{"prompt_tokens":18446744073709551615}}\n\n'
    assert [frame.data for frame in read.read(report)] == [b""]


@pytest.mark.parametrize("cost", [None, "0.1", True, -1, float("inf"), 10**17, {}, {"total_cost": "much"}], ids=repr)
def test_a_bill_that_is_none(cost: object) -> None:
    assert billed({"cost": cost}) is None


def test_a_total_alone_is_not_all_thoughts() -> None:
    assert usage_of_counts({"total_tokens": 1239}) == Usage(0, 0)
