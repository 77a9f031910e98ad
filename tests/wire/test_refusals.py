"""Refusals that name a parameter: which are understood, and what the request is without it."""

import copy
import json
from typing import Any

import pytest

from pointsman.wire.error_parsing import error_fault
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.refusals import Refusal, Remedy, refusal_in, without_refused
from pointsman.wire.refused_keywords import LONGEST_SAID

CHAT: dict[str, Any] = {
    "messages": [{"role": "developer", "content": "be brief"}, {"role": "user", "content": "hi"}],
    "max_tokens": 32_000,
    "temperature": 0.2,
    "top_p": 0.9,
    "reasoning_effort": "minimal",
    "stream_options": {"include_usage": True},
    "parallel_tool_calls": False,
    "user": "u",
}
GEMINI: dict[str, Any] = {"contents": [], "generationConfig": {"thinkingConfig": {"thinkingLevel": "low"}, "topK": 5}}
ANTHROPIC: dict[str, Any] = {
    "max_tokens": 64_000,
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "max", "format": {"type": "json_schema"}},
    "messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]}],
    "tools": [
        {
            "name": "f",
            "strict": True,
            "defer_loading": True,
            "eager_input_streaming": True,
            "input_schema": {"properties": {"strict": {}}},
        }
    ],
}


def refused(sent: dict[str, Any], message: str, status: int = 400, body: bytes | None = None) -> Refusal | None:
    return refusal_in(sent, Fault(FaultKind.STATUS, message, status, body=body))


LIMITS = [
    (CHAT, "`max_tokens` must be less than or equal to `8192`", 8192),
    (CHAT, "max_tokens is too large: 32000. This model supports at most 16384 completion tokens", 16_384),
    (CHAT, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 8192),
    (CHAT, "max_tokens must be between 1 and 16,000, got 32000 (request 0193-77)", 16_000),
    (CHAT, "supported range of max_tokens is from 1 (inclusive) to 8193 (exclusive)", 8192),
    (
        CHAT,
        "The parameter `max_completion_tokens` specified in the request are not valid: integer above maximum value, "
        "expected a value <= 12288, but got 32000 instead. Request id: 02177",
        12_288,
    ),
    (CHAT, "The maximum tokens you requested exceeds the model limit of 4096. Try again with a lower value.", 4096),
    (ANTHROPIC, "max_tokens: 64000 > 32000, which is the maximum allowed number of output tokens for m-4-1", 32_000),
]
DROPPED = [
    (CHAT, "Unsupported parameter: 'top_p' is not supported with this model.", "top_p"),
    (
        CHAT,
        "Unsupported value: 'temperature' does not support 0.2 with this model. Only 1 is supported.",
        "temperature",
    ),
    (CHAT, "`temperature` and `top_p` cannot both be specified for this model.", "top_p"),
    (CHAT, "invalid temperature: only 1 is allowed for this model", "temperature"),
    (CHAT, "`temperature` may only be set to 1 when thinking is enabled.", "temperature"),
    (CHAT, "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.", "top_p"),
    (CHAT, "'parallel_tool_calls' is only allowed when 'tools' are specified.", "parallel_tool_calls"),
    (GEMINI, "topK is not currently supported for this model", "topK"),
    (CHAT, "Unrecognized request argument supplied: stream_options", "stream_options"),
    (CHAT, "Unrecognized request argument supplied: user", "user"),
    (CHAT, "parallel_tool_calls: Extra inputs are not permitted", "parallel_tool_calls"),
    (ANTHROPIC, "adaptive thinking is not supported on this model", "thinking"),
    (ANTHROPIC, "messages.0.content.0.cache_control: Extra inputs are not permitted", "cache_control"),
    (ANTHROPIC, "tools.0.custom.strict: Extra inputs are not permitted", "strict"),
    (ANTHROPIC, "tools.0.custom.defer_loading: Extra inputs are not permitted", "defer_loading"),
    (ANTHROPIC, "tools.0.custom.eager_input_streaming: Extra inputs are not permitted", "eager_input_streaming"),
    (ANTHROPIC, "This model does not support the effort parameter.", "output_config"),
    (
        ANTHROPIC,
        "thinking: Input tag 'adaptive' found using 'type' does not match any of the expected tags: 'disabled', "
        "'enabled'",
        "thinking",
    ),
    (ANTHROPIC, "output_config.effort: Extra inputs are not permitted", "output_config"),
    (
        {"messages": [], "presence_penalty": 0.2},
        "Argument not supported on this model: presencePenalty",
        "presence_penalty",
    ),
    ({"messages": [], "reasoning_effort": "low"}, "m does not support parameter reasoningEffort.", "reasoning_effort"),
    (
        {"contents": [], "generationConfig": {"frequencyPenalty": 0.2}},
        "Penalty is not enabled for models/m",
        "frequencyPenalty",
    ),
    (GEMINI, "Thinking level is not supported for this model.", "thinkingConfig"),
    (GEMINI, "Invalid JSON payload received. Unknown name \"topK\" at 'generation_config': Cannot find field.", "topK"),
]
UNDERSTOOD_OTHERWISE = [
    (CHAT, "temperature must be between 0 and 2"),
    (CHAT, "The model does not support images of the user"),
    (CHAT, "Invalid 'messages[1].tool_calls[0].id': string too long"),
    (CHAT, "messages: unexpected end of input"),
    (CHAT, "Unsupported parameter: 'messages'"),
    (CHAT, "Unsupported parameter: 'seed'"),
    (CHAT, "This model's maximum context length is 8192 tokens"),
    (CHAT, "This model's maximum context length is 8192 tokens and your request has 8000 input tokens"),
    (ANTHROPIC, "messages.3: `thinking` blocks cannot be modified"),
    ({}, "Unsupported parameter: 'temperature'"),
]


