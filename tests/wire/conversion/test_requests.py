"""What of a request crosses, in every direction."""

import copy
import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from llm_rosetta.converters.base.helpers import cache

from pointsman.config import Provider
from pointsman.config.enums import Dialect
from pointsman.wire import provider_quirks
from pointsman.wire.conversion import requests
from pointsman.wire.conversion.base import Recipient
from pointsman.wire.dialects.anthropic.conversion import DEFAULT_TOKENS
from pointsman.wire.dialects.openai_responses.tools import namespaces
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.thinking_signatures import UNSIGNED

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
CAPTURES = Path(__file__).parents[2] / "captures"
REASONS = Recipient("m", reasons=True)
PNG = "iVBORw0KGgo="
SCHEMA = {
    "type": "object",
    "properties": {"side": {"type": "string", "enum": ["l", "r"]}, "n": {"type": ["integer", "null"]}},
    "required": ["side"],
    "additionalProperties": False,
}
TOOL_NAME, CALLS, RESULTS = "points", [{"side": "l"}, {"side": "r"}], ["left set", "right set"]

RICH: Mapping[Dialect, Mapping[str, Any]] = {
    CHAT: {
        "messages": [
            {"role": "system", "content": "be careful"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "hm",
                "tool_calls": [
                    {"id": f"c{n}", "type": "function", "function": {"name": TOOL_NAME, "arguments": json.dumps(given)}}
                    for n, given in enumerate(CALLS)
                ],
            },
            {"role": "tool", "tool_call_id": "c0", "content": RESULTS[0]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": RESULTS[1]}]},
        ],
        "tools": [{"type": "function", "function": {"name": TOOL_NAME, "description": "d", "parameters": SCHEMA}}],
        "tool_choice": "required",
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}},
        "max_completion_tokens": 50,
        "temperature": 0.5,
        "reasoning_effort": "low",
    },
    RESPONSES: {
        "instructions": "be careful",
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "see"},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                ],
            },
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": "e",
            },
            *(
                {
                    "type": "function_call",
                    "id": f"fc_{n}",
                    "call_id": f"c{n}",
                    "name": TOOL_NAME,
                    "arguments": json.dumps(x),
                }
                for n, x in enumerate(CALLS)
            ),
            {"type": "function_call_output", "call_id": "c0", "output": RESULTS[0]},
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": RESULTS[1]}]},
        ],
        "tools": [{"type": "function", "name": TOOL_NAME, "description": "d", "parameters": SCHEMA, "strict": False}],
        "tool_choice": "required",
        "text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True}},
        "max_output_tokens": 50,
        "temperature": 0.5,
        "reasoning": {"effort": "low"},
    },
    ANTHROPIC: {
        "system": [{"type": "text", "text": "be careful", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    *({"type": "tool_use", "id": f"c{n}", "name": TOOL_NAME, "input": x} for n, x in enumerate(CALLS)),
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c0", "content": RESULTS[0]},
                    {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": RESULTS[1]}]},
                ],
            },
        ],
        "tools": [
            {"name": TOOL_NAME, "description": "d", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral"}}
        ],
        "tool_choice": {"type": "any"},
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"},
        "max_tokens": 50,
        "temperature": 0.5,
    },
    GEMINI: {
        "systemInstruction": {"parts": [{"text": "be careful"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "see"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]},
            {
                "role": "model",
                "parts": [
                    {"text": "hm", "thought": True},
                    *({"functionCall": {"name": TOOL_NAME, "args": given}} for given in CALLS),
                ],
            },
            {
                "role": "user",
                "parts": [{"functionResponse": {"name": TOOL_NAME, "response": {"output": said}}} for said in RESULTS],
            },
        ],
        "tools": [{"functionDeclarations": [{"name": TOOL_NAME, "description": "d", "parametersJsonSchema": SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "generationConfig": {
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
            "maxOutputTokens": 50,
            "temperature": 0.5,
            "thinkingConfig": {"thinkingLevel": "low"},
        },
    },
}
PAIRS = [(client, provider) for client in Dialect for provider in Dialect if client is not provider]
every_pair = pytest.mark.parametrize(("client", "provider"), PAIRS, ids=[f"{c}-to-{p}" for c, p in PAIRS])


def convert(client: Dialect, provider: Dialect, document: dict[str, Any], to: Recipient) -> dict[str, Any]:
    return requests.convert(DIALECTS[client].conversion, DIALECTS[provider].conversion, document, to)


def crossed(client: Dialect, provider: Dialect, to: Recipient = REASONS, **more: Any) -> dict[str, Any]:
    return convert(client, provider, {"model": "x", **copy.deepcopy(dict(RICH[client])), **more}, to)


def said(provider: Dialect, request: Mapping[str, Any]) -> dict[str, Any]:
    """What a request says, read as a provider of that dialect would."""
    match provider:
        case Dialect.OPENAI_CHAT:
            system, user, assistant, *results = request["messages"]
            return {
                "system": system["content"],
                "text": user["content"][0]["text"],
                "image": user["content"][1]["image_url"]["url"].rpartition(",")[2],
                "calls": [json.loads(call["function"]["arguments"]) for call in assistant["tool_calls"]],
                "ids": [call["id"] for call in assistant["tool_calls"]],
                "results": [result["content"] for result in results],
                "answered": [result["tool_call_id"] for result in results],
                "tool": request["tools"][0]["function"]["parameters"],
                "must call": request["tool_choice"] == "required",
                "form": request["response_format"]["json_schema"]["schema"],
                "limit": request["max_tokens"],
                "temperature": request["temperature"],
            }
        case Dialect.OPENAI_RESPONSES:
            items = [item for item in request["input"] if item["type"] != "reasoning"]
            user, *rest = items
            calls, results = rest[:2], rest[2:]
            return {
                "system": request["instructions"],
                "text": user["content"][0]["text"],
                "image": user["content"][1]["image_url"].rpartition(",")[2],
                "calls": [json.loads(call["arguments"]) for call in calls],
                "ids": [call["call_id"] for call in calls],
                "results": [result["output"] for result in results],
                "answered": [result["call_id"] for result in results],
                "tool": request["tools"][0]["parameters"],
                "must call": request["tool_choice"] == "required",
                "form": request["text"]["format"]["schema"],
                "limit": request["max_output_tokens"],
                "temperature": request["temperature"],
            }
        case Dialect.ANTHROPIC:
            user, assistant, back = request["messages"]
            calls = [block for block in assistant["content"] if block["type"] == "tool_use"]
            return {
                "system": request["system"][0]["text"],
                "text": user["content"][0]["text"],
                "image": user["content"][1]["source"]["data"],
                "calls": [call["input"] for call in calls],
                "ids": [call["id"] for call in calls],
                "results": [result["content"] for result in back["content"]],
                "answered": [result["tool_use_id"] for result in back["content"]],
                "tool": request["tools"][0]["input_schema"],
                "must call": request["tool_choice"]["type"] == "any",
                "form": request["output_config"]["format"]["schema"],
                "limit": request["max_tokens"],
                "temperature": request["temperature"],
            }
        case Dialect.GEMINI:
            user, model, back = request["contents"]
            calls = [part["functionCall"] for part in model["parts"] if "functionCall" in part]
            results = [part["functionResponse"] for part in back["parts"]]
            config = request["generationConfig"]
            return {
                "system": request["systemInstruction"]["parts"][0]["text"],
                "text": user["parts"][0]["text"],
                "image": user["parts"][1]["inlineData"]["data"],
                "calls": [call["args"] for call in calls],
                "ids": [call["id"] for call in calls],
                "results": [result["response"]["output"] for result in results],
                "answered": [result["id"] for result in results],
                "tool": request["tools"][0]["function_declarations"][0]["parametersJsonSchema"],
                "must call": request["toolConfig"]["functionCallingConfig"]["mode"] == "ANY",
                "form": config["responseJsonSchema"],
                "limit": config["maxOutputTokens"],
                "temperature": config["temperature"],
            }


@every_pair
class TestEveryPair:
    def test_a_conversation_with_tools_images_and_a_form_crosses(self, client: Dialect, provider: Dialect) -> None:
        got = said(provider, crossed(client, provider))
        ids = got.pop("ids")
        assert len(set(ids)) == 2
        assert got == {
            "system": "be careful",
            "text": "see",
            "image": PNG,
            "calls": CALLS,
            "answered": ids,
            "results": RESULTS,
            "tool": SCHEMA,
            "must call": True,
            "form": SCHEMA,
            "limit": 50,
            "temperature": 0.5,
        }

    def test_it_is_the_same_each_time_it_is_sent(self, client: Dialect, provider: Dialect) -> None:
        assert crossed(client, provider) == crossed(client, provider)

    def test_what_the_library_keeps_is_not_changed(self, client: Dialect, provider: Dialect) -> None:
        request = crossed(client, provider)
        entry = Provider(name="p", base_url="http://127.0.0.1:9/v1", quirks={"drop_keywords": ["type", "enum"]})
        provider_quirks.adapt(entry, DIALECTS[provider], request)
        assert cache.tool_entry_cache.check_integrity() == []
        assert said(provider, crossed(client, provider))["tool"] == SCHEMA

    def test_nothing_of_the_library_or_of_the_client_alone_goes_along(self, client: Dialect, provider: Dialect) -> None:
        text = json.dumps(crossed(client, provider, prompt_cache_key="k", metadata={"user_id": "u"}))
        for foreign in ("_provider_metadata", "cache_control", "signature", "encrypted_content", '"k"', '"u"', '"x"'):
            assert foreign not in text.replace(f'"thoughtSignature": "{UNSIGNED}"', "")

    def test_effort_is_sent_only_to_models_known_to_reason(self, client: Dialect, provider: Dialect) -> None:
        words = ("reasoning", "thinking", "effort")
        told, untold = (
            json.dumps(crossed(client, provider, Recipient("m", reasons))).replace('"reasoning_content": "hm"', "")
            for reasons in (True, False)
        )
        assert not any(word in untold.lower() for word in words)
        if provider is not ANTHROPIC:  # which takes back no thoughts that it has not signed
            assert any(word in told.lower() for word in words)


class TestEachProvider:
    def test_anthropic_is_given_a_limit(self) -> None:
        bare = {"messages": [{"role": "user", "content": "hi"}]}
        assert convert(CHAT, ANTHROPIC, copy.deepcopy(bare), REASONS)["max_tokens"] == DEFAULT_TOKENS
        assert convert(CHAT, ANTHROPIC, bare, Recipient("m", max_tokens=7))["max_tokens"] == 7

    @pytest.mark.parametrize(("model", "marked"), [("gemini-3-pro-preview", True), ("gemini-2.5-flash", False)])
    def test_newer_models_of_google_get_a_mark_on_foreign_calls(self, model: str, marked: bool) -> None:
        [first, second] = crossed(CHAT, GEMINI, Recipient(model))["contents"][1]["parts"][-2:]
        assert first.get("thoughtSignature") == (UNSIGNED if marked else None)
        assert "thoughtSignature" not in second

    def test_openai_stores_no_answer_for_a_client_that_cannot_fetch_it(self) -> None:
        assert crossed(CHAT, RESPONSES)["store"] is False

    def test_an_image_that_a_tool_gave_back_stands_beside_geminis_result(self) -> None:
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
        messages = [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "t", "input": {}}]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "see"}, image]}
                ],
            },
        ]
        request = convert(ANTHROPIC, GEMINI, {"messages": messages, "max_tokens": 9}, REASONS)
        result, beside = request["contents"][-1]["parts"]
        assert result["functionResponse"]["response"] == {"output": "see"}
        assert beside == {"inlineData": {"mimeType": "image/png", "data": PNG}}

    def test_images_by_url_cross_where_the_provider_fetches_them(self) -> None:
        part = {"type": "image_url", "image_url": {"url": "https://images.test/a.png"}}
        asked = {"messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, part]}]}
        for provider in (RESPONSES, ANTHROPIC):
            assert "https://images.test/a.png" in json.dumps(convert(CHAT, provider, copy.deepcopy(asked), REASONS))


class TestNamespaces:
    def test_of_tools_with_the_same_name_are_distinguished(self) -> None:
        def tool(name: str) -> dict[str, Any]:
            return {"type": "function", "name": name, "parameters": SCHEMA}

        document = {
            "input": [
                {"role": "user", "content": "hi"},
                {"type": "function_call", "call_id": "a", "namespace": "doors", "name": "open", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "a", "output": "done"},
            ],
            "tools": [
                tool("open"),
                {"type": "namespace", "name": "doors", "tools": [tool("open"), tool("close")]},
            ],
        }
        assert namespaces(document) == {"doors_open": ("doors", "open"), "close": ("doors", "close")}
        request = convert(RESPONSES, CHAT, document, REASONS)
        assert [each["function"]["name"] for each in request["tools"]] == ["open", "doors_open", "close"]
        assert request["messages"][1]["tool_calls"][0]["function"]["name"] == "doors_open"

    def test_a_tool_that_takes_any_text_takes_an_object_elsewhere(self) -> None:
        document = {
            "input": [
                {"role": "user", "content": "hi"},
                {"type": "custom_tool_call", "call_id": "a", "name": "patch", "input": "*** Begin"},
                {"type": "custom_tool_call_output", "call_id": "a", "output": "done"},
            ],
            "tools": [{"type": "custom", "name": "patch", "description": "p"}],
        }
        request = convert(RESPONSES, CHAT, document, REASONS)
        _, assistant, result = request["messages"]
        [made] = assistant["tool_calls"]
        assert json.loads(made["function"]["arguments"]) == {"input": "*** Begin"}
        assert (made["function"]["name"], result["tool_call_id"], result["content"]) == ("patch", made["id"], "done")
        assert request["tools"][0]["function"]["parameters"]["required"] == ["input"]


class TestStops:
    STOPS: ClassVar = ["\n\n", "END"]

    @pytest.mark.parametrize("client", [CHAT, ANTHROPIC, GEMINI])
    @pytest.mark.parametrize("provider", [CHAT, ANTHROPIC, GEMINI])
    def test_cross(self, client: Dialect, provider: Dialect) -> None:
        more: dict[Dialect, dict[str, Any]] = {
            CHAT: {"stop": self.STOPS},
            ANTHROPIC: {"stop_sequences": self.STOPS},
            GEMINI: {"generationConfig": {"stopSequences": self.STOPS}},
        }
        if client is provider:
            return
        request = crossed(client, provider, **more[client])
        got = {
            CHAT: request.get("stop"),
            ANTHROPIC: request.get("stop_sequences"),
            GEMINI: request.get("generationConfig", {}).get("stopSequences"),
        }
        is_refused = provider is ANTHROPIC  # which takes none of white space alone
        assert got[provider] == (["END"] if is_refused else self.STOPS)


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_every_system_prompt_crosses_wherever_it_stands(client: Dialect, provider: Dialect) -> None:
    """Codex sends several in the midst of its turns, and aider reminds its model at the end."""
    first, later = "be careful", ["the side is left", "keep to it"]
    between = [{"role": "user", "content": "go"}, {"role": "system", "content": later[0]}]
    turns = [*between, {"role": "user", "content": "on"}, {"role": "system", "content": later[1]}]
    asked: dict[str, Any] = {
        CHAT: {"messages": [{"role": "system", "content": first}, *turns]},
        RESPONSES: {"instructions": first, "input": [{"role": "developer", "content": "first of all"}, *turns]},
        ANTHROPIC: {"system": first, "messages": turns, "max_tokens": 9},
        GEMINI: {"systemInstruction": {"parts": [{"text": first}, *({"text": each} for each in later)]},
                 "contents": [{"role": "user", "parts": [{"text": "go"}]}]},
    }[client]  # fmt: skip
    for left_out in ("", "instructions", "system"):
        asked.pop(left_out, None)
        prompts = [first, *later] if first in json.dumps(asked) else later
        said = json.dumps(convert(client, provider, copy.deepcopy(asked), REASONS))
        assert [said.count(prompt) for prompt in prompts] == [1] * len(prompts)
        assert ("first of all" in said) is (client is RESPONSES)


class TestRealClients:
    @pytest.mark.parametrize("name", ["claude_code_turn2", "codex_turn2", "aider_chat", "continue_cli_turn2"])
    @pytest.mark.parametrize("provider", Dialect)
    def test_cross_without_a_loss_of_words_or_tools(self, name: str, provider: Dialect) -> None:
        client = {"cl": ANTHROPIC, "co": CHAT, "ai": CHAT}[name[:2]] if not name.startswith("codex") else RESPONSES
        if client is provider:
            return
        body = json.loads((CAPTURES / f"{name}.json").read_text())["body"]
        request = convert(client, provider, copy.deepcopy(body), REASONS)
        turns = request.get("messages") or request.get("input") or request.get("contents")
        text = json.dumps([turns, request.get("system"), request.get("instructions"), request.get("systemInstruction")])
        for message in body.get("messages") or body["input"]:
            content = message["content"]
            for part in [content] if isinstance(content, str) else [part["text"] for part in content]:
                assert json.dumps(part)[1:-1] in text
        tools = body.get("tools", [])
        functions = [
            each for tool in tools for each in (tool.get("tools") or [tool]) if tool.get("type") != "web_search"
        ]
        names = [(each.get("function") or each)["name"] for each in functions]
        declared = [each for tool in request.get("tools", []) for each in tool.get("function_declarations") or [tool]]
        assert [(each.get("function") or each)["name"] for each in declared] == names


def test_the_library_fetches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a request went out")

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", refused)
    monkeypatch.setattr(urllib.request, "urlopen", refused)
    for client, provider in PAIRS:
        crossed(client, provider)
