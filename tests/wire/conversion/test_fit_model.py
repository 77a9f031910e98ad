"""What a converted request becomes for the model that it goes to."""

import copy
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.model_facts import facts_of, rows
from pointsman.wire.conversion.base import Recipient
from pointsman.wire.conversion.requests import convert
from pointsman.wire.conversion.thinking import BUDGETS, EFFORTS, Thinking
from pointsman.wire.dialects.registry import DIALECTS

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
HI = [{"role": "user", "content": "hi"}]
ASKS: dict[Dialect, dict[str, Any]] = {
    CHAT: {"messages": HI},
    RESPONSES: {"input": "hi"},
    ANTHROPIC: {"max_tokens": 40_000, "messages": HI},
    GEMINI: {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]


def sent(client: Dialect, provider: Dialect, model: str, **more: Any) -> tuple[dict[str, Any], list[str]]:
    """The request that the model gets, and the remarks."""
    remarks: list[str] = []
    document = {"model": "x", **copy.deepcopy(ASKS[client]), **copy.deepcopy(more)}
    to = Recipient(model, facts=facts_of(model))
    return convert(DIALECTS[client].conversion, DIALECTS[provider].conversion, document, to, remarks=remarks), remarks


def test_every_row_is_of_some_model_and_well_formed() -> None:
    assert len(rows()) > 20
    assert facts_of("an unknown model") == facts_of("another")


class TestLimits:
    @pytest.mark.parametrize("model", ["o3-mini", "openai/gpt-5", "gpt-5.2-codex"])
    def test_newer_models_of_openai_have_another_name_for_it(self, model: str) -> None:
        for client, limit in ((ANTHROPIC, {"max_tokens": 50}), (RESPONSES, {"max_output_tokens": 50})):
            request, remarks = sent(client, CHAT, model, **limit)
            assert (request["max_completion_tokens"], "max_tokens" in request, remarks) == (50, False, [])

    def test_others_have_the_name_that_all_know(self) -> None:
        request, _ = sent(ANTHROPIC, CHAT, "llama-3.3-70b", max_tokens=50)
        assert (request["max_tokens"], "max_completion_tokens" in request) == (50, False)

    @pytest.mark.parametrize(
        ("provider", "model", "limit"),
        [
            (CHAT, "gpt-4o", 16_384),
            (CHAT, "gpt-4o-2024-05-13", 4096),
            (RESPONSES, "gpt-4.1-mini", 32_768),
            (GEMINI, "gemini-2.0-flash", 8192),
        ],
    )
    def test_more_than_a_model_can_write_is_lowered_and_said(self, provider: Dialect, model: str, limit: int) -> None:
        request, [remark] = sent(ANTHROPIC, provider, model)
        held = request.get("generationConfig", request)
        name = next(name for name in ("max_tokens", "max_output_tokens", "maxOutputTokens") if name in held)
        assert held[name] == limit
        assert remark.endswith(f" 40000 lowered to {limit}: the model's limit")

    def test_an_old_model_of_anthropic_is_not_given_the_default(self) -> None:
        assert sent(CHAT, ANTHROPIC, "claude-3-haiku-20240307")[0]["max_tokens"] == 4096

    def test_less_than_responses_take_is_raised_and_said(self) -> None:
        request, [remark] = sent(ANTHROPIC, RESPONSES, "m", max_tokens=1)
        assert (request["max_output_tokens"], "raised to 16" in remark) == (16, True)


class TestSampling:
    def test_what_a_model_refuses_is_left_out_and_said(self) -> None:
        request, remarks = sent(ANTHROPIC, CHAT, "o3-mini", temperature=0.2, top_p=0.5)
        assert not {"temperature", "top_p"} & request.keys()
        assert [remark.split(":")[0] for remark in remarks] == ["without temperature", "without top_p"]

    @pytest.mark.parametrize(("effort", "keeps"), [(None, True), ("none", True), ("low", False)])
    def test_a_model_that_need_not_think_keeps_it_until_it_does(self, effort: str | None, keeps: bool) -> None:
        more = {"reasoning": {"effort": effort}} if effort else {}
        request, remarks = sent(RESPONSES, CHAT, "gpt-5.2", temperature=0.2, **more)
        assert ("temperature" in request, not remarks) == (keeps, keeps)

    def test_others_keep_it(self) -> None:
        request, remarks = sent(ANTHROPIC, CHAT, "llama-3.3-70b", temperature=0.2, top_p=0.5)
        assert (request["temperature"], request["top_p"], remarks) == (0.2, 0.5, [])

    def test_what_excludes_each_other(self) -> None:
        request, [remark] = sent(CHAT, ANTHROPIC, "claude-sonnet-4-5", temperature=0.2, top_p=0.5)
        assert (request["temperature"], "top_p" in request) == (0.2, False)
        assert "without top_p" in remark

    def test_a_temperature_above_the_models_is_lowered_and_said(self) -> None:
        request, [remark] = sent(CHAT, ANTHROPIC, "claude-haiku-4-5", temperature=1.6)
        assert (request["temperature"], remark) == (1, "temperature 1.6 lowered to 1: the model's limit")


def thinking(provider: Dialect, request: dict[str, Any]) -> Any:
    match provider:
        case Dialect.OPENAI_CHAT:
            return request.get("reasoning_effort")
        case Dialect.OPENAI_RESPONSES:
            return request.get("reasoning", {}).get("effort")
        case Dialect.ANTHROPIC:
            effort = request.get("output_config", {}).get("effort")
            asked = request.get("thinking", {})
            return asked.get("budget_tokens") or (asked.get("type"), effort)
        case Dialect.GEMINI:
            config = request.get("generationConfig", {}).get("thinkingConfig", {})
            return config.get("thinkingLevel") or config.get("thinkingBudget")


CLIENTS = {
    CHAT: lambda effort, budget: {"reasoning_effort": effort, "max_tokens": 40_000},
    RESPONSES: lambda effort, budget: {"reasoning": {"effort": effort}, "max_output_tokens": 40_000},
    ANTHROPIC: lambda effort, budget: {"thinking": {"type": "enabled", "budget_tokens": budget}},
    GEMINI: lambda effort, budget: {
        "generationConfig": {"thinkingConfig": {"thinkingBudget": budget}, "maxOutputTokens": 40_000}
    },
}
TARGETS = [
    (CHAT, "gpt-5", "high"),
    (CHAT, "gpt-4o", None),
    (RESPONSES, "o3", "high"),
    (ANTHROPIC, "claude-sonnet-4-5", 31_999),
    (ANTHROPIC, "claude-opus-4-6", ("adaptive", "high")),
    (ANTHROPIC, "claude-fable-5-1", ("adaptive", "high")),
    (ANTHROPIC, "claude-haiku-5-5", ("adaptive", "high")),
    (ANTHROPIC, "claude-3-5-haiku-latest", (None, None)),
    (GEMINI, "gemini-2.5-flash", 24_576),
    (GEMINI, "gemini-2.5-pro", 31_999),
    (GEMINI, "gemini-3-pro-preview", "high"),
]
CROSSINGS = [(client, *target) for client in Dialect for target in TARGETS if client is not target[0]]


class TestForcedTool:
    @pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5-1"])
    @pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "f"}}])
    def test_is_left_to_a_model_that_refuses_it(self, model: str, choice: Any) -> None:
        request, remarks = sent(CHAT, ANTHROPIC, model, tools=TOOLS, tool_choice=choice, parallel_tool_calls=False)
        assert request["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
        assert "thinking" not in request
        assert remarks == ["no tool is forced: the model refuses that"]

    def test_is_left_to_it_behind_chat_completions(self) -> None:
        tools = [{"name": "f", "input_schema": {"type": "object"}}]
        request, remarks = sent(ANTHROPIC, CHAT, "anthropic/claude-opus-5.5", tools=tools, tool_choice={"type": "any"})
        assert (request["tool_choice"], remarks) == ("auto", ["no tool is forced: the model refuses that"])

    def test_gemini_gets_no_member_that_it_does_not_know(self) -> None:
        request, remarks = sent(CHAT, GEMINI, "claude-opus-5.5", tools=TOOLS, tool_choice="required")
        assert not {"toolChoice", "tool_choice"} & request.keys()
        assert remarks == []

    @pytest.mark.parametrize("model", ["claude-opus-5", "claude-sonnet-5", "claude-haiku-5-5"])
    def test_turns_off_thinking_that_is_on_by_default(self, model: str) -> None:
        request, [remark] = sent(CHAT, ANTHROPIC, model, tools=TOOLS, tool_choice="required")
        assert (request["tool_choice"], request["thinking"]) == ({"type": "any"}, {"type": "disabled"})
        assert "without thinking" in remark

    @pytest.mark.parametrize("model", ["claude-opus-4-6", "claude-opus-4-8", "claude-sonnet-4-5"])
    def test_is_sent_unless_thinking_is_requested(self, model: str) -> None:
        request, remarks = sent(CHAT, ANTHROPIC, model, tools=TOOLS, tool_choice="required")
        assert (request["tool_choice"], "thinking" in request, remarks) == ({"type": "any"}, False, [])


class TestThinking:
    @pytest.mark.parametrize(
        ("model", "off"),
        [("claude-opus-5", {"type": "disabled"}), ("claude-opus-5-5", None), ("claude-opus-4-6", None)],
    )
    def test_on_by_default_is_turned_off(self, model: str, off: Any) -> None:
        request, _ = sent(CHAT, ANTHROPIC, model, reasoning_effort="none")
        assert (request.get("thinking"), "output_config" in request) == (off, False)

    @pytest.mark.parametrize(("client", "provider", "model", "expected"), CROSSINGS)
    def test_crosses_in_the_form_that_the_model_takes(
        self, client: Dialect, provider: Dialect, model: str, expected: Any
    ) -> None:
        request, _ = sent(client, provider, model, **CLIENTS[client]("high", 31_999))
        assert thinking(provider, request) == expected

    def test_off_is_off_or_the_least(self) -> None:
        off = {"thinking": {"type": "disabled"}}
        asked = {
            (provider, model): thinking(provider, sent(ANTHROPIC, provider, model, **off)[0])
            for provider, model in [
                (CHAT, "gpt-5"), (CHAT, "gpt-5.1"), (RESPONSES, "o3"), (GEMINI, "gemini-2.5-pro"),
                (GEMINI, "gemini-2.5-flash"), (GEMINI, "gemini-3-pro-preview"),
            ]
        }  # fmt: skip
        assert list(asked.values()) == ["minimal", "none", "low", 128, 0, "low"]

    def test_excludes_a_temperature_and_gives_way_to_a_forced_tool(self) -> None:
        wish = {"reasoning_effort": "high", "max_tokens": 40_000}
        request, [remark] = sent(CHAT, ANTHROPIC, "claude-sonnet-4-5", temperature=0.2, **wish)
        assert ("temperature" in request, "when thinking" in remark) == (False, True)
        request, [remark] = sent(
            CHAT, ANTHROPIC, "claude-sonnet-4-5", tools=TOOLS, tool_choice="required", temperature=0.2, **wish
        )
        assert ("thinking" in request, request["tool_choice"]["type"], request["temperature"]) == (False, "any", 0.2)
        assert "forced tool" in remark

    def test_a_budget_is_less_than_the_answer_may_have(self) -> None:
        wish = {"reasoning_effort": "high"}
        request, remarks = sent(CHAT, ANTHROPIC, "claude-sonnet-4-5", max_tokens=4000, **wish)
        assert (request["thinking"]["budget_tokens"], remarks) == (3000, [])
        request, [remark] = sent(CHAT, ANTHROPIC, "claude-sonnet-4-5", max_tokens=500, **wish)
        assert ("thinking" in request, "without thinking" in remark) == (False, True)

    @pytest.mark.parametrize("effort", EFFORTS)
    def test_a_word_comes_back_from_its_number(self, effort: str) -> None:
        assert Thinking(True, budget=BUDGETS[effort]).word(EFFORTS) == effort

    @pytest.mark.parametrize(
        ("word", "effort"), [("HIGH", "high"), ("Low", "low"), ("ultra", None), (None, None), (7, None)]
    )
    def test_words_are_spelt_in_any_way(self, word: Any, effort: str | None) -> None:
        asked = {
            GEMINI: {"generationConfig": {"thinkingConfig": {"thinkingLevel": word}}},
            RESPONSES: {"reasoning": {"effort": word}},
            ANTHROPIC: {"output_config": {"effort": word}},
        }
        for client, wish in asked.items():
            assert thinking(CHAT, sent(client, CHAT, "gpt-5", **wish)[0]) == effort


class TestRoles:
    @pytest.mark.parametrize(("model", "role"), [("o3", "developer"), ("llama-3.3-70b", "system"), ("o1-mini", "user")])
    @pytest.mark.parametrize("given", ["developer", "system"])
    def test_instructions_come_in_the_role_that_the_model_knows(self, model: str, role: str, given: str) -> None:
        said = [{"role": r, "content": c} for r, c in (("user", "a"), (given, "b"), ("user", "c"))]
        request, _ = sent(RESPONSES, CHAT, model, input=said)
        assert [message["role"] for message in request["messages"]] == ["user", role, "user"]

    def test_a_prefill_is_made_a_request_where_it_is_refused(self) -> None:
        said = [*HI, {"role": "assistant", "content": "{"}]
        request, [remark] = sent(CHAT, ANTHROPIC, "claude-opus-4-6", messages=said)
        assert [message["role"] for message in request["messages"]] == ["user", "assistant", "user"]
        assert "does not go on" in remark
        request, remarks = sent(CHAT, ANTHROPIC, "claude-sonnet-4-5", messages=said)
        assert (request["messages"][-1]["role"], remarks) == ("assistant", [])


def test_ids_of_calls_are_as_long_as_mistral_wants_them() -> None:
    history = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_01A", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01A", "content": "done"}]},
    ]
    request, _ = sent(ANTHROPIC, CHAT, "mistral-large-latest", messages=[*HI, *history])
    call_id = request["messages"][1]["tool_calls"][0]["id"]
    assert (len(call_id), call_id.isalnum()) == (9, True)
    assert request["messages"][2]["tool_call_id"] == call_id


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("gpt-5.1", ("none", "low", "medium", "high")),
        ("gpt-5.5-pro-2026-04-23", ("medium", "high", "xhigh")),
        ("gpt-5.6-terra", ("none", "low", "medium", "high", "xhigh", "max")),
        ("claude-sonnet-4-6", ("low", "medium", "high", "max")),
        ("anthropic/claude-sonnet-5", ("low", "medium", "high", "xhigh", "max")),
        ("us.anthropic.claude-fable-5-1-v1:0", ("low", "medium", "high", "xhigh", "max")),
        ("gemini-3.5-flash", ("minimal", "low", "medium", "high")),
        ("gemini-3.8-flash", ("low", "medium", "high")),
        ("deepseek-v4-pro", ("low", "high", "max")),
        ("grok-4.5", ("low", "medium", "high")),
    ],
)
def test_words_for_thinking_as_vendors_list_them(model: str, efforts: tuple[str, ...]) -> None:
    assert facts_of(model).efforts == efforts


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("gpt-5-pro", 272_000),
        ("claude-opus-4-1-20250805", 32_000),
        ("claude-sonnet-4-5", 64_000),
        ("claude-sonnet-4-6", 128_000),
        ("claude-haiku-4-5", 64_000),
        ("claude-haiku-5-5", 128_000),
        ("gemini-3.1-pro-preview", 65_536),
        ("deepseek-v4-flash", 384_000),
    ],
)
def test_ceilings_as_vendors_list_them(model: str, most: int) -> None:
    assert facts_of(model).max_output == most