@pytest.mark.parametrize(("sent", "message", "most"), LIMITS)
def test_a_limit_is_lowered_to_what_is_taken(sent: dict[str, Any], message: str, most: int) -> None:
    assert refused(sent, message) == Refusal(Remedy.LOWER, "max_tokens", most)


@pytest.mark.parametrize(
    "message",
    [
        "maximum context length is 16384 tokens and your request has 5000 input tokens (32000 > 16384 - 5000).",
        "maximum context length is 16384 tokens. However, you requested 37000 tokens (5000 in the messages, …)",
        "input length and `max_tokens` exceed context limit: 5000 + 32000 > 16384, decrease input length",
        "maximum context length is 16384 tokens. You requested about 37000 tokens (5000 of text input, 32000 in …",
        "maximum context length of 16384 tokens. You requested 37000 tokens: 5000 tokens from the input messages and …",
        "`inputs` tokens + `max_new_tokens` must be <= 16384. Given: 5000 `inputs` tokens and 32000 `max_new_tokens`",
    ],
)
def test_what_a_prompt_leaves_is_no_lesson_for_others(message: str) -> None:
    assert refused(CHAT, message) == Refusal(Remedy.LOWER, "max_tokens", 11_384, is_lasting=False)


@pytest.mark.parametrize(
    ("old", "new"), [("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")]
)
def test_a_limit_is_called_by_its_other_name(old: str, new: str) -> None:
    sent = {"messages": [], old: 5}
    refusal = refused(sent, f"Unsupported parameter: '{old}' is not supported with this model. Use '{new}' instead.")
    assert refusal == Refusal(Remedy.RENAME, old)
    assert without_refused([refusal], sent) == [f"named otherwise: {old}: the provider refused it"]
    assert sent == {"messages": [], new: 5}


GOOGLE = "Invalid JSON payload received. Unknown name \"{}\" at 'tools[0].function_declarations[0]': Cannot find field."


