"""Schemas of tools and of answers, in the subset of the dialect that they go to."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.config.enums import Dialect
from pointsman.model_facts import facts_of
from pointsman.wire.conversion.base import Recipient
from pointsman.wire.conversion.requests import convert
from pointsman.wire.conversion.schemas import of_answer, of_tool
from pointsman.wire.dialects.registry import DIALECTS

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
SUBSETS = {name: DIALECTS[name].conversion.schemas for name in Dialect}
NOTHING = {"type": "object", "properties": {}}
TEXT = {"type": "string"}


def closed(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def tool(schema: Any, provider: Dialect = CHAT, is_strict: bool = False) -> Any:
    return of_tool(copy.deepcopy(schema), SUBSETS[provider], is_strict).schema


every_provider = pytest.mark.parametrize("provider", Dialect)


@every_provider
class TestEveryDialect:
    @pytest.mark.parametrize(
        "given", [None, {}, {"type": "object"}, {"type": "object", "properties": None}, True, "x", {"type": "null"}]
    )
    def test_a_tool_without_parameters_takes_an_object(self, given: Any, provider: Dialect) -> None:
        assert tool(given, provider) == NOTHING

    def test_what_is_plain_stays(self, provider: Dialect) -> None:
        plain = closed("a", a=TEXT, b={"type": ["integer", "null"], "description": "d"}, c={"enum": ["x", 1]})
        assert tool(plain, provider) == plain

    def test_older_words_become_new_ones(self, provider: Dialect) -> None:
        given = {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "type": "object",
            "properties": {
                "a": {"type": "string", "nullable": True, "required": True},
                "b": {"type": "array", "minItems": "1"},
                "c": True,
            },
            "required": ["a", "gone"],
        }
        made = tool(given, provider)
        assert made["properties"] == {
            "a": {"type": ["string", "null"]},
            "b": {"type": "array", "minItems": 1, "items": {}},
            "c": {},
        }
        assert (made["required"], "$schema" in made) == (["a"], False)

    @pytest.mark.parametrize("name", ["$defs", "definitions"])
    def test_a_reference_at_the_top_is_followed(self, name: str, provider: Dialect) -> None:
        made = tool({"$ref": f"#/{name}/Args", name: {"Args": closed("a", a=TEXT)}}, provider)
        assert (made["type"], made["properties"], "$ref" in made) == ("object", {"a": TEXT}, False)

    @pytest.mark.parametrize("name", ["anyOf", "oneOf", "allOf"])
    def test_a_choice_at_the_top_is_one_object(self, name: str, provider: Dialect) -> None:
        variants = [
            {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "required": ["a", "b"]},
            {"type": "object", "properties": {"a": TEXT, "c": TEXT}, "required": ["a"]},
        ]
        made = tool({name: variants}, provider)
        assert (made["type"], set(made["properties"]), name in made) == ("object", set("abc"), False)
        assert made["required"] == (["a", "b"] if name == "allOf" else ["a"])
        assert ('[["a", "b"], ["a", "c"]]' in made.get("description", "")) == (name != "allOf")


class TestGemini:
    def test_what_it_refuses_moves_into_the_description(self) -> None:
        a = {"type": "string", "pattern": "^x", "minLength": 2, "description": "said"}
        made = tool(closed("a", a=a), GEMINI)["properties"]["a"]
        assert made == {"type": "string", "description": 'said\nminLength: 2\npattern: "^x"'}

    @pytest.mark.parametrize(
        ("given", "made"),
        [
            ({"const": "x"}, {"enum": ["x"]}),
            ({"enum": ["", "x"], **TEXT}, {"enum": ["x"], **TEXT, "description": 'enum: ["", "x"]'}),
            ({"enum": [True]}, {"description": "enum: [true]"}),
            ({**TEXT, "format": "uri"}, {**TEXT, "description": 'format: "uri"'}),
            ({**TEXT, "format": "date-time"}, {**TEXT, "format": "date-time"}),
            ({"allOf": [{"type": "string"}, {"description": "d"}]}, {**TEXT, "description": "d"}),
            ({"$ref": "#/definitions/X"}, {"$ref": "#/$defs/X"}),
        ],
    )
    def test_equivalent_keywords_are_translated(self, given: Any, made: Any) -> None:
        schema = {**closed("a", a=given), "definitions": {"X": TEXT}}
        sent = tool(schema, GEMINI)
        assert (sent["properties"]["a"], sent["$defs"]) == (made, {"X": TEXT})

    def test_a_property_may_bear_the_name_of_a_keyword(self) -> None:
        schema = closed("pattern", pattern=TEXT, const=TEXT)
        assert tool(schema, GEMINI) == schema

    def test_an_answer_may_be_a_list(self) -> None:
        schema = {"type": "array", "items": TEXT}
        assert of_answer(schema, SUBSETS[GEMINI]).schema == schema


class TestStrict:
    @pytest.mark.parametrize("provider", [CHAT, RESPONSES])
    def test_openai_only_where_it_is_satisfied(self, provider: Dialect) -> None:
        def strict(schema: dict[str, Any]) -> bool:
            return of_tool(schema, SUBSETS[provider], True).is_strict

        open_object = {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}
        assert strict(closed("a", a=TEXT))
        assert strict(open_object)
        assert not strict(closed(a=TEXT))
        assert not strict(closed("a", a=open_object | {"required": []}))
        assert not strict(closed("a", a={**TEXT, "minLength": 2}))
        assert not strict({**open_object, "additionalProperties": True})

    def test_an_object_is_closed_for_it_and_else_left_alone(self) -> None:
        open_object = {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}
        assert tool(open_object, CHAT, True)["additionalProperties"] is False
        assert tool({**open_object, "required": []}, CHAT, True) == {**open_object, "required": []}

    def test_anthropic_has_closed_objects_and_bounds_in_the_description(self) -> None:
        given = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}, "o": {"type": "object"}}}
        made = of_tool(given, SUBSETS[ANTHROPIC], True)
        assert made.is_strict
        assert made.schema["properties"]["n"] == {"type": "integer", "description": "minimum: 1"}
        assert made.schema["additionalProperties"] is made.schema["properties"]["o"]["additionalProperties"] is False
        assert of_answer(given, SUBSETS[ANTHROPIC], False) == made

    def test_what_was_not_strict_is_not_made_so(self) -> None:
        assert not of_tool(closed("a", a=TEXT), SUBSETS[CHAT]).is_strict


SCHEMAS = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["object", "x", 3, ["object", "null"], "#/$defs/a"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["type", "properties", "items", "required", "anyOf", "allOf", "$ref", "$defs", "definitions", "enum",
             "const", "nullable", "additionalProperties", "minItems", "description", "a"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(SCHEMAS, st.sampled_from(list(Dialect)), st.booleans())
def test_any_schema_becomes_an_object_or_is_refused_here(schema: Any, provider: Dialect, is_strict: bool) -> None:
    before = json.dumps(schema)
    made = of_tool(schema, SUBSETS[provider], is_strict).schema
    assert (made["type"], isinstance(made["properties"], dict)) == ("object", True)
    of_answer(schema, SUBSETS[provider], is_strict)
    assert json.dumps(schema) == before
    assert json.dumps(made)


HI = {
    CHAT: {"messages": [{"role": "user", "content": "hi"}]},
    RESPONSES: {"input": "hi"},
    ANTHROPIC: {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 99},
    GEMINI: {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}


def tools(client: Dialect, *names: str, **more: Any) -> list[Any]:
    schema = closed("a", a=TEXT)
    match client:
        case Dialect.OPENAI_CHAT:
            return [{"type": "function", "function": {"name": n, "parameters": schema, **more}} for n in names]
        case Dialect.OPENAI_RESPONSES:
            return [{"type": "function", "name": name, "parameters": schema, **more} for name in names]
        case Dialect.ANTHROPIC:
            return [{"name": name, "input_schema": schema, **more} for name in names]
        case Dialect.GEMINI:
            return [{"functionDeclarations": [{"name": name, "parameters": schema} for name in names]}]


UNKNOWN = Recipient("m")


def crossed(
    client: Dialect, provider: Dialect, remarks: list[str], to: Recipient = UNKNOWN, **request: Any
) -> dict[str, Any]:
    document = {"model": "x", **copy.deepcopy({**HI[client], **request})}
    return convert(DIALECTS[client].conversion, DIALECTS[provider].conversion, document, to, remarks=remarks)


STRICT = [
    (client, provider)
    for client in (CHAT, RESPONSES, ANTHROPIC)
    for provider in (CHAT, RESPONSES, ANTHROPIC)
    if client is not provider
]


@pytest.mark.parametrize(("client", "provider"), STRICT)
def test_strict_crosses(client: Dialect, provider: Dialect) -> None:
    remarks: list[str] = []
    request = crossed(client, provider, remarks, tools=tools(client, "f", strict=True))
    [function] = DIALECTS[provider].conversion.functions(request)
    assert (function["strict"], remarks) == (True, [])
    request = crossed(client, provider, remarks, tools=tools(client, "f"))
    [function] = DIALECTS[provider].conversion.functions(request)
    assert not function.get("strict")


def test_strict_that_is_lost_is_said() -> None:
    remarks: list[str] = []
    crossed(CHAT, GEMINI, remarks, tools=tools(CHAT, "f", strict=True))
    assert remarks == ["f without strict: its schema, or the dialect, does not allow it"]


@pytest.mark.parametrize(
    ("choice", "mode"),
    [(None, "VALIDATED"), ("auto", "VALIDATED"), ("required", "ANY"), ("none", "NONE")],
)
@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-3.1-pro-preview"])
def test_strict_is_a_mode_of_gemini(choice: str | None, mode: str, model: str) -> None:
    remarks: list[str] = []
    to = Recipient(model, facts=facts_of(model))
    more = {"tool_choice": choice} if choice else {}
    request = crossed(CHAT, GEMINI, remarks, to, tools=tools(CHAT, "f", "g", strict=True), **more)
    assert (request["toolConfig"]["functionCallingConfig"]["mode"], remarks) == (mode, [])
    plain = crossed(CHAT, GEMINI, remarks, to, tools=tools(CHAT, "f"), **more)
    assert "VALIDATED" not in str(plain)


def test_strict_is_lost_where_a_model_has_no_such_mode() -> None:
    remarks: list[str] = []
    model = "gemini-2.0-flash"
    request = crossed(
        CHAT, GEMINI, remarks, Recipient(model, facts=facts_of(model)), tools=tools(CHAT, "f", strict=True)
    )
    assert "toolConfig" not in request
    assert len(remarks) == 1


def allowed(client: Dialect, mode: str, *names: str) -> dict[str, Any]:
    match client:
        case Dialect.OPENAI_CHAT:
            functions = [{"type": "function", "function": {"name": name}} for name in names]
            return {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": functions}}}
        case Dialect.OPENAI_RESPONSES:
            plain = [{"type": "function", "name": name} for name in names]
            return {"tool_choice": {"type": "allowed_tools", "mode": mode, "tools": plain}}
        case _:
            word = "ANY" if mode == "required" else "VALIDATED"
            return {"toolConfig": {"functionCallingConfig": {"mode": word, "allowedFunctionNames": list(names)}}}


def callable_tools(provider: Dialect, request: dict[str, Any]) -> tuple[set[str], bool]:
    """What the model may call, and whether it must."""
    names = {function["name"] for function in DIALECTS[provider].conversion.functions(request)}
    choice = request.get("tool_choice") or request.get("toolConfig", {}).get("functionCallingConfig") or {}
    if isinstance(choice, str):
        return names, choice == "required"
    listed = [tool["name"] for tool in choice.get("tools", ())] or choice.get("allowedFunctionNames")
    mode = choice.get("mode") or choice.get("type")
    return (set(listed) if listed else names), mode in ("required", "ANY", "any")


ALLOWING = [(c, p) for c in (CHAT, RESPONSES, GEMINI) for p in Dialect if c is not p]


@pytest.mark.parametrize(("client", "provider"), ALLOWING)
@pytest.mark.parametrize("mode", ["auto", "required"])
def test_the_tools_that_are_allowed_cross(client: Dialect, provider: Dialect, mode: str) -> None:
    request = crossed(client, provider, [], tools=tools(client, "f", "g", "h"), **allowed(client, mode, "f", "h"))
    assert callable_tools(provider, request) == ({"f", "h"}, mode == "required")


def test_a_single_tool_that_must_be_called_is_forced() -> None:
    request = crossed(RESPONSES, ANTHROPIC, [], tools=tools(RESPONSES, "f", "g"), **allowed(RESPONSES, "required", "f"))
    assert request["tool_choice"] == {"type": "tool", "name": "f"}
    assert len(request["tools"]) == 2
