"""What cannot cross, and the words that say so."""

import json
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.conversion.unsupported import left_out, spoken_to, unsupported
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.request_facts import RequestFacts

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
USER = {"role": "user", "content": "hi"}
PATHS = {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", ANTHROPIC: "/v1/messages"}
FUNCTION = {"type": "function", "function": {"name": "t"}}
URL = "https://images.test/a.png"


def facts(client: Dialect, path: str = "", **members: Any) -> RequestFacts:
    least: dict[Dialect, dict[str, Any]] = {
        CHAT: {"messages": [USER]},
        RESPONSES: {"input": "hi"},
        ANTHROPIC: {"messages": [USER], "max_tokens": 9},
        GEMINI: {"contents": [{"parts": [{"text": "hi"}]}]},
    }
    path = path or PATHS.get(client, "/v1beta/models/m:generateContent")
    return DIALECTS[client].facts(json.dumps({"model": "m", **least[client], **members}).encode(), path)


def obstacle(client: Dialect, provider: Dialect, asked: RequestFacts) -> str:
    return unsupported(DIALECTS[client], DIALECTS[provider], asked)


def part(**members: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [members]}]}


def gemini(**members: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [members]}]}


def item(**members: Any) -> dict[str, Any]:
    return {"input": [members]}


NO_STOPS = "openai-responses does not support stop sequences"
NO_BARE_JSON = "anthropic does not support JSON output without a schema"
KEPT = "is known only to the provider that issued it"
CASES: tuple[tuple[Dialect, dict[str, Any], str], ...] = (
    (CHAT, {"n": 3}, "n = 3 cannot be converted"),
    (CHAT, {"logprobs": True}, "logprobs cannot be converted"),
    (CHAT, {"functions": [{"name": "f"}]}, "`functions` cannot be converted; use `tools`"),
    (CHAT, {"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "custom tools cannot be converted"),
    (CHAT, {"web_search_options": {}}, "hosted tools cannot be converted: web search"),
    (CHAT, part(type="file", file={"file_id": "f"}), "a file's id is known only to the provider that issued it"),
    (CHAT, part(type="x-unknown"), "content of this kind cannot be converted: x-unknown"),
    (RESPONSES, {"previous_response_id": "resp_1"}, f"`previous_response_id` {KEPT}"),
    (RESPONSES, {"conversation": {"id": "conv_1"}}, f"`conversation` {KEPT}"),
    (RESPONSES, {"prompt": {"id": "pmpt_1"}}, f"`prompt` {KEPT}"),
    (RESPONSES, {"background": True}, "background answers cannot be converted"),
    (RESPONSES, {"include": ["message.output_text.logprobs"]}, "logprobs cannot be converted"),
    (RESPONSES, {"tools": [{"type": "web_search"}]}, "hosted tools cannot be converted: web_search"),
    (RESPONSES, item(type="item_reference", id="i"), f"`item_reference` {KEPT}"),
    (RESPONSES, item(type="compaction", encrypted_content="e"), f"`compaction` {KEPT}"),
    (RESPONSES, item(role="user", content=[{"type": "input_file", "file_id": "f"}]), f"a file's id {KEPT}"),
    (RESPONSES, item(role="user", content=[{"type": "x-new"}]), "content of this kind cannot be converted: x-new"),
    (RESPONSES, item(role="user", content=[{"type": "input_image", "file_id": "f"}]), f"an image's id {KEPT}"),
    (ANTHROPIC, part(type="container_upload"), "content of this kind cannot be converted: container_upload"),
    (ANTHROPIC, part(type="image", source={"type": "file", "file_id": "f"}), f"an image's id {KEPT}"),
    (ANTHROPIC, {"tools": [{"type": "bash_20250124", "name": "b"}]}, "hosted tools cannot be converted: bash_20250124"),
    (ANTHROPIC, {"mcp_servers": [{"url": "x"}]}, "hosted tools cannot be converted: mcp_servers, container"),
    (GEMINI, {"tools": [{"googleSearch": {}}]}, "hosted tools cannot be converted: googleSearch"),
    (GEMINI, {"cachedContent": "cachedContents/1"}, f"`cachedContent` {KEPT}"),
    (GEMINI, {"generationConfig": {"candidateCount": 2}}, "candidateCount = 2 cannot be converted"),
    (GEMINI, {"generation_config": {"response_logprobs": True}}, "logprobs cannot be converted"),
    (GEMINI, {"generationConfig": {"responseModalities": ["IMAGE"]}}, "answers other than text cannot be converted"),
    (GEMINI, {"tools": [{"functionDeclarations": [7]}]}, "functionDeclarations of a tool must be a list of objects"),
    (GEMINI, {"toolConfig": []}, "toolConfig must be an object"),
    (GEMINI, gemini(xNew={}), "content of this kind cannot be converted: xNew"),
    (
        GEMINI,
        gemini(fileData={"mimeType": "image/png", "fileUri": "https://generativelanguage.googleapis.com/v1/files/1"}),
        f"an image's id {KEPT}",
    ),
)


@pytest.mark.parametrize(("client", "members", "why"), CASES, ids=[f"{c}: {why}" for c, _, why in CASES])
def test_what_no_other_dialect_has_words_for(client: Dialect, members: dict[str, Any], why: str) -> None:
    asked = facts(client, **members)
    for provider in Dialect:
        if provider is not client:
            assert obstacle(client, provider, asked) == why


@pytest.mark.parametrize(
    ("client", "members", "provider", "why"),
    [
        (CHAT, {"stop": ["a"]}, RESPONSES, NO_STOPS),
        (ANTHROPIC, {"stop_sequences": ["a"]}, RESPONSES, NO_STOPS),
        (GEMINI, {"generationConfig": {"stopSequences": ["a"]}}, RESPONSES, NO_STOPS),
        (CHAT, {"response_format": {"type": "json_object"}}, ANTHROPIC, NO_BARE_JSON),
        (CHAT, part(type="image_url", image_url={"url": URL}), GEMINI, "gemini does not accept image URLs"),
        (
            GEMINI,
            gemini(inlineData={"mimeType": "image/heic", "data": "AA=="}),
            ANTHROPIC,
            "anthropic does not accept image/heic",
        ),
        (
            ANTHROPIC,
            part(type="image", source={"type": "url", "url": URL}),
            GEMINI,
            "gemini does not accept image URLs",
        ),
        (
            RESPONSES,
            item(role="user", content=[{"type": "input_image", "image_url": URL}]),
            GEMINI,
            "gemini does not accept image URLs",
        ),
    ],
)
def test_what_one_dialect_has_no_words_for(
    client: Dialect, members: dict[str, Any], provider: Dialect, why: str
) -> None:
    asked = facts(client, **members)
    found = {each: obstacle(client, each, asked) for each in Dialect if each is not client}
    assert found == {each: why if each is provider else "" for each in found}


@pytest.mark.parametrize(
    ("client", "members"),
    [
        (CHAT, {"n": 1, "tools": [FUNCTION], "seed": 3, "user": "u", "logprobs": False, "stop": None}),
        (RESPONSES, {"store": False, "include": ["reasoning.encrypted_content"], "previous_response_id": None}),
        (
            ANTHROPIC,
            {"thinking": {"type": "adaptive"}, "metadata": {}, "context_management": {}, "service_tier": "auto"},
        ),
        (GEMINI, {"safetySettings": [], "generationConfig": {"candidateCount": 1, "responseModalities": ["TEXT"]}}),
        (RESPONSES, item(role="user", content="hi")),
    ],
)
def test_what_is_no_obstacle(client: Dialect, members: dict[str, Any]) -> None:
    asked = facts(client, **members)
    assert [obstacle(client, each, asked) for each in Dialect if each is not client] == [""] * 3


@pytest.mark.parametrize(
    ("client", "path"),
    [(ANTHROPIC, "/v1/messages/count_tokens"), (GEMINI, "/v1beta/models/m:countTokens")],
)
def test_counts_of_tokens_do_not_cross(client: Dialect, path: str) -> None:
    assert obstacle(client, CHAT, facts(client, path)) == "token counts cannot be converted"


class TestHostedTools:
    OWN, HOSTED = {"type": "function", "name": "t"}, {"type": "web_search"}

    @pytest.mark.parametrize("choice", [None, "auto"])
    def test_on_offer_beside_the_clients_own_are_left_out(self, choice: str | None) -> None:
        asked = facts(RESPONSES, tools=[self.OWN, self.HOSTED], tool_choice=choice)
        assert obstacle(RESPONSES, CHAT, asked) == ""
        assert left_out(DIALECTS[RESPONSES], asked) == ["web_search"]

    @pytest.mark.parametrize("choice", ["required", {"type": "web_search"}])
    def test_that_may_be_needed_are_not(self, choice: object) -> None:
        asked = facts(RESPONSES, tools=[self.OWN, self.HOSTED], tool_choice=choice)
        assert obstacle(RESPONSES, CHAT, asked)


class TestSpokenTo:
    def test_ones_own_dialect_is_never_an_obstacle(self) -> None:
        assert spoken_to(CHAT, (ANTHROPIC, CHAT), facts(CHAT, n=2)) == (CHAT, "")

    def test_else_the_first_that_has_the_words(self) -> None:
        asked = facts(CHAT, stop="x")
        assert spoken_to(CHAT, (RESPONSES, ANTHROPIC, GEMINI), asked) == (ANTHROPIC, "")

    def test_none_with_the_reasons_of_all(self) -> None:
        dialect, why = spoken_to(CHAT, (RESPONSES, GEMINI), facts(CHAT, n=2))
        assert dialect is None
        assert why == (
            "n = 2 cannot be converted (openai-chat to openai-responses);"
            " n = 2 cannot be converted (openai-chat to gemini)"
        )