@pytest.mark.parametrize("tools", ["functionDeclarations", "function_declarations"])
@pytest.mark.parametrize("sent_as", ["parametersJsonSchema", "parameters_json_schema"])
@pytest.mark.parametrize(
    "message",
    [GOOGLE.format("parametersJsonSchema"), GOOGLE.format("parameters_json_schema"), "unknown: parametersJsonSchema."],
)
def test_schemas_of_tools_stand_in_the_older_member(tools: str, sent_as: str, message: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"]}, "b": {"type": ["string", "integer"]}}}
    sent = {"contents": [], "tools": [{tools: [{"name": "f", sent_as: schema}, {"name": "g"}]}]}
    refusal = refused(sent, message)
    assert refusal == Refusal(Remedy.RENAME, sent_as)
    assert without_refused([refusal], sent) == [f"named otherwise: {sent_as}: the provider refused it"]
    older = {"a": {"type": "string", "nullable": True}, "b": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}
    declared = {"name": "f", "parameters": {"type": "object", "properties": older}}
    assert sent == {"contents": [], "tools": [{tools: [declared, {"name": "g"}]}]}


def test_schemas_of_answers_stand_in_the_older_member() -> None:
    sent = {"contents": [], "generationConfig": {"responseJsonSchema": {"type": "object"}}}
    refusal = refused(sent, "Unknown name \"responseJsonSchema\" at 'generation_config': Cannot find field.")
    assert refusal == Refusal(Remedy.RENAME, "responseJsonSchema")
    without_refused([refusal], sent)
    assert sent["generationConfig"] == {"responseSchema": {"type": "object"}}


def test_what_is_wrong_within_a_schema_is_not_about_its_member() -> None:
    sent = {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}]}
    place = "tools[0].function_declarations[0].parameters_json_schema.properties[x].type"
    assert refused(sent, f"Invalid value at '{place}': unknown type") is None


@pytest.mark.parametrize(("sent", "message", "name"), DROPPED)
@pytest.mark.parametrize("status", [400, 422])
def test_a_parameter_is_dropped(sent: dict[str, Any], message: str, name: str, status: int) -> None:
    refusal = refused(sent, message, status)
    assert refusal is not None
    assert (refusal.remedy, refusal.name) == (Remedy.DROP, name)
    changed = copy.deepcopy(sent)
    [remark] = without_refused([refusal], changed)
    assert remark == f"without {name}: the provider refused it"
    assert not refusal.is_met(changed)
    assert json.dumps(changed).count(f'"{name}"') == json.dumps(sent).count(f'"{name}"') - 1 or name == "output_config"


VALUES = [
    ("`reasoning_effort` must be one of `low`, `medium`, or `high`", "minimal", True),
    (
        "Invalid value: 'minimal' of 'reasoning_effort'. Supported values are: 'low', 'medium', and 'high'.",
        "minimal",
        True,
    ),
    ("`reasoning_effort` must be one of `low`, `medium`, or `high`", "very much", False),
]


@pytest.mark.parametrize(("message", "sent", "is_understood"), VALUES)
def test_a_word_that_some_models_know_is_dropped(message: str, sent: str, is_understood: bool) -> None:
    refusal = refused({"messages": [], "reasoning_effort": sent}, message)
    assert refusal == (Refusal(Remedy.DROP, "reasoning_effort", sent) if is_understood else None)


