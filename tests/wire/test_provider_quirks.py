"""What particular providers refuse: requests that have nothing of it stay the bytes they were."""

import json
from typing import Any

import pytest

from pointsman import catalog
from pointsman.config import Provider, build
from pointsman.config.enums import Capability, Dialect
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.provider_quirks import adapted_body, obstacle
from pointsman.wire.request_facts import RequestFacts

CHAT = Dialect.OPENAI_CHAT
ODD = b' {"n": 12345678901234567890,  "messages":[{"role":"user","content":"hi"}], "a": 1, "a": 2}'


def entry(**members: Any) -> Provider:
    return Provider(name="p", base_url="http://127.0.0.1:9/v1", **members)


def known(name: str) -> Provider:
    settings = build(
        {"providers": dict.fromkeys(catalog.known())},
        dict.fromkeys(("CLOUDFLARE_ACCOUNT_ID", "AZURE_RESOURCE_NAME", "AWS_REGION"), "account"),
    )
    return settings.providers[name]


def sent(provider: Provider, document: dict[str, Any], dialect: Dialect = CHAT) -> Any:
    return json.loads(adapted_body(provider, DIALECTS[dialect], json.dumps(document).encode(), document))


def tool(parameters: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [], "tools": [{"type": "function", "function": {"name": "t", "parameters": parameters}}]}


@pytest.mark.parametrize(
    "provider",
    [
        entry(),
        entry(drop_params=["logprobs"]),
        entry(quirks={"flat_content": True, "drop_keywords": ["pattern"]}),
        entry(dialect="anthropic", quirks={"max_tokens": 5}),
    ],
)
def test_a_request_without_any_of_it_is_untouched(provider: Provider) -> None:
    assert adapted_body(provider, DIALECTS[provider.dialect], ODD, json.loads(ODD)) is ODD


def test_parameters_are_dropped_and_all_else_survives() -> None:
    document = {"logprobs": True, "big": 12345678901234567890, "unknown": {"x": [None]}}
    assert sent(entry(drop_params=["logprobs", "top_k"]), document) == {k: document[k] for k in ("big", "unknown")}
    assert sent(entry(drop_params=["logprobs"]), document, Dialect.GEMINI).keys() == {"big", "unknown"}


def test_marks_for_caches_are_dropped_where_they_are_refused() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    words = {"type": "text", "text": "hi"}
    document: dict[str, Any] = {"messages": [{"role": "user", "content": [{**words, **mark}]}], "tools": [mark], **mark}
    bare = {"messages": [{"role": "user", "content": [words]}], "tools": [{}]}
    assert sent(entry(quirks={"cache_marks": False}), document) == bare
    assert sent(entry(), document) == document


class TestFlatContent:
    PROVIDER = entry(quirks={"flat_content": True})

    @pytest.mark.parametrize(
        ("content", "flat"),
        [
            ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
            ("a", "a"),
            ([], ""),
            (None, ""),
        ],
    )
    def test_is_one_text(self, content: object, flat: str) -> None:
        document = {"messages": [{"role": "assistant", "content": content, "tool_calls": []}]}
        assert sent(self.PROVIDER, document)["messages"] == [{"role": "assistant", "content": flat, "tool_calls": []}]

    def test_has_no_place_for_images(self) -> None:
        shown = RequestFacts("m", True, frozenset({Capability.VISION}), 0)
        assert obstacle(self.PROVIDER, shown) == "accepts only plain-text content"
        assert obstacle(entry(), shown) == ""


class TestKeywords:
    PROVIDER = entry(quirks={"drop_keywords": ["pattern", "$schema"]})

    def test_are_dropped_at_any_depth_but_properties_may_bear_their_names(self) -> None:
        schema = {
            "$schema": "x",
            "type": "object",
            "properties": {"pattern": {"type": "string", "pattern": "a+"}},
            "anyOf": [{"pattern": "b", "items": {"pattern": "c", "type": "string"}}],
        }
        [made] = sent(self.PROVIDER, tool(schema))["tools"]
        assert made["function"]["parameters"] == {
            "type": "object",
            "properties": {"pattern": {"type": "string"}},
            "anyOf": [{"items": {"type": "string"}}],
        }

    def test_a_schema_without_them_is_untouched(self) -> None:
        document = tool({"type": "object", "properties": {"pattern": {"type": "string"}}})
        body = json.dumps(document).encode()
        assert adapted_body(self.PROVIDER, DIALECTS[CHAT], body, document) is body


@pytest.mark.parametrize(
    ("given", "limit"),
    [({}, 9), ({"max_tokens": 3}, 3), ({"max_completion_tokens": 3}, None), ({"max_tokens": None}, 9)],
)
def test_a_limit_for_answers_whose_client_names_none(given: dict[str, Any], limit: int | None) -> None:
    assert sent(entry(quirks={"max_tokens": 9}), {"messages": [], **given}).get("max_tokens") == limit


def test_cohere_gets_plain_texts_and_simple_schemas() -> None:
    schema = {"$schema": "s", "type": "object", "properties": {"a": {"type": "string", "minLength": 1, "default": ""}}}
    document = {**tool(schema), "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}], "top_k": 3}
    got = sent(known("cohere"), document)
    assert got["messages"] == [{"role": "user", "content": "hi"}]
    assert got["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {"a": {"type": "string"}}}
    assert "top_k" not in got


def test_cloudflare_has_the_account_in_its_address_and_gets_a_limit() -> None:
    provider = known("cloudflare")
    assert provider.base_url == "https://api.cloudflare.com/client/v4/accounts/account/ai/v1"
    got = sent(provider, {"messages": [{"role": "assistant", "content": None}]})
    assert got == {"messages": [{"role": "assistant", "content": ""}], "max_tokens": 4096}