@pytest.mark.parametrize(("message", "most"), [(message, most) for sent, message, most in LIMITS if sent is CHAT])
def test_a_refusal_is_understood_through_a_gateway(message: str, most: int) -> None:
    inner = {"error": {"message": message, "code": 400}}
    for outer in (
        {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": json.dumps(inner)}}},
        {"error": {"message": f"BadRequestError: OpenAIException - Error code: 400 - {inner!r}", "code": "400"}},
        {"error": {"message": "Upstream error 400", "upstream_error": inner}},
    ):
        fault = error_fault(400, json.dumps(outer).encode(), "application/json")
        assert refusal_in(CHAT, fault) == Refusal(Remedy.LOWER, "max_tokens", most)


def test_a_name_may_stand_in_the_body_alone() -> None:
    body = b'{"detail": [{"loc": ["body", "top_p"], "msg": "Extra inputs are not permitted"}]}'
    refusal = refused(CHAT, "", 422, body)
    assert refusal == Refusal(Remedy.DROP, "top_p")


def test_the_form_of_the_answer_stays() -> None:
    changed = copy.deepcopy(ANTHROPIC)
    without_refused([Refusal(Remedy.DROP, "output_config")], changed)
    assert changed["output_config"] == {"format": {"type": "json_schema"}}


def test_a_word_that_is_refused_is_refused_alone() -> None:
    said = "Unsupported value: 'reasoning_effort' does not support 'minimal' with this model."
    refusal = refused(CHAT, said)
    assert refusal == Refusal(Remedy.DROP, "reasoning_effort", "minimal")
    assert refusal.is_met({"reasoning_effort": "minimal"})
    assert not refusal.is_met({"reasoning_effort": "high"})


def test_a_developer_becomes_the_system() -> None:
    refusal = refused(CHAT, "'developer' is not one of ['system', 'assistant', 'user', 'tool'] - 'messages.0.role'")
    assert refusal == Refusal(Remedy.ROLE, "developer")
    changed = copy.deepcopy(CHAT)
    without_refused([refusal], changed)
    assert [message["role"] for message in changed["messages"]] == ["system", "user"]


@pytest.mark.parametrize(("sent", "message"), UNDERSTOOD_OTHERWISE)
def test_nothing_else_is_touched(sent: dict[str, Any], message: str) -> None:
    assert refused(sent, message) is None


@pytest.mark.parametrize("status", [401, 403, 404, 413, 429, 500])
def test_other_statuses_refuse_no_parameter(status: int) -> None:
    assert refused(CHAT, "Unsupported parameter: 'top_p' is not supported", status) is None


@pytest.mark.parametrize("odd", [None, 5, "x", [], {}, [None], {"effort": []}])
def test_odd_values_are_harmless(odd: Any) -> None:
    sent = dict.fromkeys(("messages", "tools", "generationConfig", "temperature", "thinking", "max_tokens"), odd)
    for _, message, _ in [*DROPPED, *LIMITS]:
        if refusal := refused(sent, message):
            without_refused([refusal], copy.deepcopy(sent))


RULES: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "format": {"type": "string", "pattern": "^a", "description": "how"},
        "kind": {"const": "a"},
        "any": {"oneOf": [{"type": "string", "minLength": 1}, {"type": "null"}]},
    },
}


def tools_of(dialect: str, schema: dict[str, Any]) -> dict[str, Any]:
    match dialect:
        case "chat":
            return {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}
        case "responses":
            return {
                "tools": [{"type": "namespace", "tools": [{"type": "function", "name": "f", "parameters": schema}]}]
            }
        case "anthropic":
            return {"tools": [{"name": "f", "input_schema": schema}]}
        case "gemini":
            return {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": schema}]}]}
        case _:
            return {"tools": [{"function_declarations": [{"name": "f", "parameters": schema}]}]}


KEYWORDS = [
    (
        'Invalid JSON payload received. Unknown name "const" at '
        "'tools[0].function_declarations[0].parameters.properties[1].value': Cannot find field.",
        "const",
    ),
    (
        "Unknown name \"pattern\" at 'tools[0].function_declarations[0].parameters.properties[0].value': Cannot find "
        "field.\nUnknown name \"const\" at 'tools[0]…properties[1].value': Cannot find field.",
        "pattern, const",
    ),
    ("Invalid schema for function 'x': 'pattern' is not permitted", "pattern"),
    ("Invalid schema for function 'x': In context=('properties', 'format'), 'pattern' is not permitted.", "pattern"),
    ("additionalProperties is not supported", "additionalProperties"),
    ("schema keyword 'oneOf' not supported", "oneOf"),
    ("Unsupported JSON schema keyword: minLength", "minLength"),
    ("tool schemas: the model does not support oneOf, const or pattern", "oneOf, const, pattern"),
    ("tools.0.custom.input_schema.properties.kind.const: Extra inputs are not permitted", "const"),
    ("Unknown parameter: 'tools[0].function.parameters.properties.kind.const'.", "const"),
    ("Unsupported JSON schema fields: {'minLength', 'const'}", "minLength, const"),
    ("tools.0.input_schema: For 'string' type, properties const, pattern are not supported", "const, pattern"),
    ("Schema contains unsupported keyword(s): oneOf, pattern", "oneOf, pattern"),
    ("unsupported_keyword: const in a tool schema", "const"),
    ("Additional properties are not allowed ('const' was unexpected)", "const"),
    ('grammar of the tool: unimplemented keys: ["pattern"]', "pattern"),
    ("[{'loc': ('body', 'tools', 0, 'parameters', 'pattern'), 'msg': 'Extra inputs are not permitted'}]", "pattern"),
    ("tool schema error: these keywords are not supported: const, pattern", "const, pattern"),
    ("unsupported JSON schema feature: oneOf", "oneOf"),
    ("'const' is not a valid JSON Schema keyword", "const"),
    ("additionalProperties should not be set for this kind of Schema", "additionalProperties"),
]
OF_NO_KEYWORD = [
    "Invalid schema for function 'x': In context=(), 'required' is required to be supplied and to be an array",
    "Invalid schema for function 'x': 'additionalProperties' is required to be supplied and to be false",
    "Invalid schema for function 'x': schema must not have 'oneOf', 'anyOf' or 'not' at the top level",
    "Invalid schema for function 'x': 'pattern' is not of type 'string'",
    "the format of the tool call is unknown",
    "tool 'const' not found",
    "streaming of tool calls is not supported if a format is set",
    "this tool is not supported: pattern unclear",
    "Invalid schema for function 'x': 'uniqueItems' is not permitted",
]


class TestKeywords:
    @pytest.mark.parametrize(("message", "names"), KEYWORDS)
    @pytest.mark.parametrize("dialect", ["chat", "responses", "anthropic", "gemini", "snake"])
    def test_are_moved_to_descriptions(self, message: str, names: str, dialect: str) -> None:
        sent = tools_of(dialect, copy.deepcopy(RULES))
        refusal = refused(sent, message)
        assert refusal is not None
        assert (refusal.remedy, refusal.name) == (Remedy.DESCRIBE, names)
        [remark] = without_refused([refusal], sent)
        assert remark == f"in descriptions: {names}: the provider refused it"
        assert not refusal.is_met(sent)
        assert refused(sent, message) is None
        told = json.dumps(sent)
        for name in names.split(", "):
            assert f'"{name}":' not in told
            assert f"{name}: " in told

    def test_stand_behind_what_was_said_and_properties_keep_their_names(self) -> None:
        sent = tools_of("chat", copy.deepcopy(RULES))
        without_refused([Refusal(Remedy.DESCRIBE, "pattern, format", "tools")], sent)
        properties = sent["tools"][0]["function"]["parameters"]["properties"]
        assert properties["format"] == {"type": "string", "description": 'how\npattern: "^a"'}
        assert properties["any"] == RULES["properties"]["any"]

    @pytest.mark.parametrize("message", OF_NO_KEYWORD)
    def test_are_not_guessed(self, message: str) -> None:
        assert refused(tools_of("chat", RULES), message) is None

    def test_are_sought_in_the_beginning_of_a_message(self) -> None:
        far = " " * LONGEST_SAID + "'pattern' is not permitted in a schema"
        assert refused(tools_of("chat", RULES), far) is None

    def test_of_the_form_of_an_answer_are_its_own(self) -> None:
        form = {
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": copy.deepcopy(RULES)}}
        }
        sent = {**tools_of("chat", copy.deepcopy(RULES)), **form}
        refusal = refused(sent, "Invalid schema for response_format 'a': 'pattern' is not permitted")
        assert refusal == Refusal(Remedy.DESCRIBE, "pattern", "the answer")
        without_refused([refusal], sent)
        assert "pattern" in sent["tools"][0]["function"]["parameters"]["properties"]["format"]
        assert "pattern" not in sent["response_format"]["json_schema"]["schema"]["properties"]["format"]
